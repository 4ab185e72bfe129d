//! The machine-readable zone: emitted by the `mrz` crate, and altered character by character when it is tampered with.

use std::ops::Range;

use jiff::civil::Date;
use mrz::{MrvAFields, MrvBFields, MrzDate, RawDateField, Td1Fields, Td2Fields, Td3Fields};

use crate::date::Unknown;
use crate::format::Format;
use crate::holder::{Holder, Issue};
use crate::kind::Kind;
use crate::truth::Field;

/// The zone's lines for these facts, every check digit right; none for a document without a zone.
pub(crate) fn emit(kind: Kind, holder: &Holder, issue: &Issue) -> Vec<String> {
    let code = kind.code(&issue.issuer).to_owned();
    let (birth, expiry) = (birth_date(holder), zone_date(issue.expires));
    let (surname, given_names) = (holder.surname.clone(), holder.given_names.clone());
    let (issuer, nationality) = (issue.issuer.clone(), holder.nationality.clone());
    let (number, personal) = (issue.number.clone(), issue.personal_number.clone());
    let sex = holder.sex.zone();
    let text = match kind.format() {
        Format::Td3 => mrz::format_td3(&Td3Fields {
            document_code: code,
            issuing_country: issuer,
            document_number: number,
            surname,
            given_names,
            nationality,
            date_of_birth: birth,
            sex,
            date_of_expiry: expiry,
            personal_number: personal,
        }),
        Format::Td1 => mrz::format_td1(&Td1Fields {
            document_code: code,
            issuing_country: issuer,
            document_number: number,
            optional_data_1: personal,
            surname,
            given_names,
            nationality,
            date_of_birth: birth,
            sex,
            date_of_expiry: expiry,
            optional_data_2: None,
        }),
        Format::Td2 => mrz::format_td2(&Td2Fields {
            document_code: code,
            issuing_country: issuer,
            document_number: number,
            surname,
            given_names,
            nationality,
            date_of_birth: birth,
            sex,
            date_of_expiry: expiry,
            optional_data: personal,
        }),
        Format::MrvA => mrz::format_mrv_a(&MrvAFields {
            document_code: code,
            issuing_country: issuer,
            document_number: number,
            surname,
            given_names,
            nationality,
            date_of_birth: birth,
            sex,
            date_of_expiry: expiry,
            optional_data: personal,
        }),
        Format::MrvB => mrz::format_mrv_b(&MrvBFields {
            document_code: code,
            issuing_country: issuer,
            document_number: number,
            surname,
            given_names,
            nationality,
            date_of_birth: birth,
            sex,
            date_of_expiry: expiry,
            optional_data: personal,
        }),
        Format::D1 => french_licence(holder, issue),
        Format::None => String::new(),
    };
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    if kind.format() == Format::Td3 && issue.personal_number.is_none() {
        put(&mut lines[1], 42, if issue.filler_for_unused_digit { '<' } else { '0' });
        mend(Format::Td3, &mut lines);
    }
    lines
}

/// The line of a French driving licence: `D1`, `FRA`, the number in nine cells, its check digit over everything before it,
/// the expiry date, the surname in eight cells, a check digit over the whole line. Both digits agree so with the published
/// specimen that the test below repeats.
fn french_licence(holder: &Holder, issue: &Issue) -> String {
    let cells =
        |text: String, width: usize| format!("{:<<width$}", text.chars().take(width).collect::<String>());
    let number = cells(issue.number.clone(), 9);
    let name = cells(mrz::encode_name_component(&holder.surname), 8);
    let expiry = issue.expires.strftime("%y%m%d");
    let mut lines = [format!("D1{}{number}<{expiry}{name}<", cells(issue.issuer.clone(), 3))];
    mend(Format::D1, &mut lines);
    let [line] = lines;
    line
}

fn birth_date(holder: &Holder) -> MrzDate {
    let raw = match holder.birth_unknown {
        Unknown::Nothing => return zone_date(holder.birth_date),
        Unknown::Day => holder.birth_date.strftime("%y%m<<").to_string(),
        Unknown::DayAndMonth => holder.birth_date.strftime("%y<<<<").to_string(),
    };
    RawDateField::try_from(raw.as_str()).map_or(MrzDate::Unknown, MrzDate::PartiallyUnknown)
}

fn zone_date(day: Date) -> MrzDate {
    let part = |n: i8| u32::from(n.unsigned_abs());
    MrzDate::Calendar(mrz::Date::new(i32::from(day.year()), part(day.month()), part(day.day())))
}

/// Whether every check digit of the lines agrees. Without lines there are none that could.
pub(crate) fn digits_agree(format: Format, lines: &[String]) -> bool {
    if lines.is_empty() {
        return false;
    }
    let mut mended = lines.to_vec();
    mend(format, &mut mended);
    mended == lines
}

/// One character of the zone that was replaced.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Alteration {
    pub line: usize,
    pub column: usize,
    pub from: char,
    pub to: char,
}

/// Replaces one character of a field: a date's last year digit, a number's last digit, the first letter of a surname or of the last of the
/// given names.
/// A digit moves by one, which no check digit misses: the weights 7, 3 and 1 have no factor in common with 10.
/// `None` when the zone doesn't have the field.
pub(crate) fn alter(format: Format, lines: &mut [String], field: Field) -> Option<Alteration> {
    let (line, cells) = place(format, lines, field)?;
    let text = &lines[line][cells.clone()];
    let column = cells.start
        + match field {
            Field::Number => text.rfind(|c: char| c.is_ascii_digit()).unwrap_or(0),
            Field::BirthDate | Field::ExpiryDate => 1,
            Field::Surname => 0,
            Field::GivenNames => last_word(text.trim_end_matches('<'), '<'),
        };
    let from = char::from(lines[line].as_bytes()[column]);
    let to = neighbour(from);
    put(&mut lines[line], column, to);
    Some(Alteration { line, column, from, to })
}

/// The byte at which the last word begins.
pub(crate) fn last_word(text: &str, separator: char) -> usize {
    text.rfind(separator).map_or(0, |at| at + separator.len_utf8())
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

/// Recomputes every check digit from the cells as they are (ICAO 9303 parts 4 to 7, §4.2.2; the number that
/// overflows on a card, part 5 note j; visas have no composite digit).
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
        Format::Td2 | Format::MrvA | Format::MrvB => {
            for (cells, check) in [(0..9, 9), (13..19, 19), (21..27, 27)] {
                let digit = digit(&lines[1][cells]);
                put(&mut lines[1], check, digit);
            }
            if format == Format::Td2 {
                let covered = [&lines[1][0..10], &lines[1][13..20], &lines[1][21..35]].concat();
                put(&mut lines[1], 35, digit(&covered));
            }
        }
        Format::D1 => {
            for check in [14, 29] {
                let digit = digit(&lines[0][..check]);
                put(&mut lines[0], check, digit);
            }
        }
        Format::None => {}
    }
}

/// The line and the cells that a field takes; `None` when the zone doesn't have it.
fn place(format: Format, lines: &[String], field: Field) -> Option<(usize, Range<usize>)> {
    let given_names = |line: usize, from: usize| {
        let start = lines[line][from..].find("<<").map_or(from, |at| from + at + 2);
        (line, start..lines[line].len())
    };
    Some(match (format, field) {
        (Format::Td1, Field::Surname) => (2, 0..30),
        (Format::Td1, Field::GivenNames) => given_names(2, 0),
        (Format::Td1, Field::Number) => (0, 5..14),
        (Format::Td1, Field::BirthDate) => (1, 0..6),
        (Format::Td1, Field::ExpiryDate) => (1, 8..14),
        (Format::Td2 | Format::Td3 | Format::MrvA | Format::MrvB, field) => match field {
            Field::Surname => (0, 5..lines[0].len()),
            Field::GivenNames => given_names(0, 5),
            Field::Number => (1, 0..9),
            Field::BirthDate => (1, 13..19),
            Field::ExpiryDate => (1, 21..27),
        },
        (Format::D1, Field::Surname) => (0, 21..29),
        (Format::D1, Field::Number) => (0, 5..14),
        (Format::D1, Field::ExpiryDate) => (0, 15..21),
        (Format::D1, Field::GivenNames | Field::BirthDate) | (Format::None, _) => return None,
    })
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
    use crate::date::DateStyle;
    use crate::sex::Sex;
    use crate::state::{STATES, State};

    fn eriksson() -> Holder {
        Holder {
            surname: "Eriksson".into(),
            given_names: "Anna Maria".into(),
            birth_date: date(1974, 8, 12),
            birth_place: "Zenith".into(),
            sex: Sex::Female,
            nationality: "UTO".into(),
            birth_unknown: Unknown::Nothing,
        }
    }

    fn issue(number: &str, personal_number: Option<&str>) -> Issue {
        Issue {
            issuer: "UTO".into(),
            number: number.into(),
            issued: date(2007, 4, 16),
            expires: date(2012, 4, 15),
            personal_number: personal_number.map(str::to_owned),
            filler_for_unused_digit: false,
            date_style: DateStyle::Month,
        }
    }

    #[test]
    fn the_passport_of_icao_9303_part_4_comes_out_to_the_letter() {
        assert_eq!(
            emit(Kind::Passport, &eriksson(), &issue("L898902C3", Some("ZE184226B"))),
            ["P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<", "L898902C36UTO7408122F1204159ZE184226B<<<<<10"]
        );
    }

    #[test]
    fn the_card_of_icao_9303_part_5_comes_out_to_the_letter() {
        assert_eq!(
            emit(Kind::IdCard, &eriksson(), &issue("D23145890", None)),
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
            let lines = emit(Kind::Passport, &holder, &issue("L898902C3", None));
            assert!(lines[0].starts_with(&format!("P<UTO{expected}<<ANNA")), "{surname}: {}", lines[0]);
        }
    }

    #[test]
    fn a_long_card_number_overflows_and_can_be_mended() {
        let genuine = emit(Kind::IdCard, &eriksson(), &issue("D23145890734", None));
        assert!(
            genuine[0].starts_with("I<UTOD23145890<7349<"),
            "the example of part 5 §4.2.4: {}",
            genuine[0]
        );
        let mut lines = genuine.clone();
        alter(Format::Td1, &mut lines, Field::Number);
        mend(Format::Td1, &mut lines);
        assert!(digits_agree(Format::Td1, &lines) && lines != genuine);
    }

    #[test]
    fn the_line_of_a_french_licence_comes_out_to_the_letter() {
        // The specimen of the model that was introduced in 2013, repeated in public parsers' tests.
        let martin = Holder { surname: "Martin".into(), ..eriksson() };
        let issue = Issue { issuer: "FRA".into(), expires: date(2018, 12, 31), ..issue("13AA00002", None) };
        assert_eq!(emit(Kind::FrenchLicence, &martin, &issue), ["D1FRA13AA000026181231MARTIN<<9"]);
    }

    #[test]
    fn what_is_not_known_of_a_birth_date_is_filler() {
        let holder = Holder { birth_unknown: Unknown::Day, ..eriksson() };
        let lines = emit(Kind::Passport, &holder, &issue("L898902C3", None));
        assert_eq!(&lines[1][13..19], "7408<<");
        assert!(mrz::parse_td3(&lines[0], &lines[1]).unwrap().checksum_consistent());
    }

    #[test]
    fn an_unused_check_digit_is_zero_or_filler_and_the_zone_agrees_either_way() {
        for (filler, cell) in [(false, "0"), (true, "<")] {
            let issue = Issue { filler_for_unused_digit: filler, ..issue("L898902C3", None) };
            let lines = emit(Kind::Passport, &eriksson(), &issue);
            assert_eq!(&lines[1][42..43], cell);
            assert!(mrz::parse_td3(&lines[0], &lines[1]).unwrap().checksum_consistent());
        }
    }

    /// Every kind with a zone, and what the crate that we don't mend with thinks of its digits.
    fn agrees_elsewhere(format: Format, lines: &[String]) -> bool {
        let parsed = match (format, lines) {
            (Format::Td1, [a, b, c]) => mrz::parse_td1(a, b, c),
            (Format::Td2, [a, b]) => mrz::parse_td2(a, b),
            (Format::Td3, [a, b]) => mrz::parse_td3(a, b),
            (Format::MrvA, [a, b]) => mrz::parse_mrv_a(a, b),
            (Format::MrvB, [a, b]) => mrz::parse_mrv_b(a, b),
            // Which it doesn't know.
            (Format::D1, [_]) => return digits_agree(format, lines),
            other => panic!("{other:?}"),
        };
        parsed.is_ok_and(|zone| zone.checksum_consistent())
    }

    proptest! {
        #[test]
        fn an_emitted_zone_agrees_with_itself_and_mending_it_changes_nothing(seed: u64, state in 0usize..8) {
            let state = State::of(STATES[state]);
            for kind in Kind::ALL.into_iter().filter(|kind| kind.format() != Format::None) {
                let (holder, issue) = (Holder::of_state(state, seed), Issue::of_state(state, kind, seed));
                let lines = emit(kind, &holder, &issue);
                prop_assert!(agrees_elsewhere(kind.format(), &lines), "{:?} {:?}", kind, lines);
                prop_assert!(digits_agree(kind.format(), &lines), "{:?} {:?}", kind, lines);
            }
        }

        #[test]
        fn however_long_number_and_personal_number_are_the_digits_can_be_mended(seed: u64, long in "[A-Z0-9]{1,14}") {
            let (holder, mut issue) = (Holder::invented(seed), Issue::invented(seed));
            for kind in [Kind::IdCard, Kind::Passport] {
                for (number, personal) in [(&issue.number.clone(), None), (&long, None), (&issue.number.clone(), Some(long.clone()))] {
                    if kind == Kind::Passport && number.len() > 9 { continue; }
                    issue = Issue { number: number.clone(), personal_number: personal, ..issue };
                    let lines = emit(kind, &holder, &issue);
                    let mut mended = lines.clone();
                    mend(kind.format(), &mut mended);
                    prop_assert_eq!(lines, mended);
                }
            }
        }

        #[test]
        fn an_altered_digit_never_escapes_the_check_digits_unless_they_are_mended(seed: u64) {
            for kind in Kind::ALL {
                for field in [Field::Number, Field::BirthDate, Field::ExpiryDate] {
                    let mut lines = emit(kind, &Holder::invented(seed), &Issue::invented(seed));
                    let Some(_) = alter(kind.format(), &mut lines, field) else { continue };
                    prop_assert!(!agrees_elsewhere(kind.format(), &lines), "{:?} {:?}", field, lines);
                    mend(kind.format(), &mut lines);
                    prop_assert!(agrees_elsewhere(kind.format(), &lines), "{:?} {:?}", field, lines);
                }
            }
        }
    }
}
