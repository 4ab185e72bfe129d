//! Thousands of specimens drawn, read and forgotten: the accuracy of the reader on photos whose every character and fault is
//! known. What was read is kept in a file beside the report, so that a run that was ended goes on where it was.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::thread;

use clap::ValueEnum;
use jiff::civil::Date;
use jiff::{Timestamp, tz::TimeZone};
use reinstate_domain::evidence::Decision;
use reinstate_domain::reason::ReasonCode;
use reinstate_specimen::{
    Disturbance, Fonts, Forgery, Half, Kind, Plan, Portrait, STATES, Set, Shot, Studio, Taken,
};
use reinstate_verifier::document::DocumentReader;
use reinstate_verifier::evaluate::documents::{self, Outcome, Row, Summary};
use reinstate_verifier::evaluate::manifest::Document;
use reinstate_verifier::evaluate::pool::{Progress, in_parallel};
use reinstate_verifier::evaluate::report::named;
use reinstate_verifier::evaluate::run::Run;
use reinstate_verifier::evaluate::statistics::quantile;
use reinstate_verifier::evaluate::{self, Pictures, Report};
use reinstate_verifier::models::{self, Bundle, cache_dir};
use reinstate_verifier::timing::Timings;
use serde::{Deserialize, Serialize};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// What is photographed.
    #[arg(long, default_value = "ordinary")]
    set: Which,
    /// So many photos.
    #[arg(long, default_value_t = 500)]
    photos: usize,
    /// Leaves out the first of them, which another run has read: on another machine, say. Of the same --photos, for they are spread
    /// evenly over all kinds and issuers.
    #[arg(long, default_value_t = 0)]
    skip: usize,
    /// The even seeds are there to be looked at, the odd ones to be measured on.
    #[arg(long, default_value = "tuning")]
    half: Half,
    /// The report: this name with the endings .html and .json, and .rows.jsonl meanwhile.
    #[arg(long, default_value = "sweep")]
    out: PathBuf,
    /// Default: all.
    #[arg(long, value_delimiter = ',')]
    kinds: Vec<Kind>,
    /// ICAO codes. Default: all that are known.
    #[arg(long, value_delimiter = ',')]
    issuers: Vec<String>,
    /// Of curves. Default: all.
    #[arg(long, value_delimiter = ',')]
    disturbances: Vec<Disturbance>,
    /// Of each disturbance, 0 to 1.
    #[arg(long, value_delimiter = ',', default_values_t = [0.0, 0.2, 0.4, 0.6, 0.8, 1.0])]
    strengths: Vec<f32>,
    /// Keeps the photos that are to be looked at in this folder, each with a manifest for `reinstate-verifier evaluate`: valid
    /// but wrong, forged and passed, or genuine and taken for a forgery.
    #[arg(long)]
    keep: Option<PathBuf>,
    /// Readers at the same time. Default: one for each processor.
    #[arg(long)]
    jobs: Option<NonZero<usize>>,
    /// The day on which documents are to be in date. Default: today.
    #[arg(long)]
    today: Option<Date>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Which {
    /// As phones usually take them.
    Ordinary,
    /// With any faults of any strength at once.
    Any,
    /// At each strength of each disturbance alone.
    Curves,
    /// Forged in each way, and once untouched, as phones usually take them.
    Tampered,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum Failed {
    #[error("the models are not usable")]
    Models(#[from] models::Error),
    #[error("a specimen could not be drawn")]
    Specimen(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("{id} could not be read")]
    Read { id: String, source: reinstate_verifier::document::Error },
    #[error("a label is not one")]
    Label(#[source] serde_json::Error),
    #[error("{}", path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("{} belongs to another run: take it away, or give another --out", path.display())]
    OtherRun { path: PathBuf },
    #[error(
        "nothing is left to read: --skip {skip} of {photos} photos (--photos counts those that are left out, too)"
    )]
    NothingLeft { photos: usize, skip: usize },
    #[error(transparent)]
    Report(#[from] evaluate::Error),
}

fn drawn<E: std::error::Error + Send + Sync + 'static>(error: E) -> Failed {
    Failed::Specimen(Box::new(error))
}

/// Photos of each document: what is drawn costs more than what is photographed.
const PHOTOS_OF_EACH: u32 = 4;

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failed> {
    let bundle = Bundle::load(None)?;
    let fonts = Fonts::load().map_err(drawn)?;
    let portraits = portraits()?;
    let jobs =
        arguments.jobs.or_else(|| thread::available_parallelism().ok()).unwrap_or(NonZero::<usize>::MIN);
    let today = arguments.today.unwrap_or_else(|| Timestamp::now().to_zoned(TimeZone::UTC).date());
    let shots = arguments.shots()?;
    let subject = arguments.subject(shots.len());
    let key = Key { subject: subject.clone(), bundle: bundle.sha256(), today };
    let (kept, rows) = Kept::open(&named(&arguments.out, "rows.jsonl"), &key)?;
    let open: Vec<&Shot> = shots.iter().filter(|shot| !rows.contains_key(&shot.id)).collect();
    if !rows.is_empty() {
        println!("{} of {} were read before", shots.len() - open.len(), shots.len());
    }

    let progress = Progress::new("photos", open.len());
    let prepare = || Ok((DocumentReader::new(&bundle)?, Studio::new(&fonts, &portraits)));
    let read = |(reader, studio): &mut (DocumentReader, Studio),
                shot: &&Shot|
     -> Result<(Row, f64), Failed> {
        let mut timings = Timings::default();
        let taken = timings.measure("draw", || studio.take(shot)).map_err(drawn)?;
        let label =
            serde_json::to_value(&taken.label).and_then(serde_json::from_value).map_err(Failed::Label)?;
        let (label, thresholds): (Document, _) = (label, bundle.document_thresholds());
        let row = documents::score(reader, &label, &taken.front, taken.back.as_deref(), thresholds, today)
            .map_err(|source| Failed::Read { id: shot.id.clone(), source })?;
        if let Some(folder) = arguments.keep.as_deref().filter(|_| is_to_be_looked_at(&row)) {
            keep(folder, &taken)?;
        }
        kept.add(&row)?;
        Ok((row, timings.stages().map(|(_, spent)| spent.cpu.as_secs_f64() * 1000.0).sum()))
    };
    let new = in_parallel(&open, jobs, &progress, prepare, read)?;
    drop(progress);
    let (new, drawing): (Vec<Row>, Vec<f64>) = new.into_iter().unzip();
    let all: BTreeMap<String, Row> =
        rows.into_iter().chain(new.into_iter().map(|row| (row.id.clone(), row))).collect();
    let summary = Summary::of(shots.iter().filter_map(|shot| all.get(&shot.id).cloned()).collect());

    say(&summary, &drawing);
    let run = Run {
        subject,
        sha256: None,
        note: Some(note(arguments.half).into()),
        bundle: evaluate::used(&bundle),
        today,
        jobs: jobs.get(),
    };
    let report = Report::new(run, Some(summary), None);
    let page = evaluate::page(&report, Pictures::Left).map_err(evaluate::Error::Plot)?;
    report.write(&page, &arguments.out).map_err(evaluate::Error::Report)?;
    println!("{} and .json", named(&arguments.out, "html").display());
    Ok(())
}

impl Arguments {
    /// As many photos as are wanted, of as few documents as that takes.
    fn shots(&self) -> Result<Vec<Shot>, Failed> {
        let (set, of_each) = match self.set {
            Which::Ordinary => (Set::Ordinary { photos: PHOTOS_OF_EACH }, PHOTOS_OF_EACH as usize),
            Which::Any => (Set::Any { photos: PHOTOS_OF_EACH }, PHOTOS_OF_EACH as usize),
            Which::Curves => {
                let disturbances = or_all(&self.disturbances, &Disturbance::ALL);
                let of_each = disturbances.len() * self.strengths.len();
                (Set::Curves { disturbances, strengths: self.strengths.clone() }, of_each)
            }
            Which::Tampered => {
                (Set::Tampered { forgeries: Forgery::SWEPT.to_vec() }, Forgery::SWEPT.len() + 1)
            }
        };
        let mut plan = Plan {
            kinds: or_all(&self.kinds, &Kind::ALL),
            issuers: or_all(&self.issuers, &STATES.map(str::to_owned)),
            documents: 1,
            half: self.half,
            set,
        };
        // Some kinds have fewer issuers and some forgeries fit fewer kinds, so that this may be too few at first.
        plan.documents = (self.photos / (of_each * plan.kinds.len() * plan.issuers.len()).max(1)) as u32 + 1;
        let mut shots = plan.shots();
        while shots.len() < self.photos && !shots.is_empty() {
            plan.documents += 1;
            shots = plan.shots();
        }
        // Evenly out of all, so that no kind is left out.
        let all = shots.len();
        let wanted = self.photos.min(all);
        let is_taken = |n: usize| n * wanted / all != (n + 1) * wanted / all;
        let taken = shots.into_iter().enumerate().filter(|(n, _)| is_taken(*n)).map(|(_, shot)| shot);
        let taken: Vec<Shot> = taken.skip(self.skip).collect();
        if taken.is_empty() {
            return Err(Failed::NothingLeft { photos: wanted, skip: self.skip });
        }
        Ok(taken)
    }

    /// Two runs of the same words are of the same photos.
    fn subject(&self, photos: usize) -> String {
        let name = |value: &dyn Fn() -> Option<clap::builder::PossibleValue>| {
            value().map(|value| value.get_name().to_owned()).unwrap_or_default()
        };
        let mut words = format!(
            "{photos} {} specimens, {} seeds",
            name(&|| self.set.to_possible_value()),
            name(&|| self.half.to_possible_value())
        );
        if self.skip > 0 {
            words.push_str(&format!(", after the first {}", self.skip));
        }
        for kind in &self.kinds {
            words.push_str(&format!(", {}", kind.as_str()));
        }
        for issuer in &self.issuers {
            words.push_str(&format!(", {issuer}"));
        }
        if matches!(self.set, Which::Curves) {
            for disturbance in &self.disturbances {
                words.push_str(&format!(", {}", disturbance.as_str()));
            }
            words.push_str(&format!(", strengths {:?}", self.strengths));
        }
        words
    }
}

fn is_to_be_looked_at(row: &Row) -> bool {
    let accused = [ReasonCode::DocumentFieldsDisagree, ReasonCode::DocumentCheckDigitFailed]
        .iter()
        .any(|reason| row.reasons.contains(reason));
    row.outcome == Outcome::Wrong
        || if row.tampering.is_some() { row.decision == Decision::Pass } else { accused }
}

/// Each photo has a manifest of its own, so that a run that was ended loses none.
fn keep(folder: &Path, taken: &Taken) -> Result<(), Failed> {
    let write = |path: PathBuf, bytes: &[u8]| {
        let written = path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(&path, bytes));
        written.map_err(|source| Failed::File { path, source })
    };
    let manifest = serde_json::to_vec_pretty(&[&taken.label]).map_err(Failed::Label)?;
    write(folder.join(&taken.label.image), &taken.front)?;
    if let (Some(name), Some(back)) = (&taken.label.back, &taken.back) {
        write(folder.join(name), back)?;
    }
    write(folder.join(format!("{}.json", taken.label.id)), &manifest)
}

fn or_all<T: Clone>(given: &[T], all: &[T]) -> Vec<T> {
    if given.is_empty() { all.to_vec() } else { given.to_vec() }
}

fn note(half: Half) -> &'static str {
    match half {
        Half::Tuning => "Drawn from the even seeds, which whoever tunes may look at.",
        Half::HeldOut => "Drawn from the odd seeds, which nothing was tuned on.",
    }
}

/// The holders' faces: those that `models/fetch` got, or a drawn head.
fn portraits() -> Result<Vec<Portrait>, Failed> {
    let folder = cache_dir().join("photos");
    let mut portraits = Vec::new();
    for name in ["obama.jpg", "biden.jpg", "obama2.jpg"] {
        let path = folder.join(name);
        if path.exists() {
            portraits.push(Portrait::new(&image::open(path).map_err(drawn)?, None));
        }
    }
    if portraits.is_empty() {
        portraits.push(Portrait::drawn());
    }
    Ok(portraits)
}

fn say(summary: &Summary, drawing: &[f64]) {
    let all = &summary.all;
    println!(
        "{} photos: {} of {} zones exact ({:.2} %), {} not read, {} valid but wrong (at most {:.3} %, 95 %)",
        all.photos,
        all.exact.count,
        all.exact.of,
        all.exact.rate * 100.0,
        all.nothing,
        all.wrong.count,
        all.wrong.high * 100.0
    );
    for (name, field) in &all.fields {
        let (right, wrong) = (&field.right, &field.wrong);
        println!(
            "  {name:<14} {:>6.2} % right, {:>6.2} % wrong of {}",
            right.rate * 100.0,
            wrong.rate * 100.0,
            right.of
        );
    }
    for way in &summary.tampering {
        let found = &way.found;
        println!(
            "  {:<24} found {} of {}, retake {}, passed {}",
            way.name, found.count, found.of, way.retake, way.passed
        );
    }
    if let Some(drawn) = quantile(drawing, 0.5) {
        println!("median CPU ms: drawing a photo {drawn:.0}, reading it {:.0}", summary.cpu_ms.median);
    }
}

/// What makes two runs the same.
#[derive(Serialize, Deserialize, PartialEq)]
struct Key {
    subject: String,
    bundle: String,
    today: Date,
}

/// The rows so far: one line each, below a line that says whose they are.
struct Kept {
    path: PathBuf,
    file: Mutex<File>,
}

impl Kept {
    fn open(path: &Path, key: &Key) -> Result<(Self, BTreeMap<String, Row>), Failed> {
        let failed = |source| Failed::File { path: path.to_owned(), source };
        let mut rows = BTreeMap::new();
        if path.exists() {
            let mut lines = BufReader::new(File::open(path).map_err(failed)?).lines();
            let first = lines.next().transpose().map_err(failed)?.unwrap_or_default();
            if !serde_json::from_str::<Key>(&first).is_ok_and(|of| of == *key) {
                return Err(Failed::OtherRun { path: path.to_owned() });
            }
            for line in lines {
                // The last line may have been cut when the run was ended.
                let Ok(row) = serde_json::from_str::<Row>(&line.map_err(failed)?) else { continue };
                rows.insert(row.id.clone(), row);
            }
        }
        let new = !path.exists();
        let file = OpenOptions::new().create(true).append(true).open(path).map_err(failed)?;
        let kept = Self { path: path.to_owned(), file: Mutex::new(file) };
        // A cut line must not take the next one with it.
        kept.line(&if new { serde_json::to_string(key).map_err(Failed::Label)? } else { String::new() })?;
        Ok((kept, rows))
    }

    fn add(&self, row: &Row) -> Result<(), Failed> {
        self.line(&serde_json::to_string(row).map_err(Failed::Label)?)
    }

    fn line(&self, text: &str) -> Result<(), Failed> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let written = writeln!(file, "{text}");
        written.map_err(|source| Failed::File { path: self.path.clone(), source })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(subject: &str) -> Key {
        Key { subject: subject.into(), bundle: "00".into(), today: Date::constant(2026, 11, 25) }
    }

    fn row(id: &str) -> Row {
        let json = serde_json::json!({
            "id": id, "format": "TD3", "outcome": "exact", "fields": {}, "decision": "pass", "reasons": [], "repairs": 0,
            "cpu_ms": {"read_mrz": 5.0}, "wall_ms": 6.0
        });
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn two_runs_share_the_photos_of_one() {
        #[derive(clap::Parser)]
        struct Command {
            #[command(flatten)]
            arguments: Arguments,
        }
        let shots = |words: &str| {
            let command: Command =
                clap::Parser::parse_from(format!("sweep --half held-out {words}").split(' '));
            command.arguments.shots()
        };
        let ids =
            |words: &str| -> Vec<String> { shots(words).unwrap().into_iter().map(|shot| shot.id).collect() };
        let whole = ids("--photos 40");
        assert_eq!(whole.len(), 40);
        assert_eq!(ids("--photos 40 --skip 15"), whole[15..]);
        assert!(matches!(shots("--photos 40 --skip 40"), Err(Failed::NothingLeft { photos: 40, skip: 40 })));
    }

    #[test]
    fn a_run_goes_on_after_its_last_whole_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows.jsonl");
        let (kept, rows) = Kept::open(&path, &key("a")).unwrap();
        assert!(rows.is_empty());
        kept.add(&row("one")).unwrap();
        write!(kept.file.lock().unwrap(), "{{\"id\": \"cut").unwrap();
        drop(kept);
        let (kept, rows) = Kept::open(&path, &key("a")).unwrap();
        assert_eq!(rows.keys().collect::<Vec<_>>(), ["one"]);
        kept.add(&row("two")).unwrap();
        let (_, rows) = Kept::open(&path, &key("a")).unwrap();
        assert_eq!(rows.keys().collect::<Vec<_>>(), ["one", "two"]);
        assert!(
            matches!(Kept::open(&path, &key("b")), Err(Failed::OtherRun { .. })),
            "the rows of another plan"
        );
    }
}
