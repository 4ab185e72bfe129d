//! Whose face it is, whether it is one, and where it looks: three networks that see one face each.

use ndarray::{ArrayView1, ArrayViewD};
use opencv::core::Mat;
use serde::Deserialize;

use super::align::{align, patch, square};
use crate::image::Picture;
use crate::models::{Bundle, Error, OnnxModel, Role, tensor};
use crate::recognise::{Angles, DetectedFace, FaceEmbedding, FaceLiveness, FacePose};

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
