//! Where the verifier's time goes: a passport page, an ID card, a selfie, each through the real models on one thread; then the
//! same labelled photos through ours and through other readers.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use reinstate_verifier::document::{self, DocumentReader};
use reinstate_verifier::face::{FaceMatcher, Frame};
use reinstate_verifier::models::{self, Bundle};
use reinstate_verifier::timing::{Spent, Timings};

use crate::peers;
use crate::photos::{self, Photos};

#[derive(Debug, thiserror::Error)]
pub(crate) enum Failed {
    #[error("the models are not usable")]
    Models(#[from] models::Error),
    #[error("a document could not be examined")]
    Document(#[from] document::Error),
    #[error("a face could not be examined")]
    Face(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("there is nothing to examine")]
    Photos(#[from] photos::Failed),
    #[error("other readers could not be measured")]
    Peers(#[from] peers::Failed),
}

/// Examines each subject `runs` times after one warm-up and prints medians, looks at the memory over 200 documents, and compares
/// with other readers on `photos`.
pub(crate) fn run(runs: usize, photos: Option<PathBuf>) -> Result<(), Failed> {
    let bundle = Bundle::load(None)?;
    let mut reader = DocumentReader::new(&bundle)?;
    let mut matcher = FaceMatcher::new(&bundle)?;
    let taken = Photos::take()?;
    let passport = taken.page(1);
    let card = taken.both_sides();
    let faces = taken.faces();

    let mut measured = Vec::new();
    for _ in 0..=runs {
        measured.push(reader.examine(&passport.front, None, passport.today)?.timings);
    }
    print("passport page", &measured[1..]);
    measured.clear();
    for _ in 0..=runs {
        measured.push(reader.examine(&card.front, card.back.as_deref(), card.today)?.timings);
    }
    print("ID card, both sides", &measured[1..]);
    measured.clear();
    for _ in 0..=runs {
        let frames: Vec<_> =
            faces.frames.iter().map(|(action, image)| Frame { action: *action, image }).collect();
        let references: Vec<_> =
            faces.references.iter().map(|(reference, image)| (*reference, image.as_slice())).collect();
        let examined = matcher.examine(&frames, &references);
        measured.push(examined.map_err(|e| Failed::Face(Box::new(e)))?.timings);
    }
    print("selfie and one portrait", &measured[1..]);

    println!("\nresident memory while reading 200 passport pages, MiB");
    for n in 0..=200 {
        if n % 50 == 0 {
            println!("  after {n:>3}: {:>6.0}", resident_mib());
        }
        let page = taken.page(n);
        reader.examine(&page.front, None, page.today)?;
    }
    let shared =
        std::env::var_os("REINSTATE_SHARED_DATA").map_or_else(|| "../shared/data".into(), PathBuf::from);
    let manifest = photos.unwrap_or_else(|| shared.join("mrz-dev/manifest.json"));
    if !manifest.exists() {
        println!("\nother readers: skipped, there is no {} (--photos names another)", manifest.display());
        return Ok(());
    }
    Ok(peers::run(&manifest)?)
}

/// The median of each stage.
fn print(subject: &str, runs: &[Timings]) {
    let mut stages: BTreeMap<&str, Vec<Spent>> = BTreeMap::new();
    let mut totals = Vec::new();
    for run in runs {
        let mut total = Spent::default();
        for (stage, spent) in run.stages() {
            stages.entry(stage).or_default().push(spent);
            total.wall += spent.wall;
            total.cpu += spent.cpu;
        }
        totals.push(total);
    }
    println!("\n{subject}, median of {} runs on one thread", runs.len());
    println!("  {:<28} {:>9} {:>9}", "stage", "CPU ms", "wall ms");
    for (stage, spent) in stages {
        line(stage, &spent);
    }
    line("all", &totals);
}

fn line(stage: &str, spent: &[Spent]) {
    let median = |value: fn(&Spent) -> f64| {
        let mut values: Vec<f64> = spent.iter().map(value).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or_default() * 1000.0
    };
    let (cpu, wall) = (median(|s| s.cpu.as_secs_f64()), median(|s| s.wall.as_secs_f64()));
    println!("  {stage:<28} {cpu:>9.1} {wall:>9.1}");
}

/// Of this process, as the kernel counts it.
fn resident_mib() -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kib = status
        .lines()
        .find_map(|l| l.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.trim().parse::<f64>().ok());
    kib.unwrap_or_default() / 1024.0
}
