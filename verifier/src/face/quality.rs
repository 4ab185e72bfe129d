//! Measures of an aligned face (112 x 112). Aligned, because what matters is the detail that the comparison sees: a large
//! face may be softer than a small one and still be sharp enough.

use opencv::core::{
    BORDER_DEFAULT, CV_32F, Mat, MatTraitConst, MatTraitConstManual, Rect, Scalar, mean_std_dev, no_array,
};
use opencv::imgproc::{COLOR_RGB2GRAY, cvt_color, laplacian};

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
}

/// Measures an aligned RGB face.
pub(crate) fn measure(aligned: &Mat) -> opencv::Result<Quality> {
    let middle = Mat::roi(aligned, MIDDLE)?;
    let mut grey = Mat::default();
    cvt_color(&middle, &mut grey, COLOR_RGB2GRAY, 0)?;
    let mut edges = Mat::default();
    laplacian(&grey, &mut edges, CV_32F, 1, 1.0, 0.0, BORDER_DEFAULT)?;
    let contrast = deviation(&grey)?.max(1.0);
    Ok(Quality { sharpness: (deviation(&edges)? / contrast) as f32, brightness: percentile(&grey, 0.95)? })
}

fn deviation(values: &Mat) -> opencv::Result<f64> {
    let (mut mean, mut deviation) = (Scalar::default(), Scalar::default());
    mean_std_dev(values, &mut mean, &mut deviation, &no_array())?;
    Ok(deviation[0])
}

/// The brightness that this part of the pixels does not exceed, 0 to 1.
fn percentile(grey: &Mat, part: f32) -> opencv::Result<f32> {
    let mut counts = [0usize; 256];
    for row in 0..grey.rows() {
        for value in grey.at_row::<u8>(row)? {
            counts[usize::from(*value)] += 1;
        }
    }
    let wanted = (counts.iter().sum::<usize>() as f32 * part) as usize;
    let mut seen = 0;
    let level = counts.iter().position(|count| {
        seen += count;
        seen > wanted
    });
    Ok(level.unwrap_or(255) as f32 / 255.0)
}
