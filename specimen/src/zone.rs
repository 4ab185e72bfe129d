//! The machine-readable zone: emitted by the `mrz` crate, and altered character by character when it is tampered with.

use std::ops::Range;

use jiff::civil::Date;
use mrz::{MrzDate, Td1Fields, Td3Fields};

use crate::holder::{Holder, Issue};
use crate::truth::{Field, Format};

/// The zone's lines for these facts, every check digit right.
pub(crate) fn emit(format: Format, holder: &Holder, issue: &Issue) -> Vec<String> {
    let text = match format {
        Format::Td3 => mrz::format_td3(&Td3Fields {
            document_code: "P".into(),
            issuing_country: issue.issuer.clone(),
            document_number: issue.number.clone(),
            surname: holder.surname.clone(),
            given_names: holder.given_names.clone(),
            nationality: holder.nationality.clone(),
            date_of_birth: zone_date(holder.birth_date),
            sex: holder.sex.zone(),
            date_of_expiry: zone_date(issue.expires),
            personal_number: issue.personal_number.clone(),
        }),
        Format::Td1 => mrz::format_td1(&Td1Fields {
            document_code: "I".into(),
            issuing_country: issue.issuer.clone(),
            document_number: issue.number.clone(),
            optional_data_1: issue.personal_number.clone(),
            surname: holder.surname.clone(),
            given_names: holder.given_names.clone(),
            nationality: holder.nationality.clone(),
            date_of_birth: zone_date(holder.birth_date),
            sex: holder.sex.zone(),
            date_of_expiry: zone_date(issue.expires),
            optional_data_2: None,
        }),
    };
    text.lines().map(str::to_owned).collect()
}

fn zone_date(day: Date) -> MrzDate {
    let part = |n: i8| u32::from(n.unsigned_abs());
    MrzDate::Calendar(mrz::Date::new(i32::from(day.year()), part(day.month()), part(day.day())))
}

/// Whether every check digit of the lines agrees.
pub(crate) fn digits_agree(lines: &[String]) -> bool {
    let parsed = match lines {
        [a, b] => mrz::parse_td3(a, b),
        [a, b, c] => mrz::parse_td1(a, b, c),
        _ => return false,
    };
    parsed.is_ok_and(|zone| zone.checksum_consistent())
}

/// One character of the zone that was replaced.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Alteration {
    pub line: usize,
    pub column: usize,
    pub from: char,
    pub to: char,
}

/// Replaces one character of a field: a date's last year digit, a number's last digit, a name's first letter.
/// A digit moves by one, which no check digit misses: the weights 7, 3 and 1 have no factor in common with 10.
pub(crate) fn alter(format: Format, lines: &mut [String], field: Field) -> Alteration {
    let (line, cells) = place(format, lines, field);
    let text = &lines[line][cells.clone()];
    let column = cells.start
        + match field {
            Field::Number => text.rfind(|c: char| c.is_ascii_digit()).unwrap_or(0),
            Field::BirthDate | Field::ExpiryDate => 1,
            Field::Surname | Field::GivenNames => 0,
        };
    let from = char::from(lines[line].as_bytes()[column]);
    let to = neighbour(from);
    put(&mut lines[line], column, to);
    Alteration { line, column, from, to }
}

/// Another character of the same kind: 1 for 0, B for A. Anything else stays.
pub(crate) fn neighbour(c: char) -> char {
    match c {
        '9' => '0',
        'Z' => 'Y',
        '0'..='8' | 'A'..='Y' => char::from(c as u8 + 1),
        other => other,
    }
}

/// Recomputes every check digit from the cells as they are (ICAO 9303 parts 4 and 5, §4.2.2; the number that
/// overflows on a card, part 5 note j).
pub(crate) fn mend(format: Format, lines: &mut [String]) {
    match format {
        Format::Td3 => {
            for (cells, check) in [(0..9, 9), (13..19, 19), (21..27, 27), (28..42, 42)] {
                let unused = check == 42 && lines[1].as_bytes()[check] == b'<';
                if !unused {
                    let digit = digit(&lines[1][cells]);
                    put(&mut lines[1], check, digit);
                }
            }
            let covered = [&lines[1][0..10], &lines[1][13..20], &lines[1][21..43]].concat();
            put(&mut lines[1], 43, digit(&covered));
        }
        Format::Td1 => {
            let (number, check) = match lines[0].as_bytes()[14] {
                b'<' => {
                    let overflow = lines[0][15..].find('<').unwrap_or(15).max(1) - 1;
                    ([&lines[0][5..14], &lines[0][15..15 + overflow]].concat(), 15 + overflow)
                }
                _ => (lines[0][5..14].to_owned(), 14),
            };
            put(&mut lines[0], check, digit(&number));
            for (cells, check) in [(0..6, 6), (8..14, 14)] {
                let digit = digit(&lines[1][cells]);
                put(&mut lines[1], check, digit);
            }
            let covered = [&lines[0][5..30], &lines[1][0..7], &lines[1][8..15], &lines[1][18..29]].concat();
            put(&mut lines[1], 29, digit(&covered));
        }
    }
}

/// The line and the cells that a field takes.
fn place(format: Format, lines: &[String], field: Field) -> (usize, Range<usize>) {
    let given_names = |line: &str| line.find("<<").map_or(0, |at| at + 2)..line.len();
    match (format, field) {
        (Format::Td3, Field::Surname) => (0, 5..44),
        (Format::Td3, Field::GivenNames) => {
            let cells = given_names(&lines[0][5..]);
            (0, cells.start + 5..cells.end + 5)
        }
        (Format::Td3, Field::Number) => (1, 0..9),
        (Format::Td3, Field::BirthDate) => (1, 13..19),
        (Format::Td3, Field::ExpiryDate) => (1, 21..27),
        (Format::Td1, Field::Surname) => (2, 0..30),
        (Format::Td1, Field::GivenNames) => (2, given_names(&lines[2])),
        (Format::Td1, Field::Number) => (0, 5..14),
        (Format::Td1, Field::BirthDate) => (1, 0..6),
        (Format::Td1, Field::ExpiryDate) => (1, 8..14),
    }
}

fn digit(cells: &str) -> char {
    // The cells come from an emitted zone, whose alphabet the sum knows.
    mrz::check_digit(cells).ok().and_then(|sum| char::from_digit(sum, 10)).unwrap_or('<')
}

fn put(line: &mut String, column: usize, c: char) {
    line.replace_range(column..=column, c.encode_utf8(&mut [0; 4]));
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use proptest::prelude::*;

    use super::*;
    use crate::holder::{DateStyle, Sex};

    fn eriksson() -> Holder {
        Holder {
            surname: "Eriksson".into(),
            given_names: "Anna Maria".into(),
            birth_date: date(1974, 8, 12),
            birth_place: "Zenith".into(),
            sex: Sex::Female,
            nationality: "UTO".into(),
        }
    }

    fn issue(number: &str, personal_number: Option<&str>) -> Issue {
        Issue {
            issuer: "UTO".into(),
            number: number.into(),
            issued: date(2007, 4, 16),
            expires: date(2012, 4, 15),
            personal_number: personal_number.map(str::to_owned),
            date_style: DateStyle::Month,
        }
    }

    #[test]
    fn the_passport_of_icao_9303_part_4_comes_out_to_the_letter() {
        assert_eq!(
            emit(Format::Td3, &eriksson(), &issue("L898902C3", Some("ZE184226B"))),
            ["P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<", "L898902C36UTO7408122F1204159ZE184226B<<<<<10"]
        );
    }

    #[test]
    fn the_card_of_icao_9303_part_5_comes_out_to_the_letter() {
        assert_eq!(
            emit(Format::Td1, &eriksson(), &issue("D23145890", None)),
            [
                "I<UTOD231458907<<<<<<<<<<<<<<<",
                "7408122F1204159UTO<<<<<<<<<<<6",
                "ERIKSSON<<ANNA<MARIA<<<<<<<<<<"
            ]
        );
    }

    #[test]
    fn national_letters_are_transliterated_as_icao_9303_part_3_section_6_recommends() {
        // Names and their forms from the section's table A and from §4.6 on apostrophes and hyphens.
        for (surname, expected) in [
            ("Müller", "MUELLER"),
            ("Øberg", "OEBERG"),
            ("Strauß", "STRAUSS"),
            ("Åkesson", "AAKESSON"),
            ("Núñez", "NUNEZ"),
            ("Łukasz", "LUKASZ"),
            ("Þórsson", "THORSSON"),
            ("O'Connor", "OCONNOR"),
            ("Smith-Jones", "SMITH<JONES"),
        ] {
            let holder = Holder { surname: surname.into(), ..eriksson() };
            let lines = emit(Format::Td3, &holder, &issue("L898902C3", None));
            assert!(lines[0].starts_with(&format!("P<UTO{expected}<<ANNA")), "{surname}: {}", lines[0]);
        }
    }

    #[test]
    fn a_long_card_number_overflows_and_can_be_mended() {
        let genuine = emit(Format::Td1, &eriksson(), &issue("D23145890734", None));
        assert!(
            genuine[0].starts_with("I<UTOD23145890<7349<"),
            "the example of part 5 §4.2.4: {}",
            genuine[0]
        );
        let mut lines = genuine.clone();
        alter(Format::Td1, &mut lines, Field::Number);
        mend(Format::Td1, &mut lines);
        assert!(digits_agree(&lines) && lines != genuine);
    }

    proptest! {
        #[test]
        fn mending_an_untouched_zone_changes_nothing(seed: u64, long in "[A-Z0-9]{1,14}") {
            let (holder, mut issue) = (Holder::invented(seed), Issue::invented(seed));
            for format in [Format::Td1, Format::Td3] {
                for (number, personal) in [(&issue.number.clone(), None), (&long, None), (&issue.number.clone(), Some(long.clone()))] {
                    if format == Format::Td3 && number.len() > 9 { continue; }
                    issue = Issue { number: number.clone(), personal_number: personal, ..issue };
                    let lines = emit(format, &holder, &issue);
                    let mut mended = lines.clone();
                    mend(format, &mut mended);
                    prop_assert_eq!(lines, mended);
                }
            }
        }

        #[test]
        fn an_altered_digit_never_escapes_the_check_digits_unless_they_are_mended(seed: u64) {
            for format in [Format::Td1, Format::Td3] {
                for field in [Field::Number, Field::BirthDate, Field::ExpiryDate] {
                    let mut lines = emit(format, &Holder::invented(seed), &Issue::invented(seed));
                    alter(format, &mut lines, field);
                    prop_assert!(!digits_agree(&lines), "{:?} {:?}", field, lines);
                    mend(format, &mut lines);
                    prop_assert!(digits_agree(&lines), "{:?} {:?}", field, lines);
                }
            }
        }
    }
}
