//! The embedded log: bare appends, and whole decisions (load, decide, append, fold) with the projector following, by callers that
//! each wait for their answer before they go on. Each has accounts of its own, as the owners of many accounts would.

use std::{
    error::Error,
    fs::File,
    io::Write,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use jiff::Timestamp;
use reinstate_domain::{
    account::{
        Command, Context, decide,
        decide::Enrolment,
        event::{Attributes, Risk},
    },
    codes::CodeKey,
    entry::Head,
    ids::AccountId,
    policy::{EXCHANGE, Policy},
    sealed::Sealed,
    wire::Actor,
};
use reinstate_projector::follow::Projector;
use reinstate_store::{
    data_dir::DataDir,
    journal::{Executed, Journal, Request},
    keys::SqliteKeys,
    log::{Appended, Log, embedded::Embedded},
    master::Secret,
    read_models::memory::Memory,
};
use serde_json::json;
use tokio::task::JoinSet;

use crate::arm::Arm;

pub(crate) type Failed = Box<dyn Error + Send + Sync>;

const CALLERS: [usize; 4] = [1, 16, 64, 256];

/// Accounts that a caller takes in turn.
const ACCOUNTS: usize = 40;

/// Bytes of an entry in the bare bench; a decision's is about as long.
pub(crate) const ENTRY: usize = 700;

pub(crate) async fn run(folder: &Path, seconds: u64) -> Result<(), Failed> {
    let time = Duration::from_secs(seconds);
    let place = tempfile::tempdir_in(folder)?;
    println!("the disk alone: {:.0} appends of 4 KiB, each synced, per second", syncs(place.path(), time)?);
    Arm::head();
    for callers in CALLERS {
        let place = tempfile::tempdir_in(folder)?;
        let directory = Arc::new(DataDir::open(place.path())?);
        let log = Arc::new(Embedded::open(directory)?);
        report("appends", callers, time, bare(log, callers, time).await?);
    }
    for callers in CALLERS {
        let place = tempfile::tempdir_in(folder)?;
        report("decisions", callers, time, decisions(place.path(), callers, time).await?);
    }
    Ok(())
}

/// How often one thread appends a page to a file and syncs it.
fn syncs(folder: &Path, time: Duration) -> std::io::Result<f64> {
    let mut file = File::create(folder.join("syncs"))?;
    let begin = Instant::now();
    let mut count = 0_u32;
    while begin.elapsed() < time {
        file.write_all(&[0; 4096])?;
        file.sync_data()?;
        count += 1;
    }
    Ok(f64::from(count) / begin.elapsed().as_secs_f64())
}

fn report(what: &str, callers: usize, time: Duration, waits: Vec<Duration>) {
    let mut arm = Arm::default();
    arm.add(time, waits);
    arm.report(what, callers);
}

pub(crate) async fn bare(log: Arc<dyn Log>, callers: usize, time: Duration) -> Result<Vec<Duration>, Failed> {
    let end = Instant::now() + time;
    let mut tasks = JoinSet::new();
    for caller in 0..callers {
        let log = log.clone();
        tasks.spawn(async move {
            let mut heads = vec![Head::default(); ACCOUNTS];
            for n in 0..ACCOUNTS {
                // As the journal says what it loaded.
                log.expect(&AccountId::parse(&format!("caller-{caller}.{n}"))?, Head::default(), 0);
            }
            let mut waits = Vec::new();
            for n in (0..ACCOUNTS).cycle() {
                let value = entry(&format!("caller-{caller}.{n}"), heads[n], ENTRY)?;
                let begin = Instant::now();
                if begin >= end {
                    break;
                }
                let Appended::Committed { head, .. } = log.append(value).await? else {
                    return Err("nobody else writes to this account".into());
                };
                heads[n] = head;
                waits.push(begin.elapsed());
            }
            Ok::<_, Failed>(waits)
        });
    }
    gather(tasks).await
}

/// An entry without events, of so many bytes.
pub(crate) fn entry(account: &str, head: Head, size: usize) -> Result<Bytes, serde_json::Error> {
    let mut entry = json!({
        "id": uuid::Uuid::now_v7(), "account": account, "version": head.version + 1, "prev": head.hash,
        "time": Timestamp::now(), "actor": {"role": "bench"}, "events": [], "filler": "",
    });
    let length = serde_json::to_vec(&entry)?.len();
    entry["filler"] = "x".repeat(size.saturating_sub(length)).into();
    serde_json::to_vec(&entry).map(Bytes::from)
}

async fn decisions(folder: &Path, callers: usize, time: Duration) -> Result<Vec<Duration>, Failed> {
    let directory = Arc::new(DataDir::open(folder)?);
    let keys = Arc::new(SqliteKeys::open(&directory.layout().keys(), Secret::new([7; 32]))?);
    let log = Arc::new(Embedded::open(directory)?);
    let models = Arc::new(Memory::default());
    let follower = tokio::spawn(Arc::new(Projector::new(log.clone(), models.clone(), keys)).run());
    let journal = Arc::new(Journal::new(log, models));
    let following = journal.clone();
    let cache = tokio::spawn(async move { following.follow().await });
    let policy = Arc::new(Policy::parse(EXCHANGE)?);

    // Every account is there before the clock starts.
    let mut tasks = JoinSet::new();
    for caller in 0..callers {
        let (journal, policy) = (journal.clone(), policy.clone());
        tasks.spawn(async move {
            for n in 0..ACCOUNTS {
                execute(&journal, &policy, &format!("caller-{caller}.{n}"), &enrol()).await?;
            }
            Ok::<_, Failed>(Vec::new())
        });
    }
    gather(tasks).await?;

    let end = Instant::now() + time;
    let mut tasks = JoinSet::new();
    for caller in 0..callers {
        let (journal, policy) = (journal.clone(), policy.clone());
        tasks.spawn(async move {
            let mut waits = Vec::new();
            let lock = Command::Lock { reason: "suspicious_login".into(), at: None };
            let release = Command::Release { reason: "support".into() };
            for n in (0..2 * ACCOUNTS).cycle() {
                let command = if n < ACCOUNTS { &lock } else { &release };
                let begin = Instant::now();
                if begin >= end {
                    break;
                }
                execute(&journal, &policy, &format!("caller-{caller}.{}", n % ACCOUNTS), command).await?;
                waits.push(begin.elapsed());
            }
            Ok(waits)
        });
    }
    let waits = gather(tasks).await;
    follower.abort();
    cache.abort();
    waits
}

fn enrol() -> Command {
    Command::Enrol(Enrolment {
        profile: Sealed::from_bytes(vec![0; 400]),
        digest: "d".into(),
        phone: true,
        email: true,
        identity: true,
        questions: Vec::new(),
        attributes: Attributes { country: None, risk: Some(Risk::Low), tier: None },
    })
}

async fn execute(journal: &Journal, policy: &Policy, account: &str, command: &Command) -> Result<(), Failed> {
    let code_key = CodeKey::new("bench".into(), [1; 32]);
    let now = Timestamp::now();
    let request =
        Request { account: AccountId::parse(account)?, actor: Actor::service("bench"), command: None, now };
    let context = Context { now, policy, code_key: &code_key };
    match journal.execute(&request, |account| decide(account, command, context)).await? {
        Executed::Decided { written: true, .. } => Ok(()),
        other => Err(format!("nothing was written: {other:?}").into()),
    }
}

pub(crate) async fn gather(tasks: JoinSet<Result<Vec<Duration>, Failed>>) -> Result<Vec<Duration>, Failed> {
    let results = tasks.join_all().await.into_iter();
    Ok(results.collect::<Result<Vec<_>, _>>()?.concat())
}
