//! What is known of a specimen because it was drawn: the ground truth that goes with every picture.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::camera::settings::Settings;
use crate::format::Format;
use crate::kind::Kind;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    DataPage,
    Front,
    Back,
}

/// A field that can be tampered with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Field {
    Surname,
    GivenNames,
    Number,
    BirthDate,
    ExpiryDate,
}

impl Field {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Surname => "surname",
            Self::GivenNames => "given_names",
            Self::Number => "number",
            Self::BirthDate => "birth_date",
            Self::ExpiryDate => "expiry_date",
        }
    }
}

/// Facts as text: names in their own letters, upper case; dates as `1974-08-12`, with `XX` for what is not known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fields {
    pub issuer: String,
    pub number: String,
    pub surname: String,
    pub given_names: String,
    pub birth_date: String,
    pub expiry_date: String,
    pub nationality: String,
    pub sex: String,
}

/// One thing that was done to the document after it was issued.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Change {
    /// One character of the zone is another. `mended`: the check digits were made to agree again.
    Mrz { field: Field, line: usize, column: usize, from: char, to: char, mended: bool },
    /// One character of the visual zone is another.
    Visual { field: Field, from: String, to: String },
    /// One character of the visual zone is another, and the value is set in another type on a patch of other paper.
    Pasted { field: Field, from: String, to: String },
    /// The portrait shows somebody else.
    Portrait,
    /// The whole zone is somebody else's, all digits right; these lines were there before.
    Zone { genuine: Vec<String> },
}

/// Where something is: left, top, width, height in pixels of the drawn page.
pub type Area = [f32; 4];

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Truth {
    pub kind: Kind,
    pub format: Format,
    pub side: Side,
    /// As the document was issued.
    pub fields: Fields,
    /// As the visual zone states them, after any tampering.
    pub visual: Fields,
    /// As the zone's lines are printed, after any tampering; on both sides of a card, though only the back bears them.
    pub mrz: Vec<String>,
    /// Whether the printed check digits agree.
    pub mrz_valid: bool,
    pub tampering: Vec<Change>,
    /// `portrait`, `mrz`, and the text of each field that this side bears, by name.
    pub areas: BTreeMap<String, Area>,
    /// Width and height of the drawn page in pixels, at [`crate::DPI`].
    pub page: [u32; 2],
    pub photo: Option<PhotoTruth>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PhotoTruth {
    pub seed: u64,
    pub settings: Settings,
    pub width: u32,
    pub height: u32,
    /// Where the page's corners are in the photo, in pixels: of the upright page the top left, top right, bottom right, bottom left.
    pub corners: [[f32; 2]; 4],
}
