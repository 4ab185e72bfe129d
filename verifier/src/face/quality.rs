//! Measures of an aligned face (112 x 112). Aligned, because what matters is the detail that the comparison sees: a large
//! face may be softer than a small one and still be sharp enough.

use opencv::core::{
    BORDER_DEFAULT, CV_32F, DFT_COMPLEX_OUTPUT, Mat, MatTraitConst, MatTraitConstManual, MatTraitManual,
    Rect, Scalar, Vec2f, dft, mean_std_dev, no_array,
};
use opencv::imgproc::{COLOR_RGB2GRAY, TM_CCOEFF_NORMED, cvt_color, laplacian, match_template};

use super::align::square;
use crate::image::Picture;

/// The middle of an aligned face, without hair and background.
const MIDDLE: Rect = Rect { x: 20, y: 28, width: 72, height: 76 };

/// Detail and light of one aligned face.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Quality {
    /// Standard deviation of the Laplacian over that of the brightness: how much of the contrast is fine detail. It does
    /// not depend on the light.
    pub sharpness: f32,
    /// The 95th percentile of the brightness, 0 to 1. Highlights say how much light there is with less regard to the
    /// colour of the skin than the mean does.
    pub brightness: f32,
    /// The part of the pixels that are as bright as they can be, 0 to 1.
    pub overexposed: f32,
    /// The difference of the mean brightness of both halves over their sum, 0 (light from the front) to 1.
    pub side_light: f32,
}

/// From here on nothing more is seen: camera and JPEG leave little above it.
const BLOWN: usize = 250;

/// Measures an aligned RGB face.
pub(crate) fn measure(aligned: &Mat) -> opencv::Result<Quality> {
    let middle = Mat::roi(aligned, MIDDLE)?;
    let mut grey = Mat::default();
    cvt_color(&middle, &mut grey, COLOR_RGB2GRAY, 0)?;
    let mut edges = Mat::default();
    laplacian(&grey, &mut edges, CV_32F, 1, 1.0, 0.0, BORDER_DEFAULT)?;
    let contrast = deviation(&grey)?.max(1.0);
    let levels = Levels::of(&grey)?;
    let half = |x: i32| -> opencv::Result<f64> {
        let half = Mat::roi(&grey, Rect::new(x, 0, MIDDLE.width / 2, MIDDLE.height))?;
        Ok(opencv::core::mean(&half, &no_array())?[0])
    };
    let (left, right) = (half(0)?, half(MIDDLE.width / 2)?);
    Ok(Quality {
        sharpness: (deviation(&edges)? / contrast) as f32,
        brightness: levels.percentile(0.95),
        overexposed: levels.share_from(BLOWN),
        side_light: ((left - right).abs() / (left + right).max(1.0)) as f32,
    })
}

/// How alike the fine detail of two aligned faces is, -1 to 1. Detail, because two pictures of one face are always alike
/// when they are looked at from afar.
pub(crate) fn likeness(one: &Mat, other: &Mat) -> opencv::Result<f32> {
    let detail = |aligned: &Mat| -> opencv::Result<Mat> {
        let middle = Mat::roi(aligned, MIDDLE)?;
        let (mut grey, mut edges) = (Mat::default(), Mat::default());
        cvt_color(&middle, &mut grey, COLOR_RGB2GRAY, 0)?;
        laplacian(&grey, &mut edges, CV_32F, 1, 1.0, 0.0, BORDER_DEFAULT)?;
        Ok(edges)
    };
    let mut correlation = Mat::default();
    match_template(&detail(one)?, &detail(other)?, &mut correlation, TM_CCOEFF_NORMED, &no_array())?;
    correlation.at_2d::<f32>(0, 0).copied()
}

/// The strongest regular pattern in the texture of a face, as a multiple of the mean of its ring of the spectrum. Skin has no
/// preferred direction or width, the grid of a screen or a print does. What lies on the axes is left out: the blocks of JPEG are
/// there. Zero for a face of less than 64 pixels.
pub(crate) fn pattern(picture: &Picture, bounds: [f32; 4]) -> opencv::Result<f32> {
    // The middle of the face at the size at which it was photographed: resizing makes patterns and takes them away.
    let [x, y, face, _] = square(bounds);
    let most = (face * 0.8).min(picture.width().min(picture.height()) as f32);
    let Some(n) = [256, 128, 64].into_iter().find(|&n| n as f32 <= most) else { return Ok(0.0) };
    let at = |from: f32, end: u32| ((from + (face - n as f32) / 2.0) as i32).clamp(0, end as i32 - n);
    let mat = picture.mat()?;
    let patch = Mat::roi(&mat, Rect::new(at(x, picture.width()), at(y, picture.height()), n, n))?;
    let (mut grey, mut values) = (Mat::default(), Mat::default());
    cvt_color(&patch, &mut grey, COLOR_RGB2GRAY, 0)?;
    grey.convert_to(&mut values, CV_32F, 1.0, 0.0)?;
    window(&mut values)?;
    let mut spectrum = Mat::default();
    dft(&values, &mut spectrum, DFT_COMPLEX_OUTPUT, 0)?;
    strongest(&spectrum, n)
}

/// Takes the mean away and lets the edges run out (Hann), so that they don't show in the spectrum.
fn window(values: &mut Mat) -> opencv::Result<()> {
    let mean = opencv::core::mean(values, &no_array())?[0] as f32;
    let n = values.rows();
    let hann = |i: i32| 0.5 - 0.5 * (std::f32::consts::TAU * (i as f32 + 0.5) / n as f32).cos();
    for y in 0..n {
        let row = values.at_row_mut::<f32>(y)?;
        for (value, x) in row.iter_mut().zip(0..) {
            *value = (*value - mean) * hann(x) * hann(y);
        }
    }
    Ok(())
}

/// The largest magnitude of the outer part of a spectrum over the mean of its ring.
fn strongest(spectrum: &Mat, n: i32) -> opencv::Result<f32> {
    /// Cells next to an axis belong to it.
    const AXIS: i32 = 3;
    let rings = (n / 2) as usize;
    let mut sums = vec![(0.0f32, 0u32, 0.0f32); rings];
    for v in 0..n {
        let row = spectrum.at_row::<Vec2f>(v)?;
        let y = if v > n / 2 { v - n } else { v };
        // The other half says the same.
        for (u, cell) in (0..=n / 2).zip(row) {
            let radius = (u as f32).hypot(y as f32);
            let ring = radius as usize;
            if u < AXIS || y.abs() < AXIS || ring < rings / 4 || ring >= rings {
                continue;
            }
            let magnitude = cell[0].hypot(cell[1]);
            let (sum, count, most) = &mut sums[ring];
            (*sum, *count, *most) = (*sum + magnitude, *count + 1, most.max(magnitude));
        }
    }
    let peaks = sums.iter().filter(|(sum, count, _)| *count > 8 && *sum > 0.0);
    Ok(peaks.map(|(sum, count, most)| most * *count as f32 / sum).fold(0.0, f32::max))
}

fn deviation(values: &Mat) -> opencv::Result<f64> {
    let (mut mean, mut deviation) = (Scalar::default(), Scalar::default());
    mean_std_dev(values, &mut mean, &mut deviation, &no_array())?;
    Ok(deviation[0])
}

/// How many pixels have each brightness.
struct Levels([usize; 256]);

impl Levels {
    fn of(grey: &Mat) -> opencv::Result<Self> {
        let mut counts = [0usize; 256];
        for row in 0..grey.rows() {
            for value in grey.at_row::<u8>(row)? {
                counts[usize::from(*value)] += 1;
            }
        }
        Ok(Self(counts))
    }

    /// The brightness that this part of the pixels does not exceed, 0 to 1.
    fn percentile(&self, part: f32) -> f32 {
        let wanted = (self.0.iter().sum::<usize>() as f32 * part) as usize;
        let mut seen = 0;
        let level = self.0.iter().position(|count| {
            seen += count;
            seen > wanted
        });
        level.unwrap_or(255) as f32 / 255.0
    }

    /// The part of the pixels at this brightness or above.
    fn share_from(&self, level: usize) -> f32 {
        self.0[level..].iter().sum::<usize>() as f32 / self.0.iter().sum::<usize>().max(1) as f32
    }
}

#[cfg(test)]
mod tests {
    use image::{Rgb, RgbImage};

    use super::*;
    use crate::face::align::ALIGNED;

    fn picture(side: u32, value: impl Fn(f32, f32) -> f32) -> Picture {
        Picture::from_rgb(RgbImage::from_fn(side, side, |x, y| {
            Rgb([value(x as f32, y as f32).clamp(0.0, 255.0) as u8; 3])
        }))
    }

    /// Grain without a direction, the same each time.
    fn grain(x: f32, y: f32) -> f32 {
        let n = (x as u32).wrapping_mul(374_761_393) ^ (y as u32).wrapping_mul(668_265_263);
        let n = (n ^ (n >> 13)).wrapping_mul(1_274_126_177);
        128.0 + ((n ^ (n >> 16)) & 0x3f) as f32 - 32.0
    }

    #[test]
    fn a_grid_that_is_fainter_than_the_grain_stands_out_and_grain_alone_does_not() {
        let face = [20.0, 20.0, 260.0, 260.0];
        let bare = pattern(&picture(300, grain), face).unwrap();
        let grid = |x: f32, y: f32| grain(x, y) + 8.0 * ((x * 0.9 + y * 0.5).sin());
        let with_grid = pattern(&picture(300, grid), face).unwrap();
        assert!(bare < 5.0 && with_grid > 2.0 * bare, "{bare} {with_grid}");
    }

    #[test]
    fn light_from_one_side_and_too_much_light_are_told_apart() {
        let aligned = |value: fn(f32) -> f32| {
            let picture = picture(ALIGNED as u32, |x, y| value(x) + (grain(x, y) - 128.0) / 8.0);
            measure(&picture.mat().unwrap().clone_pointee()).unwrap()
        };
        let even = aligned(|_| 120.0);
        assert!(even.side_light < 0.02 && even.overexposed == 0.0);
        let beside = aligned(|x| if x < 56.0 { 40.0 } else { 200.0 });
        assert!(beside.side_light > 0.5 && beside.overexposed == 0.0);
        let blown = aligned(|_| 300.0);
        assert!(blown.overexposed > 0.9 && blown.side_light < 0.02);
    }

    #[test]
    fn a_picture_is_like_itself_and_not_like_other_grain() {
        let aligned =
            |shift: f32| picture(ALIGNED as u32, |x, y| grain(x + shift, y)).mat().unwrap().clone_pointee();
        assert!(likeness(&aligned(0.0), &aligned(0.0)).unwrap() > 0.999);
        assert!(likeness(&aligned(0.0), &aligned(400.0)).unwrap() < 0.3);
    }
}
