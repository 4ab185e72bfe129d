//! Where the verifier's time goes: a passport page, an ID card, a selfie, each through the real models on one thread; then the
//! same labelled photos through ours and through other readers.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::{fs, io};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use reinstate_domain::face::{Action, Reference};
use reinstate_specimen::{Camera, Fonts, Holder, IdCard, Issue, Passport, Portrait};
use reinstate_verifier::document::{self, DocumentReader};
use reinstate_verifier::face::{FaceMatcher, Frame};
use reinstate_verifier::models::{self, Bundle, cache_dir};
use reinstate_verifier::timing::{Spent, Timings};

use crate::peers;

#[derive(Debug, thiserror::Error)]
pub(crate) enum Failed {
    #[error("the models are not usable")]
    Models(#[from] models::Error),
    #[error("a document could not be examined")]
    Document(#[from] document::Error),
    #[error("a face could not be examined")]
    Face(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("{} can't be read; models/fetch gets it", path.display())]
    Photo {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("other readers could not be measured")]
    Peers(#[from] peers::Failed),
    #[error("a specimen could not be drawn")]
    Specimen(#[source] Box<dyn std::error::Error + Send + Sync>),
}

fn drawn<E: std::error::Error + Send + Sync + 'static>(error: E) -> Failed {
    Failed::Specimen(Box::new(error))
}

/// Examines each subject `runs` times after one warm-up and prints medians, looks at the memory over 200 documents, and compares
/// with other readers on `photos`.
pub(crate) fn run(runs: usize, photos: Option<PathBuf>) -> Result<(), Failed> {
    let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
    let bundle = Bundle::load(None)?;
    let mut reader = DocumentReader::new(&bundle)?;
    let mut matcher = FaceMatcher::new(&bundle)?;
    let fonts = Fonts::load().map_err(drawn)?;
    let photo = |name: &str| {
        let path = cache_dir().join("photos").join(name);
        fs::read(&path).map_err(|source| Failed::Photo { path, source })
    };
    let (first, second) = (photo("obama.jpg")?, photo("obama2.jpg")?);
    let portrait = image::load_from_memory(&first).map_err(drawn)?;
    let portrait = Portrait::new(&portrait, None);
    let page = |seed: u64| -> Result<Vec<u8>, Failed> {
        let passport = Passport { holder: Holder::invented(seed), issue: Issue::invented(seed) };
        let page = passport.draw(&fonts, &portrait, &[]);
        Ok(Camera::good(seed).photograph(&page).map_err(drawn)?.jpeg)
    };
    let card = IdCard { holder: Holder::invented(1), issue: Issue::invented(1) };
    let (front, back) = card.draw(&fonts, &portrait, &[]);
    let front = Camera::good(1).photograph(&front).map_err(drawn)?.jpeg;
    let back = Camera::good(2).photograph(&back).map_err(drawn)?.jpeg;
    let passport = page(1)?;

    let mut measured = Vec::new();
    for _ in 0..=runs {
        measured.push(reader.examine(&passport, None, today)?.timings);
    }
    print("passport page", &measured[1..]);
    measured.clear();
    for _ in 0..=runs {
        measured.push(reader.examine(&front, Some(&back), today)?.timings);
    }
    print("ID card, both sides", &measured[1..]);
    measured.clear();
    for _ in 0..=runs {
        let frames = [Frame { action: Action::LookAhead, image: second.as_slice() }];
        let examined = matcher.examine(&frames, &[(Reference::OnFile, first.as_slice())]);
        measured.push(examined.map_err(|e| Failed::Face(Box::new(e)))?.timings);
    }
    print("selfie and one portrait", &measured[1..]);

    let pages = (0..8).map(page).collect::<Result<Vec<_>, _>>()?;
    println!("\nresident memory while reading 200 passport pages, MiB");
    for n in 0..=200 {
        if n % 50 == 0 {
            println!("  after {n:>3}: {:>6.0}", resident_mib());
        }
        reader.examine(&pages[n % pages.len()], None, today)?;
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
