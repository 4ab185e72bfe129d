//! Where the document lies in the picture: its outline, a quadrilateral, and the picture straightened by it. A page that
//! was photographed askew is read, measured and looked at as if it had lain under a scanner.

use opencv::core::{
    BORDER_REPLICATE, CV_8UC1, DECOMP_LU, Mat, MatTraitConst, MatTraitConstManual, Point_, Point2f, Scalar,
    Size, ToInputArray, Vec3b, Vector,
};
use opencv::imgproc::{
    CHAIN_APPROX_SIMPLE, COLOR_RGB2GRAY, INTER_LINEAR, RETR_EXTERNAL, RETR_LIST, THRESH_BINARY, THRESH_OTSU,
    approx_poly_dp, arc_length, canny, contour_area_def, convex_hull_def, cvt_color_def, dilate,
    find_contours_def, gaussian_blur_def, get_perspective_transform_slice, is_contour_convex,
    morphology_default_border_value, threshold, warp_perspective,
};

use super::Error;
use super::text::{Quad, distance, point2f};
use crate::image::Picture;
use crate::recognise::Point;

/// Longest side of the picture in which the outline is looked for, in pixels: enough for its corners, too little for text.
const SMALL: u32 = 480;
/// An outline takes at least this share of the picture; smaller ones are pictures and boxes on the page, or the page is
/// too small to read.
const LEAST_AREA: f32 = 0.15;
/// A share of this size is the picture itself.
const WHOLE: f32 = 0.94;
/// The shorter of two opposite sides, as a share of the longer: a page that leans by 40 degrees both ways keeps more.
const LEAST_TAPER: f32 = 0.42;
/// Cosine of the sharpest corner that a leaning page has.
const SHARPEST: f32 = 0.8;
/// Longer side over shorter: cards have 1.59, pages of passports 1.42, both pages 1.41, each foreshortened.
const SLIMMEST: f32 = 2.4;
/// How far the outline is moved outward, as a share of its sides: what is cut off is lost, what is left over does no harm.
const RIM: f32 = 0.015;
/// Of a contour's area, the share that its quadrilateral may add: corners are round and thumbs hold them.
const MOST_ADDED: f32 = 0.12;
/// What of its size an outline is worth less for each share that it adds: one that cuts a corner off is larger, not better.
const DISLIKE: f32 = 3.0;

/// Straightens a picture by the outline of what lies in it, when there is one to see.
pub(super) fn straighten(picture: &Picture) -> Result<Option<Picture>, Error> {
    let Some(outline) = outline(picture)? else { return Ok(None) };
    if is_straight(&outline, [picture.width() as f32, picture.height() as f32]) {
        return Ok(None);
    }
    Ok(Some(cut_out(picture, &grown(&outline, RIM))?))
}

/// Whether straightening gains nothing: the outline stands upright and fills most of the picture.
fn is_straight(outline: &Quad, size: [f32; 2]) -> bool {
    let [a, b, c, d] = outline.corners;
    let level = |p: Point, q: Point, axis: usize| (q[axis] - p[axis]).abs() < 0.03 * distance(p, q);
    let area = outline.width() * outline.height() / (size[0] * size[1]);
    level(a, b, 1) && level(d, c, 1) && level(a, d, 0) && level(b, c, 0) && area > 0.75
}

/// The quadrilateral as a picture of its own, as wide and high as its longer sides.
pub(super) fn cut_out(picture: &Picture, quad: &Quad) -> opencv::Result<Picture> {
    let [a, b, c, d] = quad.corners;
    let side = |p: f32, q: f32| (p.max(q).round() as u32).max(1);
    let (width, height) = (side(distance(a, b), distance(d, c)), side(distance(a, d), distance(b, c)));
    let (w, h) = (width as f32, height as f32);
    let target = [Point2f::new(0.0, 0.0), Point2f::new(w, 0.0), Point2f::new(w, h), Point2f::new(0.0, h)];
    let transform = get_perspective_transform_slice(quad.corners.map(point2f), target, DECOMP_LU)?;
    let mut pixels = image::RgbImage::new(width, height);
    let size = Size::new(width as i32, height as i32);
    let mut flat = Mat::new_rows_cols_with_bytes_mut::<Vec3b>(size.height, size.width, pixels.as_mut())?;
    let beyond = Scalar::default();
    warp_perspective(&picture.mat()?, &mut flat, &transform, size, INTER_LINEAR, BORDER_REPLICATE, beyond)?;
    drop(flat);
    Ok(Picture::from_rgb(pixels))
}

/// The largest quadrilateral that can be a page, by its edges or by its colour.
fn outline(picture: &Picture) -> Result<Option<Quad>, Error> {
    let small = picture.within(SMALL)?;
    let scale = picture.width() as f32 / small.width() as f32;
    let size = [small.width() as f32, small.height() as f32];
    let rgb = small.mat()?;
    let mut soft = Mat::default();
    gaussian_blur_def(&rgb, &mut soft, Size::new(5, 5), 0.0)?;
    let mut best: Option<(f32, Quad)> = None;
    for (mask, mode) in [(by_colour(&soft)?, RETR_EXTERNAL), (by_edges(&soft)?, RETR_LIST)] {
        let mut contours = Vector::<Vector<Point_<i32>>>::new();
        find_contours_def(&mask, &mut contours, mode, CHAIN_APPROX_SIMPLE)?;
        for contour in &contours {
            let Some((score, quad)) = quadrilateral(&contour, size)? else { continue };
            if best.as_ref().is_none_or(|(other, _)| score > *other) {
                best = Some((score, quad));
            }
        }
    }
    Ok(best.map(|(_, quad)| Quad { corners: quad.corners.map(|p| p.map(|v| v * scale)) }))
}

/// What differs from the picture's border: the table seldom has the page's colour.
fn by_colour(soft: &impl MatTraitConst) -> opencv::Result<Mat> {
    let (rows, cols) = (soft.rows(), soft.cols());
    let mut rim: [Vec<u8>; 3] = Default::default();
    for y in 0..rows {
        let row = soft.at_row::<Vec3b>(y)?;
        let inner = y > 1 && y < rows - 2;
        for (x, pixel) in row.iter().enumerate() {
            if !inner || x < 2 || x + 2 >= cols as usize {
                rim.iter_mut().zip(pixel.0).for_each(|(levels, level)| levels.push(level));
            }
        }
    }
    let middle = rim.map(|mut levels| {
        let at = levels.len() / 2;
        *levels.select_nth_unstable(at).1
    });
    let mut far = Vec::with_capacity((rows * cols) as usize);
    for y in 0..rows {
        far.extend(soft.at_row::<Vec3b>(y)?.iter().map(|pixel| {
            let off = pixel.0.iter().zip(middle).map(|(a, b)| u32::from(a.abs_diff(b))).sum::<u32>();
            (off / 2).min(255) as u8
        }));
    }
    let far = Mat::new_rows_cols_with_data::<u8>(rows, cols, &far)?;
    let mut mask = Mat::default();
    threshold(&far, &mut mask, 0.0, 255.0, THRESH_BINARY | THRESH_OTSU)?;
    closed(&mask, 5)
}

/// Lines along which the light changes, each wide enough to meet the next.
fn by_edges(soft: &(impl MatTraitConst + ToInputArray)) -> opencv::Result<Mat> {
    let mut grey = Mat::default();
    cvt_color_def(soft, &mut grey, COLOR_RGB2GRAY)?;
    let mut edges = Mat::default();
    canny(&grey, &mut edges, 20.0, 60.0, 3, true)?;
    grown_mask(&edges, 3)
}

fn grown_mask(mask: &Mat, side: i32) -> opencv::Result<Mat> {
    let kernel = Mat::new_rows_cols_with_default(side, side, CV_8UC1, Scalar::all(1.0))?;
    let mut grown = Mat::default();
    let border = morphology_default_border_value()?;
    dilate(mask, &mut grown, &kernel, Point_::new(-1, -1), 1, opencv::core::BORDER_CONSTANT, border)?;
    Ok(grown)
}

/// Without holes up to a few pixels.
fn closed(mask: &Mat, side: i32) -> opencv::Result<Mat> {
    let kernel = Mat::new_rows_cols_with_default(side, side, CV_8UC1, Scalar::all(1.0))?;
    let mut closed = Mat::default();
    let border = morphology_default_border_value()?;
    opencv::imgproc::morphology_ex(
        mask,
        &mut closed,
        opencv::imgproc::MORPH_CLOSE,
        &kernel,
        Point_::new(-1, -1),
        1,
        opencv::core::BORDER_CONSTANT,
        border,
    )?;
    Ok(closed)
}

/// The contour as a quadrilateral, if it can be a page, and how good it is: the share of the picture that it takes, less
/// what it adds to the contour.
fn quadrilateral(contour: &Vector<Point_<i32>>, size: [f32; 2]) -> opencv::Result<Option<(f32, Quad)>> {
    if contour.len() < 4 {
        return Ok(None);
    }
    let mut hull = Vector::<Point_<i32>>::new();
    convex_hull_def(contour, &mut hull)?;
    let whole = size[0] * size[1];
    let hull_area = contour_area_def(&hull)? as f32;
    if hull_area < LEAST_AREA * whole {
        return Ok(None);
    }
    let length = arc_length(&hull, true)?;
    let mut corners = Vector::<Point_<i32>>::new();
    for share in [0.01, 0.02, 0.03, 0.05] {
        approx_poly_dp(&hull, &mut corners, share * length, true)?;
        if corners.len() <= 4 {
            break;
        }
    }
    if corners.len() != 4 || !is_contour_convex(&corners)? {
        return Ok(None);
    }
    let points: Vec<Point> = corners.iter().map(|p| [p.x as f32, p.y as f32]).collect();
    let quad = upright([points[0], points[1], points[2], points[3]]);
    let area = contour_area_def(&corners)? as f32;
    let added = (hull_area / area.max(1.0) - 1.0).abs();
    let score = area / whole * (1.0 - DISLIKE * added);
    Ok((added < MOST_ADDED && can_be_page(&quad) && area < WHOLE * whole).then_some((score, quad)))
}

/// The corners clockwise, from the one that is the upper left when the page is turned as little as possible.
fn upright(corners: [Point; 4]) -> Quad {
    let centre = Quad { corners }.centre();
    let mut clockwise = corners;
    let angle = |p: &Point| (p[1] - centre[1]).atan2(p[0] - centre[0]);
    clockwise.sort_by(|a, b| angle(a).total_cmp(&angle(b)));
    let rightward = |from: usize| {
        let (a, b) = (clockwise[from], clockwise[(from + 1) % 4]);
        (b[0] - a[0]) / distance(a, b).max(f32::EPSILON)
    };
    let first = (0..4).max_by(|a, b| rightward(*a).total_cmp(&rightward(*b))).unwrap_or(0);
    Quad { corners: std::array::from_fn(|i| clockwise[(first + i) % 4]) }
}

fn can_be_page(quad: &Quad) -> bool {
    let [a, b, c, d] = quad.corners;
    let taper = |p: f32, q: f32| p.min(q) / p.max(q).max(f32::EPSILON);
    let sides = [distance(a, b), distance(b, c), distance(c, d), distance(d, a)];
    let corner = |p: Point, at: Point, q: Point| {
        let (u, v) = ([p[0] - at[0], p[1] - at[1]], [q[0] - at[0], q[1] - at[1]]);
        (u[0] * v[0] + u[1] * v[1]).abs() / (distance(p, at) * distance(q, at)).max(f32::EPSILON)
    };
    let slim = quad.width().max(quad.height()) / quad.width().min(quad.height()).max(f32::EPSILON);
    taper(sides[0], sides[2]) > LEAST_TAPER
        && taper(sides[1], sides[3]) > LEAST_TAPER
        && slim < SLIMMEST
        && [corner(d, a, b), corner(a, b, c), corner(b, c, d), corner(c, d, a)]
            .iter()
            .all(|cos| *cos < SHARPEST)
}

/// The corners moved away from the middle.
fn grown(quad: &Quad, share: f32) -> Quad {
    let centre = quad.centre();
    Quad { corners: quad.corners.map(|p| std::array::from_fn(|i| p[i] + (p[i] - centre[i]) * 2.0 * share)) }
}

#[cfg(test)]
mod tests {
    use image::{Rgb, RgbImage};

    use super::*;

    /// A light page with dark lines on a darker table.
    fn table_with_page(corners: [Point; 4]) -> Picture {
        let inside = |x: f32, y: f32| {
            (0..4).all(|i| {
                let (a, b) = (corners[i], corners[(i + 1) % 4]);
                (b[0] - a[0]) * (y - a[1]) - (b[1] - a[1]) * (x - a[0]) >= 0.0
            })
        };
        Picture::from_rgb(RgbImage::from_fn(800, 600, |x, y| {
            if inside(x as f32, y as f32) {
                if y % 40 < 8 && x % 7 < 3 { Rgb([60, 60, 80]) } else { Rgb([226, 232, 240]) }
            } else {
                Rgb([96 + (y % 9) as u8, 70, 52])
            }
        }))
    }

    #[track_caller]
    fn found(corners: [Point; 4]) -> Quad {
        outline(&table_with_page(corners)).unwrap().unwrap()
    }

    #[test]
    fn a_leaning_page_is_found_at_its_corners() {
        let corners = [[180.0, 120.0], [640.0, 150.0], [700.0, 470.0], [110.0, 430.0]];
        let quad = found(corners);
        for (seen, true_corner) in quad.corners.iter().zip(corners) {
            assert!(distance(*seen, true_corner) < 12.0, "{seen:?} {true_corner:?}");
        }
        let flat = straighten(&table_with_page(corners)).unwrap().unwrap();
        let ratio = flat.width() as f32 / flat.height() as f32;
        assert!((1.4..2.1).contains(&ratio), "{ratio}");
        // The table is gone.
        assert!(flat.rgb().get_pixel(30, flat.height() - 30).0[2] > 75);
    }

    #[test]
    fn a_page_that_stands_straight_and_fills_the_picture_is_left_alone() {
        let corners = [[20.0, 20.0], [780.0, 20.0], [780.0, 580.0], [20.0, 580.0]];
        assert!(straighten(&table_with_page(corners)).unwrap().is_none());
    }

    #[test]
    fn a_picture_without_a_page_has_no_outline() {
        let noise = RgbImage::from_fn(640, 480, |x, y| Rgb([(x * 7 % 200) as u8, (y * 11 % 200) as u8, 90]));
        assert!(outline(&Picture::from_rgb(noise)).unwrap().is_none());
    }

    #[test]
    fn what_no_page_can_be_is_none() {
        assert!(!can_be_page(&Quad { corners: [[0.0, 0.0], [400.0, 0.0], [260.0, 300.0], [140.0, 300.0]] }));
        assert!(!can_be_page(&Quad { corners: [[0.0, 0.0], [900.0, 0.0], [900.0, 100.0], [0.0, 100.0]] }));
        assert!(can_be_page(&Quad { corners: [[0.0, 0.0], [300.0, 40.0], [290.0, 250.0], [10.0, 200.0]] }));
    }
}
