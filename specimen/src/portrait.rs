//! The holder's photo, cut to a document's portrait.

use image::imageops::{self, FilterType};
use image::{DynamicImage, RgbImage};

/// A box in pixels of the photo, as face detectors give it: forehead to chin, cheek to cheek.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FaceBox {
    pub x: f32,
    pub y: f32,
    pub width: f32,
    pub height: f32,
}

/// How much of a portrait's height the face box takes, and where its middle is. ICAO 9303-3 asks for a head of 70–80 %;
/// a detector's box leaves out hair and some chin, about a fifth of the head.
const FACE_SHARE: f32 = 0.6;
const FACE_MIDDLE: f32 = 0.53;

impl FaceBox {
    /// The box with which the cut of a picture is the whole picture.
    fn filling(width: f32, height: f32) -> Self {
        let face = height * FACE_SHARE;
        Self { x: 0.0, y: height * FACE_MIDDLE - face / 2.0, width, height: face }
    }
}

/// A photo and where its face is.
#[derive(Clone)]
pub struct Portrait {
    photo: RgbImage,
    face: Option<FaceBox>,
}

impl Portrait {
    /// Without a face box the portrait is cut from the upper middle of the photo, where a person who
    /// posed for it has the head.
    pub fn new(photo: &DynamicImage, face: Option<FaceBox>) -> Self {
        Self { photo: photo.to_rgb8(), face }
    }

    /// A drawn head and shoulders, for where no photo is at hand. No face detector is expected to take it for a person.
    pub fn drawn() -> Self {
        let (w, h) = (420u32, 540u32);
        let photo = RgbImage::from_fn(w, h, |x, y| {
            let (u, v) = (x as f32 / w as f32 - 0.5, y as f32 / h as f32);
            let head = (u / 0.24).powi(2) + ((v - 0.42) / 0.27).powi(2);
            let shoulders = (u / 0.46).powi(2) + ((v - 1.05) / 0.32).powi(2);
            let shade = ((0.5 - u) * 60.0) as u8;
            match (head < 1.0, shoulders < 1.0) {
                (true, _) => image::Rgb([190 - shade / 2, 150 - shade / 2, 125 - shade / 2]),
                (false, true) => image::Rgb([50 + shade / 3, 60 + shade / 3, 90 + shade / 3]),
                _ => image::Rgb([215 + shade / 4, 220 + shade / 4, 225 + shade / 4]),
            }
        });
        Self { photo, face: None }
    }

    /// A morph of two people, as forgers hand in so that both pass: `share` of the other one, 0..1, face laid over face.
    #[must_use]
    pub fn morphed(&self, other: &Self, share: f32) -> Self {
        let (width, height) = (700, 900);
        let mut photo = self.cut(width, height);
        for (pixel, over) in photo.pixels_mut().zip(other.cut(width, height).pixels()) {
            for (one, two) in pixel.0.iter_mut().zip(over.0) {
                *one = (f32::from(*one) * (1.0 - share) + f32::from(two) * share + 0.5) as u8;
            }
        }
        Self { photo, face: Some(FaceBox::filling(width as f32, height as f32)) }
    }

    /// The portrait at a size in pixels; parts outside of the photo repeat its edge.
    pub(crate) fn cut(&self, width: u32, height: u32) -> RgbImage {
        let (x, y, w, h) = self.frame(width as f32 / height as f32);
        let (pw, ph) = self.photo.dimensions();
        let source = RgbImage::from_fn(w.round().max(1.0) as u32, h.round().max(1.0) as u32, |i, j| {
            let px = (x + i as f32).clamp(0.0, (pw - 1) as f32);
            let py = (y + j as f32).clamp(0.0, (ph - 1) as f32);
            *self.photo.get_pixel(px as u32, py as u32)
        });
        imageops::resize(&source, width, height, FilterType::Triangle)
    }

    /// Left, top, width, height of the cut.
    fn frame(&self, aspect: f32) -> (f32, f32, f32, f32) {
        match self.face {
            Some(face) => {
                let height = face.height / FACE_SHARE;
                let width = height * aspect;
                let left = face.x + face.width / 2.0 - width / 2.0;
                let top = face.y + face.height / 2.0 - height * FACE_MIDDLE;
                // Rather a little off the middle than beyond the photo's edge.
                let within = |start: f32, length: f32, photo: u32| start.min(photo as f32 - length).max(0.0);
                let (pw, ph) = self.photo.dimensions();
                let left = if width < pw as f32 { within(left, width, pw) } else { left };
                let top = if height < ph as f32 { within(top, height, ph) } else { top };
                (left, top, width, height)
            }
            None => {
                let (pw, ph) = (self.photo.width() as f32, self.photo.height() as f32);
                let width = (pw * 0.56).min(ph * aspect);
                ((pw - width) / 2.0, 0.0, width, width / aspect)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_face_comes_to_the_middle_of_the_portrait() {
        let mut photo = RgbImage::from_pixel(480, 400, image::Rgb([0, 0, 200]));
        for (x, y) in (0..60).flat_map(|x| (0..80).map(move |y| (x, y))) {
            photo.put_pixel(300 + x, 40 + y, image::Rgb([220, 0, 0]));
        }
        let face = FaceBox { x: 300.0, y: 40.0, width: 60.0, height: 80.0 };
        let cut = Portrait::new(&photo.into(), Some(face)).cut(70, 90);
        assert_eq!(cut.dimensions(), (70, 90));
        assert!(cut.get_pixel(35, 48).0[0] > 200, "the middle is the face");
        assert!(cut.get_pixel(2, 2).0[2] > 150 && cut.get_pixel(67, 87).0[2] > 150, "the corners are not");
    }

    #[test]
    fn a_morph_is_between_the_two_and_fills_the_portrait() {
        let plain = |level: u8| {
            let photo = RgbImage::from_pixel(200, 300, image::Rgb([level; 3])).into();
            Portrait::new(&photo, Some(FaceBox { x: 60.0, y: 80.0, width: 80.0, height: 100.0 }))
        };
        let cut = plain(50).morphed(&plain(150), 0.25).cut(70, 90);
        assert!(cut.pixels().all(|p| p.0 == [75; 3]));
    }

    #[test]
    fn a_face_at_the_edge_still_fills_the_portrait() {
        let photo = RgbImage::from_pixel(50, 50, image::Rgb([9, 9, 9]));
        let face = FaceBox { x: 30.0, y: -10.0, width: 40.0, height: 50.0 };
        let cut = Portrait::new(&photo.into(), Some(face)).cut(70, 90);
        assert!(cut.pixels().all(|p| p.0 == [9, 9, 9]));
    }
}
