//! Real faces through the real models: the values that the prototype measured, and a labelled set of photos.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::path::PathBuf;

use reinstate_domain::evidence::Decision;
use reinstate_domain::face::{Action, FaceObservation, Reference, judge};
use reinstate_domain::reason::ReasonCode;
use reinstate_verifier::face::{FaceMatcher, Frame, cosine};
use reinstate_verifier::models::{Bundle, cache_dir};
use reinstate_verifier::timing::Timings;
use serde::Deserialize;

fn photo(name: &str) -> Vec<u8> {
    fs::read(cache_dir().join("photos").join(name)).unwrap()
}

fn examine(matcher: &mut FaceMatcher, portrait: &[u8], frame: &[u8]) -> FaceObservation {
    let frames = [Frame { action: Action::LookAhead, image: frame }];
    matcher.examine(&frames, &[(Reference::OnFile, portrait)]).unwrap().observation
}

#[track_caller]
fn near(found: f32, expected: f32) {
    assert!((found - expected).abs() < 0.01, "{found} is not within 0.01 of {expected}");
}

#[test]
fn similarity_and_liveness_are_those_of_the_prototype() {
    let mut matcher = FaceMatcher::new(&Bundle::load(None).unwrap()).unwrap();
    let (obama, obama2, biden) = (photo("obama.jpg"), photo("obama2.jpg"), photo("biden.jpg"));
    let same = examine(&mut matcher, &obama2, &obama);
    let other = examine(&mut matcher, &biden, &obama2);
    let third = examine(&mut matcher, &obama, &biden);
    near(same.similarity().unwrap(), 0.7572);
    near(third.similarity().unwrap(), -0.0152);
    near(other.similarity().unwrap(), 0.1010);
    near(same.liveness.unwrap(), 0.9997);
    near(other.liveness.unwrap(), 0.970);
    near(third.liveness.unwrap(), 0.9998);
}

/// One photo of `faces-dev`.
#[derive(Deserialize)]
struct Label {
    id: String,
    image: String,
    person: Option<String>,
    faces: usize,
    kind: Option<String>,
}

/// The labelled photos with what was seen on each, compared with every earlier one; `None`, and said so, without them.
fn labelled() -> Option<Vec<(Label, Vec<u8>)>> {
    let shared = std::env::var_os("REINSTATE_SHARED_DATA").map(PathBuf::from);
    let default = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    let folder = shared.unwrap_or(default).join("faces-dev");
    let Ok(manifest) = fs::read(folder.join("manifest.json")) else {
        eprintln!("skipped: no {} (set REINSTATE_SHARED_DATA)", folder.display());
        return None;
    };
    let labels: Vec<Label> = serde_json::from_slice(&manifest).unwrap();
    let read = |label: Label| {
        let bytes = fs::read(folder.join(&label.image)).unwrap();
        (label, bytes)
    };
    Some(labels.into_iter().map(read).collect())
}

fn frame(image: &[u8]) -> Frame<'_> {
    Frame { action: Action::LookAhead, image }
}

#[test]
fn every_label_of_the_photos_is_honoured() {
    let Some(photos) = labelled() else { return };
    let bundle = Bundle::load(None).unwrap();
    let mut matcher = FaceMatcher::new(&bundle).unwrap();
    for (label, image) in &photos {
        let observation =
            matcher.examine(&[frame(image)], &[(Reference::OnFile, image)]).unwrap().observation;
        let verdict = judge(&observation, bundle.face_thresholds());
        let found = observation.frames[0].faces.len();
        eprintln!(
            "{}: {} faces, {found} found, {:?} {:?}",
            label.id, label.faces, verdict.decision, verdict.reasons
        );
        let because = |reason| verdict.decision == Decision::Fail && verdict.reasons.contains(&reason);
        match (label.faces, label.kind.as_deref()) {
            (0, _) => assert!(because(ReasonCode::FaceNotFound), "{}", label.id),
            (2.., _) => assert!(because(ReasonCode::FaceMultiple) && found >= label.faces, "{}", label.id),
            (1, Some("partial")) => assert!(because(ReasonCode::FaceCropped), "{}", label.id),
            (1, Some("attack")) => assert_eq!(verdict.decision, Decision::Fail, "{}", label.id),
            // A person may have to look, but nobody is turned away with a good photo of himself.
            _ => assert_ne!(verdict.decision, Decision::Fail, "{}", label.id),
        }
    }
}

#[test]
fn nobody_is_taken_for_somebody_else_and_few_are_not_recognised() {
    let Some(photos) = labelled() else { return };
    let bundle = Bundle::load(None).unwrap();
    let mut matcher = FaceMatcher::new(&bundle).unwrap();
    let people: Vec<_> =
        photos.iter().filter(|(label, _)| label.faces == 1 && label.person.is_some()).collect();
    let mut faces = Vec::new();
    for (label, image) in people {
        let vector = matcher.represent(image, &mut Timings::default()).unwrap().unwrap();
        faces.push((&label.person, vector));
    }
    let (mut genuine, mut impostor) = (Vec::new(), Vec::new());
    for (i, (person, a)) in faces.iter().enumerate() {
        for (other, b) in &faces[i + 1..] {
            if person == other { &mut genuine } else { &mut impostor }.push(cosine(a, b));
        }
    }
    let threshold = bundle.face_thresholds().match_at;
    let accepted = genuine.iter().filter(|cosine| **cosine >= threshold).count();
    let highest = impostor.iter().copied().max_by(f32::total_cmp).unwrap();
    let lowest = genuine.iter().copied().min_by(f32::total_cmp).unwrap();
    eprintln!(
        "at {threshold}: {accepted} of {} genuine pairs match (lowest {lowest:.3}), {} of {} impostor pairs (highest {highest:.3})",
        genuine.len(),
        impostor.iter().filter(|cosine| **cosine >= threshold).count(),
        impostor.len(),
    );
    assert!(highest < bundle.face_thresholds().review_at);
    assert!(accepted * 100 >= genuine.len() * 95);
}
