//! How the visual zone prints a date.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::language::Language;

/// The part of a birth date that the issuer could not learn: `XX` in the visual zone, `<<` in the machine-readable zone
/// (ICAO 9303-3 §4.8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unknown {
    #[default]
    Nothing,
    Day,
    DayAndMonth,
}

/// How dates look in the visual zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum DateStyle {
    /// `12 AUG 1974`
    #[default]
    Month,
    /// `12 AUG/AOUT 1974`, in the issuer's two languages
    Bilingual,
    /// `12.08.1974`
    Dotted,
    /// `12/08/1974`
    Slashed,
    /// `12 08 1974`
    Spaced,
    /// `12-08-1974`
    Dashed,
    /// `1974-08-12`
    Iso,
}

impl DateStyle {
    /// As a document of these languages prints it.
    pub(crate) fn print(self, day: Date, unknown: Unknown, languages: [Language; 2]) -> String {
        let y = format!("{:04}", day.year());
        let month = usize::from(day.month().unsigned_abs()) - 1;
        let names = match unknown {
            Unknown::DayAndMonth => ["XXX"; 2],
            Unknown::Nothing | Unknown::Day => languages.map(|language| language.labels().months[month]),
        };
        let d = if unknown == Unknown::Nothing { format!("{:02}", day.day()) } else { "XX".into() };
        let m = if unknown == Unknown::DayAndMonth { "XX".into() } else { format!("{:02}", day.month()) };
        match self {
            Self::Month => {
                let english = if unknown == Unknown::DayAndMonth {
                    "XXX"
                } else {
                    Language::English.labels().months[month]
                };
                format!("{d} {english} {y}")
            }
            Self::Bilingual if names[0] == names[1] => format!("{d} {} {y}", names[0]),
            Self::Bilingual => format!("{d} {}/{} {y}", names[0], names[1]),
            Self::Dotted => format!("{d}.{m}.{y}"),
            Self::Slashed => format!("{d}/{m}/{y}"),
            Self::Spaced => format!("{d} {m} {y}"),
            Self::Dashed => format!("{d}-{m}-{y}"),
            Self::Iso => format!("{y}-{m}-{d}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn dates_are_printed_in_the_usual_forms() {
        let day = date(1974, 8, 12);
        let french = [Language::English, Language::French];
        let printed = [
            DateStyle::Month,
            DateStyle::Bilingual,
            DateStyle::Dotted,
            DateStyle::Slashed,
            DateStyle::Spaced,
            DateStyle::Dashed,
            DateStyle::Iso,
        ]
        .map(|style| style.print(day, Unknown::Nothing, french));
        assert_eq!(
            printed,
            [
                "12 AUG 1974",
                "12 AUG/AOUT 1974",
                "12.08.1974",
                "12/08/1974",
                "12 08 1974",
                "12-08-1974",
                "1974-08-12"
            ]
        );
        let polish = [Language::Polish, Language::English];
        assert_eq!(DateStyle::Bilingual.print(day, Unknown::Nothing, polish), "12 SIE/AUG 1974");
    }

    #[test]
    fn what_is_not_known_of_a_birth_date_is_printed_as_x() {
        let day = date(1974, 8, 12);
        let print =
            |style: DateStyle, unknown| style.print(day, unknown, [Language::English, Language::French]);
        assert_eq!(print(DateStyle::Dotted, Unknown::Day), "XX.08.1974");
        assert_eq!(print(DateStyle::Month, Unknown::Day), "XX AUG 1974");
        assert_eq!(print(DateStyle::Iso, Unknown::DayAndMonth), "1974-XX-XX");
        assert_eq!(print(DateStyle::Bilingual, Unknown::DayAndMonth), "XX XXX 1974");
    }
}
