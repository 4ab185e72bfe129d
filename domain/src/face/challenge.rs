//! A challenge: which actions it asks for, and whether a frame shows its own.

use super::limit::{above, below};
use super::{Action, ChallengeThresholds, FaceMeasures, FrameObservation};

/// What the order of a challenge is drawn from: one that its owner can't foresee.
pub type Seed = [u8; 32];

/// The actions of a challenge of `frames` frames. Where the pool has more than looking ahead, the first frame looks ahead,
/// because every other is measured against it, and the rest is drawn without repeating; otherwise all of them look ahead.
#[must_use]
pub fn sequence(pool: &[Action], frames: u8, seed: &Seed) -> Vec<Action> {
    let frames = usize::from(frames);
    let mut others: Vec<Action> =
        pool.iter().copied().filter(|action| *action != Action::LookAhead).collect();
    if others.is_empty() {
        return vec![Action::LookAhead; frames];
    }
    // Fisher-Yates. Four bytes for each place, so the places are even to one in 2^29.
    let (numbers, _) = seed.as_chunks::<4>();
    for (last, number) in (1..others.len()).rev().zip(numbers) {
        let bound = u32::try_from(last + 1).unwrap_or(u32::MAX);
        others.swap(last, (u32::from_be_bytes(*number) % bound) as usize);
    }
    std::iter::once(Action::LookAhead).chain(others).take(frames).collect()
}

/// Whether a frame shows the action that it was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Followed {
    Yes,
    No,
    /// The bundle has no network or no threshold for it, or the first frame is none to measure against.
    Unknown,
}

/// Compares a frame with the first one of its challenge. Looking ahead is a matter of the frame alone and judged there.
pub(super) fn followed(
    frame: &FrameObservation,
    first: &FrameObservation,
    thresholds: Option<&ChallengeThresholds>,
) -> Followed {
    if frame.action == Action::LookAhead {
        return Followed::Yes;
    }
    let (Some(t), Some(movement)) = (thresholds, &frame.movement) else { return Followed::Unknown };
    if first.action != Action::LookAhead {
        return Followed::Unknown;
    }
    let within = |moved: f32, least: f32, most: f32| !below(moved, least) && !above(moved, most);
    let parallax = |axis: usize| movement.parallax.map(|parallax| parallax[axis]);
    let moved = |angle: f32, least, most, parallax: Option<f32>, min_parallax| match parallax {
        None => Followed::Unknown,
        Some(parallax) if within(angle, least, most) && !below(parallax, min_parallax) => Followed::Yes,
        Some(_) => Followed::No,
    };
    let turned = |angle, parallax| moved(angle, t.min_turn, t.max_turn, parallax, t.min_turn_parallax);
    let nodded = |angle, parallax| moved(angle, t.min_nod, t.max_nod, parallax, t.min_nod_parallax);
    // Who turns to the left brings the nose to the right of the picture.
    match frame.action {
        Action::LookAhead => Followed::Yes,
        Action::TurnLeft => turned(-movement.yaw, parallax(0)),
        Action::TurnRight => turned(movement.yaw, parallax(0).map(|p| -p)),
        Action::LookUp => nodded(movement.pitch, parallax(1).map(|p| -p)),
        Action::LookDown => nodded(-movement.pitch, parallax(1)),
        Action::CloseEyes => {
            let still = !above(movement.yaw.abs(), t.max_still) && !above(movement.pitch.abs(), t.max_still);
            let eyes = |frame: &FrameObservation| frame.measures.as_ref().and_then(FaceMeasures::eyes);
            match (eyes(first), eyes(frame)) {
                // Eyes that were not seen open can't be seen to close: glasses, hair.
                (Some([least, _]), Some(_)) if below(least, t.open_at) => Followed::Unknown,
                (Some(_), Some([_, most])) if still && !above(most, t.closed_at) => Followed::Yes,
                (Some(_), Some(_)) => Followed::No,
                _ => Followed::Unknown,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use Action::{CloseEyes, LookAhead, LookDown, LookUp, TurnLeft, TurnRight};

    const POOL: [Action; 6] = [LookAhead, TurnLeft, TurnRight, LookUp, LookDown, CloseEyes];

    #[test]
    fn a_pool_of_looking_ahead_asks_for_nothing_else() {
        assert_eq!(sequence(&[LookAhead], 3, &[7; 32]), [LookAhead; 3]);
    }

    #[test]
    fn every_action_comes_to_every_later_place() {
        let name = |action: &Action| serde_json::to_string(action).unwrap();
        let mut seen = BTreeSet::new();
        for n in 0..400u32 {
            let mut seed = [0; 32];
            for (place, byte) in seed.iter_mut().enumerate() {
                *byte = (n.wrapping_mul(2_654_435_761).rotate_left(place as u32 * 5) >> 8) as u8;
            }
            let drawn = sequence(&POOL, 6, &seed);
            seen.extend(drawn.iter().enumerate().map(|(place, action)| (place, name(action))));
        }
        assert_eq!(seen.len(), 1 + 5 * 5);
    }

    proptest! {
        #[test]
        fn an_active_challenge_looks_ahead_first_and_repeats_nothing(seed: [u8; 32], frames in 2u8..=6) {
            let drawn = sequence(&POOL, frames, &seed);
            prop_assert_eq!(drawn.len(), usize::from(frames));
            prop_assert_eq!(drawn[0], LookAhead);
            for (n, action) in drawn.iter().enumerate() {
                prop_assert!(!drawn[..n].contains(action));
            }
            prop_assert_eq!(sequence(&POOL, frames, &seed), drawn, "the same seed asks for the same");
        }
    }
}
