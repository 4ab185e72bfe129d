//! Two runs side by side: what became better, what became worse, and what must not have happened.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::documents::{self, Outcome};
use super::report::{Report, Run};

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
fn rank(outcome: Outcome) -> u8 {
    match outcome {
        Outcome::Wrong => 0,
        Outcome::Nothing => 1,
        Outcome::NoZone | Outcome::Refused => 2,
        Outcome::Exact => 3,
    }
}

impl Comparison {
    #[must_use]
    pub fn of(old: &Report, new: &Report) -> Self {
        let empty = Vec::new();
        let rows = |report: &'_ Report| -> BTreeMap<String, documents::Row> {
            let rows = report.documents.as_ref().map_or(&empty, |documents| &documents.rows);
            rows.iter().map(|row| (row.id.clone(), row.clone())).collect()
        };
        let (before, now) = (rows(old), rows(new));
        let (mut changed, mut fields_lost, mut fields_gained) =
            (Vec::new(), BTreeMap::new(), BTreeMap::new());
        let mut common = 0;
        for (id, row) in &now {
            let Some(then) = before.get(id) else { continue };
            common += 1;
            if row.outcome != then.outcome {
                changed.push(Change { id: id.clone(), from: then.outcome, to: row.outcome });
            }
            for (field, outcome) in &row.fields {
                let Some(was) = then.fields.get(field) else { continue };
                let right = |outcome: &documents::FieldOutcome| *outcome == documents::FieldOutcome::Right;
                match (right(was), right(outcome)) {
                    (true, false) => *fields_lost.entry(field.clone()).or_default() += 1,
                    (false, true) => *fields_gained.entry(field.clone()).or_default() += 1,
                    _ => {}
                }
            }
        }
        changed.sort_by(|a, b| rank(a.to).cmp(&rank(b.to)).then_with(|| a.id.cmp(&b.id)));
        let false_matches = |report: &Report| -> BTreeSet<String> {
            report.faces.iter().flat_map(|faces| faces.false_matches()).map(|pair| pair.id.clone()).collect()
        };
        let (then, today) = (false_matches(old), false_matches(new));
        let median = |report: &Report| report.documents.as_ref().map(|documents| documents.cpu_ms.median);
        Self {
            with: old.run.clone(),
            common,
            only_old: before.len() - common,
            only_new: now.len() - common,
            changed,
            fields_lost,
            fields_gained,
            new_false_matches: today.difference(&then).cloned().collect(),
            gone_false_matches: then.difference(&today).cloned().collect(),
            cpu_ratio: median(new).zip(median(old)).filter(|(_, old)| *old > 0.0).map(|(new, old)| new / old),
        }
    }

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

#[cfg(test)]
mod tests {
    use super::super::documents::tests::row;
    use super::super::faces::tests::{THRESHOLDS, pair};
    use super::super::{documents, faces, tests::run};
    use super::*;

    fn report(outcomes: &[(&str, Outcome)], impostor: f32) -> Report {
        let rows = outcomes.iter().map(|(id, outcome)| row(id, *outcome)).collect();
        let pairs = vec![pair("a b", false, impostor), pair("a c", true, 0.8)];
        let faces = faces::Summary::of(Vec::new(), pairs, &THRESHOLDS);
        Report::new(run(), Some(documents::Summary::of(rows)), Some(faces))
    }

    #[test]
    fn a_run_compared_with_itself_has_no_changes() {
        let report = report(&[("a", Outcome::Exact), ("b", Outcome::Wrong)], 0.9);
        let comparison = Comparison::of(&report, &report);
        assert!(comparison.changed.is_empty() && !comparison.is_dangerous());
        assert_eq!((comparison.common, comparison.cpu_ratio), (2, Some(1.0)));
    }

    #[test]
    fn what_is_no_longer_read_is_worse_but_not_dangerous() {
        let old = report(&[("a", Outcome::Exact), ("b", Outcome::Nothing)], 0.1);
        let new = report(&[("a", Outcome::Nothing), ("b", Outcome::Exact), ("c", Outcome::Exact)], 0.1);
        let comparison = Comparison::of(&old, &new);
        assert_eq!(comparison.regressions().map(|change| change.id.as_str()).collect::<Vec<_>>(), ["a"]);
        assert_eq!((comparison.changed.len(), comparison.only_new, comparison.is_dangerous()), (2, 1, false));
    }

    #[test]
    fn a_new_wrong_reading_or_a_new_false_match_is_dangerous_and_an_old_one_is_not() {
        let fine = report(&[("a", Outcome::Nothing)], 0.1);
        assert!(Comparison::of(&fine, &report(&[("a", Outcome::Wrong)], 0.1)).is_dangerous());
        let matches = report(&[("a", Outcome::Nothing)], 0.5);
        let comparison = Comparison::of(&fine, &matches);
        assert_eq!(comparison.new_false_matches, ["a b"]);
        assert!(comparison.is_dangerous());
        assert!(!Comparison::of(&matches, &matches).is_dangerous());
    }
}
