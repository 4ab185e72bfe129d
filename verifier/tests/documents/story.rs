//! A document with its owner, photographed and examined through the real models.

use std::sync::{Mutex, MutexGuard, OnceLock};

use jiff::civil::{Date, date};
use reinstate_domain::document::{Claim, DocumentObservation, DocumentType, judge};
use reinstate_domain::evidence::{Decision, Verdict};
use reinstate_domain::identity::Identity;
use reinstate_domain::reason::ReasonCode;
use reinstate_specimen::{
    Area, Camera, Document, Fonts, Holder, IdCard, Issue, Kind, Page, Passport, Portrait, Tamper,
};
use reinstate_verifier::document::{DocumentExamination, DocumentReader};
use reinstate_verifier::models::{Bundle, cache_dir};

pub(crate) const TODAY: Date = date(2026, 11, 23);

pub(crate) fn bundle() -> &'static Bundle {
    static BUNDLE: OnceLock<Bundle> = OnceLock::new();
    BUNDLE.get_or_init(|| Bundle::load(None).unwrap())
}

/// One reader for all tests: its networks take a while to load.
pub(crate) fn reader() -> MutexGuard<'static, DocumentReader> {
    static READER: OnceLock<Mutex<DocumentReader>> = OnceLock::new();
    READER
        .get_or_init(|| Mutex::new(DocumentReader::new(bundle()).unwrap()))
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

pub(crate) fn portrait() -> Portrait {
    Portrait::new(&image::open(cache_dir().join("photos/obama.jpg")).unwrap(), None)
}

pub(crate) fn examine(picture: &[u8]) -> DocumentExamination {
    reader().examine(picture, None, TODAY).unwrap()
}

/// What is seen on a good photo of the page.
pub(crate) fn seen(page: &Page) -> DocumentObservation {
    examine(&Camera::good(2).photograph(page).unwrap().jpeg).observation
}

/// One document and its owner's identity on file.
pub(crate) struct Story {
    pub(crate) holder: Holder,
    pub(crate) issue: Issue,
    pub(crate) tampering: Vec<Tamper>,
    pub(crate) quarter_turns: u32,
}

impl Story {
    pub(crate) fn of(seed: u64) -> Self {
        Self {
            holder: Holder::invented(seed),
            issue: Issue::invented(seed),
            tampering: Vec::new(),
            quarter_turns: 0,
        }
    }

    pub(crate) fn tampered(seed: u64, tamper: Tamper) -> Self {
        Self { tampering: vec![tamper], ..Self::of(seed) }
    }

    /// The page of the passport.
    pub(crate) fn page(&self) -> Page {
        let passport = Passport { holder: self.holder.clone(), issue: self.issue.clone() };
        passport.draw(&Fonts::load().unwrap(), &portrait(), &self.tampering)
    }

    /// Front and back of the card.
    pub(crate) fn sides(&self) -> (Page, Page) {
        let card = IdCard { holder: self.holder.clone(), issue: self.issue.clone() };
        card.draw(&Fonts::load().unwrap(), &portrait(), &self.tampering)
    }

    pub(crate) fn passport(&self, mut camera: Camera) -> DocumentExamination {
        camera.settings.quarter_turns = self.quarter_turns;
        examine(&camera.photograph(&self.page()).unwrap().jpeg)
    }

    pub(crate) fn card(&self, camera: &Camera) -> DocumentExamination {
        let (front, back) = self.sides();
        let photo = |page| camera.photograph(page).unwrap().jpeg;
        reader().examine(&photo(&front), Some(&photo(&back)), TODAY).unwrap()
    }

    pub(crate) fn judged(&self, observation: &DocumentObservation, document_type: DocumentType) -> Verdict {
        let identity = Identity {
            given_names: self.holder.given_names.clone(),
            surname: self.holder.surname.clone(),
            birth_date: self.holder.birth_date,
            nationality: None,
        };
        let claim = Claim { document_type: Some(document_type), country: Some("UTO".into()) };
        judge(observation, bundle().document_thresholds(), &claim, Some(&identity), TODAY)
    }

    #[track_caller]
    pub(crate) fn passport_is(&self, camera: Camera, decision: Decision, reasons: &[ReasonCode]) {
        let verdict = self.judged(&self.passport(camera).observation, DocumentType::Passport);
        assert_eq!((verdict.decision, &verdict.reasons[..]), (decision, reasons));
    }
}

/// The page with a finger's colour over a part of it.
pub(crate) fn with_skin_over(page: &Page, [left, top, width, height]: Area) -> Page {
    let mut held = page.clone();
    for (x, y, pixel) in held.image.enumerate_pixels_mut() {
        let (x, y) = (x as f32, y as f32);
        if (left..left + width).contains(&x) && (top..top + height).contains(&y) {
            *pixel = image::Rgb([150, 104, 84]);
        }
    }
    held
}

/// Any kind of document, photographed well.
pub(crate) fn kind(kind: Kind, issuer: &str, seed: u64, tampering: &[Tamper]) -> DocumentExamination {
    let sides = Document::invented(kind, issuer, seed).draw(&Fonts::load().unwrap(), &portrait(), tampering);
    let photo = |page: &Page| Camera::good(seed).photograph(page).unwrap().jpeg;
    let back = sides.back.as_ref().map(photo);
    reader().examine(&photo(&sides.front), back.as_deref(), TODAY).unwrap()
}

pub(crate) fn jpeg(picture: &image::RgbImage) -> Vec<u8> {
    let mut jpeg = std::io::Cursor::new(Vec::new());
    picture.write_to(&mut jpeg, image::ImageFormat::Jpeg).unwrap();
    jpeg.into_inner()
}
