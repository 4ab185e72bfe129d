//! The six stories, each played from the enrolment to its end, and told as it happens.

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::cast::Person;
use crate::error::Error;
use crate::journey::{Journey, Stage, Started};
use crate::resource::{Reactivation, Reason};
use crate::teller::Teller;
use crate::timeline;

const THREE_HOURS: SignedDuration = SignedDuration::from_hours(3);

/// How a story came out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    Reactivated,
    /// Refused, with what the owner is told and whether trying again makes sense.
    Denied {
        reasons: Vec<Reason>,
        retry: String,
    },
    CoolingOff {
        opens_at: Timestamp,
    },
    Other(String),
}

/// What happened in a story.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    pub account: String,
    pub ending: Ending,
    /// Why a picture had to be taken again, if one had to.
    pub retaken: Vec<Reason>,
    /// How many images a reviewer looked at; `None` when no person had to.
    pub reviewed: Option<usize>,
}

/// A story: what it is about, and what must come out.
pub struct Story {
    pub letter: char,
    pub title: &'static str,
    pub expected: &'static str,
    play: fn(&Stage, &Scene, &mut Teller<'_>) -> Result<Outcome, Error>,
    as_told: fn(&Outcome) -> bool,
}

/// A story's account and its owner.
struct Scene {
    account: String,
    person: Person,
}

/// All of them, in order.
pub const STORIES: [Story; 6] = [
    Story {
        letter: 'a',
        title: "Locked three hours ago: codes, questions, passport, selfie",
        expected: "reactivated",
        play: owner_comes_back,
        as_told: |o| o.ending == Ending::Reactivated && o.retaken.is_empty() && o.reviewed.is_none(),
    },
    Story {
        letter: 'b',
        title: "Locked just now",
        expected: "told when it opens",
        play: too_early,
        as_told: |o| matches!(o.ending, Ending::CoolingOff { opens_at } if opens_at > Timestamp::now()),
    },
    Story {
        letter: 'c',
        title: "Somebody else's selfie",
        expected: "denied, with a reason that is safe to show",
        play: somebody_else,
        as_told: |o| denied_because(o, &["face_mismatch"]),
    },
    Story {
        letter: 'd',
        title: "A passport whose number was altered",
        expected: "denied",
        play: altered_passport,
        as_told: |o| denied_because(o, &["document_check_digit_failed", "document_fields_disagree"]),
    },
    Story {
        letter: 'e',
        title: "A photo of the passport that is too bad to read, then a good one",
        expected: "taken again, then reactivated",
        play: taken_again,
        as_told: |o| {
            let helpful = !o.retaken.is_empty() && o.retaken.iter().all(|reason| reason.retry);
            o.ending == Ending::Reactivated && helpful && o.reviewed.is_none()
        },
    },
    Story {
        letter: 'f',
        title: "A face that could be the owner's",
        expected: "in review, approved by a person, reactivated",
        play: uncertain_face,
        as_told: |o| o.ending == Ending::Reactivated && o.retaken.is_empty() && o.reviewed == Some(2),
    },
];

impl Story {
    /// Plays it under an account of its own, tells it, and shows the account's timeline at the end.
    ///
    /// # Errors
    /// When it breaks off: a call was not answered as the contract says.
    pub fn play(&self, stage: &Stage, teller: &mut Teller<'_>) -> Result<Outcome, Error> {
        teller.title(self.letter, self.title)?;
        let index = STORIES.iter().position(|story| story.letter == self.letter).unwrap_or_default();
        let run = Uuid::now_v7().simple().to_string();
        let scene =
            Scene { account: format!("demo-{}-{}", self.letter, &run[20..]), person: Person::number(index) };
        let outcome = (self.play)(stage, &scene, teller)?;
        teller.says("", &format!("→ {}", describe(&outcome)))?;
        teller.shows(&timeline::render(&stage.timeline(&scene.account, &scene.person)?))?;
        Ok(outcome)
    }

    /// Whether it came out as it is told.
    #[must_use]
    pub fn came_out(&self, outcome: &Outcome) -> bool {
        (self.as_told)(outcome)
    }
}

/// One line about an outcome.
#[must_use]
pub fn describe(outcome: &Outcome) -> String {
    let mut line = match &outcome.ending {
        Ending::Reactivated => "reactivated".to_owned(),
        Ending::Denied { reasons, retry } => format!("denied ({}), retry: {retry}", codes(reasons)),
        Ending::CoolingOff { opens_at } => format!("too early, opens at {opens_at:.0}"),
        Ending::Other(status) => status.clone(),
    };
    if !outcome.retaken.is_empty() {
        line = format!("taken again ({}), then {line}", codes(&outcome.retaken));
    }
    if let Some(images) = outcome.reviewed {
        line = format!("{line} after a reviewer looked at {images} images");
    }
    line
}

fn codes(reasons: &[Reason]) -> String {
    reasons.iter().map(|reason| reason.code.as_str()).collect::<Vec<_>>().join(", ")
}

/// Denied, for at least one of these reasons, and nothing that only staff may read was shown.
fn denied_because(outcome: &Outcome, causes: &[&str]) -> bool {
    let Ending::Denied { reasons, .. } = &outcome.ending else { return false };
    let safe = reasons.iter().all(|reason| reason.staff_text.is_none() && !reason.text.is_empty());
    safe && reasons.iter().any(|reason| causes.contains(&reason.code.as_str()))
}

fn open<'a>(stage: &'a Stage, scene: &Scene, teller: &mut Teller<'_>) -> Result<Box<Journey<'a>>, Error> {
    stage.lock(&scene.account, &scene.person, THREE_HOURS, teller)?;
    match stage.start(&scene.account, &scene.person, teller)? {
        Started::Open(journey) => Ok(journey),
        Started::NotYet(refusal) => {
            Err(Error::Surprise { expected: "an open reactivation", found: refusal.code })
        }
    }
}

fn outcome(
    scene: &Scene,
    end: Reactivation,
    retaken: Vec<Reason>,
    teller: &mut Teller<'_>,
) -> Result<Outcome, Error> {
    let ending = match (end.status.as_str(), end.result) {
        ("reactivated", _) => Ending::Reactivated,
        ("denied", Some(result)) => {
            for reason in &result.reasons {
                teller.says("Reinstate", &format!("tells the owner: {}", reason.text))?;
            }
            Ending::Denied { reasons: result.reasons, retry: result.retry.unwrap_or_default() }
        }
        (other, _) => Ending::Other(other.to_owned()),
    };
    Ok(Outcome { account: scene.account.clone(), ending, retaken, reviewed: None })
}

fn owner_comes_back(stage: &Stage, scene: &Scene, teller: &mut Teller<'_>) -> Result<Outcome, Error> {
    let journey = open(stage, scene, teller)?;
    journey.reach_the_pictures(teller)?;
    let passport = stage.pictures.passport(&journey.person)?;
    journey.hand_in_passport("a photo of the passport", &passport, teller)?;
    journey.hand_in_selfie("the owner looks into the camera", stage.pictures.selfie(), teller)?;
    outcome(scene, journey.submit(teller)?, Vec::new(), teller)
}

fn too_early(stage: &Stage, scene: &Scene, teller: &mut Teller<'_>) -> Result<Outcome, Error> {
    stage.lock(&scene.account, &scene.person, SignedDuration::ZERO, teller)?;
    match stage.start(&scene.account, &scene.person, teller)? {
        Started::Open(_) => {
            Err(Error::Surprise { expected: "a refusal", found: "an open reactivation".into() })
        }
        Started::NotYet(refusal) => {
            teller.says("Reinstate", &format!("says no: it opens at {:.0}", refusal.opens_at))?;
            let ending = Ending::CoolingOff { opens_at: refusal.opens_at };
            Ok(Outcome { account: scene.account.clone(), ending, retaken: Vec::new(), reviewed: None })
        }
    }
}

fn somebody_else(stage: &Stage, scene: &Scene, teller: &mut Teller<'_>) -> Result<Outcome, Error> {
    let journey = open(stage, scene, teller)?;
    journey.reach_the_pictures(teller)?;
    let passport = stage.pictures.passport(&journey.person)?;
    journey.hand_in_passport("a photo of the passport", &passport, teller)?;
    journey.hand_in_selfie("somebody else looks into the camera", stage.pictures.somebody_else(), teller)?;
    outcome(scene, journey.submit(teller)?, Vec::new(), teller)
}

fn altered_passport(stage: &Stage, scene: &Scene, teller: &mut Teller<'_>) -> Result<Outcome, Error> {
    let journey = open(stage, scene, teller)?;
    journey.reach_the_pictures(teller)?;
    let passport = stage.pictures.altered_passport(&journey.person)?;
    journey.hand_in_passport("a passport with one character of its number altered", &passport, teller)?;
    journey.hand_in_selfie("the owner looks into the camera", stage.pictures.selfie(), teller)?;
    outcome(scene, journey.submit(teller)?, Vec::new(), teller)
}

fn taken_again(stage: &Stage, scene: &Scene, teller: &mut Teller<'_>) -> Result<Outcome, Error> {
    let journey = open(stage, scene, teller)?;
    journey.reach_the_pictures(teller)?;
    let shaken = stage.pictures.shaken_passport(&journey.person)?;
    journey.hand_in_passport("a photo of the passport, shaken and in the dark", &shaken, teller)?;
    let looked_at = journey.wait_for("document")?;
    let document = looked_at.requirement("document").filter(|document| document.status == "open");
    let Some(document) = document else {
        return Err(Error::Surprise {
            expected: "the document to be asked for again",
            found: looked_at.status,
        });
    };
    for reason in &document.reasons {
        teller.says("Reinstate", &format!("asks again: {}", reason.text))?;
    }
    let retaken = document.reasons.clone();
    let passport = stage.pictures.passport(&journey.person)?;
    journey.hand_in_passport("a better photo of the passport", &passport, teller)?;
    journey.hand_in_selfie("the owner looks into the camera", stage.pictures.selfie(), teller)?;
    outcome(scene, journey.submit(teller)?, retaken, teller)
}

fn uncertain_face(stage: &Stage, scene: &Scene, teller: &mut Teller<'_>) -> Result<Outcome, Error> {
    let journey = open(stage, scene, teller)?;
    journey.reach_the_pictures(teller)?;
    let passport = stage.pictures.passport(&journey.person)?;
    journey.hand_in_passport("a photo of the passport", &passport, teller)?;
    let selfie = stage.pictures.selfie_in_sunglasses()?;
    journey.hand_in_selfie("the owner keeps large sunglasses on", &selfie, teller)?;
    let waiting = journey.submit(teller)?;
    if waiting.status != "in_review" {
        return outcome(scene, waiting, Vec::new(), teller);
    }
    teller.says("Reinstate", "is not sure and asks a person")?;
    let (end, images) = journey.review(teller)?;
    Ok(Outcome { reviewed: Some(images), ..outcome(scene, end, Vec::new(), teller)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(code: &str, retry: bool) -> Reason {
        Reason { code: code.into(), text: "Try again.".into(), retry, staff_text: None }
    }

    fn came_out(ending: Ending, retaken: Vec<Reason>, reviewed: Option<usize>) -> String {
        let outcome = Outcome { account: "a".into(), ending, retaken, reviewed };
        STORIES.iter().filter(|story| story.came_out(&outcome)).map(|story| story.letter).collect()
    }

    #[test]
    fn each_story_takes_its_own_outcome_and_no_other() {
        let denied = |code: &str| Ending::Denied { reasons: vec![reason(code, true)], retry: "later".into() };
        let soon = Timestamp::now() + SignedDuration::from_hours(2);
        assert_eq!(came_out(Ending::Reactivated, vec![], None), "a");
        assert_eq!(came_out(Ending::CoolingOff { opens_at: soon }, vec![], None), "b");
        assert_eq!(came_out(Ending::CoolingOff { opens_at: Timestamp::UNIX_EPOCH }, vec![], None), "");
        assert_eq!(came_out(denied("face_mismatch"), vec![], None), "c");
        assert_eq!(came_out(denied("document_fields_disagree"), vec![], None), "d");
        assert_eq!(came_out(denied("attempts_exhausted"), vec![], None), "");
        assert_eq!(came_out(Ending::Reactivated, vec![reason("document_blurred", true)], None), "e");
        assert_eq!(came_out(Ending::Reactivated, vec![reason("reviewer_denied", false)], None), "");
        assert_eq!(came_out(Ending::Reactivated, vec![], Some(2)), "f");
        assert_eq!(came_out(Ending::Other("in_review".into()), vec![], None), "");
    }

    #[test]
    fn a_denial_that_shows_what_only_staff_may_read_is_not_as_told() {
        let leak = Reason { staff_text: Some("score".into()), ..reason("face_mismatch", true) };
        assert_eq!(came_out(Ending::Denied { reasons: vec![leak], retry: "later".into() }, vec![], None), "");
    }

    #[test]
    fn an_outcome_is_told_in_one_line() {
        let outcome = Outcome {
            account: "a".into(),
            ending: Ending::Reactivated,
            retaken: vec![reason("document_blurred", true)],
            reviewed: Some(2),
        };
        let line = "taken again (document_blurred), then reactivated after a reviewer looked at 2 images";
        assert_eq!(describe(&outcome), line);
    }
}
