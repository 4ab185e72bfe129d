//! The tables that the page repeats.

use maud::{Markup, html};

use crate::evaluate::documents::Group;
use crate::evaluate::faces::Matching;
use crate::evaluate::statistics::Rate;

/// To a tenth of a per cent; finer where that would be nothing.
pub(super) fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if percent > 0.0 && percent < 0.1 { format!("{percent:.3} %") } else { format!("{percent:.1} %") }
}

pub(super) fn rate(rate: &Rate) -> String {
    match rate.of {
        0 => "nothing to count".into(),
        _ => format!("{} ({} to {})", percent(rate.rate), percent(rate.low), percent(rate.high)),
    }
}

/// Groups of documents, below those of `first`.
pub(super) fn group_table(first: &[Group], groups: &[Group]) -> Markup {
    html! {
        table {
            tr { th { "" } th.number { "photos" } th.number { "exact" } th { "of readable zones, 95 % interval" } th.number { "not read" } th.number { "refused for its own digits" } th.number { "valid but wrong" } th { "at most, 95 %" } }
            @for group in first.iter().chain(groups) {
                tr class=(if group.wrong.count > 0 { "bad" } else if first.contains(group) { "all" } else { "" }) {
                    td { (group.name) } td.number { (group.photos) }
                    td.number { (group.exact.count) } td { (rate(&group.exact)) }
                    td.number { (group.nothing) } td.number { (group.refused) }
                    td.number { (group.wrong.count) } td { (percent(group.wrong.high)) }
                }
            }
        }
    }
}

/// How often each field was right, and how often wrong.
pub(super) fn field_table(first: &[Group], groups: &[Group]) -> Markup {
    let names: Vec<&String> = first.iter().flat_map(|group| group.fields.keys()).collect();
    html! {
        table {
            tr { th { "" } @for name in &names { th.number { (name.replace('_', " ")) " right" } th.number { "wrong" } } }
            @for group in first.iter().chain(groups) {
                tr {
                    td { (group.name) }
                    @for name in &names {
                        @match group.fields.get(*name) {
                            Some(field) => { td.number { (percent(field.right.rate)) } td.number { (field.wrong.count) " of " (field.wrong.of) } }
                            None => { td {} td {} }
                        }
                    }
                }
            }
        }
    }
}

/// What each false match rate costs, and whether the set is large enough to say so.
pub(super) fn operating_points(name: &str, matching: &Matching) -> Markup {
    html! {
        p {
            b { (name) } ": " (matching.genuine) " comparisons of one person, " (matching.impostor) " of different people, equal error rate "
            @match matching.equal_error_rate { Some(rate) => (percent(rate)), None => "unknown" }
        }
        table {
            tr { th { "at a false match rate of" } th.number { "similarity" } th { "false non-match rate, 95 % interval" } th { "false matches seen" } th { "is the set large enough?" } }
            @for point in &matching.points {
                tr class=(if point.supported { "" } else { "weak" }) {
                    td { (format!("{:e}", point.target)) }
                    td.number { @if point.threshold > -1.0 { (format!("{:.3}", point.threshold)) } @else { "any" } }
                    td { (rate(&point.false_non_match)) }
                    td { (point.false_match.count) " of " (point.false_match.of) }
                    td { @if point.supported { "yes" } @else { "too few: " (point.needs) " are needed" } }
                }
            }
        }
    }
}
