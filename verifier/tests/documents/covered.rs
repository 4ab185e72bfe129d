//! What lies over a document neither changes what is read nor accuses anybody.

use reinstate_domain::document::{DocumentType, MrzFormat};
use reinstate_domain::evidence::Decision;
use reinstate_domain::reason::ReasonCode;
use reinstate_specimen::{Area, Document, Fonts, Kind};

use crate::story::{Story, portrait, seen, with_skin_over};

/// That the passport is for a person, with a valid zone, when fingers lie over these fields of its print.
#[track_caller]
fn is_for_a_person_without(hidden: &[&str]) {
    let story = Story::of(2);
    let page = story.page();
    let areas: Vec<Area> = hidden.iter().map(|field| page.truth.areas[*field]).collect();
    let held = areas.into_iter().fold(page, |page, area| with_skin_over(&page, area));
    let observation = seen(&held);
    assert!(observation.mrz.as_ref().unwrap().valid);
    let verdict = story.judged(&observation, DocumentType::Passport);
    assert_eq!((verdict.decision, verdict.reasons), (Decision::Review, vec![ReasonCode::DocumentUnreadable]));
}

#[test]
fn a_relatives_passport_whose_given_names_and_birth_date_are_hidden_is_for_a_person() {
    is_for_a_person_without(&["given_names", "birth_date"]);
}

#[test]
fn a_passport_whose_printed_expiry_date_is_hidden_is_for_a_person() {
    is_for_a_person_without(&["expiry_date"]);
}

#[test]
fn a_finger_over_the_last_character_of_a_printed_number_leaves_the_document_read() {
    let story = Story::of(2);
    let page = story.page();
    let [left, top, width, height] = page.truth.areas["number"];
    let character = width / story.issue.number.len() as f32;
    let held_from =
        |from: f32| seen(&with_skin_over(&page, [left + from, top, width - from + character, height]));
    let read = held_from(width - character);
    assert_eq!((read.mrz.unwrap().lines, read.visual.number), (page.truth.mrz.clone(), None));
    assert!(!held_from(width - 3.0 * character).mrz.unwrap().valid);
}

#[test]
fn what_a_finger_leaves_of_a_short_surname_is_no_other_surname() {
    let mut story = Story::of(2);
    story.holder.surname = "Brun".into();
    let page = story.page();
    let [left, top, width, height] = page.truth.areas["surname"];
    // Two letters, and one with half of another, which is read as a J.
    for share in [0.5, 0.65] {
        let observation = seen(&with_skin_over(&page, [left, top, share * width, height]));
        let verdict = story.judged(&observation, DocumentType::Passport);
        let for_a_person = (Decision::Review, vec![ReasonCode::DocumentUnreadable]);
        assert_eq!((verdict.decision, verdict.reasons), for_a_person, "{share} of it hidden");
    }
}

#[test]
fn what_a_finger_leaves_of_a_letter_is_neither_another_letter_nor_an_alteration() {
    let mut story = Story::of(2);
    story.holder.given_names = "Nicolò Maria Pia".into();
    let page = story.page();
    let [left, top, width, height] = page.truth.areas["mrz"];
    let names = &page.truth.mrz[0];
    let character = width / names.len() as f32;
    let pia = left + character * names.find("PIA").unwrap() as f32;
    // The lower half of its first letters, and the paper below them.
    let held = with_skin_over(&page, [pia, top + 0.12 * height, 2.0 * character, 0.48 * height]);
    assert_eq!(seen(&page).mrz.unwrap().lines, page.truth.mrz);
    let covered = seen(&held).mrz.unwrap();
    assert_ne!(covered.read, page.truth.mrz);
    assert!(!covered.valid, "{:?}", covered.lines);
}

#[test]
fn a_zone_with_a_finger_over_a_rim_of_its_characters_is_not_valid_where_print_does_not_confirm_it() {
    let page = Story::of(2).page();
    let page = with_skin_over(&page, page.truth.areas["given_names"]);
    let [left, top, width, height] = page.truth.areas["mrz"];
    // From so many heights of the zone downwards, over a part of the names' row, whose characters end at 0.29.
    let read = |from: f32| {
        let finger = [left + 0.3 * width, top + from * height, 0.1 * width, 0.6 * height - from * height];
        let mrz = seen(&with_skin_over(&page, finger)).mrz.unwrap();
        (mrz.read, mrz.valid)
    };
    assert_eq!(read(0.36), (page.truth.mrz.clone(), true), "below the row");
    assert_eq!(read(0.24), (page.truth.mrz.clone(), false));
}

#[test]
fn digits_that_fail_under_a_finger_accuse_nobody() {
    let story = Story::of(2);
    let page = story.page();
    let [left, top, width, height] = page.truth.areas["mrz"];
    let character = width / page.truth.mrz[1].len() as f32;
    // Without their lower ends, the two 3s that the expiry date begins with are 7s to the recogniser, and it is sure of it.
    let at = page.truth.mrz[1].find("33").unwrap() as f32;
    let finger = [left + character * at, top + 0.82 * height, 2.0 * character, height];
    let observation = seen(&with_skin_over(&page, finger));
    let mrz = observation.mrz.as_ref().unwrap();
    assert!(mrz.checks.iter().any(|check| !check.passed) && !mrz.twins_agree, "{:?}", mrz.read);
    let verdict = story.judged(&observation, DocumentType::Passport);
    assert_eq!(verdict.reasons, [ReasonCode::DocumentUnreadable]);
}

#[test]
fn a_visa_whose_last_fillers_a_finger_hides_is_not_read_as_the_smaller_visa() {
    let visa =
        Document::invented(Kind::VisaA, "SWE", 13).draw(&Fonts::load().unwrap(), &portrait(), &[]).front;
    let whole = seen(&visa).mrz.unwrap();
    assert_eq!((whole.valid, whole.lines), (true, visa.truth.mrz.clone()));
    let [left, top, width, height] = visa.truth.areas["mrz"];
    // 36 of the 44 characters are left.
    let finger = left + width * 36.2 / 44.0;
    let held = with_skin_over(&visa, [finger, top - height, visa.image.width() as f32, 3.0 * height]);
    let reading = seen(&held).mrz.unwrap();
    assert_eq!((reading.format, reading.valid), (MrzFormat::MrvB, false));
}
