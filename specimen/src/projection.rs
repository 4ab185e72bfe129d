//! The pinhole camera: where a point of the page is in the photo, and back. Both are homographies of the plane.

use crate::camera::settings::Settings;

/// A pinhole's focal length in widths of the photo, as of a phone's main camera (26 mm on a 36 mm film is 0.72;
/// people step back and crop, which flattens the perspective).
const FOCAL: f32 = 1.1;

/// Row-major 3 × 3.
type Matrix = [f32; 9];

pub(crate) struct Projection {
    to_photo: Matrix,
    to_page: Matrix,
    page: (f32, f32),
}

impl Projection {
    /// Leans and turns the page about its middle, then moves and scales the view so that its bounding box fills
    /// the frame as the settings say.
    pub(crate) fn new(page: (u32, u32), frame: (u32, u32), settings: &Settings) -> Self {
        let page = (page.0 as f32, page.1 as f32);
        let frame = (frame.0 as f32, frame.1 as f32);
        let (sx, cx) = settings.tilt[0].to_radians().sin_cos();
        let (sy, cy) = settings.tilt[1].to_radians().sin_cos();
        let (sz, cz) = settings.roll.to_radians().sin_cos();
        // Columns of Rx · Ry · Rz for the page's x and y axis; the page is flat, so its normal isn't needed.
        let x_axis = [cy * cz, cx * sz + sx * sy * cz, sx * sz - cx * sy * cz];
        let y_axis = [-cy * sz, cx * cz - sx * sy * sz, sx * cz + cx * sy * sz];
        // The page is one unit wide and FOCAL away; a point's depth is what it is divided by.
        let centre = [1.0 / page.0, 0.0, -0.5, 0.0, 1.0 / page.0, -page.1 / page.0 / 2.0, 0.0, 0.0, 1.0];
        let lens = [x_axis[0], y_axis[0], 0.0, x_axis[1], y_axis[1], 0.0, x_axis[2], y_axis[2], FOCAL];
        let leaning = multiply(lens, centre);

        let corners = rectangle(page).map(|[u, v]| apply(&leaning, u, v));
        let bound = |axis: usize| {
            let values = corners.map(|corner| corner[axis]);
            (values.into_iter().fold(f32::MAX, f32::min), values.into_iter().fold(f32::MIN, f32::max))
        };
        let ((left, right), (top, bottom)) = (bound(0), bound(1));
        let zoom = settings.fill * (frame.0 / (right - left)).min(frame.1 / (bottom - top));
        let room = [frame.0 - zoom * (right - left), frame.1 - zoom * (bottom - top)];
        let shift = |axis: usize, low: f32, high: f32, frame: f32| {
            frame / 2.0 + settings.offset[axis] * room[axis] / 2.0 - zoom * (low + high) / 2.0
        };
        let view = [
            zoom,
            0.0,
            shift(0, left, right, frame.0),
            0.0,
            zoom,
            shift(1, top, bottom, frame.1),
            0.0,
            0.0,
            1.0,
        ];
        let to_photo = multiply(view, leaning);
        Self { to_photo, to_page: adjugate(to_photo), page }
    }

    pub(crate) fn to_page(&self, x: f32, y: f32) -> (f32, f32) {
        let [u, v] = apply(&self.to_page, x, y);
        (u, v)
    }

    /// The page's top left, top right, bottom right and bottom left in the photo.
    pub(crate) fn corners(&self) -> [[f32; 2]; 4] {
        rectangle(self.page).map(|[u, v]| apply(&self.to_photo, u, v))
    }

    /// How much finer the page is than the photo, at the page's middle.
    pub(crate) fn page_pixels_per_photo_pixel(&self) -> f32 {
        let (u, v) = (self.page.0 / 2.0, self.page.1 / 2.0);
        let [x0, y0] = apply(&self.to_photo, u, v);
        let [x1, y1] = apply(&self.to_photo, u + 1.0, v);
        let [x2, y2] = apply(&self.to_photo, u, v + 1.0);
        let area = ((x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)).abs();
        area.sqrt().recip()
    }
}

fn rectangle((width, height): (f32, f32)) -> [[f32; 2]; 4] {
    [[0.0, 0.0], [width, 0.0], [width, height], [0.0, height]]
}

fn apply(m: &Matrix, x: f32, y: f32) -> [f32; 2] {
    let w = m[6] * x + m[7] * y + m[8];
    [(m[0] * x + m[1] * y + m[2]) / w, (m[3] * x + m[4] * y + m[5]) / w]
}

fn multiply(a: Matrix, b: Matrix) -> Matrix {
    std::array::from_fn(|i| {
        let (row, column) = (i / 3 * 3, i % 3);
        a[row] * b[column] + a[row + 1] * b[column + 3] + a[row + 2] * b[column + 6]
    })
}

/// The inverse up to a factor, which a homography doesn't see.
fn adjugate(m: Matrix) -> Matrix {
    [
        m[4] * m[8] - m[5] * m[7],
        m[2] * m[7] - m[1] * m[8],
        m[1] * m[5] - m[2] * m[4],
        m[5] * m[6] - m[3] * m[8],
        m[0] * m[8] - m[2] * m[6],
        m[2] * m[3] - m[0] * m[5],
        m[3] * m[7] - m[4] * m[6],
        m[1] * m[6] - m[0] * m[7],
        m[0] * m[4] - m[1] * m[3],
    ]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_point_goes_to_the_photo_and_back(
            tilt in prop::array::uniform2(-35.0f32..35.0), roll in -180.0f32..180.0,
            u in 0.0f32..1772.0, v in 0.0f32..1247.0,
        ) {
            let settings = Settings { tilt, roll, ..Settings::ideal() };
            let projection = Projection::new((1772, 1247), (2400, 1800), &settings);
            let [x, y] = apply(&projection.to_photo, u, v);
            let (back_u, back_v) = projection.to_page(x, y);
            prop_assert!((u - back_u).abs() < 0.5 && (v - back_v).abs() < 0.5, "{u},{v} became {back_u},{back_v}");
        }

        #[test]
        fn the_whole_page_is_in_the_photo_wherever_it_lies(
            tilt in prop::array::uniform2(-35.0f32..35.0), roll in -180.0f32..180.0,
            offset in prop::array::uniform2(-1.0f32..1.0), fill in 0.3125f32..0.95,
        ) {
            let settings = Settings { tilt, roll, offset, fill, ..Settings::ideal() };
            for [x, y] in Projection::new((1772, 1247), (2400, 1800), &settings).corners() {
                prop_assert!((-1.0..2401.0).contains(&x) && (-1.0..1801.0).contains(&y), "{x},{y}");
            }
        }
    }

    #[test]
    fn the_nearer_edge_of_a_leaning_page_is_the_longer_one() {
        let settings = Settings { tilt: [25.0, 0.0], ..Settings::ideal() };
        let [a, b, c, d] = Projection::new((1772, 1247), (2400, 1800), &settings).corners();
        let (top, bottom) = (b[0] - a[0], c[0] - d[0]);
        assert!((top / bottom - 1.0).abs() > 0.1, "{top} and {bottom}");
    }
}
