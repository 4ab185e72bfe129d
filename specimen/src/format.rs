//! The layouts of a machine-readable zone.

use serde::{Deserialize, Serialize};

/// A layout of the machine-readable zone: ICAO 9303 parts 4 to 7, and the one line of France's driving licences.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Format {
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
    #[serde(rename = "D1")]
    D1,
    /// The document has no zone.
    #[serde(rename = "none")]
    None,
}

impl Format {
    /// As manifests spell it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Td1 => "TD1",
            Self::Td2 => "TD2",
            Self::Td3 => "TD3",
            Self::MrvA => "MRVA",
            Self::MrvB => "MRVB",
            Self::D1 => "D1",
            Self::None => "none",
        }
    }

    /// Whether seven further characters have a place in the zone.
    pub(crate) fn has_personal_number(self) -> bool {
        matches!(self, Self::Td1 | Self::Td2 | Self::Td3 | Self::MrvA | Self::MrvB)
    }
}
