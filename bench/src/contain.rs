//! What it costs to examine each picture in a process of its own: beside the same networks in this process, in memory, and
//! with several workers beside one.

use std::fs;
use std::num::NonZero;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use reinstate_verifier::Settings;
use reinstate_verifier::contain::Program;
use reinstate_verifier::document::{self, DocumentReader};
use reinstate_verifier::engine::{self, DocumentJob, Engine};
use reinstate_verifier::face::{FaceMatcher, Frame};
use reinstate_verifier::models::{self, Bundle};
use reinstate_verifier::timing::Timings;
use tokio::task::JoinSet;

use crate::photos::{self, Photos};

#[derive(Debug, thiserror::Error)]
pub(crate) enum Failed {
    #[error("the models are not usable")]
    Models(#[from] models::Error),
    #[error("a document could not be examined")]
    Document(#[from] document::Error),
    #[error("the engine failed")]
    Engine(#[from] engine::Error),
    #[error("there is nothing to examine")]
    Photos(#[from] photos::Failed),
    #[error("a caller broke off")]
    Caller(#[from] tokio::task::JoinError),
}

/// What is examined, by turns.
#[derive(Clone, Copy)]
enum Subject {
    Page,
    Card,
    Faces,
}

impl Subject {
    const ALL: [Self; 3] = [Self::Page, Self::Card, Self::Faces];

    fn name(self) -> &'static str {
        match self {
            Self::Page => "passport page",
            Self::Card => "ID card, both sides",
            Self::Faces => "selfie and one portrait",
        }
    }

    /// In a process of its own; `n` chooses the page.
    async fn contained(self, engine: &Engine, photos: &Photos, n: usize) -> Result<Timings, engine::Error> {
        match self {
            Self::Page => engine.examine_document(photos.page(n)).await.map(|examined| examined.timings),
            Self::Card => engine.examine_document(photos.both_sides()).await.map(|examined| examined.timings),
            Self::Faces => engine.examine_face(photos.faces()).await.map(|examined| examined.timings),
        }
    }

    /// In this one.
    fn here(
        self,
        reader: &mut DocumentReader,
        matcher: &mut FaceMatcher,
        photos: &Photos,
    ) -> Result<Timings, Failed> {
        let mut read = |job: DocumentJob| reader.examine(&job.front, job.back.as_deref(), job.today);
        match self {
            Self::Page => Ok(read(photos.page(0))?.timings),
            Self::Card => Ok(read(photos.both_sides())?.timings),
            Self::Faces => {
                let job = photos.faces();
                let frames: Vec<_> =
                    job.frames.iter().map(|(action, image)| Frame { action: *action, image }).collect();
                let references: Vec<_> =
                    job.references.iter().map(|(reference, image)| (*reference, image.as_slice())).collect();
                Ok(matcher.examine(&frames, &references)?.timings)
            }
        }
    }
}

/// One examination in this process and one in a process of its own.
struct Pair {
    here: (Duration, Timings),
    there: (Duration, Timings),
}

/// `runs` of each subject, then `photos` mixed ones with each number of workers.
pub(crate) async fn run(
    program: &Program,
    runs: usize,
    photos: usize,
    workers: &[NonZero<usize>],
) -> Result<(), Failed> {
    let taken = Arc::new(Photos::take()?);
    beside(program, &taken, runs).await?;
    println!("\n{photos} mixed examinations (passport page, both sides of a card, selfie)");
    println!(
        "  {:<10} {:>12} {:>14} {:>14} {:>14}",
        "workers", "per second", "MiB, first 5 %", "MiB, last 5 %", "MiB, most"
    );
    let mut first = None;
    for &workers in workers {
        let rate = mixed(program, &taken, photos, workers.get()).await?;
        match first {
            None => first = Some((workers, rate)),
            Some((few, slow)) => println!("  {workers} workers do {:.2} times what {few} do", rate / slow),
        }
    }
    Ok(())
}

/// The same photos in this process and in contained ones, by turns.
async fn beside(program: &Program, photos: &Photos, runs: usize) -> Result<(), Failed> {
    let bundle = Bundle::load(None)?;
    let mut reader = DocumentReader::new(&bundle)?;
    let mut matcher = FaceMatcher::new(&bundle)?;
    let engine = Engine::start(program, None, &Settings::default())?;
    let mut pairs: [Vec<Pair>; 3] = Default::default();
    for n in 0..=runs {
        for (subject, pairs) in Subject::ALL.into_iter().zip(&mut pairs) {
            let begun = Instant::now();
            let timings = subject.here(&mut reader, &mut matcher, photos)?;
            let here = (begun.elapsed(), timings);
            let begun = Instant::now();
            let timings = subject.contained(&engine, photos, 0).await?;
            let there = (begun.elapsed(), timings);
            // The first warms up.
            if n > 0 {
                pairs.push(Pair { here, there });
            }
        }
    }
    for (subject, pairs) in Subject::ALL.into_iter().zip(&pairs) {
        print(subject, pairs);
    }
    // One worker follows the other, and none has anything to do.
    let begun = Instant::now();
    let none = 200;
    for _ in 0..none {
        engine.examine_document(photos.no_picture()).await?;
    }
    println!(
        "\na process, from its fork to its end: {:.2} ms",
        begun.elapsed().as_secs_f64() * 1e3 / f64::from(none)
    );
    Ok(())
}

/// Medians of the time on the clock, as whoever asks waits, and of the processor's time by stage.
fn print(subject: Subject, pairs: &[Pair]) {
    println!("\n{}, median of {} runs, ms", subject.name(), pairs.len());
    println!("  {:<28} {:>10} {:>10} {:>8}", "", "in process", "contained", "more");
    let line = |name: &str, value: &dyn Fn(&(Duration, Timings)) -> Duration| {
        let median = |side: fn(&Pair) -> &(Duration, Timings)| {
            let mut values: Vec<Duration> = pairs.iter().map(|pair| value(side(pair))).collect();
            values.sort();
            values.get(values.len() / 2).copied().unwrap_or_default().as_secs_f64() * 1e3
        };
        let (here, there) = (median(|pair| &pair.here), median(|pair| &pair.there));
        println!("  {name:<28} {here:>10.1} {there:>10.1} {:>7.1}%", (there / here - 1.0) * 100.0);
    };
    line("on the clock", &|(elapsed, _)| *elapsed);
    line("CPU, all stages", &|(_, timings)| timings.stages().map(|(_, spent)| spent.cpu).sum());
    let stages = pairs.first().into_iter().flat_map(|pair| pair.here.1.stages());
    for (name, _) in stages {
        line(&format!("  {name}"), &|(_, timings)| {
            let of = timings.stages().find(|(stage, _)| *stage == name);
            of.map(|(_, spent)| spent.cpu).unwrap_or_default()
        });
    }
}

/// Examinations per second.
async fn mixed(program: &Program, taken: &Arc<Photos>, photos: usize, workers: usize) -> Result<f64, Failed> {
    let engine = Engine::start(program, None, &Settings { threads: workers, ..Settings::default() })?;
    let next = Arc::new(AtomicUsize::new(0));
    let mut callers = JoinSet::new();
    let begun = Instant::now();
    // One more than there are workers, so that none waits for a caller.
    for _ in 0..=workers {
        let (engine, next, taken) = (engine.clone(), Arc::clone(&next), Arc::clone(taken));
        callers.spawn(async move {
            loop {
                let n = next.fetch_add(1, Ordering::Relaxed);
                if n >= photos {
                    return Ok::<_, engine::Error>(());
                }
                Subject::ALL[n % 3].contained(&engine, &taken, n / 3).await?;
            }
        });
    }
    let mut memory = Vec::new();
    let mut tick = tokio::time::interval(Duration::from_millis(50));
    loop {
        tokio::select! {
            ended = callers.join_next() => match ended {
                Some(ended) => ended??,
                None => break,
            },
            _ = tick.tick() => memory.push(proportional_mib()),
        }
    }
    let rate = photos as f64 / begun.elapsed().as_secs_f64();
    let part = memory.len().div_ceil(20);
    let most = |part: &[f64]| part.iter().copied().fold(0.0, f64::max);
    println!(
        "  {workers:<10} {rate:>12.2} {:>14.0} {:>14.0} {:>14.0}",
        most(&memory[..part]),
        most(&memory[memory.len() - part..]),
        most(&memory)
    );
    Ok(rate)
}

/// What this process's children and theirs hold, each shared page counted once (`Pss` of proc(5)).
fn proportional_mib() -> f64 {
    let mut family = vec![std::process::id()];
    let mut kib = 0.0;
    let mut at = 0;
    while let Some(&parent) = family.get(at) {
        let tasks = fs::read_dir(format!("/proc/{parent}/task")).into_iter().flatten().flatten();
        for task in tasks {
            let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
            family.extend(children.split_whitespace().filter_map(|pid| pid.parse::<u32>().ok()));
        }
        if at > 0 {
            let rollup = fs::read_to_string(format!("/proc/{parent}/smaps_rollup")).unwrap_or_default();
            let pss = rollup.lines().find_map(|line| line.strip_prefix("Pss:")?.trim().strip_suffix(" kB"));
            kib += pss.and_then(|pss| pss.trim().parse::<f64>().ok()).unwrap_or_default();
        }
        at += 1;
    }
    kib / 1024.0
}
