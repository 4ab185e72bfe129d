//! Who a specimen is made out to, and by whom. Invented people only: nothing here belongs to anybody.

use jiff::ToSpan;
use jiff::civil::{Date, date};
use serde::{Deserialize, Serialize};

use crate::date::{DateStyle, Unknown};
use crate::dice::Dice;
use crate::kind::Kind;
use crate::language::Language;
use crate::sex::Sex;
use crate::state::State;

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
    /// What nobody knows of the birth date.
    #[serde(default)]
    pub birth_unknown: Unknown,
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
    /// The check digit of a passport without a personal number: `<` instead of 0, both of which ICAO 9303-4 §4.2.2 allows.
    #[serde(default)]
    pub filler_for_unused_digit: bool,
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
            birth_unknown: Unknown::Nothing,
        }
    }

    /// Somebody of this state, with names as they are usual there: diacritics, particles, names that a zone can't hold.
    /// Of one in forty the day of birth isn't known, or the month neither.
    pub(crate) fn of_state(state: &State, seed: u64) -> Self {
        let mut dice = Dice::new(seed, "citizen");
        let sex = *dice.pick(&[Sex::Female, Sex::Male]);
        let (surname, given_names) = state.names(&mut dice, sex);
        Self {
            surname,
            given_names,
            birth_date: date(1945, 1, 1).saturating_add(i64::from(dice.below(22_600)).days()),
            birth_place: (*dice.pick(state.places)).into(),
            sex: if dice.below(30) == 0 { Sex::Unspecified } else { sex },
            nationality: state.code.into(),
            birth_unknown: match dice.below(80) {
                0 => Unknown::Day,
                1 => Unknown::DayAndMonth,
                _ => Unknown::Nothing,
            },
        }
    }

    /// As truth states it: `1974-08-12`, `1974-08-XX`, `1974-XX-XX`.
    pub(crate) fn birth_date_text(&self) -> String {
        DateStyle::Iso.print(self.birth_date, self.birth_unknown, [Language::English; 2])
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
            filler_for_unused_digit: false,
            date_style: *dice.pick(&[DateStyle::Month, DateStyle::Dotted, DateStyle::Bilingual]),
        }
    }

    /// A document of this kind and state, in date like [`Issue::invented`].
    pub(crate) fn of_state(state: &State, kind: Kind, seed: u64) -> Self {
        let mut dice = Dice::new(seed, "issue of a state");
        let number = state.document_number(&mut dice, kind);
        let issued = date(2022, 1, 1).saturating_add(i64::from(dice.below(700)).days());
        // Long numbers of cards already take part of the optional field.
        let personal = number.len() <= 9 && kind.format().has_personal_number() && dice.below(3) == 0;
        Self {
            issuer: state.code.into(),
            number,
            issued,
            expires: issued.saturating_add(10.years()).saturating_sub(1.day()),
            personal_number: personal.then(|| format!("{:07}", dice.below(10_000_000))),
            filler_for_unused_digit: dice.below(2) == 0,
            date_style: *dice.pick(state.dates),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_names_one_person_and_another_seed_another() {
        assert_eq!(Holder::invented(5), Holder::invented(5));
        assert!((0..20).any(|seed| Holder::invented(seed) != Holder::invented(5)));
        assert_eq!(Issue::invented(5), Issue::invented(5));
    }
}
