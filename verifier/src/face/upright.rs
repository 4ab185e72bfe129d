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
    /// Quarters clockwise by which the original was turned.
    quarters: u8,
    /// Of the original, in pixels.
    width: f32,
    height: f32,
}

impl Upright<'_> {
    /// The box in the picture as it was before it was turned.
    pub(super) fn in_original(&self, [x, y, w, h]: [f32; 4]) -> [f32; 4] {
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
