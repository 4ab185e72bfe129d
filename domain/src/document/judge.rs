//! The judgement of a document. Four questions in this order: was there a picture to look at, was the machine-readable
//! zone read, is the document genuine in itself and of the kind that was claimed, and is it the owner's.
//!
//! A bad picture gives the reasons of a retake (blurred, glare, cropped, unreadable); a document that was read and does
//! not hold gives the reasons of a mismatch. The two are never mixed: what was not read is accused of nothing.

use jiff::civil::Date;

use super::name::{Cut, Marks, NameMatch, is_same_but_for_marks, match_given_names, match_surname};
use super::number;
use super::{
    Claim, ComparedField, DocumentObservation, DocumentSignals, DocumentThresholds, DocumentType,
    FieldComparison, MrzFields, MrzFormat, MrzReading, VisualFields,
};
use crate::evidence::{Decision, Verdict};
use crate::identity::Identity;
use crate::reason::ReasonCode;

/// Judges a document. `identity` is what the exchange has on file, if anything; `today` is the day of the check.
#[must_use]
pub fn judge(
    observation: &DocumentObservation,
    thresholds: &DocumentThresholds,
    claim: &Claim,
    identity: Option<&Identity>,
    today: Date,
) -> Verdict {
    if let Some(fault) = observation.fault {
        return fail([fault]);
    }
    let owner = Owner { claim, identity, today };
    let picture = faults_of_the_picture(observation, thresholds);
    // What a bad picture shows may be the picture's doing.
    let accuses = picture.is_empty() || !thresholds.accuse_in_clear_pictures_only;
    match (&observation.mrz, &observation.fields) {
        (Some(mrz), Some(fields)) if mrz.valid => {
            let zones_disagree = compare(&observation.visual, fields, thresholds).disagreements > 0;
            let altered = zones_disagree && accuses;
            let wrong = contradictions(observation, thresholds, mrz, fields, &owner, altered);
            if !wrong.is_empty() {
                return fail(wrong);
            }
            if zones_disagree {
                return fail(picture);
            }
            let open = open_questions(observation, thresholds, mrz, fields, identity);
            match (open.is_empty(), picture.is_empty()) {
                (true, _) => Verdict { decision: Decision::Pass, reasons: Vec::new() },
                // A better picture may answer them without a person.
                (false, false) => fail(picture),
                (false, true) => Verdict { decision: Decision::Review, reasons: open },
            }
        }
        (Some(mrz), _) if accuses && mrz.fails_as_printed(thresholds) => {
            if mrz.twins_agree {
                // An altered digit may look like that by chance, so it does not pass; nor is an owner refused for what nobody can tell apart.
                Verdict { decision: Decision::Review, reasons: vec![ReasonCode::DocumentUncertain] }
            } else {
                fail([ReasonCode::DocumentCheckDigitFailed])
            }
        }
        (Some(_), _) => fail(or_unreadable(picture)),
        (None, _) => without_mrz(observation, thresholds, picture, &owner),
    }
}

/// Whose document it has to be, of which kind, and on which day.
struct Owner<'a> {
    claim: &'a Claim,
    identity: Option<&'a Identity>,
    today: Date,
}

fn fail(reasons: impl Into<Vec<ReasonCode>>) -> Verdict {
    Verdict { decision: Decision::Fail, reasons: reasons.into() }
}

fn or_unreadable(picture: Vec<ReasonCode>) -> Vec<ReasonCode> {
    if picture.is_empty() { vec![ReasonCode::DocumentUnreadable] } else { picture }
}

/// What a person could do better when taking the picture again, most helpful first.
fn faults_of_the_picture(
    observation: &DocumentObservation,
    thresholds: &DocumentThresholds,
) -> Vec<ReasonCode> {
    let quality = &observation.quality;
    if quality.text_lines < thresholds.min_text_lines && observation.mrz.is_none() {
        // In the dark nothing is found either, and light is what helps.
        let measured = quality.width > 0;
        let dark = measured && thresholds.min_brightness.is_some_and(|least| quality.brightness < least);
        return vec![if dark { ReasonCode::DocumentDark } else { ReasonCode::DocumentNotFound }];
    }
    [
        (quality.is_blurred(thresholds), ReasonCode::DocumentBlurred),
        (
            quality.glare > thresholds.max_glare
                || thresholds.max_text_glare.is_some_and(|most| quality.text_glare > most),
            ReasonCode::DocumentGlare,
        ),
        (thresholds.min_brightness.is_some_and(|least| quality.brightness < least), ReasonCode::DocumentDark),
        (quality.cut_lines > thresholds.max_cut_lines, ReasonCode::DocumentCropped),
        (quality.text_height < thresholds.min_text_height, ReasonCode::ImageTooSmall),
    ]
    .into_iter()
    .filter_map(|(bad, reason)| bad.then_some(reason))
    .collect()
}

/// What speaks against a document whose machine-readable zone is valid. `altered`: the zones say different things, in a picture in
/// which that counts.
fn contradictions(
    observation: &DocumentObservation,
    thresholds: &DocumentThresholds,
    mrz: &MrzReading,
    fields: &MrzFields,
    owner: &Owner<'_>,
    altered: bool,
) -> Vec<ReasonCode> {
    let Owner { claim, identity, today } = *owner;
    let mut reasons = Vec::new();
    if !is_of_the_type(mrz.format, &fields.code, claim.document_type)
        || claim.country.as_ref().is_some_and(|country| !mrz::codes_equivalent(country, &fields.issuer))
    {
        reasons.push(ReasonCode::DocumentTypeMismatch);
    }
    if [fields.expiry_date, observation.visual.expiry_date].into_iter().flatten().any(|expiry| expiry < today)
    {
        reasons.push(ReasonCode::DocumentExpired);
    }
    // Nobody is born after the end of his document.
    let impossible = fields.birth_date.zip(fields.expiry_date).is_some_and(|(birth, expiry)| birth >= expiry);
    if impossible || altered {
        reasons.push(ReasonCode::DocumentFieldsDisagree);
    }
    if let Some(identity) = identity {
        let names = names_on_file(identity, mrz.format, fields, thresholds);
        if names.contains(&NameMatch::Different) {
            reasons.push(ReasonCode::DocumentNameMismatch);
        }
        if fields.birth_date.is_some_and(|date| !is_same_birth(date, identity.birth_date)) {
            reasons.push(ReasonCode::DocumentBirthDateMismatch);
        }
    }
    if observation.portrait.is_none() {
        reasons.push(ReasonCode::DocumentPortraitMissing);
    }
    reasons
}

/// What keeps a document that nothing speaks against from passing by itself.
fn open_questions(
    observation: &DocumentObservation,
    thresholds: &DocumentThresholds,
    mrz: &MrzReading,
    fields: &MrzFields,
    identity: Option<&Identity>,
) -> Vec<ReasonCode> {
    let mut reasons = Vec::new();
    let visual = compare(&observation.visual, fields, thresholds);
    let repair_is_confirmed = mrz.repairs.is_empty() || visual.agrees(ComparedField::Number);
    // No check digit covers the name on most documents, so what is printed for people has to confirm it.
    if visual.agreeing.len() < thresholds.min_visual_matches as usize
        || !visual.agrees(ComparedField::Surname)
        || thresholds.person_in_print && !visual.is_of_the_person(fields)
        || !repair_is_confirmed
        || fields.expiry_date.is_none()
        || thresholds.expiry_in_print && !visual.agrees(ComparedField::ExpiryDate)
    {
        reasons.push(ReasonCode::DocumentUnreadable);
    }
    if is_conspicuous(&observation.signals, thresholds)
        || contradicts_issue(&observation.visual, fields.birth_date, fields.expiry_date)
        || thresholds.numbers_as_published && !number::is_as_published(mrz.format, fields)
    {
        reasons.push(ReasonCode::DocumentUncertain);
    }
    if let Some(identity) = identity {
        if names_on_file(identity, mrz.format, fields, thresholds)
            .iter()
            .any(|found| *found != NameMatch::Same)
        {
            reasons.push(ReasonCode::DocumentNameMismatch);
        }
        if fields.birth_date.is_none() {
            reasons.push(ReasonCode::DocumentBirthDateMismatch);
        }
    }
    reasons
}

/// Whether a trace of a copy, a screen, an altered field, a glued or a second portrait is beyond its threshold: for a person to look at,
/// never a refusal by itself.
fn is_conspicuous(signals: &DocumentSignals, thresholds: &DocumentThresholds) -> bool {
    let beyond =
        |measured: Option<f32>, most: Option<f32>| measured.zip(most).is_some_and(|(m, most)| m > most);
    beyond(signals.screen, thresholds.max_screen)
        || beyond(signals.field_noise, thresholds.max_field_noise)
        || beyond(signals.portrait_edge, thresholds.max_portrait_edge)
        || beyond(signals.second_portrait, thresholds.max_second_portrait)
        || signals.colour.zip(thresholds.min_colour).is_some_and(|(colour, least)| colour < least)
}

/// Whether the day of issue, which only its label tells from others, lies before the birth or after the expiry.
fn contradicts_issue(visual: &VisualFields, birth: Option<Date>, expiry: Option<Date>) -> bool {
    visual.issue_date.is_some_and(|issue| {
        birth.is_some_and(|birth| issue < birth) || expiry.is_some_and(|expiry| issue > expiry)
    })
}

/// A document without a machine-readable zone proves too little to pass: a person looks at it, provided that what could
/// be read is the owner's. A passport always has a zone, so there it was the picture.
fn without_mrz(
    observation: &DocumentObservation,
    thresholds: &DocumentThresholds,
    picture: Vec<ReasonCode>,
    owner: &Owner<'_>,
) -> Verdict {
    let Owner { claim, identity, today } = *owner;
    let visual = &observation.visual;
    if !picture.is_empty() || claim.document_type == Some(DocumentType::Passport) {
        return fail(or_unreadable(picture));
    }
    if visual.expiry_date.is_some_and(|expiry| expiry < today) {
        return fail([ReasonCode::DocumentExpired]);
    }
    let found = [
        visual.number.is_some(),
        visual.surname.is_some(),
        visual.given_names.is_some(),
        visual.birth_date.is_some(),
        visual.expiry_date.is_some(),
    ];
    let enough = found.iter().filter(|found| **found).count() >= thresholds.min_visual_matches as usize;
    let owners = identity.is_none_or(|identity| {
        visual.birth_date.is_none_or(|date| date == identity.birth_date)
            && visual.surname.as_ref().is_none_or(|name| {
                let machine = mrz::transliterate(name, mrz::TransliterationStyle::Expanded);
                match_surname(&identity.surname, Marks::Written, &machine, Cut::Nothing)
                    != NameMatch::Different
            })
    });
    if enough && owners && observation.portrait.is_some() {
        let mut reasons = vec![ReasonCode::DocumentUnreadable];
        let impossible =
            visual.birth_date.zip(visual.expiry_date).is_some_and(|(birth, expiry)| birth >= expiry);
        if impossible
            || contradicts_issue(visual, visual.birth_date, visual.expiry_date)
            || is_conspicuous(&observation.signals, thresholds)
        {
            reasons.push(ReasonCode::DocumentUncertain);
        }
        Verdict { decision: Decision::Review, reasons }
    } else {
        fail([ReasonCode::DocumentUnreadable])
    }
}

fn is_of_the_type(format: MrzFormat, code: &str, claimed: Option<DocumentType>) -> bool {
    match claimed {
        None => true,
        Some(DocumentType::Passport) => format == MrzFormat::Td3 && code.starts_with('P'),
        // Residence permits are printed with I, A or C as well (ICAO 9303-5 §4.2.2), so a card is a card.
        Some(DocumentType::IdCard | DocumentType::ResidencePermit) => {
            matches!(format, MrzFormat::Td1 | MrzFormat::Td2) && !code.starts_with('D')
        }
        Some(DocumentType::DrivingLicence) => {
            matches!(format, MrzFormat::D1 | MrzFormat::Td1 | MrzFormat::Td2) && code.starts_with('D')
        }
    }
}

fn names_on_file(
    identity: &Identity,
    format: MrzFormat,
    fields: &MrzFields,
    thresholds: &DocumentThresholds,
) -> [NameMatch; 2] {
    let [surname_cut, given_cut] = fields.cuts(thresholds.names_by_word);
    let given = if format == MrzFormat::D1 {
        // A driving licence's line has none: that is neither the same nor another.
        NameMatch::Part
    } else if fields.name_truncated && fields.given_names.is_empty() {
        // There was no room for them.
        NameMatch::Same
    } else {
        match_given_names(&identity.given_names, Marks::Written, &fields.given_names, given_cut)
    };
    [match_surname(&identity.surname, Marks::Written, &fields.surname, surname_cut), given]
}

/// How the visual zone relates to the machine-readable one. Who is a man and who a woman is printed in too many ways to count.
struct Comparison {
    agreeing: Vec<ComparedField>,
    disagreements: usize,
}

impl Comparison {
    fn agrees(&self, field: ComparedField) -> bool {
        self.agreeing.contains(&field)
    }

    /// Whether print says of the holder what the zone says: whoever has the document of a relative shares its surname.
    fn is_of_the_person(&self, fields: &MrzFields) -> bool {
        self.agrees(ComparedField::Surname)
            && (fields.given_names.is_empty() || self.agrees(ComparedField::GivenNames))
            && (fields.birth_date.is_none() || self.agrees(ComparedField::BirthDate))
    }
}

fn compare(visual: &VisualFields, fields: &MrzFields, thresholds: &DocumentThresholds) -> Comparison {
    let mut compared = compare_zones(visual, fields, thresholds);
    compared.retain(|of| of.field != ComparedField::Sex);
    let agreeing: Vec<ComparedField> = compared.iter().filter(|of| of.agrees).map(|of| of.field).collect();
    Comparison { disagreements: compared.len() - agreeing.len(), agreeing }
}

/// Compares what the two zones of a document say, field by field.
#[must_use]
pub fn compare_zones(
    visual: &VisualFields,
    fields: &MrzFields,
    thresholds: &DocumentThresholds,
) -> Vec<FieldComparison> {
    let significant = |text: &str| -> String {
        text.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_uppercase()).collect()
    };
    let [surname_cut, given_cut] = fields.cuts(thresholds.names_by_word);
    let marks = if thresholds.names_by_word { Marks::MayBeMissing } else { Marks::Written };
    let number = visual.number.as_ref().map(|number| significant(number) == significant(&fields.number));
    // A name is printed larger and in more ways than the zone holds (two scripts, a title, a name at birth), so a part
    // of it is no contradiction. That the marks of all of it may be missing is what held before `names_by_word`.
    let surname = visual.surname.as_ref().and_then(|name| {
        let found = match_surname(name, marks, &fields.surname, surname_cut);
        if is_same_but_for_marks(name, &fields.surname) { Some(true) } else { agrees(found) }
    });
    // The line of a driving licence has no given names to compare with.
    let given = visual.given_names.as_ref().filter(|_| !fields.given_names.is_empty()).and_then(|names| {
        let found = match_given_names(names, marks, &fields.given_names, given_cut);
        if is_same_but_for_marks(names, &fields.given_names) { Some(true) } else { agrees(found) }
    });
    let birth = visual.birth_date.zip(fields.birth_date).map(|(seen, read)| is_same_birth(seen, read));
    let expiry = visual.expiry_date.zip(fields.expiry_date).map(|(seen, read)| seen == read);
    let sex = visual.sex.as_ref().map(|sex| *sex == fields.sex);
    [
        (ComparedField::Number, number),
        (ComparedField::Surname, surname),
        (ComparedField::GivenNames, given),
        (ComparedField::BirthDate, birth),
        (ComparedField::ExpiryDate, expiry),
        (ComparedField::Sex, sex),
    ]
    .into_iter()
    .filter_map(|(field, agrees)| Some(FieldComparison { field, agrees: agrees? }))
    .collect()
}

/// The zone has two digits for the year of birth: a hundred years more or less is no difference.
fn is_same_birth(a: Date, b: Date) -> bool {
    (a.month(), a.day()) == (b.month(), b.day()) && (a.year() - b.year()).rem_euclid(100) == 0
}

fn agrees(found: NameMatch) -> Option<bool> {
    match found {
        NameMatch::Same => Some(true),
        NameMatch::Different => Some(false),
        NameMatch::Part | NameMatch::Undecidable => None,
    }
}

#[cfg(test)]
mod tests;
