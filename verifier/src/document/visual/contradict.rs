//! Finding what stands in the place of something that the machine-readable zone says otherwise.

use jiff::civil::Date;
use jiff::{Span, ToSpan};
use reinstate_domain::document::{MrzFields, ReadingThresholds, VisualFields};

use super::date::{Mention, mentions};
use super::label::Field;
use super::likeness::{is_misread, is_misread_number, letters, nearest, nearest_number, significant};
use super::side::Side;
use crate::document::line::Line;

/// Looks for what stands in the place of something that the zone says otherwise. `legible`: enough of what it says was found for one
/// letter to count.
pub(super) fn contradict(
    side: &Side,
    fields: &MrzFields,
    limits: &ReadingThresholds,
    legible: bool,
    found: &mut VisualFields,
) {
    let certain = |line: &Line| line.lowest() >= limits.min_visual;
    let lines: Vec<&Line> = side.lines.iter().filter(|line| certain(line)).collect();
    let labelled: Vec<(Field, &Line)> = side
        .values()
        .into_iter()
        .map(|(field, i)| (field, &side.lines[i]))
        .filter(|(_, line)| certain(line))
        .collect();
    let labelled = |field: Field| labelled.iter().filter(move |(of, _)| *of == field).map(|(_, line)| *line);

    if found.number.is_none() {
        found.number = side
            .lines
            .iter()
            .find_map(|line| nearest_number(line, &fields.number, limits.min_visual))
            .or_else(|| {
                let number = |line: &Line| {
                    let text = significant(&line.text);
                    let digits = text.chars().filter(char::is_ascii_digit).count();
                    let is_number = text.len() == fields.number.len() && 2 * digits >= text.len();
                    (is_number && !is_misread_number(&text, &fields.number)).then_some(text)
                };
                labelled(Field::Number).find_map(number)
            });
    }
    let is_name = |text: &str| {
        text.chars().filter(|c| c.is_alphabetic()).count() >= 2 && !text.chars().any(|c| c.is_ascii_digit())
    };
    let counts =
        |text: &String, name: &str| legible || strsim::levenshtein(&letters(text), &letters(name)) > 1;
    if side.bears_the_portrait && found.surname.is_none() {
        let near = lines.iter().find_map(|line| nearest(&line.text, &fields.surname));
        let named = || {
            let text = labelled(Field::Surname).map(|line| line.text.clone());
            text.into_iter().find(|text| is_name(text) && !is_misread(text, &fields.surname))
        };
        found.surname = near.or_else(named).filter(|text| counts(text, &fields.surname));
    }
    if side.bears_the_portrait && found.given_names.is_none() && !fields.given_names.is_empty() {
        let near = lines.iter().find_map(|line| nearest(&line.text, &fields.given_names));
        let named = || {
            let text = labelled(Field::GivenNames).map(|line| line.text.clone());
            text.into_iter().find(|text| is_name(text) && !is_misread(text, &fields.given_names))
        };
        found.given_names = near.or_else(named).filter(|text| counts(text, &fields.given_names));
    }
    let all: Vec<Mention> = lines.iter().flat_map(|line| mentions(&line.text)).collect();
    if let (None, Some(birth)) = (found.birth_date, fields.birth_date) {
        let is_issue = |date: &Date| fields.expiry_date.is_some_and(|expiry| is_its_issue(*date, expiry));
        let others =
            all.iter().filter(|mention| fields.expiry_date.is_none_or(|date| !mention.contains(&date)));
        found.birth_date = labelled(Field::BirthDate)
            .flat_map(|line| mentions(&line.text))
            .find_map(|mention| mention.first().copied())
            // Where the birth date is not found, the next one below its label may be taken for it.
            .filter(|date| !is_issue(date))
            .or_else(|| others.clone().flatten().copied().find(|date| one_digit_apart(*date, birth)))
            // Nothing on a document is older than its holder.
            .or_else(|| {
                let last = others.filter_map(|mention| mention.last().copied());
                last.filter(|date| *date < birth && !is_issue(date)).min()
            });
    }
    if let (None, Some(expiry)) = (found.expiry_date, fields.expiry_date) {
        let altered = |date: &Date| one_digit_apart(*date, expiry) && !is_its_issue(*date, expiry);
        let others =
            || all.iter().filter(|mention| fields.birth_date.is_none_or(|date| !mention.contains(&date)));
        found.expiry_date = labelled(Field::ExpiryDate)
            .flat_map(|line| mentions(&line.text))
            .find_map(|mention| mention.last().copied())
            // Nothing on a document is later than its end.
            .or_else(|| {
                others().filter_map(|mention| mention.first().copied()).filter(|date| *date > expiry).max()
            })
            .or_else(|| others().flatten().copied().find(altered));
    }
}

fn one_digit_apart(a: Date, b: Date) -> bool {
    let differing = a.to_string().chars().zip(b.to_string().chars()).filter(|(a, b)| a != b).count();
    differing == 1
}

/// Whether a document that ends on this day may have been issued on that one: whole years apart, to a day.
fn is_its_issue(issue: Date, expiry: Date) -> bool {
    let shifts: [Span; 3] = [(-1).days(), 0.days(), 1.days()];
    issue < expiry
        && shifts.iter().any(|shift| {
            issue
                .checked_add(*shift)
                .is_ok_and(|day| (day.month(), day.day()) == (expiry.month(), expiry.day()))
        })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{daniel, line};
    use super::*;
    use crate::document::text::Quad;
    use crate::models::Bundle;

    fn limits() -> ReadingThresholds {
        Bundle::open(None).unwrap().document_thresholds().reading.clone()
    }

    /// What lines that were read carefully contradict in the zone of Daniel, of which nothing was found.
    fn contradicted(lines: Vec<Line>, legible: bool) -> VisualFields {
        let fields = MrzFields {
            birth_date: Some(Date::constant(2011, 1, 1)),
            expiry_date: Some(Date::constant(2012, 7, 4)),
            ..daniel()
        };
        let mut found = VisualFields::default();
        contradict(&Side { lines, bears_the_portrait: true }, &fields, &limits(), legible, &mut found);
        found
    }

    #[test]
    fn the_day_of_issue_below_the_label_of_the_birth_date_is_no_other_birth_date() {
        let below = |text: &str| {
            let quad = Quad::new([100.0, 40.0], [1.0, 0.0], 200.0, 20.0);
            Line { quad, ..line(text, &[0.99; 11]) }
        };
        let label = || line("Date of birth", &[0.99; 13]);
        let birth = |text| contradicted(vec![label(), below(text)], true).birth_date;
        assert_eq!(birth("04 JUL 2002"), None);
        assert_eq!(birth("05 MAY 1962"), Some(Date::constant(1962, 5, 5)));
        // Nor is it without a label, as a date from before the holder's birth.
        assert_eq!(contradicted(vec![below("04 JUL 2002")], true).birth_date, None);
    }

    #[test]
    fn a_misread_number_beside_its_label_is_no_other_number() {
        let number = |text: &str| {
            let quad = Quad::new([100.0, 40.0], [1.0, 0.0], 200.0, 20.0);
            let below = Line { quad, ..line(text, &[0.99; 9]) };
            let fields = MrzFields { number: "59HB71300".into(), ..daniel() };
            let side =
                Side { lines: vec![line("Passport No.", &[0.99; 12]), below], bears_the_portrait: true };
            let mut found = VisualFields::default();
            contradict(&side, &fields, &limits(), true, &mut found);
            found.number
        };
        assert_eq!(number("59HB7130U"), None);
        assert_eq!(number("84FK21975").as_deref(), Some("84FK21975"), "another document's");
    }

    #[test]
    fn one_letter_of_a_name_contradicts_where_more_than_it_can_be_read() {
        let surname = |text: &str, legible| contradicted(vec![line(text, &[0.99; 6])], legible).surname;
        assert_eq!(surname("DANIFL", true).as_deref(), Some("DANIFL"));
        assert_eq!(surname("DANIFL", false), None);
    }
}
