//! What was drawn: pages, each with its truth.

use std::io::Cursor;

use image::{ImageFormat, RgbImage};

use crate::truth::Truth;

/// A drawn side of a document, flat as from a scanner, and all that is known of it.
#[derive(Clone)]
pub struct Page {
    pub image: RgbImage,
    pub truth: Truth,
}

impl Page {
    /// # Errors
    /// When the encoder refuses the picture.
    pub fn png(&self) -> Result<Vec<u8>, image::ImageError> {
        let mut bytes = Cursor::new(Vec::new());
        self.image.write_to(&mut bytes, ImageFormat::Png)?;
        Ok(bytes.into_inner())
    }
}

/// What was drawn of a document: a card's zone may be on its back.
#[derive(Clone)]
pub struct Sides {
    pub front: Page,
    pub back: Option<Page>,
}

impl Sides {
    /// The side that bears the zone, or the front when there is none.
    #[must_use]
    pub fn zone_side(&self) -> &Page {
        self.back.as_ref().unwrap_or(&self.front)
    }
}
