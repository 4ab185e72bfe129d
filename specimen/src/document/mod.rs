//! A document of any kind, drawn: [`layout`] says what goes where, [`sheet`] how it looks.

mod layout;
mod page;
mod sheet;

pub use page::{Page, Sides};

use crate::fonts::Fonts;
use crate::holder::{Holder, Issue};
use crate::kind::Kind;
use crate::portrait::Portrait;
use crate::state::State;
use crate::tamper::{Contents, Tamper};

/// A document of any kind. Its labels are in the issuer's languages.
#[derive(Debug, Clone)]
pub struct Document {
    pub kind: Kind,
    pub holder: Holder,
    pub issue: Issue,
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
        layout::draw(self.kind, &self.holder, &self.issue, fonts, &contents)
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
