//! Where text is on a page: boxes around lines, of any direction, from the probability map of a DB network
//! (Liao et al. 2020, <https://arxiv.org/abs/1911.08947>).

use opencv::core::{
    CV_8UC1, CV_32FC1, Mat, MatExprTraitConst, MatTraitConst, Point_, Point2f, Rect, Scalar, Size,
    ToInputArray, Vector, mean,
};
use opencv::imgproc::{
    CHAIN_APPROX_SIMPLE, INTER_AREA, INTER_LINEAR, RETR_LIST, dilate, fill_convex_poly_def,
    find_contours_def, min_area_rect, morphology_default_border_value, resize,
};
use serde::Deserialize;

use super::Error;
use crate::models::{Role, tensor};
use crate::recognise::{Point, TextDetection};

/// The networks halve their input five times.
const MULTIPLE: i32 = 32;

/// How a page is shown to the network, and what of its answer is text.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    /// Pixels of the page's longest side, as the network sees it.
    pub(crate) longest_side: u32,
    /// The same of a page that was cut out of its picture, which has no table around it.
    #[serde(default)]
    page_side: Option<u32>,
    /// Probability from which a pixel belongs to text.
    min_pixel: f32,
    /// Mean probability from which a box is text.
    min_box: f32,
    /// How far a box is grown, times area by perimeter: the network was trained on shrunken text.
    unclip: f32,
    /// Pixels of a box's shorter side, as the network sees it.
    min_side: f32,
}

/// Width over height of a box from which it can be a row, or most of a row, of a machine-readable zone.
const LONG: f32 = 9.0;
/// How many times as long as high a box must be to show the direction of its text.
const SHOWS_DIRECTION: f32 = 2.0;

impl Settings {
    /// For a page that was cut out of its picture.
    pub(crate) fn for_page(self) -> Self {
        Self { longest_side: self.page_side.unwrap_or(self.longest_side), ..self }
    }
}

/// A line of text on a picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Quad {
    /// Upper left, upper right, lower right, lower left, for somebody who reads it.
    pub(crate) corners: [Point; 4],
}

pub(crate) fn distance(a: Point, b: Point) -> f32 {
    (a[0] - b[0]).hypot(a[1] - b[1])
}

fn between(a: Point, b: Point, share: f32) -> Point {
    [a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share]
}

impl Quad {
    /// A rectangle by its centre, the direction of reading (a unit vector) and its extents in pixels.
    pub(crate) fn new(centre: Point, direction: Point, width: f32, height: f32) -> Self {
        let [dx, dy] = direction;
        let at =
            |along: f32, down: f32| [centre[0] + dx * along - dy * down, centre[1] + dy * along + dx * down];
        let (w, h) = (width / 2.0, height / 2.0);
        Self { corners: [at(-w, -h), at(w, -h), at(w, h), at(-w, h)] }
    }

    pub(crate) fn width(&self) -> f32 {
        let [a, b, c, d] = self.corners;
        (distance(a, b) + distance(d, c)) / 2.0
    }

    pub(crate) fn height(&self) -> f32 {
        let [a, b, c, d] = self.corners;
        (distance(a, d) + distance(b, c)) / 2.0
    }

    pub(crate) fn centre(&self) -> Point {
        let sum = self.corners.iter().fold([0.0, 0.0], |s, p| [s[0] + p[0], s[1] + p[1]]);
        [sum[0] / 4.0, sum[1] / 4.0]
    }

    /// Middle of the left and of the right edge.
    pub(crate) fn ends(&self) -> (Point, Point) {
        let [a, b, c, d] = self.corners;
        (between(a, d, 0.5), between(b, c, 0.5))
    }

    /// The same line with another height.
    pub(crate) fn with_height(&self, factor: f32) -> Self {
        let [a, b, c, d] = self.corners;
        let (low, high) = (0.5 - factor / 2.0, 0.5 + factor / 2.0);
        Self { corners: [between(a, d, low), between(b, c, low), between(b, c, high), between(a, d, high)] }
    }

    /// Unit vector of reading.
    pub(crate) fn direction(&self) -> Point {
        let (left, right) = self.ends();
        let length = distance(left, right).max(f32::EPSILON);
        [(right[0] - left[0]) / length, (right[1] - left[1]) / length]
    }

    /// Whether it can be a row of a machine-readable zone: 30 characters of OCR-B are 20 times as wide as high.
    pub(crate) fn is_long(&self) -> bool {
        self.width() > LONG * self.height()
    }

    /// The same text after the picture, `size` wide and high before, was turned clockwise by quarter turns.
    pub(crate) fn turned(&self, quarters: u32, size: [f32; 2]) -> Self {
        let turn = |[x, y]: Point| match quarters % 4 {
            0 => [x, y],
            1 => [size[1] - y, x],
            2 => [size[0] - x, size[1] - y],
            _ => [y, size[0] - x],
        };
        let corners = self.corners.map(turn);
        let [dx, dy] = Self { corners }.direction();
        // Read from left to right, or downward.
        let flipped = if dx.abs() >= dy.abs() { dx < 0.0 } else { dy < 0.0 };
        let [a, b, c, d] = corners;
        Self { corners: if flipped { [c, d, a, b] } else { corners } }
    }

    /// The same box on a page whose text stands level. A single glyph is higher than wide, so that its box alone looks as if
    /// its text ran down.
    pub(crate) fn levelled(&self) -> Self {
        let ([dx, dy], [a, b, c, d]) = (self.direction(), self.corners);
        let runs_down = dy.abs() > dx.abs();
        if !runs_down || self.shows_direction() {
            return *self;
        }
        Self { corners: if dy > 0.0 { [d, a, b, c] } else { [b, c, d, a] } }
    }

    /// Whether it is so much longer than high that its text can't run across it.
    pub(crate) fn shows_direction(&self) -> bool {
        self.width() > SHOWS_DIRECTION * self.height()
    }

    /// Whether it comes nearer to the picture's edge than `margin` pixels.
    pub(crate) fn touches_edge(&self, size: [f32; 2], margin: f32) -> bool {
        self.corners
            .iter()
            .any(|[x, y]| *x < margin || *y < margin || *x > size[0] - margin || *y > size[1] - margin)
    }
}

/// Finds the lines of text on an RGB page.
pub(crate) fn find_text(
    page: &(impl MatTraitConst + ToInputArray),
    network: &mut dyn TextDetection,
    settings: &Settings,
) -> Result<Vec<Quad>, Error> {
    let (width, height) = (page.cols(), page.rows());
    let scale = settings.longest_side as f32 / width.max(height) as f32;
    let rounded = |side: i32| ((side as f32 * scale / MULTIPLE as f32).round() as i32).max(1) * MULTIPLE;
    let size = Size::new(rounded(width), rounded(height));
    let input = shrink(page, size)?;
    let input = tensor(&input, network.spec())?;
    let map = network
        .detect(input.view())
        .map_err(|source| Error::Network { role: Role::TextDetection, source })?;
    let (rows, cols) = map.dim();
    let map = map.as_standard_layout();
    let values = map.as_slice().unwrap_or_default();
    let map = Mat::new_rows_cols_with_data::<f32>(rows as i32, cols as i32, values)?;
    let scale = [width as f32 / cols as f32, height as f32 / rows as f32];
    boxes(&map, settings, scale)
}

/// Shrinks over areas, so that thin strokes stay, or enlarges.
pub(crate) fn shrink(picture: &(impl MatTraitConst + ToInputArray), size: Size) -> opencv::Result<Mat> {
    let smaller = size.width * size.height < picture.cols() * picture.rows();
    let mut resized = Mat::default();
    resize(picture, &mut resized, size, 0.0, 0.0, if smaller { INTER_AREA } else { INTER_LINEAR })?;
    Ok(resized)
}

fn boxes(
    map: &(impl MatTraitConst + ToInputArray),
    settings: &Settings,
    scale: [f32; 2],
) -> Result<Vec<Quad>, Error> {
    let mut text = Mat::default();
    opencv::core::compare(map, &f64::from(settings.min_pixel), &mut text, opencv::core::CMP_GT)?;
    let kernel = Mat::ones(2, 2, CV_8UC1)?.to_mat()?;
    let mut grown = Mat::default();
    let border = morphology_default_border_value()?;
    dilate(&text, &mut grown, &kernel, Point_::new(-1, -1), 1, opencv::core::BORDER_CONSTANT, border)?;
    let mut contours = Vector::<Vector<Point_<i32>>>::new();
    find_contours_def(&grown, &mut contours, RETR_LIST, CHAIN_APPROX_SIMPLE)?;
    let mut quads = Vec::new();
    for contour in &contours {
        let around = min_area_rect(&contour)?;
        let (width, height) = (around.size.width, around.size.height);
        if width.min(height) < settings.min_side / 2.0 || mean_inside(map, &contour)? < settings.min_box {
            continue;
        }
        let growth = width * height * settings.unclip / (2.0 * (width + height)) * 2.0;
        if width.min(height) + growth < settings.min_side {
            continue;
        }
        let (sin, cos) = around.angle.to_radians().sin_cos();
        let (along, width, height) =
            if width >= height { ([cos, sin], width, height) } else { ([-sin, cos], height, width) };
        let flipped = if along[0].abs() >= along[1].abs() { along[0] < 0.0 } else { along[1] < 0.0 };
        let along = if flipped { [-along[0], -along[1]] } else { along };
        let quad = Quad::new([around.center.x, around.center.y], along, width + growth, height + growth);
        quads.push(Quad { corners: quad.corners.map(|[x, y]| [x * scale[0], y * scale[1]]) });
    }
    Ok(quads)
}

fn mean_inside(map: &impl MatTraitConst, contour: &Vector<Point_<i32>>) -> opencv::Result<f32> {
    let area = opencv::imgproc::bounding_rect(contour)?;
    let area = area & Rect::new(0, 0, map.cols(), map.rows());
    let mut mask = Mat::new_rows_cols_with_default(area.height, area.width, CV_8UC1, Scalar::all(0.0))?;
    let moved: Vector<Point_<i32>> =
        contour.iter().map(|p| Point_::new(p.x - area.x, p.y - area.y)).collect();
    fill_convex_poly_def(&mut mask, &moved, Scalar::all(1.0))?;
    opencv::imgproc::fill_poly_def(
        &mut mask,
        &Vector::<Vector<Point_<i32>>>::from_iter([moved]),
        Scalar::all(1.0),
    )?;
    debug_assert_eq!(map.typ(), CV_32FC1);
    Ok(mean(&Mat::roi(map, area)?, &mask)?[0] as f32)
}

pub(crate) fn point2f([x, y]: Point) -> Point2f {
    Point2f::new(x, y)
}
