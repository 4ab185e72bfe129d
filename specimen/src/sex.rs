//! A holder's sex.

use serde::{Deserialize, Serialize};

/// As the document states it; `Unspecified` prints `X` in the visual zone and `<` in the machine-readable zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Sex {
    #[serde(rename = "F")]
    Female,
    #[serde(rename = "M")]
    Male,
    #[serde(rename = "X")]
    Unspecified,
}

impl Sex {
    pub(crate) fn printed(self) -> &'static str {
        match self {
            Self::Female => "F",
            Self::Male => "M",
            Self::Unspecified => "X",
        }
    }

    pub(crate) fn zone(self) -> mrz::Sex {
        match self {
            Self::Female => mrz::Sex::Female,
            Self::Male => mrz::Sex::Male,
            Self::Unspecified => mrz::Sex::Unspecified,
        }
    }
}
