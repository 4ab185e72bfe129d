//! Who a specimen is made out to, and by whom. Invented people only: nothing here belongs to anybody.

use jiff::ToSpan;
use jiff::civil::{Date, date};
use serde::{Deserialize, Serialize};

use crate::dice::Dice;

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

/// The person on the document, in their own spelling: the drawing upper-cases, the zone transliterates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    pub surname: String,
    pub given_names: String,
    pub birth_date: Date,
    pub birth_place: String,
    pub sex: Sex,
    /// ISO 3166 alpha-3 or an ICAO 9303 code such as `UTO` or `D`.
    pub nationality: String,
}

/// How dates look in the visual zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum DateStyle {
    /// `12 AUG 1974`
    #[default]
    Month,
    /// `12 AUG/AOUT 1974`
    Bilingual,
    /// `12.08.1974`
    Dotted,
    /// `12/08/1974`
    Slashed,
    /// `1974-08-12`
    Iso,
}

impl DateStyle {
    pub(crate) fn print(self, day: Date) -> String {
        const ENGLISH: [&str; 12] =
            ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
        const FRENCH: [&str; 12] =
            ["JAN", "FEV", "MARS", "AVR", "MAI", "JUIN", "JUIL", "AOUT", "SEPT", "OCT", "NOV", "DEC"];
        let (d, m, y) = (day.day(), day.month(), day.year());
        let month = usize::from(m.unsigned_abs()) - 1;
        match self {
            Self::Month => format!("{d:02} {} {y:04}", ENGLISH[month]),
            Self::Bilingual => format!("{d:02} {}/{} {y:04}", ENGLISH[month], FRENCH[month]),
            Self::Dotted => format!("{d:02}.{m:02}.{y:04}"),
            Self::Slashed => format!("{d:02}/{m:02}/{y:04}"),
            Self::Iso => day.to_string(),
        }
    }
}

/// The facts of the document itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Issue {
    /// The issuing state's code, as in [`Holder::nationality`].
    pub issuer: String,
    pub number: String,
    pub issued: Date,
    pub expires: Date,
    /// At most 14 characters on a passport, 15 on a card.
    pub personal_number: Option<String>,
    pub date_style: DateStyle,
}

impl Holder {
    /// Somebody who doesn't exist. The same seed gives the same person.
    pub fn invented(seed: u64) -> Self {
        let mut dice = Dice::new(seed, "holder");
        let sex = *dice.pick(&[Sex::Female, Sex::Male]);
        let given: &[&str] = match sex {
            Sex::Female => {
                &["Anna Maria", "Zoë", "Noor", "Léa", "Ingrid", "Mei-Lin", "Chiamaka", "Sofía", "Jana"]
            }
            _ => {
                &["Jürgen", "Ivan", "Peter Paul", "Kwame", "Søren", "Haruto", "Luís Miguel", "Omar", "Tomáš"]
            }
        };
        let surnames = [
            "Eriksson",
            "Müller",
            "O'Connor",
            "Nguyen",
            "García López",
            "Smith-Jones",
            "Øberg",
            "Kowalczyk",
            "Okafor",
            "Yilmaz",
            "Bernoulli",
            "Papadopoulos",
        ];
        let places = ["Zenith", "Port Utopia", "Amaurot", "Lower Anyder"];
        Self {
            surname: (*dice.pick(&surnames)).into(),
            given_names: (*dice.pick(given)).into(),
            birth_date: date(1950, 1, 1).saturating_add(i64::from(dice.below(18_000)).days()),
            birth_place: (*dice.pick(&places)).into(),
            sex,
            nationality: "UTO".into(),
        }
    }
}

impl Issue {
    /// A document of `UTO` in date from 2024 to 2031 at least. The same seed gives the same document.
    pub fn invented(seed: u64) -> Self {
        let mut dice = Dice::new(seed, "issue");
        // Letters that OCR confuses with digits (B, D, G, I, O, Q, S, Z) are left in: real numbers have them too.
        let letter = char::from(b'A' + dice.below(26) as u8);
        let number = format!("{letter}{:08}", dice.below(100_000_000));
        let issued = date(2022, 1, 1).saturating_add(i64::from(dice.below(700)).days());
        Self {
            issuer: "UTO".into(),
            number,
            issued,
            expires: issued.saturating_add(10.years()).saturating_sub(1.day()),
            personal_number: None,
            date_style: *dice.pick(&[DateStyle::Month, DateStyle::Dotted, DateStyle::Bilingual]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_printed_in_the_usual_forms() {
        let day = date(1974, 8, 12);
        let printed =
            [DateStyle::Month, DateStyle::Bilingual, DateStyle::Dotted, DateStyle::Slashed, DateStyle::Iso]
                .map(|style| style.print(day));
        assert_eq!(printed, ["12 AUG 1974", "12 AUG/AOUT 1974", "12.08.1974", "12/08/1974", "1974-08-12"]);
    }

    #[test]
    fn a_seed_names_one_person_and_another_seed_another() {
        assert_eq!(Holder::invented(5), Holder::invented(5));
        assert!((0..20).any(|seed| Holder::invented(seed) != Holder::invented(5)));
        assert_eq!(Issue::invented(5), Issue::invented(5));
    }
}
