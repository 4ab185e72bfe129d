//! A document of any kind, drawn: [`layout`] says what goes where, [`sheet`] how it looks.

mod layout;
mod sheet;

use std::io::Cursor;

use image::{ImageFormat, RgbImage};

use crate::fonts::Fonts;
use crate::holder::{Holder, Issue};
use crate::kind::Kind;
use crate::portrait::Portrait;
use crate::state::State;
use crate::tamper::{Contents, Tamper};
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

/// A document of any kind. Its labels are in the issuer's languages.
#[derive(Debug, Clone)]
pub struct Document {
    pub kind: Kind,
    pub holder: Holder,
    pub issue: Issue,
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

impl Document {
    /// A document of a state (one of [`crate::STATES`]; any other code counts as `UTO`) for one of its citizens, visas and
    /// residence permits for a citizen of another. The same arguments give the same document.
    #[must_use]
    pub fn invented(kind: Kind, issuer: &str, seed: u64) -> Self {
        let state = State::of(if kind == Kind::FrenchLicence { "FRA" } else { issuer });
        let citizen_of = match kind {
            Kind::VisaA | Kind::VisaB | Kind::ResidencePermit => state.another(seed),
            _ => state,
        };
        Self { kind, holder: Holder::of_state(citizen_of, seed), issue: Issue::of_state(state, kind, seed) }
    }

    pub fn draw(&self, fonts: &Fonts, portrait: &Portrait, tampering: &[Tamper]) -> Sides {
        let contents = Contents::new(self.kind, &self.holder, &self.issue, portrait, tampering);
        layout::draw(self, fonts, &contents)
    }
}

/// A passport: a [`Document`] that has one side only.
#[derive(Debug, Clone)]
pub struct Passport {
    pub holder: Holder,
    pub issue: Issue,
}

/// An identity card: a [`Document`] that has two.
#[derive(Debug, Clone)]
pub struct IdCard {
    pub holder: Holder,
    pub issue: Issue,
}

impl Passport {
    pub fn draw(&self, fonts: &Fonts, portrait: &Portrait, tampering: &[Tamper]) -> Page {
        let contents = Contents::new(Kind::Passport, &self.holder, &self.issue, portrait, tampering);
        layout::passport(&self.holder, &self.issue, fonts, &contents)
    }
}

impl IdCard {
    /// Front and back.
    pub fn draw(&self, fonts: &Fonts, portrait: &Portrait, tampering: &[Tamper]) -> (Page, Page) {
        let contents = Contents::new(Kind::IdCard, &self.holder, &self.issue, portrait, tampering);
        layout::card(&self.holder, &self.issue, fonts, &contents)
    }
}
