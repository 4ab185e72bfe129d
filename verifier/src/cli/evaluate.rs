//! `reinstate-verifier evaluate MANIFEST --out REPORT`: what the ML team runs before it swaps a model.

use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use jiff::Zoned;
use jiff::civil::Date;
use reinstate_verifier::evaluate::compare::compare;
use reinstate_verifier::evaluate::comparison::Comparison;
use reinstate_verifier::evaluate::report::named;
use reinstate_verifier::evaluate::{Error, Pictures, Report, evaluate, page};

use super::{Failure, open_bundle};

/// Reads every labelled photo of a manifest, compares every labelled face with every other, and reports how well that went,
/// as a page and as JSON. Exit status 1 when, compared with an older run, something false is accepted that was not.
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// A JSON file beside the photos: an array of documents or of faces, or an object with both.
    manifest: PathBuf,
    /// The report: this name with the endings .html and .json.
    #[arg(long)]
    out: PathBuf,
    /// The JSON of an older run, to compare with.
    #[arg(long, value_name = "OLD.json")]
    against: Option<PathBuf>,
    /// Photos that are looked at at the same time, each by a thread with networks of its own. Default: one for each processor.
    #[arg(long)]
    jobs: Option<NonZero<usize>>,
    /// Shows the worst photos on the page, and what is printed on them: people's faces and names.
    #[arg(long)]
    include_images: bool,
    /// The day on which documents are to be in date. Default: today.
    #[arg(long)]
    today: Option<Date>,
}

pub(super) fn run(bundle: Option<&Path>, arguments: &Arguments) -> Result<ExitCode, Failure> {
    // Before any work is done for nothing.
    let old = arguments.against.as_deref().map(Report::open).transpose().map_err(Error::Report)?;
    let bundle = open_bundle(bundle)?;
    let jobs =
        arguments.jobs.or_else(|| std::thread::available_parallelism().ok()).unwrap_or(NonZero::<usize>::MIN);
    let today = arguments.today.unwrap_or_else(|| Zoned::now().date());
    let (manifest, mut report) = evaluate(&arguments.manifest, &bundle, jobs, today)?;
    report.comparison = old.map(|old| compare(&old, &report));
    let pictures = if arguments.include_images { Pictures::Shown(&manifest) } else { Pictures::Left };
    let html = page(&report, pictures).map_err(Error::Plot)?;
    report.write(&html, &arguments.out).map_err(Error::Report)?;
    say(&report, &arguments.out);
    let dangerous = report.comparison.as_ref().is_some_and(Comparison::is_dangerous);
    Ok(if dangerous { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// The answer in a few lines; the rest is on the page.
fn say(report: &Report, out: &Path) {
    if let Some(documents) = &report.documents {
        let all = &documents.all;
        println!(
            "documents: {} photos, {} of {} zones exact, {} refused for digits that fail as printed, {} not read, \
             {} valid but wrong; median {:.0} CPU ms",
            all.photos,
            all.exact.count,
            all.exact.of,
            all.refused,
            all.nothing,
            all.wrong.count,
            documents.cpu_ms.median
        );
    }
    if let Some(faces) = &report.faces {
        let shipped = &faces.shipped;
        println!(
            "faces: {} photos; false matches {} of {}, false non-matches of good photos {} of {} at similarity {}",
            faces.photos,
            shipped.false_match.count,
            shipped.false_match.of,
            shipped.false_non_match.count,
            shipped.false_non_match.of,
            shipped.match_at
        );
    }
    if let Some(comparison) = &report.comparison {
        for change in comparison.regressions() {
            println!("worse than before: {}", change.id);
        }
        for pair in &comparison.new_false_matches {
            println!("new false match: {pair}");
        }
    }
    println!("{} and {}", named(out, "html").display(), named(out, "json").display());
}
