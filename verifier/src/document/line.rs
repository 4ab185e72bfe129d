//! Reading lines: a quad becomes a strip 48 pixels high, strips of like width are read together, and the classes of each
//! step become text.

use std::collections::HashMap;
use std::sync::Arc;

use ndarray::{Array4, ArrayView1, ArrayView2, ArrayView3, Axis, s};
use opencv::core::{BORDER_REPLICATE, Mat, MatTraitConst, Point2f, Scalar, Size, ToInputArray};
use opencv::imgproc::{
    COLOR_RGB2GRAY, INTER_LINEAR, cvt_color_def, get_perspective_transform_slice, warp_perspective,
};

use super::Error;
use super::mrz::alphabet::{Folding, Frames};
use super::text::{Quad, point2f, shrink};
use crate::models::{Role, write_tensor};
use crate::recognise::TextRecognition;

/// What the networks take.
const HEIGHT: i32 = 48;
/// Strips are filled up to a multiple of this, so that few shapes are seen and lines of like length share a batch.
const BUCKET: usize = 64;
/// Wider strips are squeezed: no line of a document is fifty times as wide as high.
const MAX_WIDTH: i32 = 2400;
/// Pixels of a batch, all lines together: bounds the memory of the recogniser's many classes, 18,710 for every eight pixels.
const MAX_BATCH: usize = 1024;

/// A line of text, read.
#[derive(Clone)]
pub(crate) struct Line {
    pub(crate) quad: Quad,
    pub(crate) text: String,
    /// Probability of each character of `text`, of a letter whatever its marks: whether a name has an A or an Å matters to nobody
    /// who compares it.
    pub(crate) certainty: Vec<f32>,
    /// What the recogniser saw, in symbols of a machine-readable zone, when the line is long enough to be a row of one.
    pub(crate) frames: Option<Arc<Frames>>,
}

impl Line {
    /// The lowest probability of a character; 0 when nothing was read.
    pub(crate) fn lowest(&self) -> f32 {
        self.certainty.iter().copied().reduce(f32::min).unwrap_or(0.0)
    }

    /// The mean probability of the characters; 0 when nothing was read.
    pub(crate) fn mean(&self) -> f32 {
        self.certainty.iter().sum::<f32>() / self.certainty.len().max(1) as f32
    }
}

/// Cuts the quad out, straightened, as large as it is.
fn cut_out(page: &(impl MatTraitConst + ToInputArray), quad: &Quad) -> opencv::Result<Mat> {
    let (width, height) = (quad.width().round().max(1.0) as i32, quad.height().round().max(1.0) as i32);
    let (w, h) = (width as f32, height as f32);
    let target = [Point2f::new(0.0, 0.0), Point2f::new(w, 0.0), Point2f::new(w, h), Point2f::new(0.0, h)];
    let straighten =
        get_perspective_transform_slice(quad.corners.map(point2f), target, opencv::core::DECOMP_LU)?;
    let mut cut = Mat::default();
    let size = Size::new(width, height);
    warp_perspective(page, &mut cut, &straighten, size, INTER_LINEAR, BORDER_REPLICATE, Scalar::default())?;
    Ok(cut)
}

/// The same in shades of grey.
pub(crate) fn grey_cut(page: &(impl MatTraitConst + ToInputArray), quad: &Quad) -> opencv::Result<Mat> {
    grey(&cut_out(page, quad)?)
}

/// Cuts the quad out, straightened, at the height that the networks take.
fn strip(page: &(impl MatTraitConst + ToInputArray), quad: &Quad) -> opencv::Result<Mat> {
    shrink(&cut_out(page, quad)?, Size::new(strip_width(quad) as i32, HEIGHT))
}

/// The same in shades of grey.
pub(crate) fn grey_strip(page: &(impl MatTraitConst + ToInputArray), quad: &Quad) -> opencv::Result<Mat> {
    grey(&strip(page, quad)?)
}

fn grey(picture: &Mat) -> opencv::Result<Mat> {
    let mut grey = Mat::default();
    cvt_color_def(picture, &mut grey, COLOR_RGB2GRAY)?;
    Ok(grey)
}

/// Pixels, as wide as the recogniser sees the quad.
pub(crate) fn strip_width(quad: &Quad) -> f32 {
    let (width, height) = (quad.width().round().max(1.0), quad.height().round().max(1.0));
    (width / height * HEIGHT as f32).round().clamp(16.0, MAX_WIDTH as f32)
}

/// Reads lines with greedy CTC.
pub(crate) fn read_lines(
    page: &(impl MatTraitConst + ToInputArray),
    quads: &[Quad],
    network: &mut dyn TextRecognition,
    role: Role,
) -> Result<Vec<Line>, Error> {
    let dictionary = network.dictionary();
    let (folding, letters) = (Folding::new(&dictionary), Letters::new(&dictionary));
    let mut lines: Vec<Option<Line>> = vec![None; quads.len()];
    for_each_strip(page, quads, network, role, |index, classes| {
        let (text, certainty) = greedy(classes, &dictionary, &letters);
        let frames = quads[index].is_long().then(|| Arc::new(fold(&folding, classes)));
        lines[index] = Some(Line { quad: quads[index], text, certainty, frames });
    })?;
    Ok(lines.into_iter().flatten().collect())
}

fn fold(folding: &Folding, classes: ArrayView2<'_, f32>) -> Frames {
    let rows = classes.as_standard_layout();
    folding.fold(rows.as_slice().unwrap_or_default(), rows.ncols())
}

/// Reads lines into the symbols of a machine-readable zone.
pub(crate) fn read_frames(
    page: &(impl MatTraitConst + ToInputArray),
    quads: &[Quad],
    network: &mut dyn TextRecognition,
    role: Role,
) -> Result<Vec<Frames>, Error> {
    let folding = Folding::new(&network.dictionary());
    let mut frames: Vec<Option<Frames>> = vec![None; quads.len()];
    for_each_strip(page, quads, network, role, |index, classes| {
        frames[index] = Some(fold(&folding, classes));
    })?;
    Ok(frames.into_iter().flatten().collect())
}

fn for_each_strip(
    page: &(impl MatTraitConst + ToInputArray),
    quads: &[Quad],
    network: &mut dyn TextRecognition,
    role: Role,
    mut each: impl FnMut(usize, ArrayView2<'_, f32>),
) -> Result<(), Error> {
    let mut strips = Vec::with_capacity(quads.len());
    for (index, quad) in quads.iter().enumerate() {
        strips.push((index, strip(page, quad)?));
    }
    let bucket = |strip: &Mat| (strip.cols() as usize).div_ceil(BUCKET) * BUCKET;
    strips.sort_by_key(|(_, strip)| bucket(strip));
    for group in strips.chunk_by(|a, b| bucket(&a.1) == bucket(&b.1)) {
        let width = bucket(&group[0].1);
        for batch in group.chunks((MAX_BATCH / width).max(1)) {
            let mut input = Array4::<f32>::zeros((batch.len(), 3, HEIGHT as usize, width));
            for ((_, strip), target) in batch.iter().zip(input.outer_iter_mut()) {
                write_tensor(strip, network.spec(), target)?;
            }
            let mut read = |classes: ArrayView3<'_, f32>| {
                for ((index, strip), classes) in batch.iter().zip(classes.axis_iter(Axis(0))) {
                    // What was filled up shows nothing.
                    let steps =
                        (classes.nrows() * strip.cols() as usize).div_ceil(width).min(classes.nrows());
                    each(*index, classes.slice(s![..steps, ..]));
                }
            };
            network.recognise(input.view(), &mut read).map_err(|source| Error::Network { role, source })?;
        }
    }
    Ok(())
}

/// The classes that are one letter but for its marks.
struct Letters(HashMap<String, Vec<usize>>);

impl Letters {
    /// The text of each class; class 0 is the blank.
    fn new(dictionary: &[String]) -> Self {
        let mut classes: HashMap<String, Vec<usize>> = HashMap::new();
        for (class, text) in dictionary.iter().enumerate() {
            if let Some(letter) = plain(text) {
                classes.entry(letter).or_default().push(class);
            }
        }
        Self(classes)
    }

    /// What a step shows of a class, whatever its marks.
    fn certainty(&self, text: &str, p: f32, step: ArrayView1<'_, f32>) -> f32 {
        let classes = plain(text).and_then(|letter| self.0.get(&letter));
        classes.map_or(p, |classes| classes.iter().map(|class| step[*class]).sum())
    }
}

/// A Latin letter without its case and marks, as a machine-readable zone has it: Ø is O, Æ is AE.
fn plain(text: &str) -> Option<String> {
    let mut chars = text.chars();
    let (Some(c), None) = (chars.next(), chars.next()) else { return None };
    let is_latin = c.is_alphabetic() && c < LAST_LATIN;
    is_latin.then(|| mrz::transliterate(text, mrz::TransliterationStyle::Simple))
}

/// The end of the blocks up to Latin Extended-B.
const LAST_LATIN: char = '\u{250}';

/// The best class of each step, without repeats and blanks, and its probability.
fn greedy(classes: ArrayView2<'_, f32>, dictionary: &[String], letters: &Letters) -> (String, Vec<f32>) {
    let (mut text, mut certainty, mut last) = (String::new(), Vec::new(), 0);
    for step in classes.outer_iter() {
        let (best, p) = step
            .iter()
            .enumerate()
            .fold((0, f32::MIN), |best, (i, p)| if *p > best.1 { (i, *p) } else { best });
        if best != 0 {
            let character = dictionary.get(best).map_or("", String::as_str);
            let p = if p < SETTLED { letters.certainty(character, p, step) } else { p };
            match certainty.last_mut() {
                Some(known) if best == last => *known = p.max(*known),
                _ => {
                    text.push_str(character);
                    certainty.push(p);
                }
            }
        }
        last = best;
    }
    (text, certainty)
}

/// Probability from which it is not worth looking at other letters.
const SETTLED: f32 = 0.99;

#[cfg(test)]
mod tests {
    use ndarray::ArrayView4;
    use opencv::core::{CV_8UC3, MatTrait, Rect};

    use super::*;
    use crate::models::{self, Bundle, ModelSpec};

    /// Reads the brightness of a strip's first pixel, one class for each.
    struct Brightness {
        spec: ModelSpec,
        /// Lines and pixels of each batch.
        batches: Vec<[usize; 2]>,
    }

    impl TextRecognition for Brightness {
        fn spec(&self) -> &ModelSpec {
            &self.spec
        }

        fn recognise(
            &mut self,
            lines: ArrayView4<'_, f32>,
            read: &mut dyn FnMut(ArrayView3<'_, f32>),
        ) -> Result<(), models::Error> {
            let (count, width) = (lines.shape()[0], lines.shape()[3]);
            self.batches.push([count, count * width]);
            let mut classes = ndarray::Array3::zeros((count, width / 8, 256));
            for (line, mut steps) in lines.outer_iter().zip(classes.outer_iter_mut()) {
                let level = (line[[0, 0, 0]] * self.spec.std[0] + self.spec.mean[0]).round() as usize;
                steps[[0, level]] = 1.0;
            }
            read(classes.view());
            Ok(())
        }

        fn dictionary(&self) -> Arc<[String]> {
            (0..256).map(|level| format!("{level}")).collect()
        }
    }

    #[test]
    fn a_letter_is_as_certain_as_with_and_without_its_marks() {
        let dictionary = ["", "A", "Å", "å", "B", "1"].map(str::to_owned);
        let letters = Letters::new(&dictionary);
        let steps = ndarray::array![
            [0.0, 0.3, 0.5, 0.1, 0.1, 0.0],
            [0.9, 0.0, 0.0, 0.0, 0.1, 0.0],
            [0.0, 0.1, 0.0, 0.0, 0.6, 0.3],
            [0.0, 0.0, 0.0, 0.0, 0.4, 0.6],
        ];
        let (text, certainty) = greedy(steps.view(), &dictionary, &letters);
        assert_eq!(text, "ÅB1");
        let expected = [0.9, 0.6, 0.6];
        assert!(
            certainty.iter().zip(expected).all(|(a, b): (&f32, f32)| (a - b).abs() < 1e-5),
            "{certainty:?}"
        );
    }

    #[test]
    fn each_line_gets_what_was_read_on_it_however_they_are_batched_and_no_batch_is_large() {
        let mut page = Mat::new_rows_cols_with_default(2000, 1200, CV_8UC3, Scalar::default()).unwrap();
        let mut quads = Vec::new();
        for (line, width) in [1100, 200, 430, 1090, 210, 90, 440, 220, 205].into_iter().enumerate() {
            let (y, level) = (line as i32 * 100, 20 * (line + 1) as u8);
            let mut band = Mat::roi_mut(&mut page, Rect::new(0, y, 1200, 100)).unwrap();
            band.set_to_def(&Scalar::all(f64::from(level))).unwrap();
            quads.push(Quad::new([width as f32 / 2.0, y as f32 + 50.0], [1.0, 0.0], width as f32, 48.0));
        }
        let spec = Bundle::open(None).unwrap().spec(Role::TextRecognition).unwrap().clone();
        let mut network = Brightness { spec, batches: Vec::new() };
        let lines = read_lines(&page, &quads, &mut network, Role::TextRecognition).unwrap();
        let texts: Vec<&str> = lines.iter().map(|line| line.text.as_str()).collect();
        assert_eq!(texts, ["20", "40", "60", "80", "100", "120", "140", "160", "180"]);
        assert!(network.batches.iter().any(|[lines, _]| *lines > 1), "{:?}", network.batches);
        let bounded = |[lines, pixels]: &[usize; 2]| *lines == 1 || *pixels <= MAX_BATCH;
        assert!(network.batches.iter().all(bounded), "{:?}", network.batches);
    }
}
