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
/// Characters from which a line says something about the page.
const WORD: usize = 4;
/// Lines that are read the other way up to compare.
const PROBED: usize = 8;
/// How many times as long as high a box must be to show the direction of its text.
const LONG: f32 = 2.0;

impl Page {
    /// Width and height in pixels.
    pub(crate) fn size(&self) -> [f32; 2] {
        size(&self.picture)
    }

    /// Whether the page may be upside down.
    pub(crate) fn is_doubtful(&self) -> bool {
        let read: Vec<&Line> = self.lines.iter().filter(|line| line.text.chars().count() >= WORD).collect();
        !read.is_empty() && mean(read) < DOUBTFUL
    }

    /// Reads some lines the other way up to compare.
    fn reads_better_flipped(&self, networks: &mut Networks) -> Result<bool, Error> {
        let mut longest: Vec<&Line> = self.lines.iter().collect();
        longest.sort_by(|a, b| b.quad.width().total_cmp(&a.quad.width()));
        longest.truncate(PROBED);
        let quads: Vec<Quad> = longest.iter().map(|line| line.quad).collect();
        let (other, quads) = turn(&self.picture, &quads, 2);
        let flipped = read_lines(&other.mat()?, &quads, &mut *networks.fast, Role::TextRecognition)?;
        Ok(mean(&flipped) > mean(longest) + CLEARLY_BETTER)
    }

    /// The page the other way up.
    pub(crate) fn flipped(&self, networks: &mut Networks) -> Result<Self, Error> {
        let quads: Vec<Quad> = self.lines.iter().map(|line| line.quad).collect();
        let (picture, quads) = turn(&self.picture, &quads, 2);
        let lines = read_lines(&picture.mat()?, &quads, &mut *networks.fast, Role::TextRecognition)?;
        Ok(Self { picture, turned: (self.turned + 180) % 360, lines })
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
        let (picture, quads) =
            if quarters == 0 { (picture, quads) } else { turn(&picture, &quads, quarters) };
        let lines = read_lines(&picture.mat()?, &quads, &mut *networks.fast, Role::TextRecognition)?;
        let page = Page { picture, turned: quarters * 90, lines };
        if page.is_doubtful() && page.reads_better_flipped(networks)? {
            page.flipped(networks)
        } else {
            Ok(page)
        }
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

fn mean<'a>(lines: impl IntoIterator<Item = &'a Line>) -> f32 {
    let (sum, count) = lines.into_iter().fold((0.0, 0), |(sum, count), line| (sum + line.mean(), count + 1));
    sum / count.max(1) as f32
}
