//! Dates as documents print them.

use jiff::ToSpan;
use jiff::civil::Date;

/// Beginnings of the names of months, without accents, in the languages of most documents in Latin script. The longest one
/// that fits a word counts; one that means two months in different languages gives both, unless a second language is
/// printed beside it.
const MONTHS: [&[&str]; 12] = [
    &["JAN", "GEN", "ENE", "SAU", "STY", "LED", "OCA", "TAM", "IAN", "SIJ", "JAAN"],
    &["FEB", "FEV", "VAS", "LUT", "UNO", "SUB", "HEL", "VELJ", "VEE"],
    &["MAR", "MRT", "MAE", "KOV", "MRZ", "BRE", "MAA", "OZU"],
    &["APR", "AVR", "ABR", "BAL", "KWI", "DUB", "NIS", "HUH", "TRA"],
    &["MAY", "MAI", "MEI", "MAG", "GEG", "MAJ", "KVE", "TOU", "SVI"],
    &["JUN", "JUI", "GIU", "BIR", "CZE", "CER", "HAZ", "KES", "LIP", "IUN"],
    &["JUL", "LUG", "LIE", "LIP", "TEM", "HEI", "SRP", "IUL", "JUIL"],
    &["AUG", "AOU", "AGO", "RUG", "SIE", "SRP", "AGU", "ELO", "KOL"],
    &["SEP", "SET", "WRZ", "ZAR", "EYL", "SYY", "RUJ"],
    &["OCT", "OKT", "OTT", "OUT", "SPA", "PAZ", "RIJ", "EKI", "LOK", "LIS"],
    &["NOV", "LAP", "LIS", "KAS", "MARR", "STU"],
    &["DEC", "DEZ", "DIC", "GRU", "PRO", "ARA", "JOU", "DES"],
];

/// Everything that one mention of a date can mean.
pub(crate) type Mention = Vec<Date>;

#[derive(Debug, PartialEq)]
enum Part {
    Number { value: i16, digits: usize },
    Word(String),
}

/// The dates in a line of text. `today` settles nothing: a two-digit year means both centuries.
pub(crate) fn mentions(text: &str) -> Vec<Mention> {
    let parts = parts(text);
    let mut found = Vec::new();
    let mut at = 0;
    while at < parts.len() {
        match mention(&parts[at..]) {
            Some((mention, used)) if !mention.is_empty() => {
                found.push(mention);
                at += used;
            }
            _ => at += 1,
        }
    }
    found
}

/// Whether a text says this date, perhaps with a separator that was not seen or taken for a digit.
pub(crate) fn states(text: &str, date: Date) -> bool {
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let run_together = || {
        let [y, m, d] =
            [date.strftime("%Y"), date.strftime("%m"), date.strftime("%d")].map(|part| part.to_string());
        // With more digits it is a number that may be made of the date, as personal numbers are.
        digits.len() <= 9
            && [format!("{d}{m}{y}"), format!("{y}{m}{d}")].iter().any(|all| digits.contains(all))
    };
    mentions(text).iter().any(|mention| mention.contains(&date)) || run_together()
}

fn parts(text: &str) -> Vec<Part> {
    let ascii = mrz::transliterate(text, mrz::TransliterationStyle::Simple);
    let mut parts = Vec::new();
    let mut rest = ascii.as_str();
    while let Some(c) = rest.chars().next() {
        let length = |f: fn(char) -> bool| rest.find(|c| !f(c)).unwrap_or(rest.len());
        if c.is_ascii_digit() {
            let digits = length(|c| c.is_ascii_digit());
            // Longer runs are numbers of something else, except for a date without separators.
            match (digits, rest[..digits].parse::<i64>()) {
                (1..=4, Ok(value)) => parts.push(Part::Number { value: value as i16, digits }),
                (8, Ok(_)) => {
                    for span in [0..2, 2..4, 4..8] {
                        let digits = span.len();
                        parts.push(Part::Number { value: rest[span].parse().unwrap_or(0), digits });
                    }
                }
                _ => parts.push(Part::Word(String::new())),
            }
            rest = &rest[digits..];
        } else if c.is_alphabetic() {
            let letters = length(char::is_alphabetic);
            parts.push(Part::Word(rest[..letters].to_uppercase()));
            rest = &rest[letters..];
        } else {
            rest = &rest[c.len_utf8()..];
        }
    }
    parts
}

/// A date at the beginning of the parts, and how many it takes.
fn mention(parts: &[Part]) -> Option<(Mention, usize)> {
    let number = |i: usize| match parts.get(i) {
        Some(Part::Number { value, digits }) => Some((*value, *digits)),
        _ => None,
    };
    let (first, first_digits) = number(0)?;
    // 12 AUG(UST)/AOÛT 1974: one to three words that name a month.
    let words: Vec<&str> = parts[1..]
        .iter()
        .map_while(|part| if let Part::Word(word) = part { Some(word.as_str()) } else { None })
        .take(3)
        .collect();
    if !words.is_empty() {
        let (year, year_digits) = number(1 + words.len())?;
        let months = months(&words);
        let used = 2 + words.len();
        let (day, years) = match (first_digits, year_digits) {
            (1 | 2, 2 | 4) => (first, years(year, year_digits)),
            (4, 1 | 2) => (year, vec![first]),
            _ => return None,
        };
        return Some((dates(&years, &months, &[day]), used));
    }
    let ((second, second_digits), (third, third_digits)) = (number(1)?, number(2)?);
    let months = |month: i16| if (1..=12).contains(&month) { vec![month as i8] } else { Vec::new() };
    let mention = match (first_digits, second_digits, third_digits) {
        (4, 1 | 2, 1 | 2) => dates(&[first], &months(second), &[third]),
        (1 | 2, 1 | 2, 2 | 4) => {
            let years = years(third, third_digits);
            let mut both = dates(&years, &months(second), &[first]);
            both.extend(dates(&years, &months(first), &[second]));
            both.sort();
            both.dedup();
            both
        }
        _ => return None,
    };
    Some((mention, 3))
}

fn years(year: i16, digits: usize) -> Vec<i16> {
    if digits == 4 { vec![year] } else { vec![1900 + year, 2000 + year] }
}

/// The month that the words name. When they name several, the one that most of them agree on.
fn months(words: &[&str]) -> Vec<i8> {
    let named: Vec<Vec<i8>> = words
        .iter()
        .map(|word| {
            let fit = |month: &i8| {
                let names = MONTHS[*month as usize - 1].iter();
                names.filter(|name| word.starts_with(**name)).map(|name| name.len()).max().unwrap_or(0)
            };
            let longest = (1..=12).map(|month| fit(&month)).max().unwrap_or(0);
            (1..=12).filter(|month| longest > 0 && fit(month) == longest).collect()
        })
        .filter(|months: &Vec<i8>| !months.is_empty())
        .collect();
    let votes = |month: i8| named.iter().filter(|months| months.contains(&month)).count();
    let most = (1..=12).map(votes).max().unwrap_or(0);
    if most == 0 { Vec::new() } else { (1..=12).filter(|month| votes(*month) == most).collect() }
}

fn dates(years: &[i16], months: &[i8], days: &[i16]) -> Mention {
    let mut dates = Vec::new();
    for year in years.iter().filter(|year| (1900..2100).contains(*year)) {
        for month in months {
            for day in days {
                dates.extend(i8::try_from(*day).ok().and_then(|day| Date::new(*year, *month, day).ok()));
            }
        }
    }
    dates
}

/// What the two digits of a birth date's year may mean as well.
pub(crate) fn a_century_before(birth: Date) -> Option<Date> {
    birth.checked_sub(100.years()).ok()
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn only(text: &str, expected: Date) {
        assert_eq!(mentions(text), [vec![expected]], "{text}");
    }

    #[test]
    fn the_usual_forms_are_read() {
        only("12 AUG 1974", date(1974, 8, 12));
        only("12.AUG.1974", date(1974, 8, 12));
        only("15 AUGUST/AOÛT 1974", date(1974, 8, 15));
        only("15 März 2031", date(2031, 3, 15));
        only("14 JUILLET 2031", date(2031, 7, 14));
        only("14 JUIN 2031", date(2031, 6, 14));
        only("31.12.2014", date(2014, 12, 31));
        only("1974-08-13", date(1974, 8, 13));
        only("2014 12 31", date(2014, 12, 31));
        only("31 12 2014", date(2014, 12, 31));
        only("Geboren am 13.08.1974", date(1974, 8, 13));
        only("23081974", date(1974, 8, 23));
    }

    #[test]
    fn an_ambiguous_date_means_all_that_it_can() {
        assert_eq!(mentions("03/04/2020"), [vec![date(2020, 3, 4), date(2020, 4, 3)]]);
        assert_eq!(mentions("12 AUG 74"), [vec![date(1974, 8, 12), date(2074, 8, 12)]]);
    }

    #[test]
    fn a_date_is_stated_with_a_separator_lost_and_not_by_a_longer_number() {
        let birth = date(1971, 12, 21);
        for text in ["21.1219714", "21.12.1971", "1971 1221", "Born 21 DEC 1971"] {
            assert!(states(text, birth), "{text}");
        }
        for text in ["19711221-1234", "21.12.1917", "21121", ""] {
            assert!(!states(text, birth), "{text}");
        }
    }

    #[test]
    fn two_dates_in_one_line_are_two_mentions() {
        assert_eq!(mentions("01.02.2020 - 31.01.2030").len(), 2);
    }

    #[test]
    fn numbers_that_are_no_dates_are_none() {
        for text in ["L898902C3", "123456789", "32.13.2020", "12 FOO 1974", "", "1 2"] {
            assert_eq!(mentions(text), Vec::<Mention>::new(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_printed_date_is_among_what_is_read(days in -25_000i32..25_000, form in 0usize..6) {
            let day = date(2000, 1, 1).checked_add(jiff::ToSpan::days(i64::from(days))).unwrap();
            let (y, m, d) = (day.year(), day.month(), day.day());
            let name = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"][m as usize - 1];
            let text = [
                format!("{d:02}.{m:02}.{y}"), format!("{y}-{m:02}-{d:02}"), format!("{d:02} {name} {y}"),
                format!("{d} {name} {:02}", y % 100), format!("{m:02}/{d:02}/{y}"), format!("{d:02} {m:02} {:02}", y % 100),
            ][form].clone();
            let found = mentions(&text);
            prop_assert!(found.iter().any(|mention| mention.contains(&day)), "{text} {found:?}");
        }

        #[test]
        fn nothing_makes_it_panic(text in "\\PC{0,40}") {
            let _ = mentions(&text);
        }
    }
}
