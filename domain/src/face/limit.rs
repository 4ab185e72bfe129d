//! A measure and its limit. What is not a number is never within one.

/// Whether the score is under the least that is allowed. One that is not a number is.
pub(super) fn below(score: f32, least: f32) -> bool {
    !matches!(score.partial_cmp(&least), Some(std::cmp::Ordering::Equal | std::cmp::Ordering::Greater))
}

/// Whether the measure is over the most that is allowed. One that is not a number is.
pub(super) fn above(measure: f32, most: f32) -> bool {
    !matches!(measure.partial_cmp(&most), Some(std::cmp::Ordering::Equal | std::cmp::Ordering::Less))
}
