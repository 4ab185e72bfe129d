//! Whether a zone is believed by what there is beside it: the print, and how good the picture is.

use reinstate_domain::document::{
    ComparedField, DocumentObservation, DocumentThresholds, MrzFields, VisualFields, compare_zones,
};

use super::visual::{as_in_zone, states_all};
use super::zone::{Effort, Found};

/// What there is beside a zone.
#[derive(Clone, Copy)]
pub(super) struct Beside<'a> {
    pub(super) observation: &'a DocumentObservation,
    /// Something lies over characters of the zone.
    pub(super) covered: bool,
    /// Of the letters by which print states the names: see [`VisualZone`](super::visual::VisualZone).
    pub(super) name_certainty: f32,
    /// Of its number a character at one end is not printed, or not seen there.
    pub(super) number_lacks_an_end: bool,
}

/// Probability from which a letter is clear. An M that was read as an N, in zone and print, had 0.77 and 0.71.
const CLEAR: f32 = 0.9;

/// Whether print says all that a zone says of its holder: who reads the same twice, in two fonts, need not be as sure of each letter.
pub(super) fn is_printed(fields: &MrzFields, visual: &VisualFields) -> bool {
    let VisualFields { number, surname, given_names, birth_date, expiry_date, .. } = visual;
    number.is_some()
        && surname.is_some()
        && given_names.as_ref().is_some_and(|names| states_all(names, &fields.given_names))
        && birth_date.is_some()
        && expiry_date.is_some()
}

/// Whether a zone may count as read beside this visual zone, in a picture of this sharpness. Blur makes one letter of another and
/// leaves the recogniser sure of it; where no check digit would notice, the visual zone has to say the same.
pub(super) fn is_believed(found: &Found, beside: &Beside<'_>, thresholds: &DocumentThresholds) -> bool {
    let Some(fields) = &found.zone.fields else { return true };
    let Beside { observation, covered, name_certainty, number_lacks_an_end } = *beside;
    let (visual, sharpness) = (&observation.visual, observation.quality.sharpness);
    let number_is_printed = visual.number.is_some() || number_lacks_an_end;
    let whole = visual.given_names.as_ref().is_some_and(|names| states_all(names, &fields.given_names));
    // A visual zone whose name is lost may have its number misread in the same way.
    let confirmed = number_is_printed && visual.surname.is_some() && (whole || fields.given_names.is_empty());
    let compared = compare_zones(visual, fields, thresholds);
    let contradicted =
        |fields: &[ComparedField]| compared.iter().any(|of| !of.agrees && fields.contains(&of.field));
    // Where the print shows all that the zone says but its number, the number was misread. Where it shows something else, the zone is
    // another document's.
    let all_but_number = !number_is_printed
        && visual.surname.is_some()
        && whole
        && visual.birth_date.is_some()
        && visual.expiry_date.is_some()
        && !contradicted(&[
            ComparedField::Surname,
            ComparedField::GivenNames,
            ComparedField::BirthDate,
            ComparedField::ExpiryDate,
        ]);
    if all_but_number {
        return false;
    }
    // A reflection burns strokes away and a finger hides the beginning of a row, which leaves other letters and no state's code; in a blur
    // that makes letters of fillers, print is misread as well. A forger who alters a name or a number does none of these: where the print
    // says otherwise, one of both was misread, which accuses nobody.
    let obscured = observation.quality.text_glare > 0.0
        || covered
        || !found.zone.has_a_states_code()
        || found.effort == Effort::Shapes;
    // Of these characters no check digit tells one from all others.
    if obscured && contradicted(&[ComparedField::Number, ComparedField::Surname, ComparedField::GivenNames]) {
        return false;
    }
    // The print's letter, seen in the zone beside the one that was taken, is no alteration either, whatever made the picture bad.
    let misread = |field, value: &str, print: Option<&String>| {
        contradicted(&[field]) && print.is_some_and(|print| found.zone.may_be(value, &as_in_zone(print)))
    };
    if misread(ComparedField::Number, &fields.number, visual.number.as_ref())
        || misread(ComparedField::Surname, &fields.surname, visual.surname.as_ref())
        || misread(ComparedField::GivenNames, &fields.given_names, visual.given_names.as_ref())
    {
        return false;
    }
    // A blur makes an N of an M for one network in both fonts: what neither shows clearly is not read twice.
    if name_certainty < CLEAR && found.zone.has_rival_letters(1.0 - CLEAR) {
        return false;
    }
    // What is left of a letter makes another one, as does a blur that makes letters of fillers, and no check digit covers the names.
    if (covered || found.effort == Effort::Shapes) && !confirmed {
        return false;
    }
    // No check digit covers the code of a state, and no print is compared with it.
    if observation.quality.is_blurred(thresholds) && !found.zone.has_a_states_code() {
        return false;
    }
    let out_of_focus = sharpness < thresholds.min_sharpness;
    let soft = thresholds.min_twin_sharpness.is_some_and(|least| sharpness < least);
    // Where one given name is found and the next is not, that one was misread, here or in the zone.
    let in_part = visual.surname.is_some() && visual.given_names.is_some() && !whole;
    let twins = found.zone.has_twins() && found.effort != Effort::FirstSight;
    confirmed || !(out_of_focus || soft && (twins || in_part))
}

#[cfg(test)]
mod tests {
    use jiff::civil::Date;

    use super::*;
    use crate::document::mrz::testing::{Noise, frames_of};
    use crate::document::mrz::{Looks, read_zone};
    use crate::models::Bundle;

    const TODAY: Date = Date::constant(2026, 11, 26);

    fn thresholds() -> DocumentThresholds {
        Bundle::open(None).unwrap().document_thresholds().clone()
    }

    fn erikssons(effort: Effort) -> Found {
        Found { effort, ..erikssons_with(Vec::new()) }
    }

    /// With other characters seen in its first row: column, character and probability.
    fn erikssons_with(confusions: Vec<(usize, char, f32)>) -> Found {
        let rows =
            ["P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<", "L898902C36UTO7408122F1204159ZE184226B<<<<<10"];
        let first = Noise { confusions, ..Noise::none() };
        let frames = [frames_of(rows[0], &first), frames_of(rows[1], &Noise::none())];
        let looks: Vec<_> = frames.iter().map(|frames| Looks::from_iter([frames])).collect();
        let zone = read_zone(&looks, &thresholds().reading, TODAY).unwrap();
        assert!(zone.reading.valid);
        Found { zone, quads: Vec::new(), effort: Effort::FirstSight }
    }

    fn observed(visual: VisualFields, sharpness: f32) -> DocumentObservation {
        let mut observation = DocumentObservation { visual, ..DocumentObservation::default() };
        observation.quality.sharpness = sharpness;
        observation
    }

    fn print() -> VisualFields {
        VisualFields {
            number: Some("L898902C3".into()),
            surname: Some("Eriksson".into()),
            given_names: Some("Anna Maria".into()),
            birth_date: Some(Date::constant(1974, 8, 12)),
            expiry_date: Some(Date::constant(2012, 4, 15)),
            ..VisualFields::default()
        }
    }

    /// Whether a zone that nothing lies over is believed beside this.
    fn is_believed_beside(observation: &DocumentObservation, found: &Found) -> bool {
        let beside = Beside { observation, covered: false, name_certainty: 1.0, number_lacks_an_end: false };
        is_believed(found, &beside, &thresholds())
    }

    #[track_caller]
    fn believes(visual: &VisualFields, sharpness: f32, effort: Effort, expected: bool) {
        let observation = observed(visual.clone(), sharpness);
        assert_eq!(is_believed_beside(&observation, &erikssons(effort)), expected);
    }

    #[test]
    fn a_zone_is_believed_in_a_blurred_picture_only_with_what_is_printed() {
        believes(&print(), 0.05, Effort::Careful, true);
        believes(&VisualFields::default(), 0.05, Effort::FirstSight, false);
        believes(&VisualFields::default(), 0.4, Effort::FirstSight, true);
    }

    #[test]
    fn a_zone_whose_fillers_were_told_by_their_shape_is_believed_only_with_what_is_printed() {
        believes(&print(), 0.4, Effort::Shapes, true);
        believes(&VisualFields { given_names: None, ..print() }, 0.4, Effort::Shapes, false);
    }

    #[test]
    fn a_number_that_alone_is_not_printed_was_misread() {
        let print = VisualFields { number: None, ..print() };
        believes(&print, 0.9, Effort::FirstSight, false);
        let hardly_legible = VisualFields { birth_date: None, ..print.clone() };
        believes(&hardly_legible, 0.9, Effort::FirstSight, true);
        // That is another person's zone.
        believes(&VisualFields { surname: Some("Bernoulli".into()), ..print }, 0.9, Effort::FirstSight, true);
    }

    #[test]
    fn a_number_of_which_an_end_is_hidden_in_print_was_not_misread() {
        let observation = observed(VisualFields { number: None, ..print() }, 0.9);
        for effort in [Effort::FirstSight, Effort::Shapes] {
            for (covered, number_lacks_an_end) in [(false, true), (true, true), (false, false)] {
                let beside =
                    Beside { observation: &observation, covered, name_certainty: 1.0, number_lacks_an_end };
                assert_eq!(is_believed(&erikssons(effort), &beside, &thresholds()), number_lacks_an_end);
            }
        }
    }

    #[test]
    fn print_says_all_of_a_zone_only_with_each_of_five_fields() {
        let found = erikssons(Effort::FirstSight);
        let says_all = |print| is_printed(found.zone.fields.as_ref().unwrap(), &print);
        assert!(says_all(print()));
        for one_less in [
            VisualFields { number: None, ..print() },
            VisualFields { surname: None, ..print() },
            VisualFields { given_names: None, ..print() },
            VisualFields { given_names: Some("Anna".into()), ..print() },
            VisualFields { birth_date: None, ..print() },
            VisualFields { expiry_date: None, ..print() },
        ] {
            assert!(!says_all(one_less));
        }
    }

    #[test]
    fn what_the_print_says_otherwise_was_misread_where_the_picture_is_bad_and_forged_where_it_is_clear() {
        let other_number = VisualFields { number: Some("L898902C5".into()), ..print() };
        let other_name = VisualFields { surname: Some("Eriksdon".into()), ..print() };
        for (visual, believed) in [(other_number, false), (other_name, false), (print(), true)] {
            believes(&visual, 0.9, Effort::FirstSight, true);
            believes(&visual, 0.9, Effort::Shapes, believed);
            let mut reflected = observed(visual, 0.9);
            reflected.quality.text_glare = 0.05;
            assert_eq!(is_believed_beside(&reflected, &erikssons(Effort::FirstSight)), believed);
        }
    }

    #[test]
    fn a_zone_that_something_lies_over_is_believed_with_what_is_printed_only_and_accuses_nobody() {
        let believed = |visual| {
            let observation = observed(visual, 0.9);
            let beside = Beside {
                observation: &observation,
                covered: true,
                name_certainty: 1.0,
                number_lacks_an_end: false,
            };
            is_believed(&erikssons(Effort::FirstSight), &beside, &thresholds())
        };
        assert!(believed(print()));
        assert!(!believed(VisualFields { given_names: None, ..print() }));
        assert!(!believed(VisualFields { given_names: Some("Anna Lucia".into()), ..print() }));
    }

    #[test]
    fn a_printed_letter_that_left_a_trace_in_the_zone_was_misread_there() {
        let believed = |seen: Vec<(usize, char, f32)>, visual: VisualFields| {
            is_believed_beside(&observed(visual, 0.9), &erikssons_with(seen))
        };
        let eriksdon = || VisualFields { surname: Some("Eriksdon".into()), ..print() };
        assert!(!believed(vec![(10, 'D', 0.03)], eriksdon()));
        assert!(believed(vec![(10, 'D', 0.001)], eriksdon()), "an alteration");
        assert!(believed(vec![(10, 'Z', 0.03)], eriksdon()), "of another letter");
        assert!(believed(vec![(10, 'D', 0.03)], print()), "nobody says otherwise");
        let anna_karin = VisualFields { given_names: Some("Anna Karin".into()), ..print() };
        assert!(believed(vec![(20, 'K', 0.03)], anna_karin), "one letter of three");
    }

    #[test]
    fn a_letter_that_neither_zone_nor_print_shows_clearly_is_not_read() {
        let believed = |rival: f32, name_certainty: f32| {
            let observation = observed(print(), 0.9);
            let beside = Beside {
                observation: &observation,
                covered: false,
                name_certainty,
                number_lacks_an_end: false,
            };
            is_believed(&erikssons_with(vec![(12, 'M', rival)]), &beside, &thresholds())
        };
        assert!(!believed(0.2, 0.71));
        assert!(believed(0.2, 0.95), "print is clear");
        assert!(believed(0.05, 0.71), "the zone is clear");
    }

    #[test]
    fn a_zone_of_no_state_that_the_print_contradicts_was_misread() {
        let mut found = erikssons(Effort::FirstSight);
        found.zone.fields.as_mut().unwrap().issuer = "ADA".into();
        assert!(is_believed_beside(&observed(print(), 0.9), &found));
        let visual = VisualFields { surname: Some("Eriksdon".into()), ..print() };
        assert!(!is_believed_beside(&observed(visual, 0.9), &found));
    }

    #[test]
    fn a_code_of_no_state_is_not_read_in_a_blurred_picture() {
        let believed = |issuer: &str, least_sharpness| {
            let mut found = erikssons(Effort::FirstSight);
            found.zone.fields.as_mut().unwrap().issuer = issuer.into();
            let mut observation = observed(print(), 0.9);
            observation.quality.least_sharpness = Some(least_sharpness);
            is_believed_beside(&observation, &found)
        };
        assert!(!believed("BWE", 0.12));
        assert!(believed("SWE", 0.12));
        assert!(believed("BWE", 0.4));
    }

    #[test]
    fn a_given_name_that_is_printed_in_part_confirms_nothing_in_a_soft_picture() {
        let print = VisualFields { given_names: Some("Anna".into()), ..print() };
        believes(&print, 0.19, Effort::FirstSight, false);
        believes(&print, 0.4, Effort::FirstSight, true);
    }
}
