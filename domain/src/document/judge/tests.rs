use jiff::civil::date;
use proptest::prelude::*;

use super::*;
use crate::document::{CheckedField, DocumentQuality, FieldCheck, Portrait, Repair};

const TODAY: Date = date(2026, 11, 23);

fn thresholds() -> DocumentThresholds {
    DocumentThresholds {
        min_text_lines: 3,
        min_text_height: 8.0,
        min_sharpness: 0.2,
        min_least_sharpness: Some(0.2),
        max_glare: 0.1,
        max_text_glare: Some(0.2),
        min_brightness: Some(0.15),
        min_colour: Some(0.02),
        max_screen: Some(4.0),
        max_field_noise: None,
        max_portrait_edge: Some(0.05),
        max_second_portrait: Some(0.75),
        numbers_as_published: true,
        person_in_print: true,
        expiry_in_print: true,
        names_by_word: true,
        accuse_in_clear_pictures_only: true,
        min_twin_sharpness: None,
        max_cut_lines: 2,
        min_failed_digit_certainty: 0.9,
        min_all_failed_digits_certainty: Some(0.98),
        min_visual_matches: 2,
        reading: crate::document::ReadingThresholds {
            min_covered: 0.3,
            min_uncovered: 0.6,
            min_name: 0.0,
            min_look_alike_margin: 0.0,
            min_margin: 1.5,
            min_blind_margin: 0.0,
            min_twin_margin: 0.0,
            min_repair_margin: 3.0,
            min_repair_probability: 0.002,
            max_repairs: 3,
            filler_share: [0.05, 0.8],
            min_visual: 0.6,
            printed: None,
        },
        first_reading: None,
    }
}

fn owner() -> Identity {
    Identity {
        given_names: "Anna Maria".into(),
        surname: "Eriksson".into(),
        birth_date: date(1974, 8, 12),
        nationality: None,
    }
}

/// A passport in order, well photographed.
fn passport() -> DocumentObservation {
    DocumentObservation {
        fault: None,
        quality: DocumentQuality {
            width: 1600,
            height: 1100,
            turned: 0,
            text_lines: 24,
            text_height: 22.0,
            sharpness: 0.6,
            least_sharpness: Some(0.6),
            glare: 0.0,
            text_glare: 0.0,
            brightness: 0.6,
            cut_lines: 0,
        },
        mrz: Some(MrzReading {
            format: MrzFormat::Td3,
            lines: vec![
                "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<".into(),
                "L898902C36UTO7408122F3004159ZE184226B<<<<<16".into(),
            ],
            read: Vec::new(),
            repairs: Vec::new(),
            valid: true,
            checks: vec![FieldCheck { field: CheckedField::Number, passed: true }],
            certainty: 0.99,
            twins_agree: false,
        }),
        fields: Some(MrzFields {
            code: "P".into(),
            issuer: "UTO".into(),
            number: "L898902C3".into(),
            surname: "ERIKSSON".into(),
            given_names: "ANNA MARIA".into(),
            name_truncated: false,
            birth_date: Some(date(1974, 8, 12)),
            expiry_date: Some(date(2030, 4, 15)),
            nationality: "UTO".into(),
            sex: "F".into(),
        }),
        visual: VisualFields {
            number: Some("L898902C3".into()),
            surname: Some("Eriksson".into()),
            given_names: Some("Anna Maria".into()),
            birth_date: Some(date(1974, 8, 12)),
            expiry_date: Some(date(2030, 4, 15)),
            issue_date: Some(date(2020, 4, 16)),
            sex: Some("F".into()),
        },
        portrait: Some(Portrait { bounds: [100, 300, 400, 500] }),
        comparison: Vec::new(),
        signals: DocumentSignals {
            colour: Some(0.1),
            screen: Some(1.0),
            field_noise: Some(0.3),
            portrait_edge: Some(0.01),
            second_portrait: Some(0.5),
        },
    }
}

fn passport_of_utopia() -> Claim {
    Claim { document_type: Some(DocumentType::Passport), country: Some("UTO".into()) }
}

#[track_caller]
fn given(change: impl FnOnce(&mut DocumentObservation), expected: (Decision, &[ReasonCode])) {
    let mut observation = passport();
    change(&mut observation);
    let verdict = judge(&observation, &thresholds(), &passport_of_utopia(), Some(&owner()), TODAY);
    assert_eq!((verdict.decision, &verdict.reasons[..]), expected);
}

fn unread(observation: &mut DocumentObservation, certainty: f32) {
    observation.fields = None;
    let mrz = observation.mrz.as_mut().unwrap();
    mrz.read = std::mem::take(&mut mrz.lines);
    mrz.valid = false;
    mrz.certainty = certainty;
    mrz.checks = vec![FieldCheck { field: CheckedField::Number, passed: false }];
}

#[test]
fn a_passport_in_order_passes_without_reasons() {
    given(|_| {}, (Decision::Pass, &[]));
}

#[test]
fn a_picture_that_could_not_be_decoded_says_only_that() {
    given(|o| o.fault = Some(ReasonCode::ImageCorrupt), (Decision::Fail, &[ReasonCode::ImageCorrupt]));
}

#[test]
fn a_picture_without_text_is_no_document() {
    given(|o| *o = DocumentObservation::default(), (Decision::Fail, &[ReasonCode::DocumentNotFound]));
}

#[test]
fn an_unread_zone_is_a_retake_and_names_what_to_do_better() {
    given(|o| unread(o, 0.4), (Decision::Fail, &[ReasonCode::DocumentUnreadable]));
    given(
        |o| {
            unread(o, 0.4);
            o.quality.sharpness = 0.1;
            o.quality.glare = 0.3;
        },
        (Decision::Fail, &[ReasonCode::DocumentBlurred, ReasonCode::DocumentGlare]),
    );
    given(
        |o| {
            unread(o, 0.4);
            o.quality.cut_lines = 5;
        },
        (Decision::Fail, &[ReasonCode::DocumentCropped]),
    );
    given(
        |o| {
            o.mrz = None;
            o.fields = None;
        },
        (Decision::Fail, &[ReasonCode::DocumentUnreadable]),
    );
}

#[test]
fn a_clearly_read_zone_that_fails_its_own_digits_is_no_retake() {
    given(|o| unread(o, 0.95), (Decision::Fail, &[ReasonCode::DocumentCheckDigitFailed]));
    // Nobody can tell an O from a 0, and a person looks.
    let twins = |o: &mut DocumentObservation| {
        unread(o, 0.95);
        o.mrz.as_mut().unwrap().twins_agree = true;
    };
    given(twins, (Decision::Review, &[ReasonCode::DocumentUncertain]));
}

#[test]
fn where_every_digit_fails_the_rows_were_rather_misread_than_altered() {
    let all_fail = |certainty: f32, fields: &[CheckedField]| {
        let mut observation = passport();
        unread(&mut observation, certainty);
        let checks = fields.iter().map(|&field| FieldCheck { field, passed: false });
        observation.mrz.as_mut().unwrap().checks = checks.collect();
        observation
    };
    let judged = |observation: &DocumentObservation, thresholds: &DocumentThresholds| {
        judge(observation, thresholds, &passport_of_utopia(), Some(&owner()), TODAY).reasons
    };
    let three = [CheckedField::Number, CheckedField::BirthDate, CheckedField::ExpiryDate];
    assert_eq!(judged(&all_fail(0.95, &three), &thresholds()), [ReasonCode::DocumentUnreadable]);
    assert_eq!(judged(&all_fail(0.99, &three), &thresholds()), [ReasonCode::DocumentCheckDigitFailed]);
    let licence = [CheckedField::Number, CheckedField::Composite];
    assert_eq!(judged(&all_fail(0.95, &licence), &thresholds()), [ReasonCode::DocumentCheckDigitFailed]);
    let before = DocumentThresholds { min_all_failed_digits_certainty: None, ..thresholds() };
    assert_eq!(judged(&all_fail(0.95, &three), &before), [ReasonCode::DocumentCheckDigitFailed]);
}

#[test]
fn a_bad_picture_does_not_matter_once_everything_was_read() {
    given(|o| o.quality.sharpness = 0.1, (Decision::Pass, &[]));
}

#[test]
fn what_is_blurred_in_one_direction_is_blurred() {
    given(
        |o| {
            unread(o, 0.4);
            o.quality.least_sharpness = Some(0.1);
        },
        (Decision::Fail, &[ReasonCode::DocumentBlurred]),
    );
}

#[test]
fn a_bad_picture_asks_for_a_better_one_where_a_clear_one_accuses() {
    let disagrees = |o: &mut DocumentObservation| o.visual.surname = Some("Eriksdon".into());
    let fails_its_digits = |o: &mut DocumentObservation| unread(o, 0.95);
    let dark = |o: &mut DocumentObservation| o.quality.brightness = 0.1;
    for (accusation, spoil) in [
        (ReasonCode::DocumentFieldsDisagree, &disagrees as &dyn Fn(&mut DocumentObservation)),
        (ReasonCode::DocumentCheckDigitFailed, &fails_its_digits),
    ] {
        given(spoil, (Decision::Fail, &[accusation]));
        let in_the_dark = |o: &mut DocumentObservation| {
            spoil(o);
            dark(o);
        };
        given(in_the_dark, (Decision::Fail, &[ReasonCode::DocumentDark]));
        // What was judged before the rule was made is judged the same when it is audited.
        let before = DocumentThresholds { accuse_in_clear_pictures_only: false, ..thresholds() };
        let mut observation = passport();
        in_the_dark(&mut observation);
        let verdict = judge(&observation, &before, &passport_of_utopia(), Some(&owner()), TODAY);
        assert_eq!(verdict.reasons, [accusation]);
    }
    // The zone's own digits speak for its dates, whatever the picture is like.
    let expired = |o: &mut DocumentObservation| {
        o.fields.as_mut().unwrap().expiry_date = Some(date(2020, 4, 15));
        disagrees(o);
        dark(o);
    };
    given(expired, (Decision::Fail, &[ReasonCode::DocumentExpired]));
}

#[test]
fn another_type_or_country_than_claimed_is_a_type_mismatch() {
    let claims = [
        (Some(DocumentType::IdCard), Some("UTO"), false),
        (Some(DocumentType::Passport), Some("D"), false),
        (Some(DocumentType::Passport), Some("UTO"), true),
        (None, None, true),
    ];
    for (document_type, country, fits) in claims {
        let claim = Claim { document_type, country: country.map(Into::into) };
        let verdict = judge(&passport(), &thresholds(), &claim, None, TODAY);
        assert_eq!(!verdict.reasons.contains(&ReasonCode::DocumentTypeMismatch), fits, "{claim:?}");
    }
}

#[test]
fn germany_is_d_and_deu() {
    let mut observation = passport();
    observation.fields.as_mut().unwrap().issuer = "D".into();
    let claim = Claim { document_type: Some(DocumentType::Passport), country: Some("DEU".into()) };
    assert_eq!(judge(&observation, &thresholds(), &claim, None, TODAY).decision, Decision::Pass);
}

#[test]
fn a_document_is_valid_on_the_day_of_its_expiry_and_not_after() {
    let expiring = |on: Date| {
        move |o: &mut DocumentObservation| {
            o.fields.as_mut().unwrap().expiry_date = Some(on);
            o.visual.expiry_date = Some(on);
        }
    };
    given(expiring(TODAY), (Decision::Pass, &[]));
    given(expiring(date(2026, 11, 22)), (Decision::Fail, &[ReasonCode::DocumentExpired]));
}

#[test]
fn zones_that_disagree_in_any_field_are_found() {
    let changes: [fn(&mut VisualFields); 5] = [
        |v| v.number = Some("L898902C8".into()),
        |v| v.surname = Some("Erikson".into()),
        |v| v.given_names = Some("Berta".into()),
        |v| v.birth_date = Some(date(1974, 8, 13)),
        |v| v.expiry_date = Some(date(2031, 4, 15)),
    ];
    for change in changes {
        given(|o| change(&mut o.visual), (Decision::Fail, &[ReasonCode::DocumentFieldsDisagree]));
    }
}

#[test]
fn another_persons_document_says_what_does_not_match() {
    given(
        |o| {
            o.fields.as_mut().unwrap().surname = "SVENSSON".into();
            o.visual.surname = Some("Svensson".into());
        },
        (Decision::Fail, &[ReasonCode::DocumentNameMismatch]),
    );
    given(
        |o| {
            o.fields.as_mut().unwrap().birth_date = Some(date(1980, 1, 1));
            o.visual.birth_date = None;
        },
        (Decision::Fail, &[ReasonCode::DocumentBirthDateMismatch]),
    );
}

#[test]
fn one_of_two_surnames_is_for_a_person_to_decide() {
    given(
        |o| {
            o.fields.as_mut().unwrap().surname = "ERIKSSON LIND".into();
            o.visual.surname = Some("Eriksson Lind".into());
        },
        (Decision::Review, &[ReasonCode::DocumentNameMismatch]),
    );
}

#[test]
fn a_page_without_its_portrait_is_taken_again() {
    given(|o| o.portrait = None, (Decision::Fail, &[ReasonCode::DocumentPortraitMissing]));
}

#[test]
fn a_visual_zone_that_confirms_too_little_needs_a_person_or_a_better_picture() {
    let silent = VisualFields { surname: Some("Eriksson".into()), ..VisualFields::default() };
    given(|o| o.visual = silent.clone(), (Decision::Review, &[ReasonCode::DocumentUnreadable]));
    given(
        |o| {
            o.visual = silent.clone();
            o.quality.sharpness = 0.1;
        },
        (Decision::Fail, &[ReasonCode::DocumentBlurred]),
    );
}

#[test]
fn a_repair_passes_only_when_the_visual_zone_shows_the_same_number() {
    let repair = Repair { line: 1, column: 0, from: '1', to: 'L', margin: 4.0 };
    given(|o| o.mrz.as_mut().unwrap().repairs = vec![repair.clone()], (Decision::Pass, &[]));
    given(
        |o| {
            o.mrz.as_mut().unwrap().repairs = vec![repair.clone()];
            o.visual.number = None;
        },
        (Decision::Review, &[ReasonCode::DocumentUnreadable]),
    );
}

#[test]
fn light_over_the_text_and_the_dark_each_have_their_reason() {
    given(
        |o| {
            unread(o, 0.4);
            o.quality.text_glare = 0.3;
        },
        (Decision::Fail, &[ReasonCode::DocumentGlare]),
    );
    given(
        |o| {
            unread(o, 0.4);
            o.quality.brightness = 0.1;
        },
        (Decision::Fail, &[ReasonCode::DocumentDark]),
    );
    given(
        |o| {
            *o = DocumentObservation::default();
            (o.quality.width, o.quality.brightness) = (1600, 0.05);
        },
        (Decision::Fail, &[ReasonCode::DocumentDark]),
    );
}

#[test]
fn a_sign_of_a_copy_a_screen_or_a_glued_portrait_is_for_a_person_and_no_refusal() {
    given(|o| o.signals.colour = Some(0.001), (Decision::Review, &[ReasonCode::DocumentUncertain]));
    given(|o| o.signals.screen = Some(9.0), (Decision::Review, &[ReasonCode::DocumentUncertain]));
    given(|o| o.signals.portrait_edge = Some(0.2), (Decision::Review, &[ReasonCode::DocumentUncertain]));
    given(|o| o.signals.second_portrait = Some(0.9), (Decision::Review, &[ReasonCode::DocumentUncertain]));
    // Without a threshold a signal is only for information.
    given(|o| o.signals.field_noise = Some(9.0), (Decision::Pass, &[]));
    given(|o| o.signals = DocumentSignals::default(), (Decision::Pass, &[]));
}

#[test]
fn a_number_that_its_issuer_does_not_give_is_for_a_person_and_no_refusal() {
    let claim = Claim { document_type: Some(DocumentType::Passport), country: Some("NLD".into()) };
    let judged = |number: &str, thresholds: &DocumentThresholds| {
        let mut observation = passport();
        let fields = observation.fields.as_mut().unwrap();
        (fields.issuer, fields.number) = ("NLD".into(), number.into());
        observation.visual.number = Some(number.into());
        judge(&observation, thresholds, &claim, Some(&owner()), TODAY)
    };
    assert_eq!(judged("SPECI2014", &thresholds()).decision, Decision::Pass);
    let review = Verdict { decision: Decision::Review, reasons: vec![ReasonCode::DocumentUncertain] };
    assert_eq!(judged("SPECO2014", &thresholds()), review);
    // What was judged before the rule was made is judged the same when it is audited.
    let before = DocumentThresholds { numbers_as_published: false, ..thresholds() };
    assert_eq!(judged("SPECO2014", &before).decision, Decision::Pass);
}

#[test]
fn a_document_whose_print_does_not_say_who_of_a_family_its_holder_is_goes_to_a_person() {
    let judged = |hidden: fn(&mut VisualFields), thresholds: &DocumentThresholds| {
        let mut observation = passport();
        hidden(&mut observation.visual);
        judge(&observation, thresholds, &passport_of_utopia(), Some(&owner()), TODAY)
    };
    let review = Verdict { decision: Decision::Review, reasons: vec![ReasonCode::DocumentUnreadable] };
    let given_names = |visual: &mut VisualFields| visual.given_names = None;
    let birth_date = |visual: &mut VisualFields| visual.birth_date = None;
    assert_eq!(judged(given_names, &thresholds()), review);
    assert_eq!(judged(birth_date, &thresholds()), review);
    // What was judged before the rule was made is judged the same when it is audited.
    let before = DocumentThresholds { person_in_print: false, ..thresholds() };
    assert_eq!(judged(given_names, &before).decision, Decision::Pass);
}

#[test]
fn a_document_whose_print_does_not_say_that_it_is_in_date_goes_to_a_person() {
    let judged = |thresholds: &DocumentThresholds| {
        let mut observation = passport();
        observation.visual.expiry_date = None;
        judge(&observation, thresholds, &passport_of_utopia(), Some(&owner()), TODAY)
    };
    let review = Verdict { decision: Decision::Review, reasons: vec![ReasonCode::DocumentUnreadable] };
    assert_eq!(judged(&thresholds()), review);
    // What was judged before the rule was made is judged the same when it is audited.
    let before = DocumentThresholds { expiry_in_print: false, ..thresholds() };
    assert_eq!(judged(&before).decision, Decision::Pass);
}

#[test]
fn an_owner_whose_name_the_zone_cuts_in_every_word_is_not_refused() {
    let claim = Claim { document_type: Some(DocumentType::Passport), country: None };
    let owner = Identity {
        surname: "Bennelong Wooloomooloo Warrandyte Warnambool".into(),
        given_names: "Dingo Potoroo".into(),
        ..owner()
    };
    let judged = |surname: &str, given_names: &str, thresholds: &DocumentThresholds| {
        let mut observation = passport();
        observation.visual.surname = Some(owner.surname.to_uppercase());
        observation.visual.given_names = Some(owner.given_names.to_uppercase());
        let fields = observation.fields.as_mut().unwrap();
        (fields.surname, fields.given_names) = (surname.into(), given_names.into());
        fields.name_truncated = true;
        judge(&observation, thresholds, &claim, Some(&owner), TODAY)
    };
    let now = thresholds();
    assert_eq!(judged("BENNEL WOOLOO WARRAN WARNAM", "DINGO POTO", &now).decision, Decision::Pass);
    // Another's given names begin with these letters too, in print and on file.
    let reasons = vec![ReasonCode::DocumentUnreadable, ReasonCode::DocumentNameMismatch];
    let review = Verdict { decision: Decision::Review, reasons };
    assert_eq!(judged("BENNELONG WOOLOOMOOLOO W W", "D P", &now), review);
    assert_eq!(judged("BENNEL WOOLOO WARREN WARNAM", "DINGO POTO", &now).decision, Decision::Fail);
    assert_eq!(judged("BENNEL WOOLOO WARRAN WARNAM", "BINGO POTO", &now).decision, Decision::Fail);
    // A short surname is whole, however many given names follow.
    assert_eq!(judged("B W W W", "DINGO POTO", &now).decision, Decision::Fail);
    // What was judged before the rule was made is judged the same when it is audited.
    let before = DocumentThresholds { names_by_word: false, ..thresholds() };
    assert_eq!(judged("BENNEL WOOLOO WARRAN WARNAM", "DINGO POTO", &before).decision, Decision::Fail);
}

#[test]
fn a_mark_that_was_overlooked_in_one_of_several_given_names_alters_nothing() {
    let judged = |thresholds: &DocumentThresholds| {
        let mut observation = passport();
        observation.visual.given_names = Some("GOTZ KARL-HEINZ".into());
        observation.fields.as_mut().unwrap().given_names = "GOETZ KARL HEINZ MATTHIAS".into();
        judge(&observation, thresholds, &Claim { document_type: None, country: None }, None, TODAY).decision
    };
    assert_eq!(judged(&thresholds()), Decision::Pass);
    let before = DocumentThresholds { names_by_word: false, ..thresholds() };
    assert_eq!(judged(&before), Decision::Fail);
}

#[test]
fn dates_that_cannot_be_are_found() {
    given(
        |o| {
            let fields = o.fields.as_mut().unwrap();
            fields.birth_date = Some(date(2031, 1, 1));
            o.visual.birth_date = Some(date(2031, 1, 1));
        },
        (Decision::Fail, &[ReasonCode::DocumentFieldsDisagree, ReasonCode::DocumentBirthDateMismatch]),
    );
    for issue in [date(1970, 1, 1), date(2031, 1, 1)] {
        given(|o| o.visual.issue_date = Some(issue), (Decision::Review, &[ReasonCode::DocumentUncertain]));
    }
}

#[test]
fn every_field_that_both_zones_state_is_compared_and_the_sex_accuses_nobody() {
    let mut o = passport();
    o.visual.sex = Some("M".into());
    o.visual.given_names = None;
    let compared = compare_zones(&o.visual, o.fields.as_ref().unwrap(), &thresholds());
    let disagreeing: Vec<ComparedField> =
        compared.iter().filter(|of| !of.agrees).map(|of| of.field).collect();
    assert_eq!((compared.len(), &disagreeing[..]), (5, &[ComparedField::Sex][..]));
    given(|o| o.visual.sex = Some("M".into()), (Decision::Pass, &[]));
}

#[test]
fn the_one_line_of_a_driving_licence_leaves_the_rest_to_a_person() {
    let mut o = passport();
    o.mrz.as_mut().unwrap().format = MrzFormat::D1;
    let fields = o.fields.as_mut().unwrap();
    (fields.code, fields.issuer) = ("D1".into(), "FRA".into());
    (fields.given_names, fields.birth_date) = (String::new(), None);
    let claim = Claim { document_type: Some(DocumentType::DrivingLicence), country: Some("FRA".into()) };
    let verdict = judge(&o, &thresholds(), &claim, Some(&owner()), TODAY);
    assert_eq!(
        (verdict.decision, &verdict.reasons[..]),
        (Decision::Review, &[ReasonCode::DocumentNameMismatch, ReasonCode::DocumentBirthDateMismatch][..])
    );
    o.visual.expiry_date = Some(date(2031, 4, 15));
    assert_eq!(
        judge(&o, &thresholds(), &claim, Some(&owner()), TODAY).reasons[0],
        ReasonCode::DocumentFieldsDisagree
    );
}

#[test]
fn an_observation_of_an_earlier_version_reads_back() {
    let mut json = serde_json::to_value(passport()).unwrap();
    for field in ["comparison", "signals"] {
        json.as_object_mut().unwrap().remove(field);
    }
    json["visual"].as_object_mut().unwrap().retain(|name, _| name != "issue_date" && name != "sex");
    json["quality"]
        .as_object_mut()
        .unwrap()
        .retain(|name, _| name != "text_glare" && name != "least_sharpness");
    let read: DocumentObservation = serde_json::from_value(json).unwrap();
    assert_eq!(
        judge(&read, &thresholds(), &passport_of_utopia(), Some(&owner()), TODAY).decision,
        Decision::Pass
    );
}

#[test]
fn a_document_without_a_zone_is_at_most_a_review() {
    let mut licence = passport();
    (licence.mrz, licence.fields) = (None, None);
    let claim = Claim { document_type: Some(DocumentType::DrivingLicence), country: None };
    let decide = |o: &DocumentObservation| judge(o, &thresholds(), &claim, Some(&owner()), TODAY).decision;
    assert_eq!(decide(&licence), Decision::Review);
    licence.visual.birth_date = Some(date(1990, 1, 1));
    assert_eq!(decide(&licence), Decision::Fail);
}

fn any_observation() -> impl Strategy<Value = DocumentObservation> {
    let quality = (0u32..30, 0f32..40.0, 0f32..1.0, 0f32..1.0, 0u32..9);
    (quality, 0u8..3, 0f32..1.0, any::<[bool; 4]>()).prop_map(
        |(
            (text_lines, text_height, sharpness, glare, cut_lines),
            zone,
            certainty,
            [number, dates, repaired, portrait],
        )| {
            let mut o = passport();
            o.quality = DocumentQuality { text_lines, text_height, sharpness, glare, cut_lines, ..o.quality };
            match zone {
                0 => (o.mrz, o.fields) = (None, None),
                1 => unread(&mut o, certainty),
                _ => {}
            }
            if !number {
                o.visual.number = Some("L898902C8".into());
            }
            if !dates {
                (o.visual.birth_date, o.visual.expiry_date) = (None, None);
            }
            if let Some(mrz) = o.mrz.as_mut().filter(|_| repaired) {
                mrz.repairs = vec![Repair { line: 1, column: 0, from: '1', to: 'L', margin: 1.0 }];
            }
            if !portrait {
                o.portrait = None;
            }
            o
        },
    )
}

proptest! {
    #[test]
    fn a_pass_has_no_reasons_and_everything_else_has_some(o in any_observation()) {
        let verdict = judge(&o, &thresholds(), &passport_of_utopia(), Some(&owner()), TODAY);
        prop_assert_eq!(verdict.decision == Decision::Pass, verdict.reasons.is_empty());
    }

    #[test]
    fn nothing_passes_without_a_valid_zone_a_portrait_and_an_agreeing_visual_zone(o in any_observation()) {
        let verdict = judge(&o, &thresholds(), &passport_of_utopia(), Some(&owner()), TODAY);
        if verdict.decision == Decision::Pass {
            prop_assert!(o.mrz.as_ref().is_some_and(|mrz| mrz.valid));
            prop_assert!(o.portrait.is_some());
            prop_assert_eq!(o.visual.number.as_deref(), Some("L898902C3"));
        }
    }

    #[test]
    fn what_was_not_read_is_accused_of_nothing(o in any_observation()) {
        use ReasonCode::{DocumentBirthDateMismatch, DocumentExpired, DocumentFieldsDisagree, DocumentNameMismatch};
        let verdict = judge(&o, &thresholds(), &passport_of_utopia(), Some(&owner()), TODAY);
        if o.fields.is_none() {
            for accusation in [DocumentBirthDateMismatch, DocumentExpired, DocumentFieldsDisagree, DocumentNameMismatch] {
                prop_assert!(!verdict.reasons.contains(&accusation));
            }
        }
    }
}
