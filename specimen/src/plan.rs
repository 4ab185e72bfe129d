//! Many labelled photos, each drawn when it is wanted: what evaluations are run on. Everything follows from the plan, so a
//! run can be repeated, resumed and divided among threads.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

use crate::camera::{Camera, Disturbance};
use crate::dice::Dice;
use crate::document::{Document, Page, Sides};
use crate::fonts::Fonts;
use crate::format::Format;
use crate::holder::{Holder, Issue};
use crate::kind::Kind;
use crate::portrait::Portrait;
use crate::state::STATES;
use crate::tamper::Tamper;
use crate::truth::Field;

/// Which seeds are used. Whoever tunes something looks at the even ones only; what is claimed is measured on the odd ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Half {
    Tuning,
    HeldOut,
}

impl Half {
    /// The n-th seed of this half.
    #[must_use]
    pub fn seed(self, n: u64) -> u64 {
        2 * n + u64::from(self == Self::HeldOut)
    }
}

/// A way to forge, by name: `mrz:FIELD`, `mrz-mended:FIELD`, `visual:FIELD`, `pasted:FIELD`, `portrait`, `zone`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forgery {
    Mrz { field: Field, mended: bool },
    Visual { field: Field },
    Pasted { field: Field },
    Portrait,
    Zone,
}

impl Forgery {
    /// Those of a sweep: each alters one thing, and the digits of the zone agree afterwards.
    pub const SWEPT: [Self; 13] = [
        Self::Mrz { field: Field::Number, mended: true },
        Self::Mrz { field: Field::BirthDate, mended: true },
        Self::Mrz { field: Field::ExpiryDate, mended: true },
        Self::Mrz { field: Field::Surname, mended: true },
        Self::Mrz { field: Field::GivenNames, mended: true },
        Self::Visual { field: Field::Number },
        Self::Visual { field: Field::BirthDate },
        Self::Visual { field: Field::Surname },
        Self::Visual { field: Field::GivenNames },
        Self::Pasted { field: Field::BirthDate },
        Self::Pasted { field: Field::Surname },
        Self::Portrait,
        Self::Zone,
    ];

    /// `other` is the face that a swapped portrait shows; a foreign zone is that of the next seed's person.
    #[must_use]
    pub fn tamper(self, seed: u64, other: &Portrait) -> Tamper {
        match self {
            Self::Mrz { field, mended } => Tamper::Mrz { field, mended },
            Self::Visual { field } => Tamper::Visual { field },
            Self::Pasted { field } => Tamper::Pasted { field },
            Self::Portrait => Tamper::Portrait(other.clone()),
            Self::Zone => {
                let next = seed.wrapping_add(1);
                Tamper::Zone { holder: Holder::invented(next), issue: Issue::invented(next) }
            }
        }
    }

    fn fits(self, kind: Kind) -> bool {
        let format = kind.format();
        match self {
            // Nothing else on these says them.
            Self::Mrz { field: Field::BirthDate | Field::GivenNames, .. }
            | Self::Visual { field: Field::GivenNames } => !matches!(format, Format::None | Format::D1),
            Self::Mrz { .. } | Self::Zone => format != Format::None,
            Self::Visual { .. } | Self::Pasted { .. } | Self::Portrait => true,
        }
    }
}

impl fmt::Display for Forgery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (way, field) = match self {
            Self::Mrz { field, mended: false } => ("mrz", Some(field)),
            Self::Mrz { field, mended: true } => ("mrz-mended", Some(field)),
            Self::Visual { field } => ("visual", Some(field)),
            Self::Pasted { field } => ("pasted", Some(field)),
            Self::Portrait => ("portrait", None),
            Self::Zone => ("zone", None),
        };
        match field {
            Some(field) => write!(f, "{way}:{}", field.name().replace('_', "-")),
            None => f.write_str(way),
        }
    }
}

impl FromStr for Forgery {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        use clap::ValueEnum as _;
        let field = |name: &str| Field::from_str(name, true);
        match text.split_once(':') {
            Some(("mrz", name)) => Ok(Self::Mrz { field: field(name)?, mended: false }),
            Some(("mrz-mended", name)) => Ok(Self::Mrz { field: field(name)?, mended: true }),
            Some(("visual", name)) => Ok(Self::Visual { field: field(name)? }),
            Some(("pasted", name)) => Ok(Self::Pasted { field: field(name)? }),
            None if text == "portrait" => Ok(Self::Portrait),
            None if text == "zone" => Ok(Self::Zone),
            _ => Err("not a way to tamper".into()),
        }
    }
}

/// What is photographed, and how.
#[derive(Debug, Clone, PartialEq)]
pub enum Set {
    /// Each document at each strength of each disturbance.
    Curves { disturbances: Vec<Disturbance>, strengths: Vec<f32> },
    /// Each document so many times as phones usually see it.
    Ordinary { photos: u32 },
    /// Each document so many times with any faults of any strength at once.
    Any { photos: u32 },
    /// Each document forged in each way, as phones usually see it, and once untouched.
    Tampered { forgeries: Vec<Forgery> },
}

/// A set of photos: `documents` of each kind and issuer.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    pub kinds: Vec<Kind>,
    pub issuers: Vec<String>,
    pub documents: u32,
    pub half: Half,
    pub set: Set,
}

/// One photo of the plan, or two of a card, before it is drawn.
#[derive(Debug, Clone, PartialEq)]
pub struct Shot {
    pub id: String,
    pub kind: Kind,
    pub issuer: String,
    pub seed: u64,
    pub half: Half,
    pub camera: Camera,
    /// With its strength, when there is one alone.
    pub disturbance: Option<(Disturbance, f32)>,
    pub forgery: Option<Forgery>,
}

impl Plan {
    /// Every kind and issuer.
    #[must_use]
    pub fn of(set: Set, half: Half, documents: u32) -> Self {
        let issuers = STATES.map(str::to_owned).to_vec();
        Self { kinds: Kind::ALL.to_vec(), issuers, documents, half, set }
    }

    /// Every photo; those of one document follow one another.
    #[must_use]
    pub fn shots(&self) -> Vec<Shot> {
        let mut shots = Vec::new();
        for n in 0..u64::from(self.documents) {
            for kind in &self.kinds {
                for issuer in &self.issuers {
                    if *kind == Kind::FrenchLicence && issuer != "FRA" {
                        continue;
                    }
                    self.shots_of(*kind, issuer, self.half.seed(n), &mut shots);
                }
            }
        }
        shots
    }

    fn shots_of(&self, kind: Kind, issuer: &str, seed: u64, shots: &mut Vec<Shot>) {
        let document = format!("{}-{}-{seed}", kind.as_str(), issuer.to_lowercase());
        let shot = |suffix: String, camera: Camera| Shot {
            id: format!("{document}-{suffix}"),
            kind,
            issuer: issuer.to_owned(),
            seed,
            half: self.half,
            camera,
            disturbance: None,
            forgery: None,
        };
        // Photos of different documents share no hand and no noise.
        let camera_seed = |photo: u32| {
            let mixed = document
                .bytes()
                .fold(seed, |hash, byte| hash.wrapping_mul(0x100_0000_01b3) ^ u64::from(byte));
            Dice::new(mixed, "camera").seed().wrapping_add(u64::from(photo))
        };
        match &self.set {
            Set::Curves { disturbances, strengths } => {
                for disturbance in disturbances {
                    for strength in strengths {
                        let camera = disturbance.camera(*strength, camera_seed(0));
                        let suffix = format!("{}-{:03}", disturbance.as_str(), (strength * 100.0).round());
                        let disturbance = Some((*disturbance, *strength));
                        shots.push(Shot { disturbance, ..shot(suffix, camera) });
                    }
                }
            }
            Set::Ordinary { photos } => shots.extend(
                (0..*photos).map(|n| shot(format!("ordinary-{n}"), Disturbance::ordinary(camera_seed(n)))),
            ),
            Set::Any { photos } => {
                shots.extend(
                    (0..*photos).map(|n| shot(format!("any-{n}"), Disturbance::any(1.0, camera_seed(n)))),
                );
            }
            Set::Tampered { forgeries } => {
                let fitting = forgeries.iter().filter(|forgery| forgery.fits(kind)).copied().map(Some);
                for (n, forgery) in (0..).zip(std::iter::once(None).chain(fitting)) {
                    let name =
                        forgery.map_or("genuine".into(), |forgery| forgery.to_string().replace(':', "-"));
                    let camera = Disturbance::ordinary(camera_seed(n));
                    shots.push(Shot { forgery, ..shot(name, camera) });
                }
            }
        }
    }
}

/// Draws shots one after the other, each document only once while its photos follow one another.
pub struct Studio<'a> {
    fonts: &'a Fonts,
    portraits: &'a [Portrait],
    last: Option<(Key, Sides)>,
}

/// What a document looks like follows from these.
type Key = (Kind, String, u64, Option<Forgery>);

/// A shot that was taken: JPEG files, and what goes into the manifest beside them.
#[derive(Clone)]
pub struct Taken {
    pub front: Vec<u8>,
    pub back: Option<Vec<u8>>,
    pub label: Label,
}

/// One entry of a manifest for `reinstate-verifier evaluate`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Label {
    pub id: String,
    pub image: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub back: Option<String>,
    #[serde(rename = "type")]
    pub format: Format,
    pub mrz: Vec<String>,
    pub check_digits_failing_as_printed: Vec<String>,
    pub viz: Visual,
    pub kind: Kind,
    pub issuer: String,
    pub claim: Claim,
    pub half: Half,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disturbance: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strength: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub amount: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tampering: Option<String>,
}

/// The visual zone as it is printed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Visual {
    pub surname: String,
    pub given: String,
    pub number: String,
    pub dob: String,
    pub expiry: String,
}

/// What the owner would say that the document is.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Claim {
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub document_type: Option<&'static str>,
    pub country: String,
}

impl<'a> Studio<'a> {
    /// `portraits` are the holders' faces, taken in turn; there must be one at least.
    pub fn new(fonts: &'a Fonts, portraits: &'a [Portrait]) -> Self {
        Self { fonts, portraits, last: None }
    }

    /// # Errors
    /// When the JPEG encoder refuses the photo.
    ///
    /// # Panics
    /// Without a portrait.
    pub fn take(&mut self, shot: &Shot) -> Result<Taken, image::ImageError> {
        let key = (shot.kind, shot.issuer.clone(), shot.seed, shot.forgery);
        let sides = match self.last.take() {
            Some((drawn, sides)) if drawn == key => sides,
            _ => self.draw(shot),
        };
        let (front, back) = (photograph(&shot.camera, &sides.front)?, sides.back.as_ref());
        let behind = Camera { seed: shot.camera.seed ^ (1 << 40), settings: shot.camera.settings.clone() };
        let back = back.map(|page| photograph(&behind, page)).transpose()?;
        let label = label(shot, &sides, back.is_some());
        self.last = Some((key, sides));
        Ok(Taken { front, back, label })
    }

    fn draw(&self, shot: &Shot) -> Sides {
        let person = |n: u64| &self.portraits[(n % self.portraits.len() as u64) as usize];
        let document = Document::invented(shot.kind, &shot.issuer, shot.seed);
        let tampering = shot.forgery.map(|forgery| forgery.tamper(shot.seed, person(shot.seed / 2 + 1)));
        document.draw(self.fonts, person(shot.seed / 2), tampering.as_slice())
    }
}

fn photograph(camera: &Camera, page: &Page) -> Result<Vec<u8>, image::ImageError> {
    camera.photograph(page).map(|photo| photo.jpeg)
}

fn label(shot: &Shot, sides: &Sides, has_back: bool) -> Label {
    let truth = &sides.zone_side().truth;
    let visual = &truth.visual;
    let failing = !truth.mrz.is_empty() && !truth.mrz_valid;
    Label {
        id: shot.id.clone(),
        image: format!("images/{}.jpg", shot.id),
        back: has_back.then(|| format!("images/{}-back.jpg", shot.id)),
        format: truth.format,
        mrz: truth.mrz.clone(),
        check_digits_failing_as_printed: if failing { vec!["some".into()] } else { Vec::new() },
        viz: Visual {
            surname: visual.surname.clone(),
            given: visual.given_names.clone(),
            number: visual.number.clone(),
            dob: visual.birth_date.clone(),
            expiry: visual.expiry_date.clone(),
        },
        kind: shot.kind,
        issuer: shot.issuer.clone(),
        claim: Claim { document_type: shot.kind.claimed_type(), country: shot.issuer.clone() },
        half: shot.half,
        disturbance: shot.disturbance.map(|(disturbance, _)| disturbance.as_str()),
        strength: shot.disturbance.map(|(_, strength)| strength),
        amount: shot.disturbance.map(|(disturbance, strength)| disturbance.amount(strength)),
        unit: shot.disturbance.map(|(disturbance, _)| disturbance.unit()),
        tampering: shot.forgery.map(|forgery| forgery.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn curves(half: Half) -> Plan {
        let set = Set::Curves { disturbances: Disturbance::ALL.to_vec(), strengths: vec![0.0, 1.0] };
        Plan::of(set, half, 2)
    }

    #[test]
    fn the_two_halves_share_no_document_and_no_photo() {
        let [tuning, held_out] = [Half::Tuning, Half::HeldOut].map(|half| curves(half).shots());
        let ids: BTreeSet<_> = tuning.iter().chain(&held_out).map(|shot| &shot.id).collect();
        assert_eq!(ids.len(), tuning.len() + held_out.len());
        assert!(
            tuning.iter().all(|shot| shot.seed % 2 == 0) && held_out.iter().all(|shot| shot.seed % 2 == 1)
        );
        let hands = |shots: &[Shot]| shots.iter().map(|shot| shot.camera.seed).collect::<BTreeSet<_>>();
        assert!(hands(&tuning).is_disjoint(&hands(&held_out)));
    }

    #[test]
    fn every_document_meets_every_disturbance_at_every_strength() {
        // Eight kinds of eight issuers, and the licence that only France has.
        assert_eq!(curves(Half::Tuning).shots().len(), 2 * (8 * 8 + 1) * Disturbance::ALL.len() * 2);
    }

    #[test]
    fn a_forgery_is_spelt_as_it_is_read() {
        for forgery in Forgery::SWEPT {
            assert_eq!(forgery.to_string().parse(), Ok(forgery));
        }
    }

    #[test]
    fn what_has_no_zone_is_not_forged_in_its_zone() {
        let set = Set::Tampered { forgeries: Forgery::SWEPT.to_vec() };
        let plan = Plan { kinds: vec![Kind::PaperCard], ..Plan::of(set, Half::Tuning, 1) };
        assert!(plan.shots().iter().all(|shot| !shot.id.contains("mrz") && !shot.id.contains("zone")));
    }
}
