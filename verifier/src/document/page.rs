//! One side of a document: the picture turned until its text stands upright, and the text.

use image::imageops::{rotate90, rotate180, rotate270};

use super::line::{Line, read_lines};
use super::text::{self, Quad, find_text};
use super::{Error, Networks};
use crate::image::Picture;
use crate::models::Role;
use crate::timing::Timings;

/// One side, upright.
pub(crate) struct Page {
    pub(crate) picture: Picture,
    /// Clockwise degrees by which it was turned.
    pub(crate) turned: u32,
    pub(crate) lines: Vec<Line>,
}

/// A page whose lines are read with less certainty than this, on average, may be upside down.
const DOUBTFUL: f32 = 0.85;
/// How much better the other way up has to be: the network reads some noise either way.
const CLEARLY_BETTER: f32 = 0.05;
/// Lines that are read the other way up to compare.
const PROBED: usize = 8;
/// How many times as long as high a box must be to show the direction of its text.
const LONG: f32 = 2.0;

impl Page {
    /// Width and height in pixels.
    pub(crate) fn size(&self) -> [f32; 2] {
        size(&self.picture)
    }
}

fn size(picture: &Picture) -> [f32; 2] {
    [picture.width() as f32, picture.height() as f32]
}

/// Finds the text, turns the picture so that it is upright, and reads it.
pub(crate) fn read_page(
    picture: Picture,
    networks: &mut Networks,
    settings: &text::Settings,
    timings: &mut Timings,
) -> Result<Page, Error> {
    let quads =
        timings.measure("find_text", || find_text(&picture.mat()?, &mut *networks.detection, settings))?;
    let quarters = if stands_on_its_side(&quads) { 1 } else { 0 };
    timings.measure("read_text", || {
        let (upright, turned) =
            if quarters == 0 { (picture, quads) } else { turn(&picture, &quads, quarters) };
        let lines = read_lines(&upright.mat()?, &turned, &mut *networks.fast, Role::TextRecognition)?;
        let mut probed: Vec<&Line> = lines.iter().collect();
        probed.sort_by(|a, b| b.quad.width().total_cmp(&a.quad.width()));
        probed.truncate(PROBED);
        if mean(&lines) < DOUBTFUL && !probed.is_empty() {
            let quads: Vec<Quad> = probed.iter().map(|line| line.quad).collect();
            let (other, other_quads) = turn(&upright, &quads, 2);
            let other_lines =
                read_lines(&other.mat()?, &other_quads, &mut *networks.fast, Role::TextRecognition)?;
            let here = probed.iter().map(|line| line.mean()).sum::<f32>() / probed.len() as f32;
            if mean_of(&other_lines) > here + CLEARLY_BETTER {
                let (_, turned) = turn(&upright, &turned, 2);
                let lines = read_lines(&other.mat()?, &turned, &mut *networks.fast, Role::TextRecognition)?;
                return Ok(Page { picture: other, turned: (quarters + 2) * 90, lines });
            }
        }
        Ok(Page { picture: upright, turned: quarters * 90, lines })
    })
}

/// Whether most of the text runs up or down.
fn stands_on_its_side(quads: &[Quad]) -> bool {
    let length = |upright: bool| -> f32 {
        let long = quads.iter().filter(|quad| quad.width() > LONG * quad.height());
        long.filter(|quad| quad.is_upright() == upright).map(Quad::width).sum()
    };
    length(false) > length(true)
}

/// Turns a picture and the text on it clockwise.
fn turn(picture: &Picture, quads: &[Quad], quarters: u32) -> (Picture, Vec<Quad>) {
    let turned = match quarters % 4 {
        1 => Picture::from_rgb(rotate90(picture.rgb())),
        2 => Picture::from_rgb(rotate180(picture.rgb())),
        3 => Picture::from_rgb(rotate270(picture.rgb())),
        _ => picture.clone(),
    };
    (turned, quads.iter().map(|quad| quad.turned(quarters, size(picture))).collect())
}

fn mean(lines: &[Line]) -> f32 {
    let read: Vec<&Line> = lines.iter().filter(|line| line.text.chars().count() >= 4).collect();
    read.iter().map(|line| line.mean()).sum::<f32>() / read.len().max(1) as f32
}

fn mean_of(lines: &[Line]) -> f32 {
    lines.iter().map(Line::mean).sum::<f32>() / lines.len().max(1) as f32
}
