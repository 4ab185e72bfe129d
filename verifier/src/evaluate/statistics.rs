//! Error rates with their confidence, and what a set of scores says about thresholds.
//!
//! Terms are those of ISO/IEC 19795-1: a false match accepts two people as one, a false non-match rejects one as two.

use serde::{Deserialize, Serialize};
use statrs::distribution::{Beta, ContinuousCDF};

/// Of two-sided intervals.
const CONFIDENCE: f64 = 0.95;
/// The 97.5 % point of the standard normal distribution.
const Z: f64 = 1.959_963_984_540_054;

/// How often something happened, with the bounds between which the true rate lies with 95 % confidence if the trials are
/// independent. Comparisons of the same few people aren't: then the truth is less certain than this.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Rate {
    pub count: usize,
    pub of: usize,
    /// 0 when there was nothing to count.
    pub rate: f64,
    pub low: f64,
    pub high: f64,
}

impl Rate {
    /// Wilson's score interval: near the stated confidence on average, for rates that are not extreme.
    #[must_use]
    pub fn wilson(count: usize, of: usize) -> Self {
        if of == 0 {
            return Self { count, of, rate: 0.0, low: 0.0, high: 1.0 };
        }
        let (n, p) = (of as f64, count as f64 / of as f64);
        let spread = Z * Z / n;
        let middle = (p + spread / 2.0) / (1.0 + spread);
        let half = Z / (1.0 + spread) * (p * (1.0 - p) / n + spread / (4.0 * n)).sqrt();
        // At the ends the bound is exactly 0 or 1, which rounding misses.
        let low = if count == 0 { 0.0 } else { (middle - half).max(0.0) };
        let high = if count == of { 1.0 } else { (middle + half).min(1.0) };
        Self { count, of, rate: p, low, high }
    }

    /// Clopper and Pearson's exact interval, which never covers less than is stated: for errors that are to be rare.
    #[must_use]
    pub fn exact(count: usize, of: usize) -> Self {
        if of == 0 {
            return Self { count, of, rate: 0.0, low: 0.0, high: 1.0 };
        }
        let tail = (1.0 - CONFIDENCE) / 2.0;
        let (k, n) = (count as f64, of as f64);
        let point = |a: f64, b: f64, at: f64| Beta::new(a, b).map_or(f64::NAN, |beta| beta.inverse_cdf(at));
        let low = if count == 0 { 0.0 } else { point(k, n - k + 1.0, tail) };
        let high = if count == of { 1.0 } else { point(k + 1.0, n - k, 1.0 - tail) };
        Self { count, of, rate: k / n, low, high }
    }
}

/// Similarities of comparisons whose truth is known.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Scores {
    /// Of one person with herself, rising.
    genuine: Vec<f32>,
    /// Of two people, rising.
    impostor: Vec<f32>,
}

/// What a threshold at a false match rate costs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OperatingPoint {
    /// The rate that was asked for.
    pub target: f64,
    /// The least similarity that keeps to it on this set; a match is at or above it.
    pub threshold: f32,
    pub false_match: Rate,
    pub false_non_match: Rate,
    /// Impostor comparisons without which not even none of them would show this rate: 3 / target, the rule of three.
    pub needs: usize,
    /// Whether there are that many.
    pub supported: bool,
}

/// One threshold of the whole curve.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct DetPoint {
    pub threshold: f32,
    pub false_match: f64,
    pub false_non_match: f64,
}

/// What a similarity says about the false match rate of whoever would accept it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct CalibrationPoint {
    pub similarity: f32,
    pub false_match: f64,
    /// The upper bound with 95 % confidence (exact, one end of a two-sided interval).
    pub at_most: f64,
}

/// How many points of a curve are kept.
const CURVE: usize = 300;

impl Scores {
    #[must_use]
    pub fn new(mut genuine: Vec<f32>, mut impostor: Vec<f32>) -> Self {
        genuine.sort_by(f32::total_cmp);
        impostor.sort_by(f32::total_cmp);
        Self { genuine, impostor }
    }

    /// Impostors that a threshold lets in.
    #[must_use]
    pub fn false_matches(&self, threshold: f32) -> Rate {
        let below = self.impostor.partition_point(|score| *score < threshold);
        Rate::exact(self.impostor.len() - below, self.impostor.len())
    }

    /// Genuine ones that it keeps out.
    #[must_use]
    pub fn false_non_matches(&self, threshold: f32) -> Rate {
        Rate::exact(self.genuine.partition_point(|score| *score < threshold), self.genuine.len())
    }

    /// The lowest threshold whose false match rate on this set is at most `target`.
    #[must_use]
    pub fn at(&self, target: f64) -> OperatingPoint {
        let allowed = (target * self.impostor.len() as f64).floor() as usize;
        // Just above the highest impostor that may not be let in.
        let threshold = match self.impostor.len().checked_sub(allowed + 1) {
            Some(refused) => self.impostor[refused].next_up(),
            None => f32::MIN,
        };
        let needs = (3.0 / target).ceil() as usize;
        OperatingPoint {
            target,
            threshold,
            false_match: self.false_matches(threshold),
            false_non_match: self.false_non_matches(threshold),
            needs,
            supported: self.impostor.len() >= needs,
        }
    }

    /// The rate at the threshold where both errors are as equal as the set allows; `None` without scores of both kinds.
    #[must_use]
    pub fn equal_error_rate(&self) -> Option<f64> {
        let curve = self.all_thresholds();
        let gap = |point: &DetPoint| (point.false_match - point.false_non_match).abs();
        let nearest = curve.iter().min_by(|a, b| gap(a).total_cmp(&gap(b)))?;
        Some((nearest.false_match + nearest.false_non_match) / 2.0)
    }

    /// The detection error trade-off: both errors at thresholds from the lowest score to above the highest.
    #[must_use]
    pub fn det(&self) -> Vec<DetPoint> {
        let all = self.all_thresholds();
        let step = all.len().div_ceil(CURVE).max(1);
        let last = all.len().saturating_sub(1);
        all.into_iter()
            .enumerate()
            .filter(|(n, _)| n % step == 0 || *n == last)
            .map(|(_, point)| point)
            .collect()
    }

    fn all_thresholds(&self) -> Vec<DetPoint> {
        if self.genuine.is_empty() || self.impostor.is_empty() {
            return Vec::new();
        }
        let mut thresholds: Vec<f32> = self.genuine.iter().chain(&self.impostor).copied().collect();
        thresholds.sort_by(f32::total_cmp);
        thresholds.dedup();
        thresholds.extend(thresholds.last().map(|highest| highest.next_up()));
        let share = |count: usize, of: usize| count as f64 / of as f64;
        let below = |scores: &[f32], threshold| scores.partition_point(|score| *score < threshold);
        thresholds
            .into_iter()
            .map(|threshold| DetPoint {
                threshold,
                false_match: 1.0 - share(below(&self.impostor, threshold), self.impostor.len()),
                false_non_match: share(below(&self.genuine, threshold), self.genuine.len()),
            })
            .collect()
    }

    /// From similarity to rate, at every fiftieth of 0..1. Beyond the highest impostor only the upper bound says something.
    #[must_use]
    pub fn calibration(&self) -> Vec<CalibrationPoint> {
        if self.impostor.is_empty() {
            return Vec::new();
        }
        let points = (0_u8..=50).map(|n| f32::from(n) / 50.0);
        points
            .map(|similarity| {
                let rate = self.false_matches(similarity);
                CalibrationPoint { similarity, false_match: rate.rate, at_most: rate.high }
            })
            .collect()
    }

    #[must_use]
    pub fn genuine(&self) -> &[f32] {
        &self.genuine
    }

    #[must_use]
    pub fn impostor(&self) -> &[f32] {
        &self.impostor
    }
}

/// The value below which a share of them lies; `None` of none. The values needn't be sorted.
#[must_use]
pub fn quantile(values: &[f64], share: f64) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = (share * sorted.len() as f64) as usize;
    sorted.get(at.min(sorted.len().saturating_sub(1))).copied()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn assert_near(found: f64, expected: f64) {
        assert!((found - expected).abs() < 5e-4, "{found} is not {expected}");
    }

    #[test]
    fn wilson_s_interval_is_the_published_one() {
        // Newcombe, Statistics in Medicine 17 (1998), table I, method 3: 81/263, 15/148, 0/20, 1/29.
        for (count, of, low, high) in [
            (81, 263, 0.2553, 0.3662),
            (15, 148, 0.0624, 0.1605),
            (0, 20, 0.0, 0.1611),
            (1, 29, 0.0061, 0.1718),
        ] {
            let rate = Rate::wilson(count, of);
            assert_near(rate.low, low);
            assert_near(rate.high, high);
        }
    }

    #[test]
    fn the_exact_interval_is_the_published_one() {
        // The same table, method 5 (Clopper and Pearson).
        for (count, of, low, high) in [
            (81, 263, 0.2527, 0.3676),
            (15, 148, 0.0578, 0.1617),
            (0, 20, 0.0, 0.1684),
            (1, 29, 0.0009, 0.1776),
        ] {
            let rate = Rate::exact(count, of);
            assert_near(rate.low, low);
            assert_near(rate.high, high);
        }
    }

    #[test]
    fn nothing_counted_says_nothing() {
        for rate in [Rate::wilson(0, 0), Rate::exact(0, 0)] {
            assert_eq!((rate.rate, rate.low, rate.high), (0.0, 0.0, 1.0));
        }
        assert_eq!(Rate::exact(7, 7).high, 1.0);
        assert_eq!(Scores::default().equal_error_rate(), None);
    }

    /// Ten impostors .0 to .9, ten genuine ones .55 to 1.45.
    fn toy() -> Scores {
        let tenths = |from: f32| (0_u8..10).map(|n| from + f32::from(n) / 10.0).collect();
        Scores::new(tenths(0.55), tenths(0.0))
    }

    #[test]
    fn a_threshold_keeps_to_its_false_match_rate_and_costs_what_it_costs() {
        let point = toy().at(0.2);
        // Two of ten may pass: .8 and .9. The genuine .55, .65 and .75 might be above .7 only from the third on.
        assert_eq!((point.false_match.count, point.false_non_match.count), (2, 2));
        assert!(point.threshold > 0.7 && point.threshold < 0.75);
        assert_eq!((point.needs, point.supported), (15, false));
        let none = toy().at(0.001);
        assert_eq!((none.false_match.count, none.false_non_match.count), (0, 4));
    }

    #[test]
    fn the_equal_error_rate_is_where_both_errors_meet() {
        // At .75: impostors .8 and .9 pass, genuine .55 and .65 don't.
        assert_near(toy().equal_error_rate().unwrap(), 0.2);
    }

    #[test]
    fn calibration_bounds_what_was_never_seen() {
        let curve = toy().calibration();
        let beyond = curve.last().unwrap();
        assert_eq!((beyond.similarity, beyond.false_match), (1.0, 0.0));
        assert_near(beyond.at_most, Rate::exact(0, 10).high);
    }

    proptest! {
        #[test]
        fn a_curve_only_trades_one_error_for_the_other(
            genuine in prop::collection::vec(-1f32..1.0, 1..60), impostor in prop::collection::vec(-1f32..1.0, 1..60),
        ) {
            let scores = Scores::new(genuine, impostor);
            for pair in scores.det().windows(2) {
                prop_assert!(pair[0].false_match >= pair[1].false_match);
                prop_assert!(pair[0].false_non_match <= pair[1].false_non_match);
            }
            for target in [0.5, 0.1, 0.01] {
                prop_assert!(scores.at(target).false_match.rate <= target);
            }
        }

        #[test]
        fn both_intervals_hold_the_rate(of in 1usize..400, share in 0f64..1.0) {
            let count = (share * of as f64) as usize;
            let (wilson, exact) = (Rate::wilson(count, of), Rate::exact(count, of));
            for rate in [wilson, exact] {
                prop_assert!(rate.low <= rate.rate && rate.rate <= rate.high, "{rate:?}");
            }
        }
    }
}
