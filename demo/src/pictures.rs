//! The pictures that the stories hand in: passports that are drawn and photographed, and photos of two people that
//! `models/fetch` takes from a package. The faces are only pictures; the names on the passports are made up.

use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use image::codecs::jpeg::JpegEncoder;
use image::{DynamicImage, ImageError, Rgb, RgbImage};
use reinstate_specimen::{Camera, FaceBox, Field, FontError, Fonts, Passport, Portrait, Tamper};

use crate::cast::Person;

/// The face in `obama.jpg`, in pixels, as the verifier's detector sees it.
const OWNERS_FACE: FaceBox = FaceBox { x: 368.0, y: 86.0, width: 251.0, height: 347.0 };
/// The middles and radii of a pair of sunglasses in `obama2.jpg`, in pixels. Chosen by measuring: see docs/decisions/0051.
const LENSES: [(f32, f32); 2] = [(275.0, 385.0), (410.0, 385.0)];
const LENS_RADII: (f32, f32) = (60.0, 70.0);
/// Of what the stories photograph, so that every run shows the same pictures.
const SEED: u64 = 7;

/// A picture can't be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the photo {path} can't be read; models/fetch gets it")]
    Photo {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("a picture can't be drawn")]
    Draw(#[source] ImageError),
    #[error("the specimens' fonts can't be loaded")]
    Fonts(#[source] FontError),
}

/// Everything that is needed to make them.
pub struct Pictures {
    fonts: Fonts,
    portrait: Portrait,
    selfie: Vec<u8>,
    somebody_else: Vec<u8>,
}

impl Pictures {
    /// Loads the photos `obama.jpg`, `obama2.jpg` and `biden.jpg` of a folder.
    ///
    /// # Errors
    /// When one is missing or no picture, or a font of the specimens is not installed.
    pub fn load(photos: &Path) -> Result<Self, Error> {
        let read = |name: &str| {
            let path = photos.join(name);
            fs::read(&path).map_err(|source| Error::Photo { path, source })
        };
        let portrait = image::load_from_memory(&read("obama.jpg")?).map_err(Error::Draw)?;
        Ok(Self {
            fonts: Fonts::load().map_err(Error::Fonts)?,
            portrait: Portrait::new(&portrait, Some(OWNERS_FACE)),
            selfie: read("obama2.jpg")?,
            somebody_else: read("biden.jpg")?,
        })
    }

    /// The owner's passport, photographed with care.
    ///
    /// # Errors
    /// When the picture can't be encoded, as for all the others.
    pub fn passport(&self, person: &Person) -> Result<Vec<u8>, Error> {
        self.photograph(person, &[], &Camera::good(SEED))
    }

    /// The passport with one character of its number changed in the machine-readable zone.
    ///
    /// # Errors
    /// As [`Self::passport`].
    pub fn altered_passport(&self, person: &Person) -> Result<Vec<u8>, Error> {
        let altered = Tamper::Mrz { field: Field::Number, mended: false };
        self.photograph(person, &[altered], &Camera::good(SEED))
    }

    /// The genuine passport in a picture that has to be taken again: small, shaken, out of focus.
    ///
    /// # Errors
    /// As [`Self::passport`].
    pub fn shaken_passport(&self, person: &Person) -> Result<Vec<u8>, Error> {
        self.photograph(person, &[], &Camera::terrible(SEED))
    }

    /// The owner, as a phone's front camera sees them.
    #[must_use]
    pub fn selfie(&self) -> &[u8] {
        &self.selfie
    }

    /// Another person.
    #[must_use]
    pub fn somebody_else(&self) -> &[u8] {
        &self.somebody_else
    }

    /// The owner, who kept large sunglasses on although the tips say otherwise: too little to be sure, too much to refuse.
    ///
    /// # Errors
    /// When the selfie is no picture or can't be encoded.
    pub fn selfie_in_sunglasses(&self) -> Result<Vec<u8>, Error> {
        let mut picture = image::load_from_memory(&self.selfie).map_err(Error::Draw)?.to_rgb8();
        put_on_sunglasses(&mut picture);
        let mut jpeg = Cursor::new(Vec::new());
        let encoder = JpegEncoder::new_with_quality(&mut jpeg, 90);
        DynamicImage::from(picture).write_with_encoder(encoder).map_err(Error::Draw)?;
        Ok(jpeg.into_inner())
    }

    fn photograph(&self, person: &Person, tampering: &[Tamper], camera: &Camera) -> Result<Vec<u8>, Error> {
        let passport = Passport { holder: person.holder.clone(), issue: person.issue.clone() };
        let page = passport.draw(&self.fonts, &self.portrait, tampering);
        Ok(camera.photograph(&page).map_err(Error::Draw)?.jpeg)
    }
}

fn put_on_sunglasses(picture: &mut RgbImage) {
    let [left, right] = LENSES;
    for (x, y, pixel) in picture.enumerate_pixels_mut() {
        let (x, y) = (x as f32, y as f32);
        let within = |(cx, cy): (f32, f32)| {
            ((x - cx) / LENS_RADII.0).powi(2) + ((y - cy) / LENS_RADII.1).powi(2) <= 1.0
        };
        let bridge = x > left.0 && x < right.0 && (y - left.1 + 3.0).abs() <= 7.0;
        if within(left) || within(right) || bridge {
            *pixel = Rgb([20, 20, 24]);
        }
    }
}
