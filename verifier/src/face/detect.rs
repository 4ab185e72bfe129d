//! CenterFace: faces with five points. Paper: <https://arxiv.org/abs/1911.03599>; decoding as in its author's
//! `prj-python/centerface.py`.

use ndarray::{ArrayView3, ArrayViewD, Ix4};
use opencv::core::{BORDER_CONSTANT, Mat, MatTraitConst, Scalar, Size, copy_make_border};
use opencv::imgproc::{INTER_AREA, INTER_LINEAR, resize};
use serde::Deserialize;

use crate::image::Picture;
use crate::models::{Bundle, Error, OnnxModel, Role, tensor};
use crate::recognise::{DetectedFace, FaceDetection};

const ROLE: Role = Role::FaceDetection;
/// The network halves its input five times.
const MULTIPLE: i32 = 32;
/// Pixels of the input for each cell of the outputs.
const STRIDE: f32 = 4.0;
/// A face is a handful of hot cells; more than this is a picture that was made to keep us busy.
const MAX_CANDIDATES: usize = 1000;

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// Pixels of the picture's longest side, as the network sees it.
    longest_side: u32,
    min_score: f32,
    /// Intersection over union from which two boxes are one face.
    max_overlap: f32,
}

/// The detector of the default bundle.
#[derive(Debug)]
pub struct CenterFace {
    model: OnnxModel,
    settings: Settings,
}

impl CenterFace {
    /// # Errors
    /// The bundle's model is missing, altered, or of another kind.
    pub fn new(bundle: &Bundle) -> Result<Self, Error> {
        let settings = bundle.settings(ROLE, "centerface")?;
        Ok(Self { model: bundle.model(ROLE)?, settings })
    }
}

impl FaceDetection for CenterFace {
    fn detect(&mut self, picture: &Picture) -> Result<Vec<DetectedFace>, Error> {
        let longest = picture.width().max(picture.height()) as f32;
        let scale = self.settings.longest_side as f32 / longest;
        let input = shrink(picture, scale).map_err(|source| Error::Geometry { role: ROLE, source })?;
        let tensor =
            tensor(&input, self.model.spec()).map_err(|source| Error::Geometry { role: ROLE, source })?;
        let settings = self.settings;
        let found = self.model.run(tensor.view(), |outputs| {
            let maps = Maps::of(outputs).ok_or_else(|| Error::UnexpectedOutput {
                role: ROLE,
                detail: "maps that do not belong together".to_owned(),
            })?;
            Ok(maps.faces(settings.min_score))
        })?;
        let mut faces = suppress(found, settings.max_overlap);
        for face in &mut faces {
            face.bounds = face.bounds.map(|v| v / scale);
            face.landmarks = face.landmarks.map(|point| point.map(|v| v / scale));
        }
        Ok(faces)
    }
}

/// The picture at that scale, with black to the right and below up to the next multiple.
fn shrink(picture: &Picture, scale: f32) -> opencv::Result<Mat> {
    let side = |pixels: u32| ((pixels as f32 * scale).round() as i32).max(1);
    let (width, height) = (side(picture.width()), side(picture.height()));
    let interpolation = if scale < 1.0 { INTER_AREA } else { INTER_LINEAR };
    let mut small = Mat::default();
    resize(&picture.mat()?, &mut small, Size::new(width, height), 0.0, 0.0, interpolation)?;
    let missing = |side: i32| (MULTIPLE - side % MULTIPLE) % MULTIPLE;
    let (below, beside) = (missing(height), missing(width));
    if below == 0 && beside == 0 {
        return Ok(small);
    }
    let mut padded = Mat::default();
    copy_make_border(&small, &mut padded, 0, below, 0, beside, BORDER_CONSTANT, Scalar::default())?;
    debug_assert_eq!((padded.rows() % MULTIPLE, padded.cols() % MULTIPLE), (0, 0));
    Ok(padded)
}

/// The network's answer: `[channels, rows, columns]` each, a quarter of the input's size.
struct Maps<'a> {
    heat: ArrayView3<'a, f32>,
    /// Logarithms of height and width in cells.
    scale: ArrayView3<'a, f32>,
    /// Of the centre within its cell, y and x.
    offset: ArrayView3<'a, f32>,
    /// Five points, y and x each, in box heights and widths from the box's corner.
    landmarks: ArrayView3<'a, f32>,
}

impl<'a> Maps<'a> {
    fn of(outputs: &'a [ArrayViewD<'a, f32>]) -> Option<Self> {
        let [heat, scale, offset, landmarks] = outputs else { return None };
        let map = |output: &'a ArrayViewD<'a, f32>, channels: usize| {
            let map = output.view().into_dimensionality::<Ix4>().ok()?.index_axis_move(ndarray::Axis(0), 0);
            (map.shape()[0] == channels && map.shape()[1..] == heat.shape()[2..]).then_some(map)
        };
        Some(Self {
            heat: map(heat, 1)?,
            scale: map(scale, 2)?,
            offset: map(offset, 2)?,
            landmarks: map(landmarks, 10)?,
        })
    }

    /// Every cell hot enough, as a face in pixels of the input.
    fn faces(&self, min_score: f32) -> Vec<DetectedFace> {
        let hot = self.heat.indexed_iter().filter(|(_, score)| **score > min_score);
        hot.map(|((_, row, column), &score)| {
            let at = |map: &ArrayView3<'_, f32>, channel| map[[channel, row, column]];
            let height = at(&self.scale, 0).exp() * STRIDE;
            let width = at(&self.scale, 1).exp() * STRIDE;
            let x = (column as f32 + at(&self.offset, 1) + 0.5) * STRIDE - width / 2.0;
            let y = (row as f32 + at(&self.offset, 0) + 0.5) * STRIDE - height / 2.0;
            let landmarks = std::array::from_fn(|j| {
                let (dy, dx) = (at(&self.landmarks, 2 * j), at(&self.landmarks, 2 * j + 1));
                [x + dx * width, y + dy * height]
            });
            DetectedFace { bounds: [x, y, width, height], score, landmarks }
        })
        .filter(|face| face.bounds.iter().chain(face.landmarks.as_flattened()).all(|v| v.is_finite()))
        .collect()
    }
}

/// Keeps the best of the boxes that overlap, best first.
fn suppress(mut faces: Vec<DetectedFace>, max_overlap: f32) -> Vec<DetectedFace> {
    faces.sort_by(|a, b| b.score.total_cmp(&a.score));
    faces.truncate(MAX_CANDIDATES);
    let mut kept: Vec<DetectedFace> = Vec::new();
    for face in faces {
        if kept.iter().all(|other| overlap(&face.bounds, &other.bounds) <= max_overlap) {
            kept.push(face);
        }
    }
    kept
}

/// Intersection over union.
fn overlap(a: &[f32; 4], b: &[f32; 4]) -> f32 {
    let side = |i: usize| ((a[i] + a[i + 2]).min(b[i] + b[i + 2]) - a[i].max(b[i])).max(0.0);
    let common = side(0) * side(1);
    common / (a[2] * a[3] + b[2] * b[3] - common)
}

#[cfg(test)]
mod tests {
    use ndarray::{Array4, ArrayD};

    use super::*;

    /// Maps of 8 x 8 cells with one hot cell at row 5, column 2.
    fn maps() -> [ArrayD<f32>; 4] {
        let mut maps = [1, 2, 2, 10].map(|channels| Array4::zeros((1, channels, 8, 8)).into_dyn());
        maps[0][[0, 0, 5, 2]] = 0.9;
        maps[1][[0, 0, 5, 2]] = 6f32.ln();
        maps[1][[0, 1, 5, 2]] = 4f32.ln();
        maps[2][[0, 0, 5, 2]] = 0.25;
        maps[2][[0, 1, 5, 2]] = 0.5;
        maps[3][[0, 4, 5, 2]] = 0.5;
        maps[3][[0, 5, 5, 2]] = 0.25;
        maps
    }

    #[test]
    fn a_hot_cell_is_a_box_around_its_offset_centre_with_points_y_first() {
        let maps = maps();
        let views = maps.each_ref().map(|map| map.view());
        let faces = Maps::of(&views).unwrap().faces(0.5);
        assert_eq!(faces.len(), 1);
        let [x, y, width, height] = faces[0].bounds;
        assert!((width - 16.0).abs() < 1e-4 && (height - 24.0).abs() < 1e-4);
        assert!((x - (12.0 - 8.0)).abs() < 1e-4 && (y - (23.0 - 12.0)).abs() < 1e-4);
        let nose = faces[0].landmarks[2];
        assert!((nose[0] - (x + 4.0)).abs() < 1e-4 && (nose[1] - (y + 12.0)).abs() < 1e-4);
    }

    #[test]
    fn maps_of_different_sizes_are_no_answer() {
        let mut maps = maps();
        maps[3] = Array4::zeros((1, 10, 8, 7)).into_dyn();
        assert!(Maps::of(&maps.each_ref().map(|map| map.view())).is_none());
    }

    #[test]
    fn of_boxes_that_overlap_the_best_stays_and_others_stay_too() {
        let face =
            |x: f32, score| DetectedFace { bounds: [x, 0.0, 10.0, 10.0], score, landmarks: [[0.0; 2]; 5] };
        let kept = suppress(vec![face(0.0, 0.6), face(1.0, 0.9), face(30.0, 0.7)], 0.3);
        assert_eq!(kept.iter().map(|f| f.score).collect::<Vec<_>>(), [0.9, 0.7]);
    }
}
