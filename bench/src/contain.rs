//! What it costs to examine each picture in a process of its own: beside the same networks in this process, in memory, and
//! with two workers beside one.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use jiff::civil::Date;
use jiff::{Timestamp, tz::TimeZone};
use reinstate_domain::face::{Action, Reference};
use reinstate_specimen::{Camera, Fonts, Holder, IdCard, Issue, Passport, Portrait};
use reinstate_verifier::Settings;
use reinstate_verifier::contain::Program;
use reinstate_verifier::document::{self, DocumentReader};
use reinstate_verifier::engine::{self, DocumentJob, Engine, FaceJob};
use reinstate_verifier::face::{FaceMatcher, Frame};
use reinstate_verifier::models::{self, Bundle, cache_dir};
use tokio::task::JoinSet;

#[derive(Debug, thiserror::Error)]
pub(crate) enum Failed {
    #[error("the models are not usable")]
    Models(#[from] models::Error),
    #[error("a document could not be examined")]
    Document(#[from] document::Error),
    #[error("the engine failed")]
    Engine(#[from] engine::Error),
    #[error("a photo can't be read; models/fetch gets it")]
    Photo(#[source] std::io::Error),
    #[error("a caller broke off")]
    Caller(#[from] tokio::task::JoinError),
    #[error("a specimen could not be drawn")]
    Specimen(#[source] Box<dyn std::error::Error + Send + Sync>),
}

fn drawn<E: std::error::Error + Send + Sync + 'static>(error: E) -> Failed {
    Failed::Specimen(Box::new(error))
}

/// The photos that every part uses.
struct Photos {
    pages: Vec<Vec<u8>>,
    card: (Vec<u8>, Vec<u8>),
    selfie: Vec<u8>,
    portrait: Vec<u8>,
    today: Date,
}

impl Photos {
    fn take() -> Result<Self, Failed> {
        let photo = |name: &str| fs::read(cache_dir().join("photos").join(name)).map_err(Failed::Photo);
        let (portrait, selfie) = (photo("obama.jpg")?, photo("obama2.jpg")?);
        let fonts = Fonts::load().map_err(drawn)?;
        let printed = Portrait::new(&image::load_from_memory(&portrait).map_err(drawn)?, None);
        let page = |seed: u64| -> Result<Vec<u8>, Failed> {
            let passport = Passport { holder: Holder::invented(seed), issue: Issue::invented(seed) };
            let page = passport.draw(&fonts, &printed, &[]);
            Ok(Camera::good(seed).photograph(&page).map_err(drawn)?.jpeg)
        };
        let card = IdCard { holder: Holder::invented(1), issue: Issue::invented(1) };
        let (front, back) = card.draw(&fonts, &printed, &[]);
        let card = (
            Camera::good(1).photograph(&front).map_err(drawn)?.jpeg,
            Camera::good(2).photograph(&back).map_err(drawn)?.jpeg,
        );
        let pages = (0..8).map(page).collect::<Result<_, _>>()?;
        let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
        Ok(Self { pages, card, selfie, portrait, today })
    }

    fn page(&self, n: usize) -> DocumentJob {
        let front = self.pages[n % self.pages.len()].clone();
        DocumentJob { front, back: None, today: self.today }
    }

    fn both_sides(&self) -> DocumentJob {
        let (front, back) = self.card.clone();
        DocumentJob { front, back: Some(back), today: self.today }
    }

    fn faces(&self) -> FaceJob {
        FaceJob {
            frames: vec![(Action::LookAhead, self.selfie.clone())],
            references: vec![(Reference::OnFile, self.portrait.clone())],
        }
    }

    /// A passport page, a card's two sides and a selfie by turns.
    async fn examine(&self, engine: &Engine, n: usize) -> Result<(), engine::Error> {
        match n % 3 {
            0 => engine.examine_document(self.page(n / 3)).await.map(drop),
            1 => engine.examine_document(self.both_sides()).await.map(drop),
            _ => engine.examine_face(self.faces()).await.map(drop),
        }
    }
}

/// `runs` of each subject, then `photos` mixed ones with one and with two workers.
pub(crate) async fn run(program: &Program, runs: usize, photos: usize) -> Result<(), Failed> {
    let taken = Arc::new(Photos::take()?);
    beside(program, &taken, runs).await?;
    println!("\n{photos} mixed examinations (passport page, both sides of a card, selfie)");
    println!(
        "  {:<10} {:>12} {:>14} {:>14} {:>14}",
        "workers", "per second", "MiB, first 5 %", "MiB, last 5 %", "MiB, most"
    );
    let one = mixed(program, &taken, photos, 1).await?;
    let two = mixed(program, &taken, photos, 2).await?;
    println!("  two workers do {:.2} times what one does", two / one);
    Ok(())
}

/// The same photos in this process and in contained ones, by turns.
async fn beside(program: &Program, photos: &Photos, runs: usize) -> Result<(), Failed> {
    let bundle = Bundle::load(None)?;
    let mut reader = DocumentReader::new(&bundle)?;
    let mut matcher = FaceMatcher::new(&bundle)?;
    let engine = Engine::start(program, None, &Settings::default())?;
    let mut spent: [Vec<(Duration, Duration)>; 3] = Default::default();
    for n in 0..=runs {
        let page = photos.page(0);
        let card = photos.both_sides();
        let here = timed(|| reader.examine(&page.front, None, photos.today).map(drop))?;
        let begun = Instant::now();
        engine.examine_document(page).await?;
        let mut pairs = [(here, begun.elapsed()); 3];
        let here = timed(|| reader.examine(&card.front, card.back.as_deref(), photos.today).map(drop))?;
        let begun = Instant::now();
        engine.examine_document(card).await?;
        pairs[1] = (here, begun.elapsed());
        let here = timed(|| {
            let frames = [Frame { action: Action::LookAhead, image: photos.selfie.as_slice() }];
            matcher.examine(&frames, &[(Reference::OnFile, photos.portrait.as_slice())]).map(drop)
        })?;
        let begun = Instant::now();
        engine.examine_face(photos.faces()).await?;
        pairs[2] = (here, begun.elapsed());
        // The first warms up.
        if n > 0 {
            spent.iter_mut().zip(pairs).for_each(|(spent, pair)| spent.push(pair));
        }
    }
    println!("median of {runs} runs, ms on the clock");
    println!("  {:<26} {:>10} {:>10} {:>8}", "", "in process", "contained", "more");
    for (subject, spent) in
        ["passport page", "ID card, both sides", "selfie and one portrait"].iter().zip(&spent)
    {
        let median = |value: fn(&(Duration, Duration)) -> Duration| {
            let mut values: Vec<Duration> = spent.iter().map(value).collect();
            values.sort();
            values.get(values.len() / 2).copied().unwrap_or_default().as_secs_f64() * 1e3
        };
        let (here, there) = (median(|pair| pair.0), median(|pair| pair.1));
        println!("  {subject:<26} {here:>10.1} {there:>10.1} {:>7.1}%", (there / here - 1.0) * 100.0);
    }
    // One worker follows the other, and none has anything to do.
    let begun = Instant::now();
    let none = 200;
    for _ in 0..none {
        let nothing = DocumentJob { front: Vec::new(), back: None, today: photos.today };
        engine.examine_document(nothing).await?;
    }
    println!(
        "  a process, from its fork to its end: {:.2} ms",
        begun.elapsed().as_secs_f64() * 1e3 / f64::from(none)
    );
    Ok(())
}

fn timed<E>(work: impl FnOnce() -> Result<(), E>) -> Result<Duration, E> {
    let begun = Instant::now();
    work().map(|()| begun.elapsed())
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
                taken.examine(&engine, n).await?;
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
