//! What the measures of a challenge mean.

use super::challenge::{Followed, followed};
use super::limit::{above, below};
use super::{Action, FaceBox, FaceObservation, FaceThresholds, FrameObservation};
use crate::evidence::{Decision, Verdict};
use crate::reason::ReasonCode;

/// Judges the frames of a challenge against the references.
///
/// A frame that can't be judged fails with what the owner can do about it, before anything is compared. Then whoever did not
/// do what was asked, is clearly a picture or clearly somebody else fails; whoever is not clearly live and the same, or did
/// what this bundle can't measure, goes to a person. No single score lets anybody in.
#[must_use]
pub fn judge(observation: &FaceObservation, thresholds: &FaceThresholds) -> Verdict {
    let mut unusable = Vec::new();
    for reason in observation.frames.iter().flat_map(|frame| faults(frame, thresholds)) {
        if !unusable.contains(&reason) {
            unusable.push(reason);
        }
    }
    if observation.frames.is_empty() {
        unusable.push(ReasonCode::FaceNotFound);
    }
    if !unusable.is_empty() {
        return Verdict { decision: Decision::Fail, reasons: unusable };
    }

    let (first, limits) = (&observation.frames[0], thresholds.challenge.as_ref());
    let followed: Vec<_> = observation.frames.iter().map(|frame| followed(frame, first, limits)).collect();
    let same_person = !observation.consistency.is_some_and(|cosine| below(cosine, thresholds.same_person_at));
    let mut refused = Vec::new();
    if !same_person || followed.contains(&Followed::No) {
        refused.push(ReasonCode::FaceChallengeFailed);
    }
    if observation.liveness.is_some_and(|score| below(score, thresholds.not_live_below)) {
        refused.push(ReasonCode::FaceNotLive);
    }
    if observation.similarity().is_some_and(|cosine| below(cosine, thresholds.review_at)) {
        refused.push(ReasonCode::FaceMismatch);
    }
    if !refused.is_empty() {
        return Verdict { decision: Decision::Fail, reasons: refused };
    }

    let live = observation.liveness.is_some_and(|score| !below(score, thresholds.live_at));
    let matches = observation.similarity().is_some_and(|cosine| !below(cosine, thresholds.match_at));
    let mut doubts: Vec<_> = observation.similarities.iter().filter_map(|s| s.fault).collect();
    doubts.dedup();
    let doubtful = followed.contains(&Followed::Unknown)
        || observation.frames.iter().any(|frame| is_patterned(frame, thresholds))
        || observation.similarities.iter().any(|s| s.cosine.is_none());
    if !live || !matches || doubtful {
        doubts.push(ReasonCode::FaceUncertain);
        return Verdict { decision: Decision::Review, reasons: doubts };
    }
    Verdict { decision: Decision::Pass, reasons: Vec::new() }
}

/// What keeps a frame from being compared, in the order in which the owner would put it right.
fn faults(frame: &FrameObservation, thresholds: &FaceThresholds) -> Vec<ReasonCode> {
    if let Some(fault) = frame.fault {
        return vec![fault];
    }
    let (Some(first), Some(measures)) = (frame.faces.first(), &frame.measures) else {
        return vec![ReasonCode::FaceNotFound];
    };
    let counts = |face: &&FaceBox| !below(face.area(), thresholds.second_face_area * first.area());
    let ahead = frame.action == Action::LookAhead;
    let turned = above(measures.yaw.abs(), thresholds.max_yaw)
        || above(measures.pitch.abs(), thresholds.max_pitch)
        || above(measures.roll.abs(), thresholds.max_roll);
    // A check that the bundle does not make, and a measure that was not taken, keep nobody out.
    let over = |measure: Option<f32>, most: Option<f32>| {
        measure.zip(most).is_some_and(|(measure, most)| above(measure, most))
    };
    let wider_eye = measures.eyes().map(|[_, wider]| wider);
    let closed = wider_eye.zip(thresholds.min_eyes_open).is_some_and(|(eye, least)| below(eye, least));
    let checks = [
        (frame.faces.iter().filter(counts).count() > 1, ReasonCode::FaceMultiple),
        (below(measures.visible, thresholds.min_visible), ReasonCode::FaceCropped),
        (below(measures.size, thresholds.min_size), ReasonCode::FaceTooSmall),
        (below(measures.brightness, thresholds.min_brightness), ReasonCode::FaceDark),
        (below(measures.sharpness, thresholds.min_sharpness), ReasonCode::FaceBlurred),
        (over(measures.overexposed, thresholds.max_overexposed), ReasonCode::FaceOverexposed),
        (over(measures.side_light, thresholds.max_side_light), ReasonCode::FaceSideLight),
        (ahead && turned, ReasonCode::FaceTurned),
        (ahead && closed, ReasonCode::FaceEyesClosed),
        (ahead && over(measures.misfit, thresholds.max_misfit), ReasonCode::FaceCovered),
    ];
    checks.into_iter().filter_map(|(fails, reason)| fails.then_some(reason)).collect()
}

/// Whether the face's texture looks like that of a screen or a print. It alone refuses nobody: cloth and blinds have patterns.
fn is_patterned(frame: &FrameObservation, thresholds: &FaceThresholds) -> bool {
    let pattern = frame.measures.as_ref().and_then(|measures| measures.pattern);
    pattern.zip(thresholds.review_pattern_above).is_some_and(|(pattern, most)| above(pattern, most))
}

#[cfg(test)]
pub(super) mod testing;
#[cfg(test)]
mod tests;
