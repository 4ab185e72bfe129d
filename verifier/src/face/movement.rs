//! What changed from one frame to another.

use opencv::core::{CV_64F, DECOMP_SVD, Mat, MatTraitConst, Scalar, solve};

use crate::recognise::{Landmarks68, Point};

/// Both eyes and the outline of the mouth: as good as in one plane.
const PLANE: std::ops::Range<usize> = 36..60;
/// The bridge's lower end, the tip, the middle below it: the farthest before that plane.
const NOSE: [usize; 3] = [29, 30, 33];

/// How far the nose is from where it would be if the second face were the first one's picture, seen from wherever: to the right of
/// the face and down, in distances between the eyes. The eyes and the mouth fix the projective map from plane to plane that
/// stretches, tilts and turns a picture; a nose that stands before them follows no such map (plane and parallax; Irani and
/// Anandan 1996). `None` where the points fix no map.
pub(super) fn parallax(first: &Landmarks68, second: &Landmarks68) -> opencv::Result<Option<Point>> {
    let (from, to) = (Frame::of(first), Frame::of(second));
    let Some(map) = homography(&from, &to, first, second)? else { return Ok(None) };
    let mut moved = [0.0; 2];
    for n in NOSE {
        let [x, y] = from.inside(first[n]);
        let scale = map[6] * x + map[7] * y + 1.0;
        let there = [(map[0] * x + map[1] * y + map[2]) / scale, (map[3] * x + map[4] * y + map[5]) / scale];
        let here = to.inside(second[n]);
        for axis in 0..2 {
            moved[axis] += (here[axis] - there[axis]) / NOSE.len() as f64;
        }
    }
    Ok(moved.iter().all(|v| v.is_finite()).then_some(moved.map(|v| v as f32)))
}

/// How far the detector's five points and the 68 disagree on eyes, nose and mouth, in distances between the eyes: the mean.
pub(super) fn misfit(landmarks: &Landmarks68, five: &[Point; 5]) -> f32 {
    let frame = Frame::of(landmarks);
    let middle = |range: std::ops::Range<usize>| {
        let count = range.len() as f32;
        [0, 1].map(|axis| landmarks[range.clone()].iter().map(|p| p[axis]).sum::<f32>() / count)
    };
    let same = [middle(36..42), middle(42..48), landmarks[30], landmarks[48], landmarks[54]];
    let apart = same.iter().zip(five).map(|(a, b)| {
        let (a, b) = (frame.inside(*a), frame.inside(*b));
        (a[0] - b[0]).hypot(a[1] - b[1])
    });
    (apart.sum::<f64>() / 5.0) as f32
}

/// A face's own coordinates: from the middle between the eyes, along the line through them and across it, in distances
/// between them.
struct Frame {
    origin: [f64; 2],
    along: [f64; 2],
}

impl Frame {
    fn of(landmarks: &Landmarks68) -> Self {
        let middle = |points: &[Point]| {
            [0, 1].map(|axis| points.iter().map(|p| f64::from(p[axis])).sum::<f64>() / points.len() as f64)
        };
        let (left, right) = (middle(&landmarks[36..42]), middle(&landmarks[42..48]));
        Self {
            origin: [(left[0] + right[0]) / 2.0, (left[1] + right[1]) / 2.0],
            along: [right[0] - left[0], right[1] - left[1]],
        }
    }

    fn inside(&self, point: Point) -> [f64; 2] {
        let [x, y] = [f64::from(point[0]) - self.origin[0], f64::from(point[1]) - self.origin[1]];
        let [a, b] = self.along;
        let square = (a * a + b * b).max(f64::EPSILON);
        [(x * a + y * b) / square, (y * a - x * b) / square]
    }
}

/// The map that takes the plane's points of the first face to those of the second by least squares, row by row without its
/// last number, which is 1.
fn homography(
    from: &Frame,
    to: &Frame,
    first: &Landmarks68,
    second: &Landmarks68,
) -> opencv::Result<Option<[f64; 8]>> {
    let (mut rows, mut values) = (Vec::new(), Vec::new());
    for n in PLANE {
        let ([x, y], [u, v]) = (from.inside(first[n]), to.inside(second[n]));
        rows.push([x, y, 1.0, 0.0, 0.0, 0.0, -u * x, -u * y]);
        rows.push([0.0, 0.0, 0.0, x, y, 1.0, -v * x, -v * y]);
        values.extend([[u], [v]]);
    }
    let (rows, values) = (Mat::from_slice_2d(&rows)?, Mat::from_slice_2d(&values)?);
    let mut solved = Mat::new_rows_cols_with_default(8, 1, CV_64F, Scalar::default())?;
    if !solve(&rows, &values, &mut solved, DECOMP_SVD)? {
        return Ok(None);
    }
    let mut map = [0.0; 8];
    for (n, value) in (0..).zip(&mut map) {
        *value = *solved.at_2d::<f64>(n, 0)?;
    }
    Ok(Some(map))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A head whose eyes and mouth lie in a plane and whose nose stands before it, in distances between the eyes, turned (to
    /// the owner's left, up; degrees) and seen from eight distances away.
    fn head(left: f64, up: f64) -> Landmarks68 {
        let (yaw, pitch) = (left.to_radians(), up.to_radians());
        std::array::from_fn(|n| {
            let angle = n as f64;
            let (x, y, z) = match n {
                36..42 => (-0.5 + 0.2 * angle.cos(), 0.1 * angle.sin(), 0.0),
                42..48 => (0.5 + 0.2 * angle.cos(), 0.1 * angle.sin(), 0.0),
                48..60 => (0.4 * angle.cos(), 1.1 + 0.15 * angle.sin(), 0.0),
                29..34 => (0.0, 0.6, 0.35),
                _ => (0.9 * angle.cos(), 0.5 + 0.9 * angle.sin(), -0.5),
            };
            let (x, z) = (x * yaw.cos() + z * yaw.sin(), z * yaw.cos() - x * yaw.sin());
            let (y, z) = (y * pitch.cos() - z * pitch.sin(), z * pitch.cos() + y * pitch.sin());
            let depth = 8.0 / (8.0 - z);
            [(300.0 + 100.0 * x * depth) as f32, (200.0 + 100.0 * y * depth) as f32]
        })
    }

    #[test]
    fn a_head_that_turns_shows_its_nose_before_the_face_on_the_side_that_it_turns_to() {
        let moved = |left, up| parallax(&head(0.0, 0.0), &head(left, up)).unwrap().unwrap();
        let [left, right, up, down] =
            [moved(20.0, 0.0), moved(-20.0, 0.0), moved(0.0, 15.0), moved(0.0, -15.0)];
        assert!(left[0] > 0.1 && left[1].abs() < 0.02, "{left:?}");
        assert!(right[0] < -0.1 && right[1].abs() < 0.02, "{right:?}");
        assert!(up[1] < -0.08 && up[0].abs() < 0.02, "{up:?}");
        assert!(down[1] > 0.08 && down[0].abs() < 0.02, "{down:?}");
    }

    proptest! {
        /// Shear, scale, rotation, shift and perspective in one: every way in which a flat picture can be held or stretched.
        #[test]
        fn a_picture_of_a_face_has_no_parallax_however_it_is_warped(
            a in 0.6f64..1.4, b in -0.5f64..0.5, c in -0.5f64..0.5, d in 0.6f64..1.4,
            px in -4e-4f64..4e-4, py in -4e-4f64..4e-4, turned in -25f64..25.0,
        ) {
            let first = head(turned, 0.0);
            let warped = first.map(|[x, y]| {
                let (x, y) = (f64::from(x), f64::from(y));
                let scale = px * x + py * y + 1.0;
                [((a * x + b * y + 20.0) / scale) as f32, ((c * x + d * y - 10.0) / scale) as f32]
            });
            let [x, y] = parallax(&first, &warped).unwrap().unwrap();
            prop_assert!(x.abs() < 0.01 && y.abs() < 0.01, "{x} {y}");
        }
    }

    #[test]
    fn points_in_one_place_have_no_parallax_and_do_no_harm() {
        let moved = parallax(&[[5.0; 2]; 68], &[[5.0; 2]; 68]).unwrap();
        assert!(moved.is_none_or(|moved| moved.iter().all(|v| v.is_finite())));
    }
}
