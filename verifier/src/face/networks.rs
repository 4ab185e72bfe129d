//! Whose face it is, whether it is one, where it looks, where its parts are and whether its eyes are open: networks that see
//! one face, or one eye, each.

use ndarray::{ArrayView1, ArrayViewD};
use opencv::core::Mat;
use serde::Deserialize;

use super::align::{align, cut, patch, region, square};
use crate::image::Picture;
use crate::models::{Bundle, Error, OnnxModel, Role, tensor};
use crate::recognise::{
    Angles, DetectedFace, EyeState, FaceEmbedding, FaceLandmarks, FaceLiveness, FacePose, Landmarks68,
};

/// A network that turns an aligned face (112 x 112) into a vector.
#[derive(Debug)]
pub struct Embedding {
    model: OnnxModel,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NoSettings {}

impl Embedding {
    /// # Errors
    /// The bundle's model is missing, altered, or of another kind.
    pub fn new(bundle: &Bundle) -> Result<Self, Error> {
        let NoSettings {} = bundle.settings(Role::FaceEmbedding, "embedding")?;
        Ok(Self { model: bundle.model(Role::FaceEmbedding)? })
    }
}

impl FaceEmbedding for Embedding {
    fn embed(&mut self, picture: &Picture, face: &DetectedFace) -> Result<Vec<f32>, Error> {
        let mut vector = run(&mut self.model, align(picture, &face.landmarks), |outputs| {
            outputs[0].iter().copied().collect::<Vec<f32>>()
        })?;
        normalise(&mut vector);
        Ok(vector)
    }
}

/// Makes the vector's length 1. A null vector stays one: it is like nothing.
pub(super) fn normalise(vector: &mut [f32]) {
    let length = vector.iter().map(|v| v * v).sum::<f32>().sqrt();
    if length > 0.0 {
        vector.iter_mut().for_each(|v| *v /= length);
    }
}

/// A network that sorts a face and what surrounds it into live and kinds of pictures.
#[derive(Debug)]
pub struct Liveness {
    model: OnnxModel,
    settings: LivenessSettings,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct LivenessSettings {
    /// Times the size of the face's box that the network sees.
    box_scale: f32,
    /// The output that means live.
    live_class: usize,
}

impl Liveness {
    /// # Errors
    /// The bundle's model is missing, altered, or of another kind.
    pub fn new(bundle: &Bundle) -> Result<Self, Error> {
        let settings = bundle.settings(Role::FaceLiveness, "softmax")?;
        Ok(Self { model: bundle.model(Role::FaceLiveness)?, settings })
    }
}

impl FaceLiveness for Liveness {
    fn liveness(&mut self, picture: &Picture, face: &DetectedFace) -> Result<f32, Error> {
        let side = side(&self.model);
        let patch = patch(picture, face.bounds, self.settings.box_scale, side);
        let live_class = self.settings.live_class;
        let classes = run(&mut self.model, patch, |outputs| softmax(&outputs[0]))?;
        classes.get(live_class).copied().ok_or_else(|| Error::UnexpectedOutput {
            role: Role::FaceLiveness,
            detail: format!("{} classes, of which live should be number {live_class}", classes.len()),
        })
    }
}

/// A network that sorts each angle of the head into bins (Hopenet, <https://arxiv.org/abs/1710.00925>).
#[derive(Debug)]
pub struct Pose {
    model: OnnxModel,
    settings: PoseSettings,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PoseSettings {
    /// Degrees of one bin.
    bin: f32,
    /// Degrees of the first bin.
    first: f32,
    /// Yaw, pitch and roll that the network reads on a head that looks into the camera.
    ahead: [f32; 3],
}

impl Pose {
    /// # Errors
    /// The bundle's model is missing, altered, or of another kind.
    pub fn new(bundle: &Bundle) -> Result<Self, Error> {
        let settings = bundle.settings(Role::FacePose, "binned_angles")?;
        Ok(Self { model: bundle.model(Role::FacePose)?, settings })
    }
}

impl FacePose for Pose {
    fn pose(&mut self, picture: &Picture, face: &DetectedFace) -> Result<Angles, Error> {
        let side = side(&self.model);
        let patch = patch(picture, square(face.bounds), 1.0, side);
        let PoseSettings { bin, first, ahead } = self.settings;
        let angles = run(&mut self.model, patch, |outputs| {
            let angle = |i: usize| expectation(&softmax(&outputs[i])) * bin + first - ahead[i];
            Angles { yaw: angle(0), pitch: angle(1), roll: angle(2) }
        })?;
        Ok(angles)
    }
}

/// A network that places 68 points in a face's box.
#[derive(Debug)]
pub struct Landmarks {
    model: OnnxModel,
}

impl Landmarks {
    /// # Errors
    /// The bundle's model is missing, altered, or of another kind.
    pub fn new(bundle: &Bundle) -> Result<Self, Error> {
        let NoSettings {} = bundle.settings(Role::FaceLandmarks, "landmarks68")?;
        Ok(Self { model: bundle.model(Role::FaceLandmarks)? })
    }
}

impl FaceLandmarks for Landmarks {
    fn landmarks(&mut self, picture: &Picture, face: &DetectedFace) -> Result<Landmarks68, Error> {
        let region = region(picture, face.bounds, 1.0);
        let patch = cut(picture, region, side(&self.model));
        // x and y of each point in turn, as fractions of what the network saw.
        let fractions =
            run(&mut self.model, patch, |outputs| outputs[0].iter().copied().collect::<Vec<f32>>())?;
        let (fractions, _) = fractions.as_chunks::<2>();
        let points: Vec<_> = fractions
            .iter()
            .map(|[x, y]| {
                [region.x as f32 + x * region.width as f32, region.y as f32 + y * region.height as f32]
            })
            .collect();
        points.try_into().map_err(|points: Vec<_>| Error::UnexpectedOutput {
            role: Role::FaceLandmarks,
            detail: format!("{} points instead of 68", points.len()),
        })
    }
}

/// A network that sees one eye.
#[derive(Debug)]
pub struct Eyes {
    model: OnnxModel,
    settings: EyeSettings,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct EyeSettings {
    /// Times the width of an eye that the network sees.
    scale: f32,
    /// The output that means open.
    open_class: usize,
}

impl Eyes {
    /// # Errors
    /// The bundle's model is missing, altered, or of another kind.
    pub fn new(bundle: &Bundle) -> Result<Self, Error> {
        let settings = bundle.settings(Role::FaceEyes, "eye_state")?;
        Ok(Self { model: bundle.model(Role::FaceEyes)?, settings })
    }

    /// The eye whose outer corner on the picture's left is point `corner`.
    fn one(&mut self, picture: &Picture, landmarks: &Landmarks68, corner: usize) -> Result<f32, Error> {
        // Two points of each lid, without the corners.
        let lids = [1, 2, 4, 5].map(|n| landmarks[corner + n]);
        let middle = [0, 1].map(|axis| lids.iter().map(|point| point[axis]).sum::<f32>() / 4.0);
        let [from, to] = [landmarks[corner], landmarks[corner + 3]];
        let width = ((to[0] - from[0]).hypot(to[1] - from[1]) * self.settings.scale).max(1.0);
        let bounds = [middle[0] - width / 2.0, middle[1] - width / 2.0, width, width];
        let side = side(&self.model);
        let classes =
            run(&mut self.model, patch(picture, bounds, 1.0, side), |outputs| softmax(&outputs[0]))?;
        let open_class = self.settings.open_class;
        classes.get(open_class).copied().ok_or_else(|| Error::UnexpectedOutput {
            role: Role::FaceEyes,
            detail: format!("{} classes, of which open should be number {open_class}", classes.len()),
        })
    }
}

impl EyeState for Eyes {
    fn open(&mut self, picture: &Picture, landmarks: &Landmarks68) -> Result<[f32; 2], Error> {
        Ok([self.one(picture, landmarks, 36)?, self.one(picture, landmarks, 42)?])
    }
}

/// The side of the square picture that the network wants, by its manifest.
fn side(model: &OnnxModel) -> i32 {
    model.spec().input.shape.last().and_then(|side| i32::try_from(*side).ok()).unwrap_or_default()
}

fn run<T>(
    model: &mut OnnxModel,
    face: opencv::Result<Mat>,
    read: impl FnOnce(&[ArrayViewD<'_, f32>]) -> T,
) -> Result<T, Error> {
    let role = model.role();
    let tensor = face
        .and_then(|face| tensor(&face, model.spec()))
        .map_err(|source| Error::Geometry { role, source })?;
    model.run(tensor.view(), |outputs| Ok(read(outputs)))
}

fn softmax(logits: &ArrayViewD<'_, f32>) -> Vec<f32> {
    let highest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let powers: Vec<f32> = logits.iter().map(|v| (v - highest).exp()).collect();
    let sum: f32 = powers.iter().sum();
    powers.into_iter().map(|v| v / sum).collect()
}

/// The mean index under these probabilities.
fn expectation(probabilities: &[f32]) -> f32 {
    ArrayView1::from(probabilities).indexed_iter().map(|(i, p)| i as f32 * p).sum()
}

#[cfg(test)]
mod tests {
    use ndarray::arr1;

    use super::*;

    #[test]
    fn probabilities_add_up_to_one_even_for_large_logits() {
        let probabilities = softmax(&arr1(&[1000.0, 1001.0, 999.0]).into_dyn().view());
        assert!((probabilities.iter().sum::<f32>() - 1.0).abs() < 1e-6);
        assert!(probabilities[1] > probabilities[0] && probabilities[0] > probabilities[2]);
    }

    #[test]
    fn an_angle_is_the_mean_of_its_bins() {
        let mut bins = vec![0.0; 66];
        bins[33] = 0.5;
        bins[34] = 0.5;
        assert!((expectation(&bins) * 3.0 - 99.0 - 1.5).abs() < 1e-4);
    }

    #[test]
    fn a_vector_becomes_one_of_length_one_and_nothing_stays_nothing() {
        let mut vector = vec![3.0, 4.0];
        normalise(&mut vector);
        assert_eq!(vector, [0.6, 0.8]);
        let mut nothing = vec![0.0, 0.0];
        normalise(&mut nothing);
        assert_eq!(nothing, [0.0, 0.0]);
    }
}
