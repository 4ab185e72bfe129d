//! From OpenCV's pixels to a network's input.

use ndarray::{Array4, ArrayViewMut3};
use opencv::core::{MatTraitConst, MatTraitConstManual, Vec3b};

use super::{Channels, ModelSpec};

/// One RGB picture as `[1, channels, rows, columns]`, in the channels and the scale of the model.
///
/// # Errors
/// OpenCV's, when `rgb` is not 8UC3.
pub fn tensor(rgb: &impl MatTraitConst, spec: &ModelSpec) -> opencv::Result<Array4<f32>> {
    let planes = if spec.channels == Channels::Grey { 1 } else { 3 };
    let mut tensor = Array4::zeros((1, planes, rgb.rows() as usize, rgb.cols() as usize));
    write_tensor(rgb, spec, tensor.index_axis_mut(ndarray::Axis(0), 0))?;
    Ok(tensor)
}

/// Writes one RGB picture (8UC3) to the top left corner of one picture of a batch, `[channels, rows, columns]`. What lies
/// beside it is left as it is; what is too large is cut off.
///
/// # Errors
/// OpenCV's, when `rgb` is not 8UC3.
pub fn write_tensor(
    rgb: &impl MatTraitConst,
    spec: &ModelSpec,
    mut target: ArrayViewMut3<'_, f32>,
) -> opencv::Result<()> {
    for (plane, mut rows) in target.outer_iter_mut().enumerate() {
        let sample = |[r, g, b]: [u8; 3]| match spec.channels {
            Channels::Rgb => f32::from([r, g, b][plane]),
            Channels::Bgr => f32::from([b, g, r][plane]),
            Channels::Grey => 0.299 * f32::from(r) + 0.587 * f32::from(g) + 0.114 * f32::from(b),
        };
        let (mean, scale) = (spec.mean[plane], spec.std[plane].recip());
        for (y, mut row) in (0..rgb.rows()).zip(rows.outer_iter_mut()) {
            for (value, pixel) in row.iter_mut().zip(rgb.at_row::<Vec3b>(y)?) {
                *value = (sample(pixel.0) - mean) * scale;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use opencv::core::{DataType, Mat, Rect, Scalar};

    use super::*;
    use crate::models::{Bundle, Role};

    #[test]
    fn a_tensor_has_the_channels_and_the_scale_that_the_manifest_names() {
        let bundle = Bundle::open(None).unwrap();
        let red =
            Mat::new_rows_cols_with_default(2, 3, Vec3b::opencv_type(), Scalar::new(255.0, 0.0, 0.0, 0.0))
                .unwrap();
        let rgb = tensor(&red, bundle.spec(Role::FaceDetection).unwrap()).unwrap();
        assert_eq!((rgb[[0, 0, 1, 2]], rgb[[0, 2, 1, 2]]), (255.0, 0.0));
        let bgr = tensor(&red, bundle.spec(Role::TextDetection).unwrap()).unwrap();
        assert_eq!((bgr[[0, 0, 1, 2]], bgr[[0, 2, 1, 2]]), (-1.0, 1.0));
    }

    #[test]
    fn a_grey_tensor_has_one_plane_of_the_brightness() {
        let bundle = Bundle::open(None).unwrap();
        let red =
            Mat::new_rows_cols_with_default(2, 3, Vec3b::opencv_type(), Scalar::new(255.0, 0.0, 0.0, 0.0))
                .unwrap();
        let grey = tensor(&red, bundle.spec(Role::FaceEyes).unwrap()).unwrap();
        assert_eq!(grey.shape(), [1, 1, 2, 3]);
        assert!((grey[[0, 0, 1, 2]] - 0.299).abs() < 1e-6);
    }

    #[test]
    fn a_part_of_a_picture_is_read_row_by_row() {
        let bundle = Bundle::open(None).unwrap();
        let bytes: Vec<u8> = (0..4 * 4 * 3).collect();
        let picture = Mat::new_rows_cols_with_bytes::<Vec3b>(4, 4, &bytes).unwrap();
        let part = Mat::roi(&picture, Rect::new(1, 2, 2, 2)).unwrap();
        let values = tensor(&part, bundle.spec(Role::FaceDetection).unwrap()).unwrap();
        assert_eq!(values[[0, 0, 0, 0]], 27.0);
        assert_eq!(values[[0, 1, 1, 1]], 43.0);
    }
}
