//! A log on Kafka read whole: rows rebuilt from it into PostgreSQL, beside `psql \copy` of the very rows that it made into tables and
//! indexes of the same kind; `reinstate-audit verify` over it, beside a consumer that only counts; and how far the rows are behind the log
//! while they are followed.

use std::{
    path::Path,
    process::{Command as Program, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use rdkafka::Offset;
use reinstate_cluster::{kafka::Kafka as Brokers, postgres::Postgres as Server};
use reinstate_domain::entry::Head;
use reinstate_projector::{follow::Projector, rebuild::rebuild};
use reinstate_store::{
    keys::SqliteKeys,
    log::{
        Appended, Log as _, LogReader,
        kafka::{Kafka, KafkaReader, Settings as Topic},
    },
    master::Secret,
    postgres::{Postgres, Settings},
    read_models::ReadModels as _,
};
use tokio::{
    sync::watch,
    task::{JoinSet, spawn_blocking},
};

use crate::{
    journeys::{self, Owner, World},
    kafka::{count, topic},
    log::Failed,
    usage::{self, Of, memory, processor},
};

/// Accounts that the live part appends to in turn.
const AT_ONCE: usize = 5000;

/// Entries per second that the live rows are given.
const RATE: u32 = 2000;

/// Entries that are appended at once, this often.
const BURST: u32 = 10;

/// How often the audit's memory and time are looked at.
const LOOK: Duration = Duration::from_millis(20);

/// Tables in the order in which they are copied.
const TABLES: [&str; 4] = ["accounts", "reactivations", "timelines", "checkpoints"];

pub(crate) async fn run(
    folder: &Path,
    entries: &[usize],
    each: usize,
    audits: usize,
    seconds: u64,
) -> Result<(), Failed> {
    // The server's user must be able to walk there.
    let place = tempfile::Builder::new().prefix("reinstate-rebuild-").tempdir_in(folder)?;
    let server = Server::start(&place.path().join("postgres"))?;
    let kafka = place.path().join("kafka");
    let brokers = spawn_blocking(move || Brokers::start(&kafka, 1)).await??;
    println!("{:>9} {:>9} {:<28} {:>8} {:>10} {:>7}", "entries", "accounts", "", "s", "entries/s", "µs each");
    for &entries in entries {
        let log = topic(&brokers, 1, &format!("entries-{entries}")).await?;
        let accounts = entries / each;
        let begin = Instant::now();
        let filled = log.clone();
        spawn_blocking(move || journeys::produce(&filled, accounts, each)).await??;
        report(entries, accounts, "made, by a bare producer", begin.elapsed());
        audit(&log, entries, accounts, audits).await?;

        let keys = SqliteKeys::open(&place.path().join("keys.sqlite"), Secret::new([7; 32]))?;
        let url = server.create_database(&format!("rows_{entries}"))?;
        let models = Postgres::open(&patient(&url), None).await?;
        let reader = Arc::new(KafkaReader::connect(&log).await?);
        let rebuilt = rebuild(reader, &models, &keys, &watch::Sender::default()).await?;
        report(entries, accounts, "rebuild", rebuilt.took);

        let copied = copy(&server, &format!("rows_{entries}"), place.path())?;
        report(entries, accounts, "psql \\copy", copied.rows);
        report(entries, accounts, "psql \\copy, then the indexes", copied.rows + copied.indexes);
        let share = (copied.rows + copied.indexes).as_secs_f64() / rebuilt.took.as_secs_f64();
        println!(
            "{entries:>9} {accounts:>9} the rebuild runs at {:.0} % of \\copy with indexes",
            share * 100.0
        );
        server.psql("postgres", &format!("DROP DATABASE rows_{entries} WITH (FORCE)"))?;
    }
    lag(&server, &brokers, place.path(), seconds).await
}

/// A service gives up on a database that is silent for two seconds, and tries again. Here that would be the end of an hour's measuring, on a
/// disk that is merely busy.
fn patient(url: &str) -> Settings {
    Settings { timeout_ms: 60_000, ..Settings::new(url) }
}

/// The auditor's tool as it is installed, from its start to its end, beside a consumer from its own: in turn, so that what else the machine
/// does meets both.
async fn audit(log: &Topic, entries: usize, accounts: usize, runs: usize) -> Result<(), Failed> {
    let (mut consumer, mut verify, mut most): (Vec<Run>, Vec<Run>, f64) = (Vec::new(), Vec::new(), 0.0);
    for _ in 0..runs {
        let before = processor(std::process::id(), Of::Itself)?;
        let took = count(log, Offset::Beginning, entries as u64).await?;
        let processor = processor(std::process::id(), Of::Itself)? - before;
        consumer.push(Run { took, processor });
        let (run, resident) = verified(log).await?;
        verify.push(run);
        most = most.max(resident);
    }
    let [consumer, verify] =
        [("a consumer that counts", consumer), ("reinstate-audit verify", verify)].map(|(what, runs)| {
            let each: Vec<_> = runs.iter().map(|run| format!("{:.2}", run.took.as_secs_f64())).collect();
            let (took, processor) = (median(&runs, |run| run.took), median(&runs, |run| run.processor));
            report(entries, accounts, what, took);
            println!(
                "{entries:>9} {accounts:>9}   of {} s, the median; {:.2} µs of processor time each",
                each.join(" "),
                usage::each(processor, entries)
            );
            took
        });
    let share = consumer.as_secs_f64() / verify.as_secs_f64() * 100.0;
    println!(
        "{entries:>9} {accounts:>9} the audit runs at {share:.0} % of the consumer; at most {most:.0} MiB resident"
    );
    Ok(())
}

/// What one reading of a log took.
struct Run {
    took: Duration,
    processor: Duration,
}

fn median(runs: &[Run], of: fn(&Run) -> Duration) -> Duration {
    let mut sorted: Vec<_> = runs.iter().map(of).collect();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

/// One audit, and the most memory that it had, in MiB.
async fn verified(log: &Topic) -> Result<(Run, f64), Failed> {
    let program = std::env::current_exe()?.with_file_name("reinstate-audit");
    let begin = Instant::now();
    let mut audit = Program::new(&program)
        .args(["verify", "--json", "--brokers", &log.brokers, "--topic", &log.topic])
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("{}: {error}; ./dev bench builds it", program.display()))?;
    let (mut most, mut spent) = (0.0, Duration::ZERO);
    let status = loop {
        // Gone between two looks, it has neither any more.
        most = memory(audit.id()).map_or(most, |memory| memory.most.max(most));
        spent = processor(audit.id(), Of::Itself).map_or(spent, |now| now.max(spent));
        if let Some(status) = audit.try_wait()? {
            break status;
        }
        tokio::time::sleep(LOOK).await;
    };
    let took = begin.elapsed();
    let said = std::io::read_to_string(audit.stdout.take().ok_or("its output was asked for")?)?;
    if !status.success() {
        return Err(format!("the audit found something: {said}").into());
    }
    Ok((Run { took, processor: spent }, most))
}

fn report(entries: usize, accounts: usize, what: &str, took: Duration) {
    #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52")]
    let (entries_f, seconds) = (entries as f64, took.as_secs_f64());
    println!(
        "{entries:>9} {accounts:>9} {what:<28} {seconds:>8.2} {:>10.0} {:>7.2}",
        entries_f / seconds,
        seconds * 1e6 / entries_f
    );
}

/// How long `psql` takes for the rows.
struct Copied {
    rows: Duration,
    indexes: Duration,
}

/// Writes the rows out, and copies them into an empty generation.
fn copy(server: &Server, database: &str, folder: &Path) -> Result<Copied, Failed> {
    let psql = |sql: &str| server.psql(database, sql);
    let file = |table: &str| folder.join(format!("{table}.copy")).display().to_string();
    for table in TABLES {
        psql(&format!("\\copy (SELECT * FROM reinstate.{table}) TO '{}'", file(table)))?;
    }
    let number = psql("SELECT reinstate.begin_generation()")?;
    let begin = Instant::now();
    // One after another, as one would by hand.
    for table in TABLES {
        let copy = format!("\\copy reinstate_{number}.{table} FROM '{}'", file(table));
        let status = Program::new(server.program("psql"))
            .args(["--no-psqlrc", "--quiet", "-v", "ON_ERROR_STOP=1", "-c", &copy])
            .arg(server.url(database))
            .status()?;
        if !status.success() {
            return Err(format!("psql {copy}: {status}").into());
        }
    }
    let rows = begin.elapsed();
    psql(&format!("SELECT reinstate.index_generation({number})"))?;
    Ok(Copied { rows, indexes: begin.elapsed() - rows })
}

/// From an append's answer to rows that another process sees, at a steady rate.
async fn lag(server: &Server, brokers: &Brokers, folder: &Path, seconds: u64) -> Result<(), Failed> {
    let log = Arc::new(Kafka::connect(&topic(brokers, 1, "live").await?).await?);
    let settings = patient(&server.create_database("lag")?);
    let models = Arc::new(Postgres::open(&settings, None).await?);
    let api = Postgres::open(&settings, None).await?;
    let keys = Arc::new(SqliteKeys::open(&folder.join("keys.sqlite"), Secret::new([7; 32]))?);
    let projecting =
        tokio::spawn(Arc::new(Projector::new(log.clone() as Arc<dyn LogReader>, models, keys)).run());
    let world = World::new()?;
    let mut owners = (0..AT_ONCE).map(Owner::new).collect::<Result<Vec<_>, Failed>>()?;
    // As the journal says what it loaded.
    owners.iter().for_each(|owner| log.expect(&owner.id, Head::default(), 0));
    let mut ticks = tokio::time::interval(Duration::from_secs(1) * BURST / RATE);
    let mut waiting: JoinSet<Result<Duration, Failed>> = JoinSet::new();
    let bursts = seconds * u64::from(RATE / BURST);
    let mut turn = (0..AT_ONCE).cycle();
    for _ in 0..bursts {
        ticks.tick().await;
        for n in turn.by_ref().take(BURST as usize) {
            let value = world.next(&mut owners[n])?;
            let (log, api) = (log.clone(), api.clone());
            waiting.spawn(async move {
                let Appended::Committed { position, .. } = log.append(value.into()).await? else {
                    return Err("nobody else writes to these accounts".into());
                };
                let begin = Instant::now();
                api.wait(position).await?;
                Ok(begin.elapsed())
            });
        }
    }
    let mut lags = waiting.join_all().await.into_iter().collect::<Result<Vec<_>, _>>()?;
    projecting.abort();
    lags.sort_unstable();
    let at =
        |share: usize| lags.get(lags.len() * share / 1000).map_or(f64::NAN, |lag| lag.as_secs_f64() * 1e3);
    println!(
        "live at {RATE} entries/s for {seconds} s, until another process sees the rows: p50 {:.1} ms, p99 {:.1} ms, p99.9 {:.1} ms",
        at(500),
        at(990),
        at(999)
    );
    Ok(())
}
