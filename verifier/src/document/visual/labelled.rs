//! Reading what stands beside a label, for what no machine-readable zone states.

use jiff::ToSpan;
use jiff::civil::Date;
use reinstate_domain::document::{ReadingThresholds, VisualFields};

use super::date::mentions;
use super::label::Field;
use super::likeness::significant;
use super::numbered;
use super::side::Side;

/// What stands beside a label or a number of a field, for what no machine-readable zone states.
pub(super) fn labelled(side: &Side, limits: &ReadingThresholds, today: Date, found: &mut VisualFields) {
    for (field, i) in side.values() {
        if side.lines[i].lowest() >= limits.min_visual {
            accept(field, &side.lines[i].text, today, found);
        }
    }
    for (field, text) in numbered::values(&side.lines, limits.min_visual) {
        accept(field, &text, today, found);
    }
}

/// Takes a text as the value of a field, when it can be one and none is known yet.
fn accept(field: Field, text: &str, today: Date, found: &mut VisualFields) {
    let name = || {
        let letters = text.chars().filter(|c| c.is_alphabetic()).count();
        (letters >= 2 && !text.chars().any(|c| c.is_ascii_digit())).then(|| text.trim().to_owned())
    };
    match field {
        Field::Number => found.number = found.number.take().or_else(|| document_number(text)),
        Field::Surname => found.surname = found.surname.take().or_else(name),
        Field::GivenNames => found.given_names = found.given_names.take().or_else(name),
        Field::BirthDate => found.birth_date = found.birth_date.or_else(|| day(text, today)),
        Field::IssueDate => found.issue_date = found.issue_date.or_else(|| day(text, today)),
        // As in a machine-readable zone, a year of two digits is within fifty years.
        Field::ExpiryDate => {
            let latest = today.saturating_add(50.years());
            found.expiry_date = found.expiry_date.or_else(|| day(text, latest));
        }
        Field::Sex => found.sex = found.sex.take().or_else(|| sex(text)),
    }
}

/// The letters and digits of a text that can be a number: some issuers' have one digit only, and are one word then.
fn document_number(text: &str) -> Option<String> {
    let fewest = if text.split_whitespace().count() == 1 { 1 } else { 2 };
    let text = significant(text);
    let digits = text.chars().filter(char::is_ascii_digit).count();
    (text.len() >= 5 && digits >= fewest).then_some(text)
}

/// The first date of a text, in the latest century in which it is not after `latest`; where day and month could be
/// exchanged, the day comes first, as it does nearly everywhere.
fn day(text: &str, latest: Date) -> Option<Date> {
    let mut mention = mentions(text).into_iter().next()?;
    mention.retain(|date| *date <= latest);
    let year = mention.iter().map(|date| date.year()).max()?;
    mention.retain(|date| date.year() == year);
    let digits = text.trim_start_matches(|c: char| !c.is_ascii_digit());
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    let first = digits[..end].parse::<i8>().ok();
    mention.iter().find(|date| Some(date.day()) == first).or_else(|| mention.first()).copied()
}

/// `M`, `F` or `X`, also beside another language's letter: `K/F`.
fn sex(text: &str) -> Option<String> {
    let letters: Vec<String> =
        text.split(|c: char| !c.is_alphabetic()).map(str::to_uppercase).filter(|w| w.len() == 1).collect();
    ["F", "M", "X"].into_iter().find(|sex| letters.iter().any(|letter| letter == sex)).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_digits_and_one_is_enough_where_it_is_one_word() {
        for (text, number) in
            [("AB 123456", "AB123456"), ("KJWNHFNT3", "KJWNHFNT3"), ("880692-310", "880692310")]
        {
            assert_eq!(document_number(text).as_deref(), Some(number), "{text}");
        }
        for text in ["ZENITH", "CITY OF ZENITH 1", "12", ""] {
            assert_eq!(document_number(text), None, "{text}");
        }
    }
}
