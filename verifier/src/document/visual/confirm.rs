//! Finding what the machine-readable zone says anywhere in print.

use reinstate_domain::document::{
    Marks, MrzFields, NameMatch, VisualFields, is_same_but_for_marks, match_given_names, match_surname,
};

use super::date::{a_century_before, states};
use super::given;
use super::label::beside;
use super::likeness::{is_ligature, printed, runs};
use crate::document::line::Line;

/// Looks for what the zone says.
pub(super) fn confirm(lines: &[Line], fields: &MrzFields, found: &mut VisualFields) {
    let number = printed(&fields.number);
    let given = fields.given_names.split_whitespace().count();
    let doubled = given > 1 && fields.given_names.split_whitespace().any(|name| name == fields.surname);
    let [surname_cut, given_cut] = fields.cuts(true);
    for (i, line) in lines.iter().enumerate() {
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
        // Who is called Daniel Daniel has two lines that say so: that of the given names is no proof of the surname.
        let no_surname = doubled
            && runs(&line.text).iter().any(|run| {
                run.split_whitespace().count() == given
                    && match_given_names(run, Marks::MayBeMissing, &fields.given_names, given_cut)
                        == NameMatch::Same
            });
        for run in runs(&line.text) {
            let is_surname = || {
                match_surname(&run, Marks::MayBeMissing, &fields.surname, surname_cut) == NameMatch::Same
                    || is_same_but_for_marks(&run, &fields.surname)
            };
            let wanted = found.surname.is_none() && !no_surname;
            if wanted && is_surname() {
                found.surname = Some(run.clone());
            } else if wanted && is_ligature(&run, &fields.surname) {
                found.surname = Some(fields.surname.clone());
            }
        }
        found.given_names = given::confirmed(&line.text, fields, found.given_names.take());
        // Text detection may take the year for a line of its own.
        let joined = beside(i, lines).map(|j| format!("{} {}", line.text, lines[j].text));
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
    use crate::document::text::Quad;

    /// What these lines confirm, where nothing was found before.
    fn confirmed(lines: &[Line], fields: &MrzFields) -> VisualFields {
        let mut found = VisualFields::default();
        confirm(lines, fields, &mut found);
        found
    }

    #[test]
    fn a_given_name_that_is_also_the_surname_does_not_confirm_it() {
        let given = line("DANIËL PIETER", &[0.9; 13]);
        let found = confirmed(&[line("EANIËL", &[0.9; 6]), given.clone()], &daniel());
        assert_eq!((found.surname, found.given_names.as_deref()), (None, Some("DANIËL PIETER")));
        let found = confirmed(&[line("DANIËL", &[0.9; 6]), given], &daniel());
        assert_eq!(found.surname.as_deref(), Some("DANIËL"));
    }

    #[test]
    fn a_surname_of_which_the_zone_holds_the_beginnings_is_found_whole() {
        let cut = MrzFields {
            surname: "ESPANOLA ESPAN IBAN GUEE".into(),
            given_names: "JOSE".into(),
            name_truncated: true,
            ..daniel()
        };
        let written = line("ESPAÑOLA ESPAÑOLA-IBÁÑEZ GÜELL", &[0.9; 30]);
        let found = confirmed(&[line("ESPANOLA", &[0.9; 8]), written], &cut);
        assert_eq!(found.surname.as_deref(), Some("ESPAÑOLA ESPAÑOLA-IBÁÑEZ GÜELL"));
    }

    #[test]
    fn the_print_says_in_which_century_a_holder_was_born() {
        let fields = MrzFields { birth_date: Some(Date::constant(2011, 1, 1)), ..daniel() };
        for (text, year) in [("01.01.1911", 1911), ("01 JAN 2011", 2011), ("01.01.11", 2011)] {
            let found = confirmed(&[line(text, &[0.9; 11])], &fields);
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
        let found = confirmed(&[at(240.0, 60.0), day.clone()], &daniel());
        assert_eq!(found.birth_date, None, "the year is on the next line");
        let found = confirmed(&[at(240.0, 12.0), day], &daniel());
        assert_eq!(found.birth_date, Some(Date::constant(1971, 10, 19)));
    }
}
