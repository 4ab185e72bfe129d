//! What the verifier is measured on: specimens as a phone would photograph them, and two photos of one person.

use std::path::PathBuf;
use std::{fs, io};

use jiff::civil::Date;
use jiff::{Timestamp, tz::TimeZone};
use reinstate_domain::face::{Action, Reference};
use reinstate_specimen::{Camera, Fonts, Holder, IdCard, Issue, Passport, Portrait};
use reinstate_verifier::engine::{DocumentJob, FaceJob};
use reinstate_verifier::models::cache_dir;

#[derive(Debug, thiserror::Error)]
pub(crate) enum Failed {
    #[error("{} can't be read; models/fetch gets it", path.display())]
    Photo {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("a specimen could not be drawn")]
    Specimen(#[source] Box<dyn std::error::Error + Send + Sync>),
}

fn drawn<E: std::error::Error + Send + Sync + 'static>(error: E) -> Failed {
    Failed::Specimen(Box::new(error))
}

/// Image files.
pub(crate) struct Photos {
    pages: Vec<Vec<u8>>,
    card: (Vec<u8>, Vec<u8>),
    selfie: Vec<u8>,
    portrait: Vec<u8>,
    today: Date,
}

impl Photos {
    pub(crate) fn take() -> Result<Self, Failed> {
        let photo = |name: &str| {
            let path = cache_dir().join("photos").join(name);
            fs::read(&path).map_err(|source| Failed::Photo { path, source })
        };
        let (portrait, selfie) = (photo("obama.jpg")?, photo("obama2.jpg")?);
        let fonts = Fonts::load().map_err(drawn)?;
        let printed = Portrait::new(&image::load_from_memory(&portrait).map_err(drawn)?, None);
        let page = |seed: u64| -> Result<Vec<u8>, Failed> {
            let passport = Passport { holder: Holder::invented(seed), issue: Issue::invented(seed) };
            let page = passport.draw(&fonts, &printed, &[]);
            Ok(Camera::good(seed).photograph(&page).map_err(drawn)?.jpeg)
        };
        let card = IdCard { holder: Holder::invented(1), issue: Issue::invented(1) };
        let (front, back) = card.draw(&fonts, &printed, &[]);
        let card = (
            Camera::good(1).photograph(&front).map_err(drawn)?.jpeg,
            Camera::good(2).photograph(&back).map_err(drawn)?.jpeg,
        );
        let pages = (0..8).map(page).collect::<Result<_, _>>()?;
        let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
        Ok(Self { pages, card, selfie, portrait, today })
    }

    /// The data page of a passport, one of eight by turns.
    pub(crate) fn page(&self, n: usize) -> DocumentJob {
        let front = self.pages[n % self.pages.len()].clone();
        DocumentJob { front, back: None, today: self.today }
    }

    pub(crate) fn both_sides(&self) -> DocumentJob {
        let (front, back) = self.card.clone();
        DocumentJob { front, back: Some(back), today: self.today }
    }

    pub(crate) fn faces(&self) -> FaceJob {
        FaceJob {
            frames: vec![(Action::LookAhead, self.selfie.clone())],
            references: vec![(Reference::OnFile, self.portrait.clone())],
        }
    }

    pub(crate) fn no_picture(&self) -> DocumentJob {
        DocumentJob { front: Vec::new(), back: None, today: self.today }
    }
}
