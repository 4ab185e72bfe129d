//! The portrait on the upright front: the largest face that can be printed there, amid the text if there is one, with the hair and shoulders
//! that belong to the photo.

use image::imageops::crop_imm;
use reinstate_domain::document::Portrait;

use super::line::Line;
use super::region::Region;
use crate::image::Picture;
use crate::models::Error;
use crate::recognise::{DetectedFace, FaceDetection, Point};

/// A photo on a document is about this many times as wide and high as the face's box (ICAO 9303-3 §3.9: the face takes up
/// 70 to 80 % of its height). What lies around it does not disturb a comparison, a missing chin does.
const SCALE: [f32; 2] = [1.9, 1.7];
/// Heights of the text that a printed face is high at most. Of 28 labelled photos the 22 that show one have 3.9 to 10; by its size the face
/// of who holds a document up, twice as far away as that, would have 25: not measured.
const HIGHEST: f32 = 16.0;

/// Characters and mean certainty from which a line is text, and not a pattern on somebody's clothes.
const WORD: usize = 4;
const TEXT: f32 = 0.8;

/// What else is on the side where the portrait is looked for.
pub(crate) struct Surroundings<'a> {
    /// Height of the text in pixels, 0 where there is none.
    pub(crate) text_height: f32,
    /// The part of the picture that the document takes up, if its zone tells.
    pub(crate) extent: Option<Region>,
    pub(crate) lines: &'a [Line],
}

/// A portrait, cut out.
pub(crate) struct Found {
    pub(crate) portrait: Portrait,
    pub(crate) picture: Picture,
    /// Height of the largest other face that may be a portrait as well, as a share of this one's.
    pub(crate) second: Option<f32>,
}

/// Finds the portrait and cuts it out.
pub(crate) fn find_portrait(
    front: &Picture,
    faces: &mut dyn FaceDetection,
    surroundings: &Surroundings<'_>,
) -> Result<Option<Found>, Error> {
    let mut printed = surroundings.printed(faces.detect(front)?);
    let region = surroundings.region();
    let is_within = |face: &[f32; 4]| region.is_none_or(|region| region.contains(centre(*face)));
    if let (Some(region), false) = (region, printed.iter().any(is_within)) {
        // Beside the large face of who holds it up, a small portrait is overlooked.
        printed.extend(surroundings.printed(detect_within(front, region, faces)?));
    }
    if surroundings.extent.is_some() {
        printed.retain(is_within);
    }
    let height = |face: &[f32; 4]| face[3];
    printed.sort_by(|a, b| height(b).total_cmp(&height(a)));
    let chosen = printed.iter().position(is_within).or((!printed.is_empty()).then_some(0));
    let Some(chosen) = chosen.map(|at| printed.remove(at)) else { return Ok(None) };
    let second = printed.iter().map(height).reduce(f32::max).map(|second| second / height(&chosen));
    Ok(cut(front, chosen).map(|(portrait, picture)| Found { portrait, picture, second }))
}

/// The faces in a part of the picture.
fn detect_within(
    front: &Picture,
    region: Region,
    faces: &mut dyn FaceDetection,
) -> Result<Vec<DetectedFace>, Error> {
    let region = region.within([front.width() as f32, front.height() as f32]);
    let Some(part) = region.cut_out(front) else { return Ok(Vec::new()) };
    let mut found = faces.detect(&part)?;
    for face in &mut found {
        face.bounds[0] += region.left.floor();
        face.bounds[1] += region.top.floor();
    }
    Ok(found)
}

fn centre([x, y, width, height]: [f32; 4]) -> Point {
    [x + width / 2.0, y + height / 2.0]
}

impl Surroundings<'_> {
    /// The boxes of the faces that can be printed beside text of this height.
    fn printed(&self, faces: Vec<DetectedFace>) -> Vec<[f32; 4]> {
        let boxes = faces.into_iter().map(|face| face.bounds);
        boxes.filter(|face| self.text_height <= 0.0 || face[3] <= HIGHEST * self.text_height).collect()
    }

    /// Where the portrait of this document is: on its page, or amid its text.
    fn region(&self) -> Option<Region> {
        let is_text = |line: &&Line| line.text.chars().count() >= WORD && line.mean() >= TEXT;
        let text = || Region::around(self.lines.iter().filter(is_text).flat_map(|line| line.quad.corners));
        self.extent.or_else(text)
    }
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
    use crate::document::text::Quad;

    /// Knows where the faces are on the whole page, and in the part of it that is looked at next.
    struct Known(Vec<Vec<[f32; 4]>>);

    impl FaceDetection for Known {
        fn detect(&mut self, _picture: &Picture) -> Result<Vec<DetectedFace>, Error> {
            let face = |bounds| DetectedFace { bounds, score: 0.9, landmarks: [[0.0; 2]; 5] };
            let faces = if self.0.is_empty() { Vec::new() } else { self.0.remove(0) };
            Ok(faces.into_iter().map(face).collect())
        }
    }

    fn page() -> Picture {
        Picture::from_rgb(RgbImage::from_fn(400, 300, |x, y| Rgb([x as u8, y as u8, 0])))
    }

    fn found(faces: &[[f32; 4]], surroundings: &Surroundings<'_>) -> Option<Found> {
        find_portrait(&page(), &mut Known(vec![faces.to_vec()]), surroundings).unwrap()
    }

    const BARE: Surroundings<'_> = Surroundings { text_height: 0.0, extent: None, lines: &[] };

    #[test]
    fn the_largest_face_is_the_portrait_and_the_small_one_its_ghost() {
        let found = found(&[[300.0, 200.0, 20.0, 24.0], [60.0, 80.0, 60.0, 80.0]], &BARE).unwrap();
        assert_eq!(found.portrait.bounds, [33, 52, 114, 136]);
        assert_eq!((found.picture.width(), found.picture.height()), (114, 136));
        assert_eq!(found.picture.rgb().get_pixel(0, 0).0, [33, 52, 0]);
        assert_eq!(found.second, Some(0.3));
    }

    #[test]
    fn the_face_of_who_holds_the_document_is_no_portrait() {
        let held = Surroundings { text_height: 4.0, ..BARE };
        let (own, printed) = ([200.0, 20.0, 90.0, 120.0], [60.0, 80.0, 24.0, 30.0]);
        let found = found(&[own, printed], &held).unwrap();
        assert_eq!((found.portrait.bounds[..2].to_vec(), found.second), (vec![49, 69], None));
    }

    #[test]
    fn a_photo_that_lies_beside_the_page_of_the_zone_is_no_portrait() {
        let part = Some(Region { left: 80.0, top: 100.0, right: 320.0, bottom: 250.0 });
        let passport = Surroundings { text_height: 10.0, extent: part, lines: &[] };
        let printed = [120.0, 150.0, 40.0, 50.0];
        for beside in [[30.0, 150.0, 50.0, 60.0], [320.0, 150.0, 50.0, 60.0], [120.0, 30.0, 50.0, 60.0]] {
            let found = found(&[beside, printed], &passport).unwrap();
            assert_eq!((found.portrait.bounds[0], found.second), (102, None));
        }
        assert!(found(&[[120.0, 262.0, 40.0, 36.0]], &passport).is_none(), "below the zone");
    }

    #[test]
    fn a_larger_photo_beside_a_card_is_not_its_portrait_and_is_told() {
        let line = |x: f32, y: f32| Line {
            quad: Quad::new([x, y], [1.0, 0.0], 80.0, 10.0),
            text: "TEXT".into(),
            certainty: vec![0.9; 4],
            frames: None,
        };
        let lines = [line(60.0, 20.0), line(160.0, 100.0), line(160.0, 140.0)];
        let card = Surroundings { text_height: 10.0, extent: None, lines: &lines };
        let found = found(&[[260.0, 60.0, 60.0, 80.0], [40.0, 70.0, 30.0, 40.0]], &card).unwrap();
        assert_eq!((found.portrait.bounds[0], found.second), (26, Some(2.0)));
    }

    #[test]
    fn a_portrait_that_is_overlooked_beside_a_large_face_is_looked_for_again() {
        let part = Some(Region { left: 90.0, top: 105.0, right: 310.0, bottom: 255.0 });
        let held = Surroundings { text_height: 5.0, extent: part, lines: &[] };
        let mut faces = Known(vec![vec![[310.0, 10.0, 90.0, 120.0]], vec![[20.0, 40.0, 24.0, 30.0]]]);
        let found = find_portrait(&page(), &mut faces, &held).unwrap().unwrap();
        assert_eq!((found.portrait.bounds[..2].to_vec(), found.second), (vec![99, 134], None));
    }

    #[test]
    fn a_portrait_at_the_edge_is_cut_at_the_edge() {
        let portrait = found(&[[-10.0, -10.0, 60.0, 80.0]], &BARE).unwrap().portrait;
        assert_eq!(portrait.bounds[..2], [0, 0]);
        assert!(found(&[[500.0, 10.0, 20.0, 20.0]], &BARE).is_none());
    }

    #[test]
    fn a_page_without_a_face_has_no_portrait() {
        assert!(found(&[], &BARE).is_none());
    }
}
