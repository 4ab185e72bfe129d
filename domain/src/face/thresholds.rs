//! The bounds that a judgement compares with. They belong to the bundle; a policy names rates, and the bundle's calibration says
//! which cosines they are.

use serde::{Deserialize, Serialize};

use super::Calibration;

/// From the bundle's manifest; never in code.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaceThresholds {
    /// The least cosine that is a match.
    pub match_at: f32,
    /// The least cosine that a person looks at; below it is somebody else.
    pub review_at: f32,
    /// The least cosine between two frames of one challenge.
    pub same_person_at: f32,
    /// The least liveness that passes.
    pub live_at: f32,
    /// Liveness below this fails; between the two, a person looks.
    pub not_live_below: f32,
    /// A further face counts from this part of the first one's area.
    pub second_face_area: f32,
    /// Pixels.
    pub min_size: f32,
    pub min_visible: f32,
    pub min_sharpness: f32,
    pub min_brightness: f32,
    /// Degrees to either side.
    pub max_yaw: f32,
    /// Degrees up or down.
    pub max_pitch: f32,
    /// Degrees to either side.
    pub max_roll: f32,
    /// A bundle that leaves one of these out does not make the check.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_overexposed: Option<f32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_side_light: Option<f32>,
    /// The least that the wider eye must be open, as a probability.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_eyes_open: Option<f32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_misfit: Option<f32>,
    /// A stronger pattern goes to a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub review_pattern_above: Option<f32>,
    /// Without them no action but to look ahead can be checked, and a person looks at every other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub challenge: Option<ChallengeThresholds>,
}

/// What an action of a challenge must change since the first frame.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChallengeThresholds {
    /// Degrees to the side that asked for.
    pub min_turn: f32,
    /// Beyond this the face can't be compared any more.
    pub max_turn: f32,
    /// Degrees up or down.
    pub min_nod: f32,
    pub max_nod: f32,
    /// Of the nose before the face, in distances between the eyes, in the direction asked for.
    pub min_turn_parallax: f32,
    pub min_nod_parallax: f32,
    /// Degrees that a head which only closes its eyes may move.
    pub max_still: f32,
    /// The least that an eye counts as open with, as a probability.
    pub open_at: f32,
    /// The most that it counts as closed with.
    pub closed_at: f32,
}

/// What a policy accepts. Which cosine that is belongs to the bundle.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FalseMatchRates {
    /// The most strangers that may pass for the owner, 0 to 1.
    pub pass: f64,
    /// The most that may come before a person.
    pub review: f64,
}

impl FaceThresholds {
    /// These thresholds with the cosines that the rates stand for. A rate that the calibration can't show is met by no cosine.
    #[must_use]
    pub fn at(&self, rates: FalseMatchRates, calibration: &Calibration) -> Self {
        Self {
            match_at: calibration.cosine(rates.pass),
            review_at: calibration.cosine(rates.review),
            ..self.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::face::judge::testing::THRESHOLDS;

    #[test]
    fn a_rate_becomes_the_cosine_that_the_bundle_says_and_nothing_else_changes() {
        let calibration: Calibration = toml::from_str(
            "people = 2\ngenuine_pairs = 1\nimpostor_pairs = 1\nestimate = \"counted\"\npoints = [[0.3, 1e-2], [0.5, 1e-4]]",
        )
        .unwrap();
        let resolved = THRESHOLDS.at(FalseMatchRates { pass: 1e-4, review: 1e-2 }, &calibration);
        assert_eq!((resolved.match_at, resolved.review_at), (0.5, 0.3));
        assert_eq!(FaceThresholds { match_at: 0.42, review_at: 0.30, ..resolved }, THRESHOLDS);
    }
}
