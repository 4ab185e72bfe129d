//! Finding what the machine-readable zone says anywhere in print.

use reinstate_domain::document::{MrzFields, VisualFields};

use super::date::{a_century_before, states};
use super::label::beside;
use super::likeness::{printed, runs};
use super::names;
use super::side::Side;

/// Looks for what the zone says. Names count where the portrait is: the other side may be that of another's card.
pub(super) fn confirm(side: &Side, fields: &MrzFields, found: &mut VisualFields) {
    let number = printed(&fields.number);
    for (i, line) in side.lines.iter().enumerate() {
        let says_number = |text: &str| {
            if number.len() >= 6 { text.contains(&number) } else { text == number }
        };
        if found.number.is_none()
            && !number.is_empty()
            && (says_number(&printed(&line.text))
                || runs(&line.text).iter().any(|run| printed(run) == number))
        {
            found.number = Some(fields.number.clone());
        }
        if side.bears_the_portrait {
            found.surname = found.surname.take().or_else(|| names::surname(&line.text, fields));
            found.given_names = names::given_names(&line.text, fields, found.given_names.take());
        }
        // Text detection may take the year for a line of its own.
        let joined = beside(i, &side.lines).map(|j| format!("{} {}", line.text, side.lines[j].text));
        for text in std::iter::once(&line.text).chain(&joined) {
            found.birth_date = found.birth_date.or_else(|| {
                let birth = fields.birth_date?;
                [birth, a_century_before(birth)?].into_iter().find(|date| states(text, *date))
            });
            found.expiry_date = found.expiry_date.or(fields.expiry_date.filter(|date| states(text, *date)));
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::Date;

    use super::super::testing::{daniel, line};
    use super::*;
    use crate::document::line::Line;
    use crate::document::text::Quad;

    /// What these lines confirm, where nothing was found before.
    fn confirmed(lines: Vec<Line>, fields: &MrzFields) -> VisualFields {
        let mut found = VisualFields::default();
        confirm(&Side { lines, bears_the_portrait: true }, fields, &mut found);
        found
    }

    #[test]
    fn the_print_says_in_which_century_a_holder_was_born() {
        let fields = MrzFields { birth_date: Some(Date::constant(2011, 1, 1)), ..daniel() };
        for (text, year) in [("01.01.1911", 1911), ("01 JAN 2011", 2011), ("01.01.11", 2011)] {
            let found = confirmed(vec![line(text, &[0.9; 11])], &fields);
            assert_eq!(found.birth_date, Some(jiff::civil::date(year, 1, 1)), "{text}");
        }
    }

    #[test]
    fn a_date_whose_year_is_a_line_of_its_own_is_read_across_both() {
        let day = line("19 OKT/OCT", &[0.9; 10]);
        let at = |x: f32, y: f32| Line {
            quad: Quad::new([x, y], [1.0, 0.0], 60.0, 20.0),
            ..line("1971", &[0.9; 4])
        };
        let found = confirmed(vec![at(240.0, 60.0), day.clone()], &daniel());
        assert_eq!(found.birth_date, None, "the year is on the next line");
        let found = confirmed(vec![at(240.0, 12.0), day], &daniel());
        assert_eq!(found.birth_date, Some(Date::constant(1971, 10, 19)));
    }

    #[test]
    fn the_names_on_the_side_without_the_portrait_are_nobodys() {
        let lines = ["DANIEL", "DANIEL PIETER", "19.10.1971", "IJ11JVCM6"];
        let confirmed = |bears_the_portrait| {
            let lines = lines.map(|text| line(text, &[0.9; 13])).to_vec();
            let mut found = VisualFields::default();
            confirm(&Side { lines, bears_the_portrait }, &daniel(), &mut found);
            [
                found.surname.is_some(),
                found.given_names.is_some(),
                found.birth_date.is_some(),
                found.number.is_some(),
            ]
        };
        assert_eq!(confirmed(true), [true; 4]);
        assert_eq!(confirmed(false), [false, false, true, true]);
    }
}
