//! Cutting a face out of a picture the way a network was trained to see it.

use opencv::core::{BORDER_CONSTANT, Mat, Rect, Scalar, Size};
use opencv::imgproc::{INTER_LINEAR, resize, warp_affine};

use crate::image::Picture;
use crate::recognise::Point;

/// Side of an aligned face in pixels.
pub(crate) const ALIGNED: i32 = 112;

/// Where eyes, nose and corners of the mouth are in an aligned face of 112 x 112 (ArcFace's template:
/// `insightface/utils/face_align.py`).
const TEMPLATE: [Point; 5] =
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]];

/// A scaling, rotation and shift: `x' = a x - b y + tx`, `y' = b x + a y + ty`.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Similarity {
    a: f64,
    b: f64,
    tx: f64,
    ty: f64,
}

impl Similarity {
    /// The least-squares one that takes `from` to `to` (Umeyama 1991; in the plane it has this closed form).
    fn between(from: &[Point; 5], to: &[Point; 5]) -> Self {
        let mean = |points: &[Point; 5], i: usize| points.iter().map(|p| f64::from(p[i])).sum::<f64>() / 5.0;
        let (fx, fy, gx, gy) = (mean(from, 0), mean(from, 1), mean(to, 0), mean(to, 1));
        let (mut dot, mut cross, mut spread) = (0.0, 0.0, 0.0);
        for (p, q) in from.iter().zip(to) {
            let (px, py) = (f64::from(p[0]) - fx, f64::from(p[1]) - fy);
            let (qx, qy) = (f64::from(q[0]) - gx, f64::from(q[1]) - gy);
            dot += px * qx + py * qy;
            cross += px * qy - py * qx;
            spread += px * px + py * py;
        }
        // Five points in one place have no size; they then all map to the template's middle.
        let spread = spread.max(f64::EPSILON);
        let (a, b) = (dot / spread, cross / spread);
        Self { a, b, tx: gx - a * fx + b * fy, ty: gy - b * fx - a * fy }
    }

    fn apply(self, x: f64, y: f64) -> (f64, f64) {
        (self.a * x - self.b * y + self.tx, self.b * x + self.a * y + self.ty)
    }

    fn mat(self) -> opencv::Result<Mat> {
        Mat::from_slice_2d(&[[self.a, -self.b, self.tx], [self.b, self.a, self.ty]])
    }
}

/// The face at these landmarks, upright, 112 x 112, RGB.
pub(crate) fn align(picture: &Picture, landmarks: &[Point; 5]) -> opencv::Result<Mat> {
    let similarity = Similarity::between(landmarks, &TEMPLATE).mat()?;
    let mut aligned = Mat::default();
    let size = Size::new(ALIGNED, ALIGNED);
    warp_affine(
        &picture.mat()?,
        &mut aligned,
        &similarity,
        size,
        INTER_LINEAR,
        BORDER_CONSTANT,
        Scalar::default(),
    )?;
    Ok(aligned)
}

/// The part of the aligned face that lies inside the picture, 0 to 1; the rest of it is black. The detector's box can't
/// tell: it ends where the picture does.
pub(crate) fn visible(picture: &Picture, landmarks: &[Point; 5]) -> f32 {
    const STEPS: u32 = 16;
    let back = Similarity::between(&TEMPLATE, landmarks);
    let at = |step: u32| (f64::from(step) + 0.5) * f64::from(ALIGNED) / f64::from(STEPS);
    let inside = |(x, y): (f64, f64)| {
        (0.0..f64::from(picture.width())).contains(&x) && (0.0..f64::from(picture.height())).contains(&y)
    };
    let points = (0..STEPS).flat_map(|row| (0..STEPS).map(move |column| (at(column), at(row))));
    let seen = points.filter(|&(x, y)| inside(back.apply(x, y))).count();
    seen as f32 / (STEPS * STEPS) as f32
}

/// The part of the picture around a box, `scale` times its size, moved inside the picture and, where it does not fit,
/// smaller. As in Silent-Face-Anti-Spoofing's `generate_patches.py`.
pub(crate) fn region(picture: &Picture, bounds: [f32; 4], scale: f32) -> Rect {
    let [x, y, width, height] = bounds;
    let (picture_width, picture_height) = (picture.width() as f32, picture.height() as f32);
    let scale = scale.min((picture_width - 1.0) / width).min((picture_height - 1.0) / height);
    // From and to are the first and the last pixel.
    let span = |from: f32, length: f32, end: f32| {
        let from = (from + length * (1.0 - scale) / 2.0).min(end - 1.0 - length * scale).max(0.0);
        (from as i32, (from + length * scale).min(end - 1.0) as i32)
    };
    let (left, right) = span(x, width, picture_width);
    let (top, bottom) = span(y, height, picture_height);
    Rect::new(left, top, right - left + 1, bottom - top + 1)
}

/// That part of the picture, resized to `side` x `side`. RGB.
pub(crate) fn cut(picture: &Picture, region: Rect, side: i32) -> opencv::Result<Mat> {
    let mat = picture.mat()?;
    let mut patch = Mat::default();
    resize(&Mat::roi(&mat, region)?, &mut patch, Size::new(side, side), 0.0, 0.0, INTER_LINEAR)?;
    Ok(patch)
}

/// What lies around a box, `scale` times its size, as `side` x `side` pixels. RGB.
pub(crate) fn patch(picture: &Picture, bounds: [f32; 4], scale: f32, side: i32) -> opencv::Result<Mat> {
    cut(picture, region(picture, bounds, scale), side)
}

/// The smallest square with the same middle as the box.
pub(crate) fn square(bounds: [f32; 4]) -> [f32; 4] {
    let [x, y, width, height] = bounds;
    let side = width.max(height);
    [x + (width - side) / 2.0, y + (height - side) / 2.0, side, side]
}

#[cfg(test)]
mod tests {
    use image::{Rgb, RgbImage};
    use opencv::core::{MatTraitConst, Vec3b};
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn points_that_were_moved_scaled_and_turned_are_brought_back_exactly(
            angle in -3.1f64..3.1, scale in 0.2f64..20.0, tx in -500f64..500.0, ty in -500f64..500.0,
        ) {
            let moved = TEMPLATE.map(|[x, y]| {
                let (x, y) = (f64::from(x), f64::from(y));
                [
                    (scale * (angle.cos() * x - angle.sin() * y) + tx) as f32,
                    (scale * (angle.sin() * x + angle.cos() * y) + ty) as f32,
                ]
            });
            let back = Similarity::between(&moved, &TEMPLATE);
            for (p, q) in moved.iter().zip(&TEMPLATE) {
                let (x, y) = back.apply(f64::from(p[0]), f64::from(p[1]));
                prop_assert!((x - f64::from(q[0])).abs() < 0.01 && (y - f64::from(q[1])).abs() < 0.01);
            }
        }

        #[test]
        fn a_patch_of_any_box_lies_inside_the_picture(
            x in -200f32..300.0, y in -200f32..300.0, width in 1f32..400.0, height in 1f32..400.0, scale in 0.5f32..4.0,
        ) {
            let picture = Picture::from_rgb(RgbImage::new(200, 150));
            let patch = patch(&picture, [x, y, width, height], scale, 16).unwrap();
            prop_assert_eq!((patch.rows(), patch.cols()), (16, 16));
        }
    }

    #[test]
    fn a_face_that_is_already_aligned_is_cut_out_as_it_is() {
        let image = RgbImage::from_fn(200, 200, |x, y| Rgb([x as u8, y as u8, (x ^ y) as u8]));
        let shifted = TEMPLATE.map(|[x, y]| [x + 30.0, y + 50.0]);
        let aligned = align(&Picture::from_rgb(image), &shifted).unwrap();
        assert_eq!(aligned.at_2d::<Vec3b>(7, 9).unwrap().0, [39, 57, 39 ^ 57]);
    }

    #[test]
    fn half_of_a_face_at_the_edge_is_seen_by_half() {
        let picture = Picture::from_rgb(RgbImage::new(300, 300));
        let at = |dx: f32| visible(&picture, &TEMPLATE.map(|[x, y]| [x + dx, y + 90.0]));
        assert_eq!(at(90.0), 1.0);
        assert_eq!(at(-56.0), 0.5);
        assert_eq!(at(-200.0), 0.0);
    }
}
