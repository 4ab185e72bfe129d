//! Two runs side by side: what became better, what became worse, and what must not have happened.

use std::collections::{BTreeMap, BTreeSet};

use super::comparison::{Change, Comparison, rank};
use super::documents;
use super::report::Report;

/// The newer run beside the older one.
#[must_use]
pub fn compare(old: &Report, new: &Report) -> Comparison {
    let empty = Vec::new();
    let rows = |report: &'_ Report| -> BTreeMap<String, documents::Row> {
        let rows = report.documents.as_ref().map_or(&empty, |documents| &documents.rows);
        rows.iter().map(|row| (row.id.clone(), row.clone())).collect()
    };
    let (before, now) = (rows(old), rows(new));
    let (mut changed, mut fields_lost, mut fields_gained) = (Vec::new(), BTreeMap::new(), BTreeMap::new());
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
    Comparison {
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

#[cfg(test)]
mod tests {
    use super::super::documents::Outcome;
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
        let comparison = compare(&report, &report);
        assert!(comparison.changed.is_empty() && !comparison.is_dangerous());
        assert_eq!((comparison.common, comparison.cpu_ratio), (2, Some(1.0)));
    }

    #[test]
    fn what_is_no_longer_read_is_worse_but_not_dangerous() {
        let old = report(&[("a", Outcome::Exact), ("b", Outcome::Nothing)], 0.1);
        let new = report(&[("a", Outcome::Nothing), ("b", Outcome::Exact), ("c", Outcome::Exact)], 0.1);
        let comparison = compare(&old, &new);
        assert_eq!(comparison.regressions().map(|change| change.id.as_str()).collect::<Vec<_>>(), ["a"]);
        assert_eq!((comparison.changed.len(), comparison.only_new, comparison.is_dangerous()), (2, 1, false));
    }

    #[test]
    fn a_new_wrong_reading_or_a_new_false_match_is_dangerous_and_an_old_one_is_not() {
        let fine = report(&[("a", Outcome::Nothing)], 0.1);
        assert!(compare(&fine, &report(&[("a", Outcome::Wrong)], 0.1)).is_dangerous());
        let matches = report(&[("a", Outcome::Nothing)], 0.5);
        let comparison = compare(&fine, &matches);
        assert_eq!(comparison.new_false_matches, ["a b"]);
        assert!(comparison.is_dangerous());
        assert!(!compare(&matches, &matches).is_dangerous());
    }
}
