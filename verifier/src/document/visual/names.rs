//! Names in print: those of the zone, some of them, or others.

use reinstate_domain::document::{
    Marks, MrzFields, NameMatch, is_same_but_for_marks, match_given_names, match_surname,
};

use super::likeness::{is_ligature, letters, nearest, runs, states_all};

/// The words of a text that are the surname.
pub(super) fn surname(text: &str, fields: &MrzFields) -> Option<String> {
    as_it_may_be_printed(text, &fields.surname).find_map(|text| surname_as_read(&text, fields))
}

/// A text as it was read and, where words of this name begin with TH, with a Þ for the P that the recogniser makes of it: it does not know
/// that letter, which a zone spells out (ICAO 9303-3 §6).
fn as_it_may_be_printed(text: &str, name: &str) -> impl Iterator<Item = String> {
    let has_thorn = name.split_whitespace().any(|word| word.starts_with("TH"));
    let with_thorns = || {
        let with_thorn =
            |word: &str| word.strip_prefix('P').map_or(word.to_owned(), |rest| format!("Þ{rest}"));
        text.split_whitespace().map(with_thorn).collect::<Vec<_>>().join(" ")
    };
    std::iter::once(text.to_owned()).chain(has_thorn.then(with_thorns))
}

fn surname_as_read(text: &str, fields: &MrzFields) -> Option<String> {
    let [surname_cut, given_cut] = fields.cuts(true);
    let given: Vec<&str> = fields.given_names.split_whitespace().collect();
    let are_given = |run: &String| {
        run.split_whitespace().count() == given.len()
            && match_given_names(run, Marks::MayBeMissing, &fields.given_names, given_cut) == NameMatch::Same
    };
    // Who is called Daniel Daniel has two lines that say so: that of the given names is no proof of the surname.
    let doubled = given.len() > 1 && given.contains(&&fields.surname[..]);
    if doubled && runs(text).iter().any(are_given) {
        return None;
    }
    runs(text).into_iter().find_map(|run| {
        let is_it = match_surname(&run, Marks::MayBeMissing, &fields.surname, surname_cut) == NameMatch::Same
            || is_same_but_for_marks(&run, &fields.surname);
        let is_read_otherwise = || is_ligature(&run, &fields.surname).then(|| fields.surname.clone());
        if is_it { Some(run) } else { is_read_otherwise() }
    })
}

/// The words of a text that are the given names, if they say more of them than what is known; else what is known. Some of the names
/// confirm nothing where something else stands in the place of the others.
pub(super) fn given_names(text: &str, fields: &MrzFields, known: Option<String>) -> Option<String> {
    let texts = as_it_may_be_printed(text, &fields.given_names);
    texts.fold(known, |known, text| given_names_as_read(&text, fields, known))
}

fn given_names_as_read(text: &str, fields: &MrzFields, known: Option<String>) -> Option<String> {
    let excess = |run: &str| letters(run).len().abs_diff(letters(&fields.given_names).len());
    let runs = runs(text).into_iter();
    runs.filter(|run| are_of_the_holder(run, fields) && !is_beside_others(text, run, fields)).fold(
        known,
        |known, run| {
            // A whole line may hold the surname too, and what the zone has no room for is printed here.
            let better = known.as_ref().is_none_or(|known| {
                if fields.name_truncated { known.len() < run.len() } else { excess(known) > excess(&run) }
            });
            if better { Some(run) } else { known }
        },
    )
}

/// Whether a text is nearly the given names, or begins with some of them and has something else in the place of the others. Elsewhere in
/// a text they may be ordinary words, or the name of a street.
pub(super) fn has_others(text: &str, fields: &MrzFields) -> bool {
    let first = text.split_whitespace().find(|word| is_another_name(word, fields));
    let begins = |run: &str| run.split_whitespace().next() == first;
    runs(text).iter().any(|run| {
        are_of_the_holder(run, fields)
            && is_beside_others(text, run, fields)
            && (begins(run) || nearest(text, &fields.given_names).is_some())
    })
}

/// Whether these are the given names, or some of them.
fn are_of_the_holder(run: &str, fields: &MrzFields) -> bool {
    let [_, cut] = fields.cuts(true);
    let found = || match_given_names(run, Marks::MayBeMissing, &fields.given_names, cut);
    !fields.given_names.is_empty()
        && (found() == NameMatch::Same || is_same_but_for_marks(run, &fields.given_names))
}

/// Whether these are only some of the names, and something else is printed in the place of the others.
fn is_beside_others(text: &str, run: &str, fields: &MrzFields) -> bool {
    if states_all(run, &fields.given_names) {
        return false;
    }
    let words: Vec<&str> = text.split_whitespace().collect();
    let names: Vec<&str> = run.split_whitespace().collect();
    let at = words.windows(names.len()).position(|window| window == names);
    let next = at.and_then(|at| words.get(at + names.len()));
    next.is_some_and(|word| is_another_name(word, fields)) || nearest(text, &fields.given_names).is_some()
}

/// Whether a word beside given names can be one more of them. The surname is none, nor is the letter of a sex.
fn is_another_name(word: &str, fields: &MrzFields) -> bool {
    let (name, surname) = (letters(word), letters(&fields.surname));
    let of_surname = surname.contains(&name) || !surname.is_empty() && name.starts_with(&surname);
    name.len() >= 2 && !of_surname && !word.contains(|c: char| c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::super::testing::daniel;
    use super::*;

    #[test]
    fn a_given_name_that_is_also_the_surname_does_not_confirm_it() {
        let of = |text| (surname(text, &daniel()), given_names(text, &daniel(), None));
        assert_eq!(of("DANIËL PIETER"), (None, Some("DANIËL PIETER".into())));
        assert_eq!(of("EANIËL"), (None, None));
        assert_eq!(of("DANIËL").0.as_deref(), Some("DANIËL"));
    }

    #[test]
    fn a_surname_of_which_the_zone_holds_the_beginnings_is_found_whole() {
        let cut = MrzFields {
            surname: "ESPANOLA ESPAN IBAN GUEE".into(),
            given_names: "JOSE".into(),
            name_truncated: true,
            ..daniel()
        };
        assert_eq!(surname("ESPANOLA", &cut), None);
        let written = "ESPAÑOLA ESPAÑOLA-IBÁÑEZ GÜELL";
        assert_eq!(surname(written, &cut).as_deref(), Some(written));
    }

    #[test]
    fn given_names_are_reported_without_what_stands_around_them() {
        let of = |text, fields: &MrzFields| given_names(text, fields, None);
        let fields = MrzFields { surname: "LIN".into(), given_names: "CHIEN SHENG".into(), ..daniel() };
        assert_eq!(of("LIN, CHIEN-SHENG", &fields).as_deref(), Some("CHIEN-SHENG"));
        let cut = MrzFields { given_names: "DANIEL PIET".into(), name_truncated: true, ..daniel() };
        assert_eq!(of("DANIEL PIETER JAN", &cut).as_deref(), Some("DANIEL PIETER JAN"));
    }

    #[test]
    fn an_icelanders_thorn_is_read_as_a_p() {
        let fields =
            MrzFields { surname: "THORSDOTTIR".into(), given_names: "THURIDUR OESP".into(), ..daniel() };
        let of = |text, fields: &MrzFields| (surname(text, fields), given_names(text, fields, None));
        assert_eq!(of("PÓRSDÓTTIR", &fields).0.as_deref(), Some("ÞÓRSDÓTTIR"));
        assert_eq!(of("PURIDUR OSP", &fields).1.as_deref(), Some("ÞURIDUR OSP"));
        let others = MrzFields { surname: "TORSDOTTIR".into(), given_names: "TURIDUR OESP".into(), ..fields };
        assert_eq!(of("PÓRSDÓTTIR", &others).0, None);
        assert_eq!(of("PURIDUR", &others).1, None);
    }

    #[test]
    fn some_of_the_given_names_are_found_though_a_mark_was_overlooked() {
        let fields = MrzFields { given_names: "GOETZ KARL HEI".into(), name_truncated: true, ..daniel() };
        let found = given_names("GOTZ KARL-HEINZ", &fields, None);
        assert_eq!(found.as_deref(), Some("GOTZ KARL-HEINZ"));
    }

    #[test]
    fn some_of_the_given_names_confirm_nothing_beside_others() {
        let fields = MrzFields { given_names: "ANNA MARIA".into(), ..daniel() };
        for text in ["ANNA LUCIA", "ANNA MARIO", "ENNA MARIA", "DANIEL, ANNA LUCIA", "2. ANNA NARIA"] {
            assert_eq!(given_names(text, &fields, None), None, "{text}");
            assert!(has_others(text, &fields), "{text}");
        }
        let street = "17 ST. ANNA ROAD";
        assert_eq!((given_names(street, &fields, None), has_others(street, &fields)), (None, false));
        let cut = MrzFields { given_names: "NICOLO MARIA MADTAP".into(), name_truncated: true, ..daniel() };
        assert_eq!(given_names("NICOLÒ MARIA MARIA PIA", &cut, None), None);
    }

    #[test]
    fn some_of_the_given_names_are_no_others_beside_a_surname_or_a_sex_or_alone() {
        let fields = MrzFields { given_names: "ANNA MARIA".into(), ..daniel() };
        for text in ["ANNA", "ANNA DANIEL", "ANNA F", "ANNA 19.10.1971", "MARIA"] {
            assert!(given_names(text, &fields, None).is_some() && !has_others(text, &fields), "{text}");
        }
        let whole = given_names("ANNA-MARIA DANIEL", &fields, None);
        assert_eq!(whole.as_deref(), Some("ANNA-MARIA"));
    }
}
