//! One side of a document: the picture straightened and turned until its text stands upright, and the text, which is read
//! only as far as it is needed: the long lines first, among which a machine-readable zone is, then the tall ones, which
//! state the facts, then the small print of the labels.

use image::imageops::{rotate90, rotate180, rotate270};

use super::frame::{cut_out, straighten};
use super::line::{Line, read_lines, strip_width};
use super::region::Region;
use super::text::{self, Quad, find_text};
use super::{Error, Networks};
use crate::image::Picture;
use crate::models::Role;
use crate::recognise::Point;
use crate::timing::Timings;

/// One side, upright.
pub(crate) struct Page {
    pub(crate) picture: Picture,
    /// Clockwise degrees by which it was turned: whole quarters, what was straightened beyond them aside.
    pub(crate) turned: u32,
    pub(crate) lines: Vec<Line>,
    /// Text that was found and not read yet.
    unread: Vec<Quad>,
    /// The picture as it was taken, when only a part of it is the page here.
    pub(crate) whole: Option<Picture>,
}

/// A page whose lines are read with less certainty than this, on average, may be upside down.
const DOUBTFUL: f32 = 0.85;
/// How much better the other way up has to be: the network reads some noise either way.
const CLEARLY_BETTER: f32 = 0.05;
/// Characters from which a line says something about the page.
const WORD: usize = 4;
/// Lines that show where the text of a picture is.
const FEWEST_LINES: usize = 3;
/// By how much of its width and height the part around them goes on: a zone is longer than the print above it and stands below.
const AROUND_TEXT: f32 = 0.6;
/// The same around a face, for the photo that it is on.
const AROUND_FACE: f32 = 0.5;
/// Of the picture's longer side, what the part's may take up to be worth another look.
const SMALL_PART: f32 = 0.8;
/// Lines that are read the other way up to compare, and at least before anything is said of the page.
const PROBED: usize = 8;
/// Pixels of text, as wide as the recogniser sees it, that are read on one page. The fullest of 28 photos, a spread among
/// them, has 21,000.
const MOST_TEXT: f32 = 40_000.0;
/// Degrees from which slanted text is set straight; less the networks do not mind.
const SLANTED: f32 = 4.0;
/// Width, as a share of the widest one's, from which a long line can be a row of the same zone.
const MOST_OF_A_ROW: f32 = 0.6;

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

    /// Reads some more of the text, the tallest first: facts are printed larger than their labels. `false` when there was no
    /// more.
    pub(crate) fn read_more(&mut self, networks: &mut Networks) -> Result<bool, Error> {
        self.unread.sort_by(|a, b| b.height().total_cmp(&a.height()));
        let more: Vec<Quad> = self.unread.drain(..self.unread.len().min(PROBED)).collect();
        let read = read_lines(&self.picture.mat()?, &more, &mut *networks.fast, Role::TextRecognition)?;
        self.lines.extend(read);
        Ok(!more.is_empty())
    }

    /// Reads what was not read yet.
    pub(crate) fn read_rest(&mut self, networks: &mut Networks) -> Result<(), Error> {
        let rest = std::mem::take(&mut self.unread);
        let read = read_lines(&self.picture.mat()?, &rest, &mut *networks.fast, Role::TextRecognition)?;
        self.lines.extend(read);
        Ok(())
    }

    /// The part of the picture around its text and all faces, where that part is small: in a picture that is shrunk less, text detection
    /// sees more. What was read without certainty is no text. Whose portrait it is would be another question without the other faces.
    pub(crate) fn part_with_text(&self, networks: &mut Networks) -> Result<Option<Picture>, Error> {
        let is_word = |line: &&Line| line.text.chars().count() >= WORD && line.mean() >= DOUBTFUL;
        let words = self.lines.iter().filter(is_word).map(|line| &line.quad);
        let quads: Vec<&Quad> = words.chain(&self.unread).collect();
        let text = Region::around(quads.iter().flat_map(|quad| quad.corners));
        let Some(text) = text.filter(|_| quads.len() >= FEWEST_LINES) else { return Ok(None) };
        let part = text.grown(AROUND_TEXT).within(self.size());
        if !self.is_small(part) {
            return Ok(None);
        }
        let faces = networks.faces.detect(&self.picture);
        let faces = faces.map_err(|source| Error::Network { role: Role::FaceDetection, source })?;
        let photos = faces.into_iter().map(|face| {
            let [x, y, width, height] = face.bounds;
            Region { left: x, top: y, right: x + width, bottom: y + height }.grown(AROUND_FACE)
        });
        let part = photos.fold(part, Region::and).within(self.size());
        Ok(if self.is_small(part) { part.cut_out(&self.picture) } else { None })
    }

    fn is_small(&self, part: Region) -> bool {
        let [width, height] = self.size();
        (part.right - part.left).max(part.bottom - part.top) < SMALL_PART * width.max(height)
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

    /// The page the other way up; what was read is read again.
    pub(crate) fn flipped(&self, networks: &mut Networks) -> Result<Self, Error> {
        let quads: Vec<Quad> = self.lines.iter().map(|line| line.quad).collect();
        let (picture, quads) = turn(&self.picture, &quads, 2);
        let unread = self.unread.iter().map(|quad| quad.turned(2, size(&self.picture))).collect();
        let lines = read_lines(&picture.mat()?, &quads, &mut *networks.fast, Role::TextRecognition)?;
        Ok(Self { picture, turned: (self.turned + 180) % 360, lines, unread, whole: None })
    }
}

fn size(picture: &Picture) -> [f32; 2] {
    [picture.width() as f32, picture.height() as f32]
}

/// Finds the page in the picture, straightens it, turns it upright and reads its long lines.
pub(crate) fn read_page(
    picture: Picture,
    networks: &mut Networks,
    settings: &text::Settings,
    timings: &mut Timings,
) -> Result<Page, Error> {
    let (page, whole) = match timings.measure("find_page", || straighten(&picture))? {
        Some(flat) => (read_as_it_lies(flat, networks, &settings.for_page(), timings)?, Some(picture)),
        None => (read_as_it_lies(picture, networks, settings, timings)?, None),
    };
    match page.part_with_text(networks)? {
        Some(part) => {
            let closer = read_as_it_lies(part, networks, settings, timings)?;
            Ok(Page { whole: whole.or(Some(page.picture)), ..closer })
        }
        None => Ok(Page { whole, ..page }),
    }
}

/// The same of a picture that is all page, or on which no page stands out.
pub(crate) fn read_as_it_lies(
    picture: Picture,
    networks: &mut Networks,
    settings: &text::Settings,
    timings: &mut Timings,
) -> Result<Page, Error> {
    let quads =
        timings.measure("find_text", || find_text(&picture.mat()?, &mut *networks.detection, settings))?;
    timings.measure("read_text", || {
        let angle = direction(&quads);
        let quarters = if angle.abs() > 45.0 { 1 } else { 0 };
        // Text that runs down reads from left to right after three quarter turns, and upside down after one.
        let slant = if quarters == 0 { angle } else { angle - 90.0_f32.copysign(angle) };
        let (picture, quads) =
            if quarters == 0 { (picture, quads) } else { turn(&picture, &quads, quarters) };
        let (picture, quads) =
            if slant.abs() < SLANTED { (picture, quads) } else { set_straight(&picture, &quads, slant)? };
        let (first, unread) = long_lines(readable(quads.iter().map(Quad::levelled).collect()));
        let lines = read_lines(&picture.mat()?, &first, &mut *networks.fast, Role::TextRecognition)?;
        let page = Page { picture, turned: quarters * 90, lines, unread, whole: None };
        if page.is_doubtful() && page.reads_better_flipped(networks)? {
            page.flipped(networks)
        } else {
            Ok(page)
        }
    })
}

/// Without the smallest, when there is more text than a page can hold.
fn readable(mut quads: Vec<Quad>) -> Vec<Quad> {
    let area = |quad: &Quad| quad.width() * quad.height();
    quads.sort_by(|a, b| area(b).total_cmp(&area(a)));
    let mut width = 0.0;
    let fits = |quad: &&Quad| {
        width += strip_width(quad);
        width <= MOST_TEXT
    };
    let count = quads.iter().take_while(fits).count();
    quads.truncate(count);
    quads
}

/// The lines that are read first, and the others: what can be a row of a zone, else whatever is widest. They also show best
/// which way is up.
fn long_lines(mut quads: Vec<Quad>) -> (Vec<Quad>, Vec<Quad>) {
    quads.sort_by(|a, b| b.width().total_cmp(&a.width()));
    let widest = quads.iter().filter(|quad| quad.is_long()).map(Quad::width).fold(0.0, f32::max);
    if widest > 0.0 {
        quads.into_iter().partition(|quad| quad.is_long() && quad.width() > MOST_OF_A_ROW * widest)
    } else {
        let others = quads.split_off(quads.len().min(PROBED));
        (quads, others)
    }
}

/// Degrees clockwise, over -90 to 90, by which the text is turned out of the horizontal: the mean over all lines by length,
/// of doubled angles, so that up and down are one.
fn direction(quads: &[Quad]) -> f32 {
    let long = quads.iter().filter(|quad| quad.shows_direction());
    let [x, y] = long.fold([0.0f32; 2], |[x, y], quad| {
        let [dx, dy] = quad.direction();
        let length = quad.width();
        [x + (dx * dx - dy * dy) * length, y + 2.0 * dx * dy * length]
    });
    if x == 0.0 && y == 0.0 { 0.0 } else { y.atan2(x).to_degrees() / 2.0 }
}

/// Turns a picture and the text on it counter-clockwise by a few degrees, on a canvas that holds all of it.
fn set_straight(picture: &Picture, quads: &[Quad], degrees: f32) -> Result<(Picture, Vec<Quad>), Error> {
    let [width, height] = size(picture);
    let (sin, cos) = degrees.to_radians().sin_cos();
    let wide = (width * cos.abs() + height * sin.abs()).round();
    let high = (width * sin.abs() + height * cos.abs()).round();
    let canvas = Quad::new([width / 2.0, height / 2.0], [cos, sin], wide, high);
    let place = |[x, y]: Point| {
        let (x, y) = (x - width / 2.0, y - height / 2.0);
        [x * cos + y * sin + wide / 2.0, y * cos - x * sin + high / 2.0]
    };
    let quads = quads.iter().map(|quad| Quad { corners: quad.corners.map(place) }).collect();
    Ok((cut_out(picture, &canvas)?, quads))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn line_at(degrees: f32, length: f32) -> Quad {
        let (sin, cos) = degrees.to_radians().sin_cos();
        // As boxes are found: they run to the right, or down.
        let along = if cos.abs() >= sin.abs() { [cos, sin] } else { [cos * sin.signum(), sin.abs()] };
        Quad::new([400.0, 300.0], along, length, 20.0)
    }

    #[test]
    fn the_direction_of_the_text_is_that_of_most_of_it() {
        for degrees in [-80.0f32, -40.0, -3.0, 0.0, 17.0, 44.0, 70.0] {
            let lines =
                [line_at(degrees, 300.0), line_at(degrees + 2.0, 200.0), line_at(degrees - 80.0, 45.0)];
            assert!((direction(&lines) - degrees).abs() < 6.0, "{degrees} {}", direction(&lines));
        }
        assert_eq!(direction(&[]), 0.0);
    }

    #[test]
    fn slanted_text_is_level_after_it_was_set_straight_and_stays_in_the_picture() {
        let picture = Picture::from_rgb(image::RgbImage::new(800, 600));
        let lines = [line_at(25.0, 300.0)];
        let (straight, lines) = set_straight(&picture, &lines, 25.0).unwrap();
        let [dx, dy] = lines[0].direction();
        assert!(dx > 0.999 && dy.abs() < 0.01);
        assert!(lines[0].corners.iter().flatten().all(|v| *v > 0.0));
        assert!(straight.width() > 800 && straight.height() > 600);
    }
}
