//! Numbers of documents as their issuers publish them. A number that its issuer does not give is a question for a person and
//! no refusal: rules change, and what is written here may be older than the document.

use super::{MrzFields, MrzFormat};

const DIGITS: &str = "0123456789";
const LETTERS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
const ALPHANUMERIC: &str = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
/// Without vowels and what looks like a digit: Bundesministerium des Innern, serial numbers since 1 November 2007.
const GERMAN: &str = "0123456789CFGHJKLMNPRTVWXYZ";
/// Rijksdienst voor Identiteitsgegevens: two letters, six of both, a digit, and never an O.
const DUTCH_LETTERS: &str = "ABCDEFGHIJKLMNPQRSTUVWXYZ";
const DUTCH: &str = "0123456789ABCDEFGHIJKLMNPQRSTUVWXYZ";

/// A run of places and the characters that they may hold.
type Places = (usize, &'static str);

/// Whether a document may have its number, as far as its issuer's rule is known here.
pub(super) fn is_as_published(format: MrzFormat, fields: &MrzFields) -> bool {
    let Some(rule) = rule(format, &fields.code, &fields.issuer) else { return true };
    let mut places = rule.iter().flat_map(|&(count, of)| std::iter::repeat_n(of, count));
    let fits = fields.number.chars().all(|c| places.next().is_some_and(|of| of.contains(c)));
    fits && places.next().is_none()
}

/// The places of a number, from 0, where its issuer publishes that a letter stands and no digit. Empty where no rule is known here.
#[must_use]
pub fn letters_only(format: MrzFormat, code: &str, issuer: &str) -> Vec<usize> {
    let rule = rule(format, code, issuer).unwrap_or_default();
    let places = rule.iter().flat_map(|&(count, of)| std::iter::repeat_n(of, count));
    let holds_letters = |of: &str| !of.contains(|c: char| c.is_ascii_digit());
    places.enumerate().filter(|(_, of)| holds_letters(of)).map(|(place, _)| place).collect()
}

/// The rule for passports and identity cards of nationals. Residence permits and visas are numbered in other ways.
fn rule(format: MrzFormat, code: &str, issuer: &str) -> Option<&'static [Places]> {
    let passport = format == MrzFormat::Td3 && code.starts_with('P');
    let card = matches!(format, MrzFormat::Td1 | MrzFormat::Td2) && matches!(code, "I" | "ID");
    match issuer {
        // Provisional and children's documents begin with letters that the others don't have.
        "D" if passport || card => Some(&[(1, ALPHANUMERIC), (8, GERMAN)]),
        "NLD" if passport || card => Some(&[(2, DUTCH_LETTERS), (6, DUTCH), (1, DIGITS)]),
        // Two digits of the year, two letters, five digits: the numbers of biometric passports.
        "FRA" if passport => Some(&[(2, DIGITS), (2, LETTERS), (5, DIGITS)]),
        "GBR" if passport => Some(&[(9, DIGITS)]),
        // The digit after the letters is a check digit of its own, which is not looked at.
        "POL" if passport => Some(&[(2, LETTERS), (7, DIGITS)]),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn assert_published(format: MrzFormat, code: &str, issuer: &str, number: &str, expected: bool) {
        let fields = MrzFields {
            code: code.into(),
            issuer: issuer.into(),
            number: number.into(),
            surname: String::new(),
            given_names: String::new(),
            name_truncated: false,
            birth_date: None,
            expiry_date: None,
            nationality: issuer.into(),
            sex: "X".into(),
        };
        assert_eq!(is_as_published(format, &fields), expected, "{code} {issuer} {number}");
    }

    #[test]
    fn a_german_number_has_no_vowels_but_at_its_first_place() {
        assert_published(MrzFormat::Td3, "P", "D", "C01X00T47", true);
        assert_published(MrzFormat::Td1, "ID", "D", "T22000129", true);
        assert_published(MrzFormat::Td3, "P", "D", "E01X00T47", true);
        assert_published(MrzFormat::Td3, "P", "D", "C01XO0T47", false);
        assert_published(MrzFormat::Td1, "ID", "D", "T2200B129", false);
    }

    #[test]
    fn a_dutch_number_has_no_o_and_ends_with_a_digit() {
        assert_published(MrzFormat::Td3, "P", "NLD", "SPECI2014", true);
        assert_published(MrzFormat::Td3, "P", "NLD", "SPECO2014", false);
        assert_published(MrzFormat::Td1, "I", "NLD", "SPECI201A", false);
    }

    #[test]
    fn a_number_that_is_too_short_or_too_long_is_none_of_the_issuers() {
        assert_published(MrzFormat::Td3, "P", "FRA", "09PA12345", true);
        assert_published(MrzFormat::Td3, "P", "FRA", "09PA1234", false);
        assert_published(MrzFormat::Td3, "P", "POL", "ZS0000177", true);
        assert_published(MrzFormat::Td3, "P", "POL", "ZS00001771", false);
        assert_published(MrzFormat::Td3, "P", "GBR", "92507647A", false);
    }

    #[test]
    fn where_an_issuer_gives_letters_only_is_known_where_its_rule_is() {
        assert_eq!(letters_only(MrzFormat::Td3, "P", "FRA"), [2, 3]);
        assert_eq!(letters_only(MrzFormat::Td1, "ID", "NLD"), [0, 1]);
        assert_eq!(letters_only(MrzFormat::Td3, "P", "D"), [0; 0], "digits may stand anywhere");
        assert_eq!(letters_only(MrzFormat::MrvA, "V", "FRA"), [0; 0], "not a passport");
        assert_eq!(letters_only(MrzFormat::Td3, "P", "UTO"), [0; 0]);
    }

    #[test]
    fn where_no_rule_is_known_every_number_may_be() {
        assert_published(MrzFormat::Td3, "P", "UTO", "L898902C3", true);
        assert_published(MrzFormat::Td1, "AR", "D", "O00000000", true);
        assert_published(MrzFormat::MrvA, "V", "NLD", "OOOOOOOOO", true);
    }
}
