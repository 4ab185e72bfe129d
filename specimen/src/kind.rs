//! The kinds of document that can be drawn, and what follows from the kind alone.

use serde::{Deserialize, Serialize};

use crate::format::Format;

/// Sizes are those of ISO/IEC 7810 and ICAO 9303: ID-1 (TD1), ID-2 (TD2), ID-3 (TD3), and the two visa stickers of part 7.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, clap::ValueEnum,
)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A passport's data page, ICAO 9303-4.
    Passport,
    /// A card of size ID-1 with the zone on its back, ICAO 9303-5.
    IdCard,
    /// A card of size ID-2 with the zone on its front, ICAO 9303-6.
    Td2Card,
    /// A full-page visa, ICAO 9303-7.
    VisaA,
    /// A visa of size ID-2, ICAO 9303-7.
    VisaB,
    /// A card of size ID-1 like [`Kind::IdCard`], whose holder is a citizen of another state.
    ResidencePermit,
    /// The European model with its numbered fields (Directive 2006/126/EC, annex I), without a zone.
    DrivingLicence,
    /// The same as France issues it, with a zone of one line below.
    FrenchLicence,
    /// An older card of typed paper, without a zone.
    PaperCard,
}

impl Kind {
    pub const ALL: [Self; 9] = [
        Self::Passport,
        Self::IdCard,
        Self::Td2Card,
        Self::VisaA,
        Self::VisaB,
        Self::ResidencePermit,
        Self::DrivingLicence,
        Self::FrenchLicence,
        Self::PaperCard,
    ];

    /// As the command line and manifests spell it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Passport => "passport",
            Self::IdCard => "id_card",
            Self::Td2Card => "td2_card",
            Self::VisaA => "visa_a",
            Self::VisaB => "visa_b",
            Self::ResidencePermit => "residence_permit",
            Self::DrivingLicence => "driving_licence",
            Self::FrenchLicence => "french_licence",
            Self::PaperCard => "paper_card",
        }
    }

    #[must_use]
    pub fn format(self) -> Format {
        match self {
            Self::Passport => Format::Td3,
            Self::IdCard | Self::ResidencePermit => Format::Td1,
            Self::Td2Card => Format::Td2,
            Self::VisaA => Format::MrvA,
            Self::VisaB => Format::MrvB,
            Self::FrenchLicence => Format::D1,
            Self::DrivingLicence | Self::PaperCard => Format::None,
        }
    }

    /// The first two characters of the zone. Germany's residence permits are `AR`, most others `IR`.
    pub(crate) fn code(self, issuer: &str) -> &'static str {
        match self {
            Self::Passport => "P",
            Self::IdCard | Self::Td2Card if matches!(issuer, "D" | "FRA" | "ESP") => "ID",
            Self::IdCard | Self::Td2Card => "I",
            Self::VisaA | Self::VisaB => "V",
            Self::ResidencePermit if issuer == "D" => "AR",
            Self::ResidencePermit => "IR",
            Self::FrenchLicence => "D1",
            Self::DrivingLicence | Self::PaperCard => "",
        }
    }

    /// What the owner would choose in the app (`api.md` §3); nothing fits a visa.
    #[must_use]
    pub fn claimed_type(self) -> Option<&'static str> {
        match self {
            Self::Passport => Some("passport"),
            Self::IdCard | Self::Td2Card | Self::PaperCard => Some("id_card"),
            Self::ResidencePermit => Some("residence_permit"),
            Self::DrivingLicence | Self::FrenchLicence => Some("driving_licence"),
            Self::VisaA | Self::VisaB => None,
        }
    }
}
