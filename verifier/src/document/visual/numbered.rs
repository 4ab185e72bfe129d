//! The numbered fields of a driving licence (Directive 2006/126/EC, annex I: 1 surname, 2 other names, 3 date of birth, 4a
//! date of issue, 4b date of expiry, 5 number), which bear no words.

use super::label::{Field, beside, label};
use crate::document::line::Line;

/// Numbers that have to be on a page for it to be a driving licence: a single `1.` is anything.
const FEWEST: usize = 3;

const FIELDS: [(&str, Option<Field>); 10] = [
    ("1", Some(Field::Surname)),
    ("2", Some(Field::GivenNames)),
    ("3", Some(Field::BirthDate)),
    ("4a", Some(Field::IssueDate)),
    ("4b", Some(Field::ExpiryDate)),
    ("4c", None),
    ("4d", None),
    ("5", Some(Field::Number)),
    ("7", None),
    ("9", None),
];

/// A value: its field, its text and the line that it stands on.
struct Value {
    field: Field,
    text: String,
    line: usize,
}

/// The lines that hold a value.
pub(super) fn lines(lines: &[Line]) -> Vec<usize> {
    all(lines).into_iter().map(|value| value.line).collect()
}

/// The values whose line was read with at least this certainty.
pub(super) fn values(lines: &[Line], least: f32) -> Vec<(Field, String)> {
    let certain = |value: &Value| lines[value.line].lowest() >= least;
    all(lines).into_iter().filter(certain).map(|value| (value.field, value.text)).collect()
}

fn all(lines: &[Line]) -> Vec<Value> {
    let mut values = Vec::new();
    let mut seen = Vec::new();
    for (i, line) in lines.iter().enumerate() {
        for (name, field, text) in parts(&line.text) {
            seen.push(name);
            let Some(field) = field else { continue };
            if label(&text).is_some() {
                continue;
            }
            if !text.is_empty() {
                values.push(Value { field, text, line: i });
            } else if let Some(beside) = beside(i, lines) {
                values.push(Value { field, text: lines[beside].text.clone(), line: beside });
            }
        }
    }
    // Passports number their labels, too, but no other document has a 4b.
    let licence = seen.contains(&"4a") || seen.contains(&"4b");
    seen.sort_unstable();
    seen.dedup();
    if licence && seen.len() >= FEWEST { values } else { Vec::new() }
}

/// The numbers of a line, each with what follows it.
fn parts(text: &str) -> Vec<(&'static str, Option<Field>, String)> {
    let mut parts: Vec<(&'static str, Option<Field>, String)> = Vec::new();
    for word in text.split_whitespace() {
        match number(word, parts.is_empty()) {
            Some((name, field, rest)) => parts.push((name, field, rest.to_owned())),
            None => match parts.last_mut() {
                Some((.., value)) if value.is_empty() => value.push_str(word),
                Some((.., value)) => {
                    value.push(' ');
                    value.push_str(word);
                }
                None => return Vec::new(),
            },
        }
    }
    parts
}

/// A word that is a field's number, alone or with the value's first word behind its dot. Only `4a` to `4d` stand behind
/// others on their line: there a `1.` may be the day of a date.
fn number(word: &str, first: bool) -> Option<(&'static str, Option<Field>, &str)> {
    FIELDS.into_iter().find_map(|(name, field)| {
        let begins = word.get(..name.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(name));
        let rest = word.get(name.len()..).filter(|_| begins)?;
        let lettered = name.len() > 1;
        if !first && !lettered {
            return None;
        }
        let behind = rest.strip_prefix(['.', ',', ':']);
        match behind {
            // `3.12.08.64` may as well be the third of December.
            Some(value) if lettered || !value.starts_with(|c: char| c.is_ascii_digit()) => {
                Some((name, field, value))
            }
            None if rest.is_empty() && lettered => Some((name, field, rest)),
            _ => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::text::Quad;

    fn line(text: &str, x: f32, y: f32) -> Line {
        let width = 12.0 * text.chars().count() as f32;
        Line {
            quad: Quad::new([x + width / 2.0, y], [1.0, 0.0], width, 20.0),
            text: text.into(),
            certainty: vec![0.9; text.chars().count()],
            frames: None,
        }
    }

    #[track_caller]
    fn reads(lines: &[Line], expected: &[(Field, &str)]) {
        let read = values(lines, 0.5);
        let read: Vec<(Field, &str)> = read.iter().map(|(field, text)| (*field, text.as_str())).collect();
        assert_eq!(read, expected);
    }

    #[test]
    fn the_fields_of_a_licence_are_told_by_their_numbers() {
        reads(
            &[
                line("1. MUSTERMANN", 200.0, 100.0),
                line("2.ERIKA", 200.0, 130.0),
                line("3. 12.08.64 BERLIN", 200.0, 160.0),
                line("4a. 19.01.13 4c. LANDRATSAMT", 200.0, 190.0),
                line("4b.18.01.28", 200.0, 220.0),
                line("5.", 200.0, 250.0),
                line("B072RRE2I55", 240.0, 252.0),
            ],
            &[
                (Field::Surname, "MUSTERMANN"),
                (Field::GivenNames, "ERIKA"),
                (Field::BirthDate, "12.08.64 BERLIN"),
                (Field::IssueDate, "19.01.13"),
                (Field::ExpiryDate, "18.01.28"),
                (Field::Number, "B072RRE2I55"),
            ],
        );
    }

    #[test]
    fn a_passport_that_numbers_its_labels_is_no_licence() {
        let labels = ["1. Pavardė / Surname", "2. Vardai / Given names", "3. 23 11 1959"];
        let lines: Vec<Line> =
            labels.iter().zip(0u8..).map(|(text, row)| line(text, 0.0, 30.0 * f32::from(row))).collect();
        reads(&lines, &[]);
    }

    #[test]
    fn two_numbers_make_no_licence_and_a_date_is_no_number() {
        reads(&[line("1. HEADING", 0.0, 0.0), line("2. HEADING", 0.0, 30.0)], &[]);
        assert!(parts("3.12.2008").is_empty());
        assert!(parts("12 AUG 1974").is_empty());
    }
}
