//! The report as one page that needs nothing else: the answer first, then what it rests on.

mod tables;

use std::io::Cursor;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use image::ImageFormat;
use image::imageops::FilterType;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use plotters::drawing::DrawingAreaErrorKind;

use super::comparison::Comparison;
use super::documents::{self, Outcome, Row};
use super::faces;
use super::manifest::{Manifest, Photo};
use super::plot;
use super::report::Report;
use super::statistics::Rate;
use tables::{field_table, group_table, operating_points, percent, rate};

pub type PlotError = DrawingAreaErrorKind<std::io::Error>;

/// Whether the page shows the worst photos themselves, and what is printed on them. People are on them.
#[derive(Debug, Clone, Copy)]
pub enum Pictures<'a> {
    Left,
    Shown(&'a Manifest),
}

const STYLE: &str = include_str!("page.css");
/// How many of the worst are listed, and how many are shown.
const LISTED: usize = 40;
const SHOWN: usize = 12;
/// Longer tables are folded up at first.
const UNFOLDED: usize = 12;
/// Pixels of a shown photo's longer side.
const SHOWN_SIZE: u32 = 640;

/// The page.
///
/// # Errors
/// A plot could not be drawn.
pub fn page(report: &Report, pictures: Pictures<'_>) -> Result<String, PlotError> {
    let run = &report.run;
    let title = format!("Evaluation of {} {} on {}", run.bundle.name, run.bundle.version, run.subject);
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                h1 { (title) }
                (summary(report))
                @if let Some(comparison) = &report.comparison { (compared(comparison)) }
                @if let Some(documents) = &report.documents { (of_documents(documents, pictures)?) }
                @if let Some(faces) = &report.faces { (of_faces(faces, pictures)?) }
                (method(report))
            }
        }
    };
    Ok(page.into_string())
}

fn summary(report: &Report) -> Markup {
    html! {
        div.cards {
            @if let Some(documents) = &report.documents {
                (card("zones read exactly", &percent(documents.all.exact.rate), &of(&documents.all.exact), true))
                (card("valid but wrong", &documents.all.wrong.count.to_string(), &of(&documents.all.wrong), documents.all.wrong.count == 0))
                (card("CPU time of a document", &format!("{:.0} ms", documents.cpu_ms.median), &format!("median; 95 % within {:.0} ms", documents.cpu_ms.p95), true))
                @if let Some(way) = forged(documents) {
                    (card("forgeries found", &percent(way.rate), &of(&way), true))
                }
            }
            @if let Some(faces) = &report.faces {
                @let shipped = &faces.shipped;
                (card("false matches", &shipped.false_match.count.to_string(), &format!("{} at similarity {:.2}", of(&shipped.false_match), shipped.match_at), shipped.false_match.count == 0))
                (card("false non-matches", &percent(shipped.false_non_match.rate), &format!("{} of good photos", of(&shipped.false_non_match)), true))
                @for attack in &faces.attacks {
                    (card(&format!("attacks accepted: {}", attack.kind), &attack.accepted.count.to_string(), &of(&attack.accepted), attack.accepted.count == 0))
                }
            }
        }
    }
}

fn card(name: &str, value: &str, note: &str, good: bool) -> Markup {
    html! { div class=(if good { "card" } else { "card bad" }) { div.name { (name) } div.value { (value) } div.note { (note) } } }
}

fn of(rate: &Rate) -> String {
    format!("{} of {}, 95 % interval {} to {}", rate.count, rate.of, percent(rate.low), percent(rate.high))
}

/// All forgeries together, when there are any.
fn forged(documents: &documents::Summary) -> Option<Rate> {
    let forged = documents.tampering.iter().filter(|way| way.name != "genuine");
    let (found, all) = forged.fold((0, 0), |(found, all), way| (found + way.found.count, all + way.found.of));
    (all > 0).then(|| Rate::wilson(found, all))
}

fn compared(comparison: &Comparison) -> Markup {
    let then = &comparison.with;
    html! {
        h2 { "Compared with " (then.bundle.name) " " (then.bundle.version) " on " (then.subject) }
        p class=(if comparison.is_dangerous() { "bad" } else { "" }) {
            @if comparison.is_dangerous() { "Something is accepted now that is false and was not accepted then." }
            @else { "Nothing false is accepted that was not accepted then." }
            " " (comparison.common) " documents are in both runs"
            @if comparison.only_old + comparison.only_new > 0 {
                ", " (comparison.only_old) " only in the old one, " (comparison.only_new) " only in this one"
            }
            "."
            @if let Some(ratio) = comparison.cpu_ratio { " A document takes " (format!("{ratio:.2}")) " times the CPU time that it took." }
        }
        @if !comparison.changed.is_empty() {
            table {
                tr { th { "document" } th { "was" } th { "is" } }
                @for change in &comparison.changed {
                    tr class=(if change.is_worse() { "bad" } else { "" }) {
                        td { (change.id) } td { (name(change.from)) } td { (name(change.to)) }
                    }
                }
            }
        }
        @if !(comparison.fields_lost.is_empty() && comparison.fields_gained.is_empty()) {
            table {
                tr { th { "field of the visual zone" } th.number { "no longer right" } th.number { "right now" } }
                @let names = comparison.fields_lost.keys().chain(comparison.fields_gained.keys());
                @for field in names.collect::<std::collections::BTreeSet<_>>() {
                    @let count = |of: &std::collections::BTreeMap<String, usize>| of.get(field).copied().unwrap_or_default();
                    tr { td { (field) } td.number { (count(&comparison.fields_lost)) } td.number { (count(&comparison.fields_gained)) } }
                }
            }
        }
        @for pair in &comparison.new_false_matches { p.bad { "New false match: " (pair) } }
        @for pair in &comparison.gone_false_matches { p { "No longer a false match: " (pair) } }
    }
}

fn of_documents(documents: &documents::Summary, pictures: Pictures<'_>) -> Result<Markup, PlotError> {
    let curves = documents.curves.iter().map(plot::curve).collect::<Result<Vec<_>, _>>()?;
    Ok(html! {
        h2 { "Documents" }
        h3 { "By layout of the machine-readable zone" }
        (group_table(std::slice::from_ref(&documents.all), &documents.by_format))
        @for (what, groups) in [
            ("By kind", &documents.by_kind), ("By issuer", &documents.by_issuer),
            ("By half: what was tuned on, what was held out", &documents.by_half),
        ] {
            @if groups.len() > 1 || what.starts_with("By half") && !groups.is_empty() {
                details open[groups.len() <= UNFOLDED] {
                    summary { (what) }
                    (group_table(&[], groups))
                }
            }
        }
        @if !documents.all.fields.is_empty() {
            h3 { "The visual zone, field by field" }
            @let groups = if documents.by_kind.is_empty() { &documents.by_format } else { &documents.by_kind };
            (field_table(std::slice::from_ref(&documents.all), groups))
        }
        @if !curves.is_empty() {
            h3 { "Against one disturbance at a time" }
            p { span.key { "Exact reading" } " of zones and " span.key.wrong { "valid but wrong" } " readings, with 95 % intervals. At the good end of each axis everything is as a careful owner has it; each plot moves one fault alone." }
            div.plots { @for svg in &curves { (PreEscaped(svg)) } }
        }
        @if !documents.tampering.is_empty() {
            h3 { "Forgeries" }
            table {
                tr { th { "what was done" } th.number { "found" } th { "rate, 95 % interval" } th.number { "only a better photo asked for" } th.number { "passed" } th.number { "of" } }
                @for way in &documents.tampering {
                    tr {
                        td { (way.name) @if way.name == "genuine" { " (found here is a false alarm)" } }
                        td.number { (way.found.count) } td { (rate(&way.found)) }
                        td.number { (way.retake) } td.number { (way.passed) } td.number { (way.found.of) }
                    }
                }
            }
        }
        h3 { "Reasons that were given" }
        (counted(&documents.reasons, documents.all.photos))
        h3 { "Where the time goes" }
        table {
            tr { th { "stage" } th.number { "CPU ms, median" } th.number { "CPU ms, 95 %" } }
            @for stage in &documents.stages {
                tr { td { (stage.name) } td.number { (format!("{:.1}", stage.cpu_ms.median)) } td.number { (format!("{:.1}", stage.cpu_ms.p95)) } }
            }
            tr.all { td { "all" } td.number { (format!("{:.1}", documents.cpu_ms.median)) } td.number { (format!("{:.1}", documents.cpu_ms.p95)) } }
        }
        (worst_documents(documents, pictures))
    })
}

fn worst_documents(documents: &documents::Summary, pictures: Pictures<'_>) -> Markup {
    let worst = documents.worst(LISTED);
    html! {
        h3 { "The worst" }
        @if worst.is_empty() { p { "Every zone was read, and nothing forged passed." } } @else {
            table {
                tr { th { "document" } th { "layout" } th { "zone" } th { "disturbance" } th { "tampering" } th { "decision and reasons" } }
                @for row in &worst {
                    tr class=(if row.outcome == Outcome::Wrong { "bad" } else { "" }) {
                        td { (row.id) } td { (row.format) } td { (name(row.outcome)) }
                        td { @if let Some(disturbance) = &row.disturbance { (disturbance) " " (format!("{:.2}", row.strength.unwrap_or_default())) } }
                        td { (row.tampering.as_deref().unwrap_or_default()) }
                        td { (format!("{:?}", row.decision).to_lowercase()) " " (row.reasons.iter().map(|reason| reason.as_str()).collect::<Vec<_>>().join(", ")) }
                    }
                }
            }
        }
        @if let Pictures::Shown(manifest) = pictures {
            @for row in worst.iter().take(SHOWN) { (shown(row, manifest)) }
        }
    }
}

/// The photo with what is printed on it and what was read, only for who asked for that.
fn shown(row: &Row, manifest: &Manifest) -> Markup {
    let photo =
        manifest.documents.iter().find(|document| document.id == row.id).map(|document| document.front());
    html! {
        figure {
            @if let Some(data) = photo.and_then(|photo| embedded(&photo, &row.id)) { img src=(data) alt=(row.id); }
            figcaption { (row.id) }
            pre { @for line in &row.text.printed { "printed " (line) "\n" } @for line in &row.text.read { "read    " (line) "\n" } }
        }
    }
}

fn of_faces(faces: &faces::Summary, pictures: Pictures<'_>) -> Result<Markup, PlotError> {
    let shipped = &faces.shipped;
    let plots = [
        plot::det(&faces.matching)?,
        plot::calibration(&faces.matching)?,
        plot::histogram(&faces.matching, shipped.match_at)?,
    ];
    let (impostors, genuine) = faces.worst(8);
    Ok(html! {
        h2 { "Faces" }
        p {
            (faces.photos) " photos; as many faces found as there are on " (of(&faces.counted)) ". "
            (faces.matching.genuine) " comparisons of one person, " (faces.matching.impostor) " of different people, "
            (faces.matching.failed) " without a face to compare."
        }
        h3 { "At the thresholds of this bundle" }
        table {
            tr { th { "" } th.number { "count" } th.number { "of" } th { "rate, 95 % interval" } }
            @for (what, r) in [
                (format!("different people match (at or above {:.2})", shipped.match_at), &shipped.false_match),
                (format!("different people go to a person ({:.2} to {:.2})", shipped.review_at, shipped.match_at), &shipped.impostors_reviewed),
                (format!("one person does not match, good photos (below {:.2})", shipped.match_at), &shipped.false_non_match),
                (format!("one person is refused, good photos (below {:.2})", shipped.review_at), &shipped.refused),
                (format!("live, but not live enough (below {:.2})", shipped.live_at), &faces.bona_fide_refused),
            ] {
                tr { td { (what) } td.number { (r.count) } td.number { (r.of) } td { (rate(r)) } }
            }
        }
        h3 { "False non-match rate at a false match rate" }
        (operating_points("all photos", &faces.matching))
        (operating_points("good photos", &faces.good))
        div.plots { @for svg in &plots { (PreEscaped(svg)) } }
        @if !faces.attacks.is_empty() {
            h3 { "Attacks (ISO/IEC 30107-3)" }
            table {
                tr { th { "kind" } th.number { "accepted" } th.number { "of" } th { "APCER, 95 % interval" } th.number { "no face found" } }
                @for attack in &faces.attacks {
                    tr class=(if attack.accepted.count > 0 { "bad" } else { "" }) {
                        td { (attack.kind) } td.number { (attack.accepted.count) } td.number { (attack.accepted.of) } td { (rate(&attack.accepted)) } td.number { (attack.no_response) }
                    }
                }
                tr { td { "live photos refused (BPCER)" } td.number { (faces.bona_fide_refused.count) } td.number { (faces.bona_fide_refused.of) } td { (rate(&faces.bona_fide_refused)) } td {} }
            }
        }
        h3 { "Reasons that were given" }
        (counted(&faces.reasons, faces.photos))
        h3 { "The worst" }
        table {
            tr { th { "comparison" } th { "of" } th.number { "similarity" } }
            @for (what, pairs) in [("different people", &impostors), ("one person", &genuine)] {
                @for pair in pairs {
                    tr class=(if !pair.genuine && pair.similarity.is_some_and(|s| s >= shipped.match_at) { "bad" } else { "" }) {
                        td { (pair.id) } td { (what) }
                        td.number { @match pair.similarity { Some(similarity) => (format!("{similarity:.3}")), None => "no face" } }
                    }
                }
            }
        }
        @if let Pictures::Shown(manifest) = pictures {
            @for pair in impostors.iter().chain(&genuine).take(SHOWN) {
                figure {
                    @for face in manifest.faces.iter().filter(|face| pair.id.split(' ').any(|id| id == face.id)) {
                        @if let Some(data) = embedded(&face.photo(), &face.id) { img src=(data) alt=(face.id); }
                    }
                    figcaption { (pair.id) @if let Some(similarity) = pair.similarity { (format!(": {similarity:.3}")) } }
                }
            }
        }
    })
}

fn counted(reasons: &[(String, usize)], of: usize) -> Markup {
    html! {
        @if reasons.is_empty() { p { "None." } } @else {
            table {
                tr { th { "reason" } th.number { "photos" } th.number { "share" } }
                @for (code, count) in reasons {
                    tr { td { (code) } td.number { (count) } td.number { (percent(*count as f64 / of.max(1) as f64)) } }
                }
            }
        }
    }
}

fn method(report: &Report) -> Markup {
    let run = &report.run;
    html! {
        h2 { "How this was measured" }
        @if let Some(note) = &run.note { p { (note) } }
        ul {
            li { "Subject: " (run.subject) @if let Some(sha256) = &run.sha256 { ", sha-256 " code { (sha256) } } }
            li { "Models: bundle " (run.bundle.name) " " (run.bundle.version) ", manifest sha-256 " code { (run.bundle.sha256) } }
            li { "Documents are in date as of " (run.today) "; made " (report.made.to_string()) "; " (run.jobs) " photos at once" }
            li { "A zone is exact when every line is what is printed, to the character. Valid but wrong is a zone that was reported as valid and is anything else." }
            li { "Shares of exact readings and of fields have Wilson's 95 % interval, rates of errors the exact one of Clopper and Pearson. Both take comparisons as independent; those of the same few people are not." }
            li { "A false match rate is supported when there are at least 3 / rate comparisons of different people (the rule of three): with fewer, not even none of them would show it." }
            li { "Photos of faces are compared each with each, without the half ones and the attacks. Good photos pass the gates of quality." }
        }
    }
}

fn name(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Exact => "exact",
        Outcome::Nothing => "not read",
        Outcome::Refused => "refused, as it fails its own digits",
        Outcome::Wrong => "valid but wrong",
        Outcome::NoZone => "none printed, none reported",
    }
}

/// A small JPEG as a data URL; nothing for what is no picture.
fn embedded(photo: &Photo, id: &str) -> Option<String> {
    let picture = image::load_from_memory(&photo.read(id).ok()?).ok()?;
    let picture = picture.resize(SHOWN_SIZE, SHOWN_SIZE, FilterType::Triangle).into_rgb8();
    let mut jpeg = Cursor::new(Vec::new());
    picture.write_to(&mut jpeg, ImageFormat::Jpeg).ok()?;
    Some(format!("data:image/jpeg;base64,{}", BASE64_STANDARD.encode(jpeg.into_inner())))
}

#[cfg(test)]
mod tests {
    use super::super::compare::compare;
    use super::super::documents::tests::row;
    use super::super::faces::tests::{THRESHOLDS, pair};
    use super::super::tests::run;
    use super::*;

    fn report() -> Report {
        let wrong =
            Row { disturbance: Some("glare".into()), strength: Some(0.5), ..row("w<1>", Outcome::Wrong) };
        let rows = vec![row("a", Outcome::Exact), row("b", Outcome::Exact), wrong];
        let pairs = vec![pair("a b", true, 0.8), pair("a c", false, 0.1), pair("b c", false, 0.5)];
        let faces = faces::Summary::of(Vec::new(), pairs, &THRESHOLDS);
        Report::new(run(), Some(documents::Summary::of(rows)), Some(faces))
    }

    #[test]
    fn the_page_says_what_the_json_says() {
        let report = report();
        let page = page(&report, Pictures::Left).unwrap();
        let json: Report = serde_json::from_slice(&serde_json::to_vec(&report).unwrap()).unwrap();
        let documents = json.documents.unwrap();
        for rate in [&documents.all.exact, &documents.all.wrong] {
            assert!(page.contains(&of(rate)), "{rate:?}");
        }
        let shipped = json.faces.unwrap().shipped.false_match;
        assert_eq!((shipped.count, shipped.of), (1, 2));
        assert!(page.contains(&of(&shipped)));
        assert!(page.contains("too few: 300 are needed"), "two impostors support no rate of 1e-2");
    }

    #[test]
    fn the_page_needs_nothing_from_elsewhere_and_takes_nothing_for_markup() {
        let page = page(&report(), Pictures::Left).unwrap();
        let links = ["src=", "href=", "@import", "url("];
        for link in links {
            assert!(!page.contains(link), "{link}");
        }
        assert!(page.contains("w&lt;1&gt;") && page.contains("&lt;b&gt;even&lt;/b&gt;"));
    }

    #[test]
    fn a_danger_found_by_comparison_stands_out() {
        let mut report = report();
        let mut old = report.clone();
        old.documents =
            Some(documents::Summary::of(vec![row("a", Outcome::Exact), row("w<1>", Outcome::Nothing)]));
        report.comparison = Some(compare(&old, &report));
        let page = page(&report, Pictures::Left).unwrap();
        assert!(page.contains("Something is accepted now that is false"));
    }
}
