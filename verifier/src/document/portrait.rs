//! The portrait on the upright front: the largest face, with the hair and shoulders that belong to the photo.

use image::imageops::crop_imm;
use reinstate_domain::document::Portrait;

use crate::image::Picture;
use crate::models::Error;
use crate::recognise::FaceDetection;

/// A photo on a document is about this many times as wide and high as the face's box (ICAO 9303-3 §3.9: the face takes up
/// 70 to 80 % of its height). What lies around it does not disturb a comparison, a missing chin does.
const SCALE: [f32; 2] = [1.9, 1.7];

/// Finds the portrait and cuts it out.
pub(crate) fn find_portrait(
    front: &Picture,
    faces: &mut dyn FaceDetection,
) -> Result<Option<(Portrait, Picture)>, Error> {
    let area = |bounds: &[f32; 4]| bounds[2] * bounds[3];
    let largest = faces.detect(front)?.into_iter().max_by(|a, b| area(&a.bounds).total_cmp(&area(&b.bounds)));
    Ok(largest.and_then(|face| cut(front, face.bounds)))
}

fn cut(front: &Picture, [x, y, width, height]: [f32; 4]) -> Option<(Portrait, Picture)> {
    let span = |low: f32, length: f32, scale: f32, limit: u32| {
        let centre = low + length / 2.0;
        let half = length * scale / 2.0;
        let low = (centre - half).clamp(0.0, limit as f32) as u32;
        let high = (centre + half).clamp(0.0, limit as f32) as u32;
        (low, high - low)
    };
    let (x, width) = span(x, width, SCALE[0], front.width());
    let (y, height) = span(y, height, SCALE[1], front.height());
    if width == 0 || height == 0 {
        return None;
    }
    let cut = crop_imm(front.rgb(), x, y, width, height).to_image();
    Some((Portrait { bounds: [x, y, width, height] }, Picture::from_rgb(cut)))
}

#[cfg(test)]
mod tests {
    use image::{Rgb, RgbImage};

    use super::*;
    use crate::recognise::DetectedFace;

    /// Knows where the faces are.
    struct Known(Vec<[f32; 4]>);

    impl FaceDetection for Known {
        fn detect(&mut self, _picture: &Picture) -> Result<Vec<DetectedFace>, Error> {
            let face =
                |bounds: &[f32; 4]| DetectedFace { bounds: *bounds, score: 0.9, landmarks: [[0.0; 2]; 5] };
            Ok(self.0.iter().map(face).collect())
        }
    }

    fn page() -> Picture {
        Picture::from_rgb(RgbImage::from_fn(400, 300, |x, y| Rgb([x as u8, y as u8, 0])))
    }

    #[test]
    fn the_largest_face_is_the_portrait_and_the_small_one_its_ghost() {
        let mut faces = Known(vec![[300.0, 200.0, 20.0, 24.0], [60.0, 80.0, 60.0, 80.0]]);
        let (portrait, cut) = find_portrait(&page(), &mut faces).unwrap().unwrap();
        assert_eq!(portrait.bounds, [33, 52, 114, 136]);
        assert_eq!((cut.width(), cut.height()), (114, 136));
        assert_eq!(cut.rgb().get_pixel(0, 0).0, [33, 52, 0]);
    }

    #[test]
    fn a_portrait_at_the_edge_is_cut_at_the_edge() {
        let (portrait, _) =
            find_portrait(&page(), &mut Known(vec![[-10.0, -10.0, 60.0, 80.0]])).unwrap().unwrap();
        assert_eq!(portrait.bounds[..2], [0, 0]);
        assert!(find_portrait(&page(), &mut Known(vec![[500.0, 10.0, 20.0, 20.0]])).unwrap().is_none());
    }

    #[test]
    fn a_page_without_a_face_has_no_portrait() {
        assert!(find_portrait(&page(), &mut Known(Vec::new())).unwrap().is_none());
    }
}
