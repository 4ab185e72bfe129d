//! What became of each photo since an older run.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::documents::Outcome;
use super::run::Run;

/// This run beside an older one. Photos are told apart by their ids.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    pub with: Run,
    /// In both runs, and in one alone.
    pub common: usize,
    pub only_old: usize,
    pub only_new: usize,
    /// Documents whose outcome changed.
    pub changed: Vec<Change>,
    /// Fields of the visual zone that were right and aren't, and the other way round, by name.
    pub fields_lost: BTreeMap<String, usize>,
    pub fields_gained: BTreeMap<String, usize>,
    /// Pairs of different people that match now and didn't.
    pub new_false_matches: Vec<String>,
    /// Pairs that matched falsely and don't any more.
    pub gone_false_matches: Vec<String>,
    /// Median CPU time of a document, now by then.
    pub cpu_ratio: Option<f64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    pub id: String,
    pub from: Outcome,
    pub to: Outcome,
}

impl Change {
    #[must_use]
    pub fn is_worse(&self) -> bool {
        rank(self.to) < rank(self.from)
    }
}

/// Nothing is better than something wrong.
pub(super) fn rank(outcome: Outcome) -> u8 {
    match outcome {
        Outcome::Wrong => 0,
        Outcome::Nothing => 1,
        Outcome::NoZone | Outcome::Refused => 2,
        Outcome::Exact => 3,
    }
}

impl Comparison {
    /// Whether something became valid but wrong, or two people became one.
    #[must_use]
    pub fn is_dangerous(&self) -> bool {
        !self.new_false_matches.is_empty() || self.changed.iter().any(|change| change.to == Outcome::Wrong)
    }

    /// What is worse than it was.
    pub fn regressions(&self) -> impl Iterator<Item = &Change> {
        self.changed.iter().filter(|change| change.is_worse())
    }
}
