//! What a cosine is worth: the estimated part of strangers that look at least as alike.

use serde::{Deserialize, Serialize};

/// A bundle's table from cosine to false-match rate, with what it was estimated on. From the manifest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Table", into = "Table")]
pub struct Calibration(Table);

/// The table as the manifest has it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    /// Whose photos it was estimated on.
    people: u32,
    genuine_pairs: u32,
    impostor_pairs: u32,
    /// How the rates were estimated, and how those that are rarer than one pair in `impostor_pairs`.
    estimate: String,
    /// Cosine and rate, by rising cosine.
    points: Vec<[f64; 2]>,
}

/// The table can't be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the points of a calibration are at least two, their cosines rise, and their rates fall, within 0 and 1"
)]
pub struct InvalidCalibration;

impl TryFrom<Table> for Calibration {
    type Error = InvalidCalibration;
    fn try_from(table: Table) -> Result<Self, InvalidCalibration> {
        let in_range = table
            .points
            .iter()
            .all(|[cosine, rate]| (-1.0..=1.0).contains(cosine) && *rate > 0.0 && *rate <= 1.0);
        let ordered = table.points.windows(2).all(|pair| pair[0][0] < pair[1][0] && pair[0][1] > pair[1][1]);
        if table.points.len() >= 2 && in_range && ordered { Ok(Self(table)) } else { Err(InvalidCalibration) }
    }
}

impl From<Calibration> for Table {
    fn from(calibration: Calibration) -> Self {
        calibration.0
    }
}

impl Calibration {
    /// More than any cosine: what can't be shown is never reached.
    const BEYOND: f32 = 2.0;

    /// The estimated part of strangers whose cosine is at least this one. Between two points the logarithm of the rate is
    /// linear. Outside of them it is that of the nearest: nothing is claimed beyond what was estimated.
    #[must_use]
    pub fn false_match_rate(&self, cosine: f32) -> f64 {
        let (points, cosine) = (&self.0.points, f64::from(cosine));
        let after = points.partition_point(|[at, _]| *at <= cosine);
        let (Some(before), Some(after)) = (after.checked_sub(1).map(|i| points[i]), points.get(after)) else {
            let nearest = if after == 0 { points.first() } else { points.last() };
            return nearest.map_or(1.0, |[_, rate]| *rate);
        };
        let share = (cosine - before[0]) / (after[0] - before[0]);
        (before[1].ln() + share * (after[1].ln() - before[1].ln())).exp()
    }

    /// The least cosine at which no more than this part of strangers matches. More than any cosine where the table does not
    /// go so far.
    #[must_use]
    pub fn cosine(&self, rate: f64) -> f32 {
        let points = &self.0.points;
        let after = points.partition_point(|[_, at]| *at > rate);
        let Some(&[cosine, at]) = points.get(after) else { return Self::BEYOND };
        let Some(&[from, before]) = after.checked_sub(1).and_then(|i| points.get(i)) else {
            return cosine as f32;
        };
        let share = (rate.ln() - before.ln()) / (at.ln() - before.ln());
        (from + share * (cosine - from)) as f32
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn calibration(points: &[[f64; 2]]) -> Result<Calibration, InvalidCalibration> {
        let estimate = "counted".to_owned();
        Table { people: 2, genuine_pairs: 1, impostor_pairs: 1, estimate, points: points.to_vec() }.try_into()
    }

    fn usual() -> Calibration {
        calibration(&[[0.2, 1e-1], [0.3, 1e-2], [0.42, 1e-4]]).unwrap()
    }

    #[test]
    fn a_point_of_the_table_is_met_exactly_both_ways() {
        assert_eq!(usual().cosine(1e-4), 0.42);
        assert_eq!(usual().cosine(1e-2), 0.3);
        assert!((usual().false_match_rate(0.3) - 1e-2).abs() < 1e-8);
    }

    #[test]
    fn beyond_the_table_nothing_is_claimed() {
        assert_eq!(usual().false_match_rate(0.9), 1e-4);
        assert_eq!(usual().false_match_rate(-0.9), 1e-1);
        assert!(usual().cosine(1e-5) > 1.0, "a rate that was not shown is met by no cosine");
        assert_eq!(usual().cosine(0.5), 0.2);
    }

    #[test]
    fn a_table_that_does_not_fall_is_refused() {
        for points in [
            &[[0.2, 1e-1]][..],
            &[[0.2, 1e-1], [0.1, 1e-2]],
            &[[0.2, 1e-2], [0.3, 1e-1]],
            &[[0.2, 1.0], [0.3, 0.0]],
        ] {
            assert_eq!(calibration(points), Err(InvalidCalibration), "{points:?}");
        }
    }

    proptest! {
        #[test]
        fn more_alike_is_never_more_often_false(a in -1f32..1.0, b in -1f32..1.0) {
            let (lower, higher) = (a.min(b), a.max(b));
            prop_assert!(usual().false_match_rate(lower) >= usual().false_match_rate(higher));
        }

        #[test]
        fn the_cosine_of_a_rate_has_that_rate(exponent in -4f64..-1.0) {
            let rate = 10f64.powf(exponent);
            prop_assert!((usual().false_match_rate(usual().cosine(rate)) / rate - 1.0).abs() < 1e-3);
        }
    }
}
