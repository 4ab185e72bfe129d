//! The seams between the code that prepares and reads tensors, and the networks. Whoever implements one of these knows
//! nothing of documents or thresholds; a double in a test knows the right answer, so that all other code is tested
//! without weights.

use std::sync::Arc;

use ndarray::{Array2, ArrayView3, ArrayView4};

use crate::image::Picture;
use crate::models::{Error, ModelSpec};

/// Finds text.
pub trait TextDetection {
    /// How the tensor is to be made.
    fn spec(&self) -> &ModelSpec;

    /// `[1, 3, height, width]`, sides that are multiples of 32, to the probability of text at each `[row, column]`.
    ///
    /// # Errors
    /// The network failed.
    fn detect(&mut self, page: ArrayView4<'_, f32>) -> Result<Array2<f32>, Error>;
}

/// Reads lines of text.
pub trait TextRecognition {
    /// How the tensor is to be made.
    fn spec(&self) -> &ModelSpec;

    /// Takes `[lines, 3, 48, width]` and hands probabilities `[line, time step, class]`, one step for about 8 pixels, to `read`. They
    /// are the network's own: with thousands of classes they are the most memory that an examination takes, and not copied.
    ///
    /// # Errors
    /// The network failed.
    fn recognise(
        &mut self,
        lines: ArrayView4<'_, f32>,
        read: &mut dyn FnMut(ArrayView3<'_, f32>),
    ) -> Result<(), Error>;

    /// The text of each class; 0 is the blank of CTC.
    fn dictionary(&self) -> Arc<[String]>;
}

/// A point of a picture: x, y in pixels.
pub type Point = [f32; 2];

/// One face in a picture.
#[derive(Debug, Clone, PartialEq)]
pub struct DetectedFace {
    /// x, y, width, height in pixels; may reach over the picture's edge.
    pub bounds: [f32; 4],
    /// 0 to 1.
    pub score: f32,
    /// Left eye, right eye, nose, left and right corner of the mouth, as seen in the picture.
    pub landmarks: [Point; 5],
}

/// The direction of a head in degrees; 0, 0, 0 looks into the camera.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Angles {
    /// To the owner's right.
    pub yaw: f32,
    /// Up.
    pub pitch: f32,
    pub roll: f32,
}

/// Finds faces.
pub trait FaceDetection {
    /// Every face in the picture, best first.
    ///
    /// # Errors
    /// The network failed.
    fn detect(&mut self, picture: &Picture) -> Result<Vec<DetectedFace>, Error>;
}

/// Turns a face into a vector that says whose it is.
pub trait FaceEmbedding {
    /// A vector of length 1: the dot product of two is their cosine similarity.
    ///
    /// # Errors
    /// The network failed.
    fn embed(&mut self, picture: &Picture, face: &DetectedFace) -> Result<Vec<f32>, Error>;
}

/// Tells a face before the camera from a picture of one.
pub trait FaceLiveness {
    /// 0 (a picture of a face) to 1 (a face).
    ///
    /// # Errors
    /// The network failed.
    fn liveness(&mut self, picture: &Picture, face: &DetectedFace) -> Result<f32, Error>;
}

/// Measures where a head looks.
pub trait FacePose {
    /// # Errors
    /// The network failed.
    fn pose(&mut self, picture: &Picture, face: &DetectedFace) -> Result<Angles, Error>;
}

/// The 68 points of a face in the order of iBUG 300-W (<https://ibug.doc.ic.ac.uk/resources/300-W/>), from 0: jaw 0 to 16, brows to
/// 26, nose to 35, the eye on the picture's left 36 to 41, the other to 47, the mouth's outline to 59, its inside to 67.
pub type Landmarks68 = [Point; 68];

/// Finds the points of a face.
pub trait FaceLandmarks {
    /// In pixels of the picture.
    ///
    /// # Errors
    /// The network failed.
    fn landmarks(&mut self, picture: &Picture, face: &DetectedFace) -> Result<Landmarks68, Error>;
}

/// Tells open eyes from closed ones.
pub trait EyeState {
    /// Probability that each eye is open, as seen in the picture: left, right.
    ///
    /// # Errors
    /// The network failed.
    fn open(&mut self, picture: &Picture, landmarks: &Landmarks68) -> Result<[f32; 2], Error>;
}
