//! What was altered is found, or is for a person.

use reinstate_domain::document::{ComparedField, DocumentType};
use reinstate_domain::evidence::Decision;
use reinstate_domain::reason::ReasonCode;
use reinstate_specimen::{Camera, Field, Holder, Issue, Kind, Portrait, Tamper};
use reinstate_verifier::models::cache_dir;

use crate::story::{Story, bundle, examine, kind};

#[test]
fn a_photocopy_is_for_a_person_to_look_at() {
    let story = Story::of(2);
    let mut page = story.page();
    for pixel in page.image.pixels_mut() {
        let [r, g, b] = pixel.0.map(u32::from);
        pixel.0 = [((r * 299 + g * 587 + b * 114) / 1000) as u8; 3];
    }
    // From the glass of a copier: the page alone.
    let mut camera = Camera::good(2);
    (camera.settings.fill, camera.settings.roll, camera.settings.tilt) = (0.99, 0.0, [0.0; 2]);
    let observation = examine(&camera.photograph(&page).unwrap().jpeg).observation;
    let verdict = story.judged(&observation, DocumentType::Passport);
    assert_eq!(
        (verdict.decision, &verdict.reasons[..]),
        (Decision::Review, &[ReasonCode::DocumentUncertain][..]),
        "{:?}",
        observation.signals
    );
}

#[test]
fn another_portrait_glued_over_the_holders_is_for_a_person_to_look_at() {
    let other = Portrait::new(&image::open(cache_dir().join("photos/biden.jpg")).unwrap(), None);
    for seed in [2, 6] {
        let story = Story::tampered(seed, Tamper::Portrait(other.clone()));
        story.passport_is(Camera::good(seed), Decision::Review, &[ReasonCode::DocumentUncertain]);
        let genuine = Story::of(seed).passport(Camera::good(seed)).observation;
        assert!(genuine.signals.portrait_edge < bundle().document_thresholds().max_portrait_edge);
    }
}

#[test]
fn an_altered_number_fails_its_check_digit() {
    let story = Story::tampered(0, Tamper::Mrz { field: Field::Number, mended: false });
    story.passport_is(Camera::good(0), Decision::Fail, &[ReasonCode::DocumentCheckDigitFailed]);
}

#[test]
fn an_altered_number_that_an_i_for_its_1_would_make_right_is_not_made_right() {
    let mut story = Story::tampered(2, Tamper::Mrz { field: Field::Number, mended: false });
    story.issue.number = "D23145892".into();
    let examination = story.passport(Camera::good(2));
    let zone = examination.observation.mrz.as_ref().unwrap();
    assert!(zone.read[1].starts_with("D23145893") && zone.twins_agree && !zone.valid);
    let verdict = story.judged(&examination.observation, DocumentType::Passport);
    assert_eq!((verdict.decision, verdict.reasons), (Decision::Review, vec![ReasonCode::DocumentUncertain]));
}

#[test]
fn an_altered_number_whose_digits_were_mended_disagrees_with_the_visual_zone() {
    let story = Story::tampered(0, Tamper::Mrz { field: Field::Number, mended: true });
    story.passport_is(Camera::good(0), Decision::Fail, &[ReasonCode::DocumentFieldsDisagree]);
}

#[test]
fn a_changed_digit_in_the_visual_zone_is_found() {
    for (seed, field) in [(0, Field::Number), (2, Field::BirthDate), (4, Field::ExpiryDate)] {
        let story = Story::tampered(seed, Tamper::Visual { field });
        story.passport_is(Camera::good(seed), Decision::Fail, &[ReasonCode::DocumentFieldsDisagree]);
    }
}

#[test]
fn a_changed_number_is_found_though_most_of_it_is_letters() {
    // Germany's numbers have few vowels and few digits.
    let examined = kind(Kind::Td2Card, "D", 0, &[Tamper::Visual { field: Field::Number }]);
    let number =
        examined.observation.comparison.iter().find(|compared| compared.field == ComparedField::Number);
    assert!(number.is_some_and(|number| !number.agrees));
}

#[test]
fn a_changed_letter_in_the_last_of_several_given_names_is_found_in_either_zone() {
    let field = Field::GivenNames;
    let in_zone = [ReasonCode::DocumentFieldsDisagree, ReasonCode::DocumentNameMismatch];
    for (tamper, reasons) in
        [(Tamper::Mrz { field, mended: true }, &in_zone[..]), (Tamper::Visual { field }, &in_zone[..1])]
    {
        let mut story = Story::tampered(2, tamper);
        story.holder.given_names = "Lucía Carmen".into();
        story.passport_is(Camera::good(2), Decision::Fail, reasons);
    }
}

#[test]
fn the_zone_of_another_document_matches_neither_the_page_nor_the_owner() {
    let other = Tamper::Zone { holder: Holder::invented(1000), issue: Issue::invented(1000) };
    let story = Story::tampered(0, other);
    let reasons = [
        ReasonCode::DocumentFieldsDisagree,
        ReasonCode::DocumentNameMismatch,
        ReasonCode::DocumentBirthDateMismatch,
    ];
    story.passport_is(Camera::good(0), Decision::Fail, &reasons);
}
