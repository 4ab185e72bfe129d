//! An identity document: what was claimed, what was measured and read, and the judgement of it.
//! The verifier observes and never compares with a threshold; [`judge`] compares and never looks at a pixel.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::evidence::Verdict;
use crate::identity::Identity;
use crate::reason::ReasonCode;

/// The kinds of document that an owner may choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DocumentType {
    Passport,
    IdCard,
    DrivingLicence,
    ResidencePermit,
}

/// What the owner says the document is. On the command line either may be missing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    pub document_type: Option<DocumentType>,
    /// ISO 3166 alpha-3 or an ICAO 9303 code such as `UTO` or `D`.
    pub country: Option<String>,
}

/// Layouts of a machine-readable zone, ICAO 9303 parts 4 to 7.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum MrzFormat {
    #[serde(rename = "TD1")]
    Td1,
    #[serde(rename = "TD2")]
    Td2,
    #[serde(rename = "TD3")]
    Td3,
    #[serde(rename = "MRVA")]
    MrvA,
    #[serde(rename = "MRVB")]
    MrvB,
}

/// A character that was replaced so that all check digits agree. Always reported: a silent repair hides tampering.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repair {
    /// From 0.
    pub line: usize,
    /// From 0.
    pub column: usize,
    pub from: char,
    pub to: char,
}

/// A machine-readable zone as it was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MrzReading {
    pub format: MrzFormat,
    /// The lines that all check digits confirm; empty rather than a guess.
    pub lines: Vec<String>,
    /// What the recogniser saw, before any repair.
    pub read: Vec<String>,
    pub repairs: Vec<Repair>,
    pub valid: bool,
}

/// The fields of a valid machine-readable zone.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MrzFields {
    pub issuer: String,
    pub number: String,
    pub surname: String,
    pub given_names: String,
    pub birth_date: Option<Date>,
    pub expiry_date: Option<Date>,
    pub nationality: String,
    pub sex: String,
}

/// Fields that were found in the visual zone; `None` is "not found", never "wrong".
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VisualFields {
    pub number: Option<String>,
    pub surname: Option<String>,
    pub given_names: Option<String>,
    pub birth_date: Option<Date>,
    pub expiry_date: Option<Date>,
}

/// Everything that the verifier measured and read on one document.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct DocumentObservation {
    /// Set when an image could not be decoded at all; everything else is then empty.
    pub fault: Option<ReasonCode>,
    pub quality: DocumentQuality,
    pub mrz: Option<MrzReading>,
    pub fields: Option<MrzFields>,
    pub visual: VisualFields,
    /// Where the portrait is in the upright front image: x, y, width, height in pixels.
    pub portrait: Option<[u32; 4]>,
}

/// Measures of the picture, on the upright image.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct DocumentQuality {
    pub width: u32,
    pub height: u32,
}

/// From the bundle's manifest; never in code.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DocumentThresholds {}

/// Judges a document. `identity` is what the exchange has on file, if anything; `today` is the day of the check.
#[must_use]
pub fn judge(
    _observation: &DocumentObservation,
    _thresholds: &DocumentThresholds,
    _claim: &Claim,
    _identity: Option<&Identity>,
    _today: Date,
) -> Verdict {
    unimplemented!("written by the branch that reads documents")
}
