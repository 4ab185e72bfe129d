//! CenterFace: faces with five points. Paper: <https://arxiv.org/abs/1911.03599>; decoding as in its author's
//! `prj-python/centerface.py`.

use ndarray::{ArrayView3, ArrayViewD, Ix4};
use opencv::core::{
    BORDER_CONSTANT, BORDER_ISOLATED, Mat, MatTraitConst, Rect, Scalar, Size, ToInputArray, copy_make_border,
};
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
    /// Where to look, before looking closely.
    coarse: Option<Coarse>,
}

/// A first look at the whole picture made small. Where it finds a face that is large enough, only the surroundings of the
/// largest one are looked at closely: detection is most of the time that a pair of faces takes.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
struct Coarse {
    /// Pixels of the picture's longest side at the first look.
    longest_side: u32,
    /// Pixels of the largest face's shorter side at the first look. A smaller one, and nothing at all, is looked for in the
    /// whole picture.
    min_face: f32,
    /// What is looked at beside a face, in widths, and above and below it, in heights. The network sees far: the points of a
    /// face move when less of its surroundings is there.
    margins: [f32; 2],
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
        let close = self.scale(picture, self.settings.longest_side);
        let Some(coarse) =
            self.settings.coarse.filter(|coarse| coarse.longest_side < self.settings.longest_side)
        else {
            return self.look(&shrink(picture, close)?, close, [0, 0]);
        };
        let scale = self.scale(picture, coarse.longest_side);
        let mut faces = self.look(&shrink(picture, scale)?, scale, [0, 0])?;
        let area = |face: &DetectedFace| face.bounds[2] * face.bounds[3];
        let largest = faces.iter().enumerate().max_by(|(_, a), (_, b)| area(a).total_cmp(&area(b)));
        let whole = shrink(picture, close)?;
        if let Some((n, face)) = largest
            && face.bounds[2].min(face.bounds[3]) * scale >= coarse.min_face
        {
            let around = around(&whole, face.bounds.map(|v| v * close), coarse.margins);
            let part = Mat::roi(&whole, around).map_err(geometry)?;
            let part = padded(&part)?;
            let seen = self.look(&part, close, [around.x, around.y])?;
            let found = seen
                .into_iter()
                .max_by(|a, b| overlap(&a.bounds, &face.bounds).total_cmp(&overlap(&b.bounds, &face.bounds)));
            if let Some(found) =
                found.filter(|f| overlap(&f.bounds, &face.bounds) > self.settings.max_overlap)
            {
                faces[n] = found;
                return Ok(faces);
            }
        }
        self.look(&whole, close, [0, 0])
    }
}

impl CenterFace {
    /// Pixels of the network's input for each of the picture.
    fn scale(&self, picture: &Picture, longest_side: u32) -> f32 {
        longest_side as f32 / picture.width().max(picture.height()) as f32
    }

    /// The faces in an input that shows the picture at that scale from that corner on; in pixels of the picture.
    fn look(&mut self, input: &Mat, scale: f32, corner: [i32; 2]) -> Result<Vec<DetectedFace>, Error> {
        let tensor = tensor(input, self.model.spec()).map_err(geometry)?;
        let settings = self.settings;
        let found = self.model.run(tensor.view(), |outputs| {
            let maps = Maps::of(outputs).ok_or_else(|| Error::UnexpectedOutput {
                role: ROLE,
                detail: "maps that do not belong together".to_owned(),
            })?;
            Ok(maps.faces(settings.min_score))
        })?;
        let mut faces = suppress(found, settings.max_overlap);
        let [left, top] = corner.map(|v| v as f32);
        for face in &mut faces {
            let [x, y, width, height] = face.bounds;
            face.bounds = [x + left, y + top, width, height].map(|v| v / scale);
            face.landmarks = face.landmarks.map(|[x, y]| [x + left, y + top].map(|v| v / scale));
        }
        Ok(faces)
    }
}

fn geometry(source: opencv::Error) -> Error {
    Error::Geometry { role: ROLE, source }
}

/// A box with its margins, cut at the edges of the input, from a multiple on: the network then sees the same cells as in the
/// whole.
fn around(input: &Mat, [x, y, width, height]: [f32; 4], [beside, above]: [f32; 2]) -> Rect {
    let span = |from: f32, length: f32, margin: f32, end: i32| {
        let first = ((from - length * margin).max(0.0) as i32).min(end - 1) / MULTIPLE * MULTIPLE;
        let last = ((from + length * (1.0 + margin)).ceil() as i32).clamp(first + 1, end);
        (first, last - first)
    };
    let (left, columns) = span(x, width, beside, input.cols());
    let (top, rows) = span(y, height, above, input.rows());
    Rect::new(left, top, columns, rows)
}

/// The picture at that scale, padded.
fn shrink(picture: &Picture, scale: f32) -> Result<Mat, Error> {
    let side = |pixels: u32| ((pixels as f32 * scale).round() as i32).max(1);
    let size = Size::new(side(picture.width()), side(picture.height()));
    let interpolation = if scale < 1.0 { INTER_AREA } else { INTER_LINEAR };
    let mut small = Mat::default();
    let resized = picture.mat().and_then(|mat| resize(&mat, &mut small, size, 0.0, 0.0, interpolation));
    resized.map_err(geometry)?;
    padded(&small)
}

/// With black to the right and below up to the next multiple, in rows without gaps.
fn padded(input: &(impl MatTraitConst + ToInputArray)) -> Result<Mat, Error> {
    let missing = |side: i32| (MULTIPLE - side % MULTIPLE) % MULTIPLE;
    let (below, beside) = (missing(input.rows()), missing(input.cols()));
    let mut padded = Mat::default();
    let done = copy_make_border(
        input,
        &mut padded,
        0,
        below,
        0,
        beside,
        BORDER_CONSTANT | BORDER_ISOLATED,
        Scalar::default(),
    );
    done.map_err(geometry)?;
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
    use opencv::core::CV_8UC3;

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
    fn the_surroundings_of_a_face_begin_at_a_multiple_and_end_with_the_input() {
        let input = Mat::new_rows_cols_with_default(480, 640, CV_8UC3, Scalar::default()).unwrap();
        let inside = around(&input, [200.0, 150.0, 100.0, 120.0], [0.5, 0.25]);
        assert_eq!(inside, Rect::new(128, 96, 222, 204));
        let over_the_edge = around(&input, [-50.0, 400.0, 900.0, 300.0], [0.5, 0.5]);
        assert_eq!(over_the_edge, Rect::new(0, 224, 640, 256));
        let outside = around(&input, [700.0, 700.0, 50.0, 50.0], [0.0, 0.0]);
        assert!(outside.width >= 1 && outside.x + outside.width <= 640 && outside.height >= 1);
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
