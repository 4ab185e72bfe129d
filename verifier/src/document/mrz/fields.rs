//! From confirmed lines to fields. The parsing is the `mrz` crate's, which also checks every digit a second time; the
//! centuries are ours, because its rule has no notion of the day of the check.

use jiff::ToSpan;
use jiff::civil::Date;
use reinstate_domain::document::{MrzFields, MrzFormat};

use super::alphabet::{FILLER, Symbol};
use super::layout::{Layout, Span};

/// `None` when the lines do not parse, a digit fails, or a date is none.
pub(crate) fn parse(layout: &Layout, symbols: &[Symbol], lines: &[String], today: Date) -> Option<MrzFields> {
    let name = &symbols[layout.fields.name.clone()];
    let name_truncated = name.last().is_some_and(|last| *last != FILLER);
    let expiry_date = date(symbols, &layout.fields.expiry, |date| {
        // No document is valid for fifty years, and nobody shows one that expired fifty years ago.
        today.checked_add(50.years()).is_ok_and(|latest| date <= latest)
    })?;
    let Some(holder) = &layout.fields.holder else {
        return Some(one_line(lines.first()?, expiry_date, name_truncated));
    };
    let data = match (layout.format, lines) {
        (MrzFormat::Td1, [a, b, c]) => mrz::parse_td1(a, b, c),
        (MrzFormat::Td2, [a, b]) => mrz::parse_td2(a, b),
        (MrzFormat::Td3, [a, b]) => mrz::parse_td3(a, b),
        (MrzFormat::MrvA, [a, b]) => mrz::parse_mrv_a(a, b),
        (MrzFormat::MrvB, [a, b]) => mrz::parse_mrv_b(a, b),
        _ => return None,
    }
    .ok()?;
    if !data.checks.all_valid() {
        return None;
    }
    Some(MrzFields {
        code: data.document_type.clone(),
        issuer: data.issuing_country.clone(),
        number: data.document_number_full.clone().unwrap_or_else(|| data.document_number.clone()),
        surname: data.surname.clone(),
        given_names: data.given_names.clone(),
        name_truncated,
        birth_date: date(symbols, &holder.birth, |date| date <= today)?,
        expiry_date,
        nationality: data.nationality.clone(),
        sex: match lines.iter().flat_map(|line| line.chars()).nth(holder.sex) {
            Some(sex @ ('M' | 'F')) => sex.to_string(),
            _ => "X".to_owned(),
        },
    })
}

/// The fields of a driving licence's line, which the `mrz` crate does not know. Its digits were compared when it was chosen.
fn one_line(line: &str, expiry_date: Option<Date>, name_truncated: bool) -> MrzFields {
    let text = |span: Span| line.get(span).unwrap_or_default().trim_end_matches('<').replace('<', " ");
    MrzFields {
        code: text(0..2),
        issuer: text(2..5),
        number: text(5..14),
        surname: text(21..29),
        given_names: String::new(),
        name_truncated,
        birth_date: None,
        expiry_date,
        nationality: String::new(),
        sex: "X".to_owned(),
    }
}

/// The date of a YYMMDD field, in this century if that `fits`, else in the last. `Some(None)` when the issuer left some of
/// it open, `None` when it is no date.
fn date(symbols: &[Symbol], span: &Span, fits: impl Fn(Date) -> bool) -> Option<Option<Date>> {
    let field = &symbols[span.clone()];
    if field.contains(&FILLER) {
        return Some(None);
    }
    let pair = |i: usize| field[i] as i8 * 10 + field[i + 1] as i8;
    let in_century = |century: i16| Date::new(century + i16::from(pair(0)), pair(2), pair(4)).ok();
    match in_century(2000) {
        Some(date) if fits(date) => Some(Some(date)),
        _ => in_century(1900).map(Some),
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date as day;

    use super::super::alphabet::symbol;
    use super::*;

    #[track_caller]
    fn parsed(second_line: &str) -> Option<MrzFields> {
        let lines = ["P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<".to_owned(), second_line.to_owned()];
        let symbols: Vec<Symbol> = lines.concat().chars().filter_map(symbol).collect();
        parse(&Layout::of(MrzFormat::Td3), &symbols, &lines, day(2026, 11, 23))
    }

    fn with_dates(birth: &str, expiry: &str) -> Option<MrzFields> {
        let digit = |text: &str| mrz::check_digit(text).unwrap();
        let (number, birth, expiry) =
            ("L898902C36", format!("{birth}{}", digit(birth)), format!("{expiry}{}", digit(expiry)));
        let composite = digit(&format!("{number}{birth}{expiry}<<<<<<<<<<<<<<<"));
        parsed(&format!("{number}UTO{birth}F{expiry}<<<<<<<<<<<<<<<{composite}"))
    }

    #[test]
    fn a_birth_date_is_never_in_the_future_and_an_expiry_date_is_near_today() {
        let fields = with_dates("740812", "120415").unwrap();
        assert_eq!((fields.birth_date, fields.expiry_date), (Some(day(1974, 8, 12)), Some(day(2012, 4, 15))));
        let fields = with_dates("261123", "980104").unwrap();
        assert_eq!((fields.birth_date, fields.expiry_date), (Some(day(2026, 11, 23)), Some(day(1998, 1, 4))));
        let fields = with_dates("261124", "700101").unwrap();
        assert_eq!((fields.birth_date, fields.expiry_date), (Some(day(1926, 11, 24)), Some(day(2070, 1, 1))));
    }

    #[test]
    fn the_leap_day_belongs_to_the_century_that_has_it() {
        assert_eq!(with_dates("000229", "300101").unwrap().birth_date, Some(day(2000, 2, 29)));
        assert!(with_dates("010229", "300101").is_none());
    }

    #[test]
    fn an_unknown_birth_date_is_unknown_and_an_impossible_one_is_no_zone() {
        assert_eq!(with_dates("74<<<<", "300101").unwrap().birth_date, None);
        assert!(with_dates("741312", "300101").is_none());
    }

    #[test]
    fn a_failing_digit_is_no_zone() {
        assert!(parsed("L898902C36UTO7408122F1204159ZE184226B<<<<<10").is_some());
        assert!(parsed("L898902C37UTO7408122F1204159ZE184226B<<<<<10").is_none());
    }
}
