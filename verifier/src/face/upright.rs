//! Turning a picture until its face is upright. Some cameras forget to write the orientation.

use std::borrow::Cow;

use image::imageops::{rotate90, rotate180, rotate270};

use crate::image::Picture;
use crate::models::Error;
use crate::recognise::{DetectedFace, FaceDetection, Point};

/// A picture whose largest face is upright, and its faces, largest first.
pub(super) struct Upright<'a> {
    pub picture: Cow<'a, Picture>,
    pub faces: Vec<DetectedFace>,
    /// Quarters clockwise by which it was turned.
    quarters: u8,
    /// Before that, in pixels.
    width: f32,
    height: f32,
}

impl Upright<'_> {
    /// The box in the picture as it was before it was turned.
    pub(super) fn before_turning(&self, [x, y, w, h]: [f32; 4]) -> [f32; 4] {
        match self.quarters {
            1 => [y, self.height - x - w, h, w],
            2 => [self.width - x - w, self.height - y - h, w, h],
            3 => [self.width - y - h, x, h, w],
            _ => [x, y, w, h],
        }
    }
}

/// Finds the faces; where there is none, or the largest lies on its side, turns the picture by quarters and looks again.
/// What was found upright wins over what a turn would show.
pub(super) fn find_upright<'a>(
    detection: &mut dyn FaceDetection,
    picture: &'a Picture,
) -> Result<Upright<'a>, Error> {
    let (width, height) = (picture.width() as f32, picture.height() as f32);
    let mut faces = by_size(detection.detect(picture)?);
    let turns: &[u8] = match faces.first().map(|face| quarters_needed(&face.landmarks)) {
        Some(0) => &[],
        Some(1) => &[1],
        Some(2) => &[2],
        Some(_) => &[3],
        None => &[1, 3, 2],
    };
    for &quarters in turns {
        let turned = turn(picture, quarters);
        let found = by_size(detection.detect(&turned)?);
        if found.first().is_some_and(|face| quarters_needed(&face.landmarks) == 0) {
            return Ok(Upright { picture: Cow::Owned(turned), faces: found, quarters, width, height });
        }
    }
    // A face that stays on its side whichever way the picture is held is not one.
    if !turns.is_empty() {
        faces.clear();
    }
    Ok(Upright { picture: Cow::Borrowed(picture), faces, quarters: 0, width, height })
}

fn by_size(mut faces: Vec<DetectedFace>) -> Vec<DetectedFace> {
    faces.sort_by(|a, b| (b.bounds[2] * b.bounds[3]).total_cmp(&(a.bounds[2] * a.bounds[3])));
    faces
}

/// Quarters clockwise that bring the mouth below the eyes.
fn quarters_needed([left_eye, right_eye, _, left_mouth, right_mouth]: &[Point; 5]) -> u8 {
    let middle = |a: &Point, b: &Point| [(a[0] + b[0]) / 2.0, (a[1] + b[1]) / 2.0];
    let (eyes, mouth) = (middle(left_eye, right_eye), middle(left_mouth, right_mouth));
    let (x, y) = (mouth[0] - eyes[0], mouth[1] - eyes[1]);
    if y.abs() >= x.abs() {
        if y >= 0.0 { 0 } else { 2 }
    } else if x > 0.0 {
        1
    } else {
        3
    }
}

fn turn(picture: &Picture, quarters: u8) -> Picture {
    let image = picture.rgb();
    Picture::from_rgb(match quarters {
        1 => rotate90(image),
        2 => rotate180(image),
        _ => rotate270(image),
    })
}

#[cfg(test)]
mod tests {
    use image::{Rgb, RgbImage};

    use super::*;

    /// Sees one face in the corner that is red, upright only when that is the upper left one.
    struct RedCorner {
        looked: usize,
    }

    impl FaceDetection for RedCorner {
        fn detect(&mut self, picture: &Picture) -> Result<Vec<DetectedFace>, Error> {
            self.looked += 1;
            let (right, bottom) = (picture.width() - 1, picture.height() - 1);
            let is_red = |x, y| picture.rgb().get_pixel(x, y).0 == [255, 0, 0];
            let (eyes, mouth) = match () {
                () if is_red(0, 0) => ([10.0, 10.0], [10.0, 20.0]),
                () if is_red(right, 0) => ([20.0, 10.0], [10.0, 10.0]),
                () if is_red(right, bottom) => ([10.0, 20.0], [10.0, 10.0]),
                () => ([10.0, 10.0], [20.0, 10.0]),
            };
            let landmarks = [eyes, eyes, eyes, mouth, mouth];
            Ok(vec![DetectedFace { bounds: [1.0, 2.0, 30.0, 40.0], score: 0.9, landmarks }])
        }
    }

    /// A wide picture, red in the upper left corner, turned by that many quarters clockwise.
    fn turned(quarters: u8) -> Picture {
        let image =
            RgbImage::from_fn(120, 80, |x, y| if x + y == 0 { Rgb([255, 0, 0]) } else { Rgb([0; 3]) });
        if quarters == 0 { Picture::from_rgb(image) } else { turn(&Picture::from_rgb(image), quarters) }
    }

    #[test]
    fn a_face_on_its_side_is_brought_upright_with_one_more_look() {
        for quarters in 0..4 {
            let picture = turned(quarters);
            let mut detection = RedCorner { looked: 0 };
            let upright = find_upright(&mut detection, &picture).unwrap();
            assert_eq!(upright.picture.rgb(), turned(0).rgb(), "{quarters}");
            assert_eq!(detection.looked, if quarters == 0 { 1 } else { 2 });
        }
    }

    #[test]
    fn a_box_is_told_where_it_is_in_the_picture_that_was_sent() {
        let expected = [
            [1.0, 2.0, 30.0, 40.0],
            [80.0 - 2.0 - 40.0, 1.0, 40.0, 30.0],
            [120.0 - 1.0 - 30.0, 80.0 - 2.0 - 40.0, 30.0, 40.0],
            [2.0, 120.0 - 1.0 - 30.0, 40.0, 30.0],
        ];
        for (quarters, expected) in (0..4).zip(expected) {
            let picture = turned(quarters);
            let upright = find_upright(&mut RedCorner { looked: 0 }, &picture).unwrap();
            assert_eq!(upright.before_turning(upright.faces[0].bounds), expected, "{quarters}");
        }
    }

    /// Sees a face that lies on its side, whichever way the picture is held.
    struct NeverUpright;

    impl FaceDetection for NeverUpright {
        fn detect(&mut self, _: &Picture) -> Result<Vec<DetectedFace>, Error> {
            let landmarks = [[0.0, 0.0], [0.0, 0.0], [0.0; 2], [9.0, 0.0], [9.0, 0.0]];
            Ok(vec![DetectedFace { bounds: [0.0, 0.0, 9.0, 9.0], score: 0.9, landmarks }])
        }
    }

    #[test]
    fn what_never_stands_upright_is_no_face() {
        assert!(find_upright(&mut NeverUpright, &turned(0)).unwrap().faces.is_empty());
    }
}
