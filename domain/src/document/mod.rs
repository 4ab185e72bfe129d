//! An identity document: what was claimed, what was measured and read, and the judgement of it.
//! The verifier observes and never decides; [`judge`] compares with thresholds and never looks at a pixel.

mod judge;
mod name;
mod number;

use std::fmt;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::reason::ReasonCode;

pub use judge::{compare_zones, judge};
pub use name::{Cut, Marks, NameMatch, is_same_but_for_marks, match_given_names, match_surname};
pub use number::letters_only;

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

/// Layouts of a machine-readable zone: ICAO 9303 parts 4 to 7, and the one line of a driving licence.
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
    /// The 30 characters of ISO/IEC 18013-3 with configuration 1, as France prints them: code `D1`, issuer, number, check
    /// digit, expiry date, the first eight characters of the surname, check digit over all of it.
    #[serde(rename = "D1")]
    D1,
}

/// What a check digit covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckedField {
    Number,
    BirthDate,
    ExpiryDate,
    /// The personal number of a TD3.
    PersonalNumber,
    Composite,
}

/// Whether one check digit agrees with its field, both as they were read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldCheck {
    pub field: CheckedField,
    pub passed: bool,
}

/// A character that was replaced so that all check digits agree. Always reported: a silent repair hides tampering.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Repair {
    /// From 0.
    pub line: usize,
    /// From 0.
    pub column: usize,
    pub from: char,
    pub to: char,
    /// How much likelier the accepted reading is than the next one that all check digits confirm, in nats.
    pub margin: f32,
}

/// A machine-readable zone as it was read.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct MrzReading {
    pub format: MrzFormat,
    /// The lines that all check digits confirm; empty rather than a guess.
    pub lines: Vec<String>,
    /// What the recogniser saw, before any repair.
    pub read: Vec<String>,
    pub repairs: Vec<Repair>,
    pub valid: bool,
    /// The check digits of `lines`, or of `read` when there are no lines.
    pub checks: Vec<FieldCheck>,
    /// The lowest probability, 0 to 1, of a character of `read` that takes part in a check digit; 0 where something lies over the zone and
    /// it is not valid.
    pub certainty: f32,
    /// Not valid, and all check digits would agree with one other character: in the number the letter for the digit of its shape (O and
    /// 0, I and 1), or the other way round, which are one glyph to a recogniser, so that its certainty says nothing; anywhere one that it
    /// saw a trace of. Older findings have `false`, or know of the former only.
    #[serde(default)]
    pub twins_agree: bool,
}

impl MrzReading {
    /// Read with certainty, and the digits disagree nevertheless: that is how it was printed, or altered.
    #[must_use]
    pub fn fails_as_printed(&self, thresholds: &DocumentThresholds) -> bool {
        let failed = self.checks.iter().filter(|check| !check.passed).count();
        // Who alters a number or a date makes its digit fail and the composite one. Where no field agrees with its own, the rows were
        // rather cut or aligned wrongly, and characters that are not there may look certain enough.
        let all = failed == self.checks.len() && failed >= FEWEST_INDEPENDENT;
        let least = thresholds.min_all_failed_digits_certainty.filter(|_| all);
        !self.valid && failed > 0 && self.certainty >= least.unwrap_or(thresholds.min_failed_digit_certainty)
    }
}

/// Number, birth date and expiry date have a digit of their own in every format of ICAO 9303. The two of a driving licence's line both
/// cover its number, so that one alteration makes both fail.
const FEWEST_INDEPENDENT: usize = 3;

/// The fields of a valid machine-readable zone.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MrzFields {
    /// The document code: `P`, `ID`, `V`, …
    pub code: String,
    pub issuer: String,
    pub number: String,
    pub surname: String,
    pub given_names: String,
    /// The name filled its field to the last character, so its end may be missing (ICAO 9303-3 §4.6).
    pub name_truncated: bool,
    /// `None` when the issuer left a part of it unknown.
    pub birth_date: Option<Date>,
    pub expiry_date: Option<Date>,
    pub nationality: String,
    /// `M`, `F`, or `X` for unspecified.
    pub sex: String,
}

impl MrzFields {
    /// What the surname and the given names may lack. `by_word`: whether the issuer may have cut each word to make room, and not only left
    /// out what had none.
    #[must_use]
    pub fn cuts(&self, by_word: bool) -> [Cut; 2] {
        let (surname, given) = (self.surname.len(), self.given_names.len());
        if !self.name_truncated {
            return [Cut::Nothing; 2];
        }
        let of_surname = if given == 0 {
            Cut::End
        } else if by_word && surname > given {
            // ICAO 9303-4 §4.2.3: a surname is cut where it takes most of the field. "LI" before many given names is whole, and the
            // beginning of too many other names.
            Cut::EveryWord
        } else {
            Cut::Nothing
        };
        [of_surname, if by_word { Cut::EveryWord } else { Cut::End }]
    }
}

/// Fields that were found in the visual zone; `None` is "not found", never "wrong".
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VisualFields {
    pub number: Option<String>,
    pub surname: Option<String>,
    pub given_names: Option<String>,
    pub birth_date: Option<Date>,
    pub expiry_date: Option<Date>,
    /// Only from beside its label: no machine-readable zone states it.
    #[serde(default)]
    pub issue_date: Option<Date>,
    /// `M`, `F` or `X`, from beside its label.
    #[serde(default)]
    pub sex: Option<String>,
}

/// A field that both zones of a document state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ComparedField {
    Number,
    Surname,
    GivenNames,
    BirthDate,
    ExpiryDate,
    /// For a person only: its letters differ between languages.
    Sex,
}

/// Whether the visual zone says of a field what the machine-readable zone says. A field that is missing in either, or can't
/// be compared, is not listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldComparison {
    pub field: ComparedField,
    pub agrees: bool,
}

/// Where the portrait is in the upright front image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Portrait {
    /// x, y, width, height in pixels.
    #[serde(rename = "box")]
    pub bounds: [u32; 4],
}

/// Everything that the verifier measured and read on one document.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct DocumentObservation {
    /// Set when an image could not be decoded at all; everything else is then empty.
    pub fault: Option<ReasonCode>,
    pub quality: DocumentQuality,
    pub mrz: Option<MrzReading>,
    /// Present exactly when the machine-readable zone is valid.
    pub fields: Option<MrzFields>,
    pub visual: VisualFields,
    pub portrait: Option<Portrait>,
    /// [`compare_zones`] of the two above, for a person to see.
    #[serde(default)]
    pub comparison: Vec<FieldComparison>,
    #[serde(default)]
    pub signals: DocumentSignals,
}

/// Traces of a copy, a screen, an altered field, a glued or a second portrait on the front. `None` where there was nothing to measure.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct DocumentSignals {
    /// Spread of colour over the page, 0 to 1; a photocopy has next to none.
    pub colour: Option<f32>,
    /// How far the strongest periodic pattern of the page's fine structure stands out of its spectrum, in nats: the grids of
    /// a screen and of the sensor beat against each other.
    pub screen: Option<f32>,
    /// The greatest difference of a field's noise from that of the other fields, in nats: what was drawn over is smooth.
    pub field_noise: Option<f32>,
    /// How much lighter a thin line around the portrait is than what lies on both sides of it, as a share of that: paper is white where
    /// a photo was cut. Older findings have none.
    #[serde(default)]
    pub portrait_edge: Option<f32>,
    /// Height of the largest other face where a portrait can be, as a share of the portrait's. Older findings have none.
    #[serde(default)]
    pub second_portrait: Option<f32>,
}

/// Measures of the front picture, upright. Zero everywhere when there was no text to measure on.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct DocumentQuality {
    pub width: u32,
    pub height: u32,
    /// Clockwise degrees (0, 90, 180, 270) by which the picture was turned to stand upright.
    pub turned: u32,
    /// Lines of text that were found and read.
    pub text_lines: u32,
    /// Median height of a line of text, in pixels.
    pub text_height: f32,
    /// Steepness of the strokes of the text along its lines, 0 to 1, independent of contrast.
    pub sharpness: f32,
    /// The same in the direction in which it is least: a hand that moves blurs what lies in its way. Older findings have none.
    #[serde(default)]
    pub least_sharpness: Option<f32>,
    /// Share of the page, 0 to 1, that is burnt out to white inside otherwise darker surroundings.
    pub glare: f32,
    /// Share of the lines of text, 0 to 1, that a reflection touches.
    #[serde(default)]
    pub text_glare: f32,
    /// Mean luminance of the page, 0 to 1.
    pub brightness: f32,
    /// Lines of text that touch the edge of the picture.
    pub cut_lines: u32,
}

impl DocumentQuality {
    /// Whether the text is too blurred, in all directions or in one, to be judged.
    #[must_use]
    pub fn is_blurred(&self, thresholds: &DocumentThresholds) -> bool {
        let least = self.least_sharpness.zip(thresholds.min_least_sharpness);
        self.sharpness < thresholds.min_sharpness || least.is_some_and(|(measured, least)| measured < least)
    }
}

/// From the bundle's manifest, table `[document]`; never in code.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DocumentThresholds {
    /// Fewer lines of text than this are no document.
    pub min_text_lines: u32,
    /// Pixels; below it the picture is too small to read.
    pub min_text_height: f32,
    pub min_sharpness: f32,
    #[serde(default)]
    pub min_least_sharpness: Option<f32>,
    pub max_glare: f32,
    /// Share of lines that a reflection may touch.
    #[serde(default)]
    pub max_text_glare: Option<f32>,
    /// Mean luminance below which the picture is too dark to be read.
    #[serde(default)]
    pub min_brightness: Option<f32>,
    /// Spread of colour below which a person looks whether it is a photocopy.
    #[serde(default)]
    pub min_colour: Option<f32>,
    /// Strength of a periodic pattern from which a person looks whether it is a screen.
    #[serde(default)]
    pub max_screen: Option<f32>,
    /// Difference of a field's noise from which a person looks whether it was altered.
    #[serde(default)]
    pub max_field_noise: Option<f32>,
    /// Lightness of a line around the portrait from which a person looks whether it was glued over another.
    #[serde(default)]
    pub max_portrait_edge: Option<f32>,
    /// Share of the portrait's height from which another face is no ghost of it: a person looks whose they are.
    #[serde(default)]
    pub max_second_portrait: Option<f32>,
    /// Whether a person looks at a number of a form that its issuer does not give.
    #[serde(default)]
    pub numbers_as_published: bool,
    /// Whether a document passes by itself only where given names and birth date of its zone are found in print, beside the surname.
    #[serde(default)]
    pub person_in_print: bool,
    /// Whether a document passes by itself only where the expiry date of its zone is found in print.
    #[serde(default)]
    pub expiry_in_print: bool,
    /// Whether names are compared word by word: one that fills its field may be cut in each, as ICAO 9303-4 §4.2.3 lets issuers do, and
    /// marks may have been overlooked in any. Without it, only the end of a name may be missing, or the marks of all of it.
    #[serde(default)]
    pub names_by_word: bool,
    /// Whether check digits that fail and zones that disagree speak against the document only in a picture without faults. In
    /// another they ask for a better one.
    #[serde(default)]
    pub accuse_in_clear_pictures_only: bool,
    /// Sharpness below which a G or 6 of the number, one shape in a blurred picture and one value to the check digits, counts
    /// as read only when the first recogniser had no doubt or the visual zone has the same number and names.
    #[serde(default)]
    pub min_twin_sharpness: Option<f32>,
    /// Lines of text at the edge of the picture that are still no sign of a cut document.
    pub max_cut_lines: u32,
    /// A zone that was read at least this certainly and fails its digits fails them as printed.
    pub min_failed_digit_certainty: f32,
    /// The same for a zone of which every check digit fails, three at least. Without it, the certainty above is enough.
    #[serde(default)]
    pub min_all_failed_digits_certainty: Option<f32>,
    /// Of number, surname, given names, birth date and expiry date: how many the visual zone must confirm.
    pub min_visual_matches: u32,
    /// Not judged with, but read with: a finding names both by the manifest's hash.
    pub reading: ReadingThresholds,
    /// What a zone must be like that the fast recogniser read, for the careful one not to be asked. Without it the careful
    /// one always is.
    #[serde(default)]
    pub first_reading: Option<ReadingThresholds>,
}

/// When what the recogniser saw counts as read. Below these the verifier reports that it could not read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReadingThresholds {
    /// Probability of a character of the machine-readable zone that a check digit covers.
    pub min_covered: f32,
    /// Probability of a character that nothing else confirms: names, issuer, nationality, sex.
    pub min_uncovered: f32,
    /// Probability of all characters of the name line together: many that are each likely enough make a name that is not.
    #[serde(default)]
    pub min_name: f32,
    /// Distance in nats from each character that no check digit covers to those of its shape: 0 and O, 1 and I.
    #[serde(default)]
    pub min_look_alike_margin: f32,
    /// Distance in nats from the best text that all digits confirm to the next one.
    pub min_margin: f32,
    /// Distance in nats from each character that a check digit covers to those that the digit can't tell from it: it counts
    /// G like 6, S like 8, and L like 1.
    #[serde(default)]
    pub min_blind_margin: f32,
    /// The same of G and 6, which a blurred picture makes one shape.
    #[serde(default)]
    pub min_twin_margin: f32,
    /// The same as `min_margin` when characters had to be repaired.
    pub min_repair_margin: f32,
    /// Probability that the recogniser itself must give to what a repair puts in.
    pub min_repair_probability: f32,
    pub max_repairs: u32,
    /// Share of fillers in a zone, lowest and highest.
    pub filler_share: [f32; 2],
    /// Probability of every character of a text of the visual zone.
    pub min_visual: f32,
    /// What is enough of a zone whose number, names and dates are all printed as it has them. Without it, the above.
    #[serde(default)]
    pub printed: Option<PrintedThresholds>,
}

/// When a zone that is not clear by itself counts as read beside the same in print.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PrintedThresholds {
    /// Probability of a character of the names.
    pub min_character: f32,
    /// Probability of all characters of the name line together.
    pub min_name: f32,
    /// Distance in nats from the best text that all digits confirm to the next one.
    pub min_margin: f32,
}

macro_rules! personal_debug {
    ($($name:ident),*) => {
        $(impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(personal)"))
            }
        })*
    };
}

personal_debug!(MrzReading, MrzFields, VisualFields);
