//! `reinstate-chaos`: runs of faults under load on a real cluster, each judged by the log. Exits with 1 when a promise was broken; then the
//! seed is printed and the data are kept.

use std::{
    collections::BTreeMap,
    error::Error as StdError,
    path::{Path, PathBuf},
    process::ExitCode,
    thread,
    time::{Duration, Instant},
};

use clap::Parser;
use reinstate_chaos::{
    cluster::{Cluster, Doors, leave_disks},
    faults::{Planned, draw},
    judge::{Ledger, Promise, Violation, audit, compare},
};
use reinstate_demo::{
    Person, Pictures,
    load::{self, Evidence, Journey, Load},
};
use reinstate_store::{
    log::{
        LogReader as _,
        kafka::{self, KafkaReader},
    },
    postgres::{Postgres, Settings},
    read_models::ReadModels as _,
};
use tokio::{runtime::Runtime, signal, time::timeout};

/// Customers who need codes, who hand in pictures, and who send once.
const CODE_CUSTOMERS: usize = 6;
const PICTURE_CUSTOMERS: usize = 2;
const RECKLESS_CUSTOMERS: usize = 2;

/// How long a customer insists on one thing: longer than any fault, with what comes after it on a busy machine.
const PATIENCE: Duration = Duration::from_secs(180);

/// The judge asks for whole tables, of a database that was killed a moment ago, and is no service that has to answer.
const JUDGE_TIMEOUT_MS: u64 = 60_000;

/// How long the read models may take to get to the log's end when nothing is broken and nobody writes.
const SETTLING: Duration = Duration::from_secs(60);

type Failure = Box<dyn StdError + Send + Sync>;

/// Breaks a cluster of three brokers, two apis, two verifiers, a projector and PostgreSQL while customers use it.
#[derive(Parser)]
#[command(name = "reinstate-chaos", version)]
struct Arguments {
    #[arg(long, default_value_t = 5)]
    runs: u64,
    /// Of the first run; each further run adds one. Drawn when absent.
    #[arg(long)]
    seed: Option<u64>,
    /// Faults of a run.
    #[arg(long, default_value_t = 6)]
    faults: usize,
    /// During which faults begin.
    #[arg(long, default_value_t = 12)]
    seconds: u64,
    /// Where the cluster's data go. What an earlier one left there is removed, and its own at the end of runs in which nothing was broken.
    #[arg(long, default_value = ".reinstate/chaos")]
    folder: PathBuf,
    /// Portraits, as models/fetch leaves them.
    #[arg(long)]
    photos: PathBuf,
}

/// What became of one run.
struct Outcome {
    seed: u64,
    planned: Vec<Planned>,
    /// Accounts that were given back, from their enrolment to the decision.
    journeys: usize,
    /// Writes that were sent once and answered.
    sent_once: usize,
    /// Writes that were sent once and got a 5xx, or nothing.
    unanswered: usize,
    /// Of the whole log, so of this run and those before it.
    entries: u64,
    void: u64,
    violations: Vec<Violation>,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            let mut line = error.to_string();
            let mut cause = error.source();
            while let Some(inner) = cause {
                line += &format!(": {inner}");
                cause = inner.source();
            }
            eprintln!("reinstate-chaos: {line}");
            ExitCode::from(2)
        }
    }
}

/// Says whether every promise was kept.
fn run(arguments: &Arguments) -> Result<bool, Failure> {
    let seed = match arguments.seed {
        Some(seed) => seed,
        None => {
            u64::from(std::process::id()) << 16 | jiff::Timestamp::now().as_second().unsigned_abs() & 0xffff
        }
    };
    let programs = std::env::current_exe()?;
    let programs = programs.parent().unwrap_or(Path::new("."));
    let pictures = Pictures::load(&arguments.photos)?;
    let passport = pictures.passport(&Person::number(0))?;
    let evidence = Evidence { passport: &passport, selfie: pictures.selfie() };

    eprintln!("starting three brokers, PostgreSQL, two apis, two verifiers and a projector");
    let cluster = Cluster::start(&arguments.folder, programs)?;
    if !cluster.scope().disks {
        eprintln!("small disks can't be mounted here: no broker's disk is filled");
    }
    let runtime = Runtime::new()?;
    let folder = arguments.folder.clone();
    runtime.spawn(async move {
        if signal::ctrl_c().await.is_ok() {
            // The processes end with this one; the disks would stay.
            leave_disks(&folder);
            std::process::exit(130);
        }
    });
    let mut outcomes = Vec::new();
    for n in 0..arguments.runs {
        let begun = Instant::now();
        let outcome = one(&cluster, &runtime, &evidence, seed.wrapping_add(n), arguments);
        // What was played is told, even when this could not be.
        let outcome = outcome.inspect_err(|_| summary(&outcomes))?;
        println!(
            "run {} of {}, seed {}: {} faults, {} journeys, {} writes sent once and {} more without an answer, {} entries \
             in all, {} void, {:.0} s: {}",
            n + 1,
            arguments.runs,
            outcome.seed,
            outcome.planned.len(),
            outcome.journeys,
            outcome.sent_once,
            outcome.unanswered,
            outcome.entries,
            outcome.void,
            begun.elapsed().as_secs_f32(),
            if outcome.violations.is_empty() { "every promise kept" } else { "BROKEN" }
        );
        for violation in &outcome.violations {
            println!("  {violation}");
        }
        let broken = !outcome.violations.is_empty();
        if broken {
            outcome.planned.iter().for_each(|planned| println!("  {planned}"));
        }
        outcomes.push(outcome);
        if broken {
            break;
        }
    }
    let kept = outcomes.iter().all(|outcome| outcome.violations.is_empty());
    summary(&outcomes);
    drop(cluster);
    if kept {
        std::fs::remove_dir_all(&arguments.folder)?;
    } else {
        println!("the data are kept in {}", arguments.folder.display());
    }
    Ok(kept)
}

/// How often each fault happened, in how many of those runs a promise was broken, and what the runs were made of.
fn summary(outcomes: &[Outcome]) {
    let mut kinds: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for outcome in outcomes {
        for planned in &outcome.planned {
            let (count, broken) = kinds.entry(planned.fault.kind()).or_default();
            *count += 1;
            *broken += usize::from(!outcome.violations.is_empty());
        }
    }
    println!("\n{:<32} {:>6} {:>16}", "fault", "times", "in broken runs");
    for (kind, (count, broken)) in kinds {
        println!("{kind:<32} {count:>6} {broken:>16}");
    }
    let of_all = |count: fn(&Outcome) -> usize| outcomes.iter().map(count).sum::<usize>();
    let (entries, void) = outcomes.last().map_or((0, 0), |outcome| (outcome.entries, outcome.void));
    println!(
        "{} runs with {} faults, every promise kept in {}: {} whole journeys, {} writes sent once and {} more without an answer, {entries} \
         entries, {void} void",
        outcomes.len(),
        of_all(|outcome| outcome.planned.len()),
        outcomes.iter().filter(|outcome| outcome.violations.is_empty()).count(),
        of_all(|outcome| outcome.journeys),
        of_all(|outcome| outcome.sent_once),
        of_all(|outcome| outcome.unanswered),
    );
}

fn one(
    cluster: &Cluster,
    runtime: &Runtime,
    evidence: &Evidence<'_>,
    seed: u64,
    arguments: &Arguments,
) -> Result<Outcome, Failure> {
    let prefix = format!("chaos-{seed}");
    let planned = draw(seed, arguments.faults, Duration::from_secs(arguments.seconds), cluster.scope());
    cluster.empty_the_outbox()?;
    let load = Load::new(Doors::of(cluster.system()), &prefix, PATIENCE);
    let mut unfinished = Vec::new();
    thread::scope(|scope| -> Result<(), Failure> {
        let mut customers = Vec::new();
        for _ in 0..CODE_CUSTOMERS {
            customers.push(scope.spawn(|| load.repeat(|| load.code_journey())));
        }
        for _ in 0..PICTURE_CUSTOMERS {
            customers.push(scope.spawn(|| load.repeat(|| load.picture_journey(evidence))));
        }
        for _ in 0..RECKLESS_CUSTOMERS {
            customers.push(scope.spawn(|| load.repeat(|| load.reckless_journey())));
        }
        let suffered = cluster.suffer(&planned);
        load.enough();
        let healed = cluster.heal();
        for customer in customers {
            if let Ok(Err(error)) = customer.join() {
                unfinished.push(error);
            }
        }
        suffered?;
        Ok(healed?)
    })?;
    let notes = load.journeys();
    let unfinished = unfinished
        .iter()
        .map(|error: &load::Error| Violation { promise: Promise::Ended, detail: error.to_string() });
    let mut violations: Vec<_> = unfinished.collect();
    let judged = runtime.block_on(judge(cluster, &notes, &prefix));
    let (ledger, found) = judged?;
    violations.extend(found);
    let unanswered = notes.iter().filter(|note| note.unknown).count();
    let journeys = notes.iter().filter(|note| note.is_whole()).count();
    Ok(Outcome {
        seed,
        planned,
        journeys,
        sent_once: notes.len() - unanswered - journeys,
        unanswered,
        entries: ledger.entries,
        void: ledger.void,
        violations,
    })
}

async fn judge(
    cluster: &Cluster,
    journeys: &[Journey],
    prefix: &str,
) -> Result<(Ledger, Vec<Violation>), Failure> {
    let system = cluster.system();
    let mut settings = kafka::Settings::new(system.kafka.bootstrap(), system.topic());
    settings.min_insync_replicas = 2;
    let log = KafkaReader::connect(&settings).await?;
    let mut settings = Settings::new(&system.database_url());
    settings.timeout_ms = JUDGE_TIMEOUT_MS;
    let database = Postgres::open(&settings, log.identity().as_ref()).await?;
    let caught_up = async {
        let mut changes = database.changes();
        for partition in 0..log.partitions() {
            while read_up_to(&database, partition).await? < log.end(partition).await? {
                // Nothing may change any more when the last batch is stored between the look and the wait.
                let _ = timeout(Duration::from_millis(200), changes.changed()).await;
            }
        }
        Ok::<_, Failure>(())
    };
    if let Ok(caught_up) = timeout(SETTLING, caught_up).await {
        caught_up?;
    }
    let ledger = Ledger::read(&log).await?;
    let mut violations = ledger.judge(journeys, prefix);
    violations.extend(audit(&log).await?);
    // Read models that did not settle differ.
    violations.extend(compare(&log, &database).await?);
    Ok((ledger, violations))
}

async fn read_up_to(database: &Postgres, partition: u32) -> Result<u64, Failure> {
    use reinstate_store::read_models::Snapshots as _;
    Ok(database.checkpoint(partition).await?)
}
