//! Rows from nothing: a rebuild into PostgreSQL, beside `psql \copy` of the very rows that it made into tables and indexes of the
//! same kind; and how far the rows are behind the log while they are followed.

use std::{
    path::Path,
    process::Command as Program,
    sync::Arc,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use reinstate_cluster::postgres::Postgres as Server;
use reinstate_domain::{
    account::{
        self, Account, Command, Context, decide,
        decide::Enrolment,
        event::{Attributes, Risk},
    },
    codes::{Channel, CodeKey},
    entry::{Hash, Position},
    ids::{AccountId, CaseId, EntryId},
    policy::{EXCHANGE, Policy},
    sealed::Sealed,
    wire::{self, Actor, Entry},
};
use reinstate_projector::{follow::Projector, rebuild::rebuild};
use reinstate_store::{
    data_dir::DataDir,
    keys::SqliteKeys,
    log::{Appended, Log, LogReader, embedded::Embedded, memory::Memory},
    master::Secret,
    postgres::{Postgres, Settings},
    read_models::ReadModels as _,
};
use tokio::{sync::watch, task::JoinSet};
use uuid::Uuid;

use crate::log::Failed;

/// Accounts whose entries are mixed in the log.
const AT_ONCE: usize = 5000;

/// Entries per second that the live rows are given.
const RATE: u32 = 2000;

/// Entries that are appended at once, this often.
const BURST: u32 = 10;

/// Tables in the order in which they are copied.
const TABLES: [&str; 4] = ["accounts", "reactivations", "timelines", "checkpoints"];

pub(crate) async fn run(folder: &Path, entries: &[usize], seconds: u64) -> Result<(), Failed> {
    // The server's user must be able to walk there.
    let place = tempfile::Builder::new().prefix("reinstate-rebuild-").tempdir_in(folder)?;
    let server = Server::start(&place.path().join("postgres"))?;
    println!("{:>9} {:>9} {:<28} {:>8} {:>10} {:>7}", "entries", "accounts", "", "s", "entries/s", "µs each");
    for &entries in entries {
        let data = place.path().join(format!("data-{entries}"));
        let log = Arc::new(Embedded::open(Arc::new(DataDir::open(&data)?))?);
        let accounts = fill(log.clone(), entries).await?;
        let keys = SqliteKeys::open(&data.join("keys.sqlite"), Secret::new([7; 32]))?;
        let url = server.create_database(&format!("rows_{entries}"))?;
        let models = Postgres::open(&Settings::new(&url), None).await?;
        let rebuilt = rebuild(log, &models, &keys, &watch::Sender::default()).await?;
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
    lag(&server, place.path(), seconds).await
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

/// An account on its way.
struct Owner {
    id: AccountId,
    state: Account,
    /// Its newest reactivation.
    case: CaseId,
    /// Steps that it has taken.
    step: usize,
}

impl Owner {
    fn new(number: usize) -> Result<Self, Failed> {
        let id = AccountId::parse(&format!("account-{number:07}"))?;
        Ok(Self { id, state: Account::default(), case: CaseId::from_uuid(Uuid::nil()), step: 0 })
    }
}

/// What all owners' decisions have in common.
struct World {
    policy: Policy,
    code_key: CodeKey,
    begin: Timestamp,
}

impl World {
    fn new() -> Result<Self, Failed> {
        let policy = Policy::parse(EXCHANGE)?;
        Ok(Self { policy, code_key: CodeKey::new("bench".into(), [1; 32]), begin: Timestamp::now() })
    }

    /// The owner's next entry, decided and folded: whole journeys, one after another.
    fn next(&self, owner: &mut Owner) -> Result<Vec<u8>, Failed> {
        let minutes = |n: i64| jiff::SignedDuration::from_mins(n);
        let at = self.begin.checked_add(minutes(i64::try_from(owner.step)?))?;
        let step = owner.step;
        owner.step += 1;
        // Enrolled once, then locked and reactivated again and again.
        let case = owner.case;
        let command = match (step, step.saturating_sub(1) % 7) {
            (0, _) => Command::Enrol(Enrolment {
                profile: Sealed::from_bytes(vec![0; 400]),
                digest: "d".repeat(64),
                phone: true,
                email: false,
                identity: true,
                questions: Vec::new(),
                attributes: Attributes { country: None, risk: Some(Risk::Low), tier: None },
            }),
            (_, 0) => {
                Command::Lock { reason: "owner_request".into(), at: Some(at.checked_sub(minutes(180))?) }
            }
            (_, 1) => {
                owner.case = CaseId::from_uuid(Uuid::now_v7());
                Command::Request { case: owner.case }
            }
            (_, 2) => Command::AcknowledgeReminder { case },
            (_, 3) => Command::IssueCode { case, channel: Channel::Phone },
            (_, 4) => {
                let code = self.code_key.code(case, Channel::Phone, 1);
                Command::Verify { case, phone: Some(code), email: None }
            }
            (_, 5) => Command::Submit { case },
            _ => Command::Conclude { case },
        };
        let context = Context { now: at, policy: &self.policy, code_key: &self.code_key };
        let decided = decide(&owner.state, &command, context);
        if decided.events.is_empty() {
            return Err(format!("{command:?} did nothing: {:?}", decided.answer).into());
        }
        let entry = Entry {
            id: EntryId::from_uuid(Uuid::now_v7()),
            account: owner.id.clone(),
            version: owner.state.version + 1,
            prev: owner.state.head,
            time: at,
            actor: Actor::service("bench"),
            command: None,
            events: decided.events,
        };
        let value = wire::encode(&entry)?;
        let position = Position { partition: 0, offset: 0 };
        account::apply(&mut owner.state, &entry, Hash::of(&value), position);
        Ok(value)
    }
}

/// Ten entries of each account, those of many accounts mixed. Returns how many accounts there are.
async fn fill(log: Arc<dyn Log>, entries: usize) -> Result<usize, Failed> {
    let world = World::new()?;
    let accounts = entries / 10;
    for first in (0..accounts).step_by(AT_ONCE) {
        let mut owners =
            (first..accounts.min(first + AT_ONCE)).map(Owner::new).collect::<Result<Vec<_>, Failed>>()?;
        for _ in 0..10 {
            // Side by side: they share syncs.
            let mut appends = JoinSet::new();
            for owner in &mut owners {
                let (log, value) = (log.clone(), world.next(owner)?);
                appends.spawn(async move { log.append(value.into()).await });
            }
            for appended in appends.join_all().await {
                if !matches!(appended?, Appended::Committed { .. }) {
                    return Err("nobody else writes to these accounts".into());
                }
            }
        }
    }
    Ok(accounts)
}

/// From an append's answer to rows that another process sees, at a steady rate.
async fn lag(server: &Server, folder: &Path, seconds: u64) -> Result<(), Failed> {
    let log = Arc::new(Memory::new(3));
    let settings = Settings::new(&server.create_database("lag")?);
    let models = Arc::new(Postgres::open(&settings, None).await?);
    let api = Postgres::open(&settings, None).await?;
    let keys = Arc::new(SqliteKeys::open(&folder.join("keys.sqlite"), Secret::new([7; 32]))?);
    let projecting =
        tokio::spawn(Arc::new(Projector::new(log.clone() as Arc<dyn LogReader>, models, keys)).run());
    let world = World::new()?;
    let mut owners = (0..AT_ONCE).map(Owner::new).collect::<Result<Vec<_>, Failed>>()?;
    let mut ticks = tokio::time::interval(Duration::from_secs(1) * BURST / RATE);
    let mut waiting: JoinSet<Result<Duration, Failed>> = JoinSet::new();
    let bursts = seconds * u64::from(RATE / BURST);
    let mut turn = (0..AT_ONCE).cycle();
    for _ in 0..bursts {
        ticks.tick().await;
        for n in turn.by_ref().take(BURST as usize) {
            let value = world.next(&mut owners[n])?;
            let begin = Instant::now();
            let Appended::Committed { position, .. } = log.append(value.into()).await? else {
                return Err("nobody else writes to these accounts".into());
            };
            let api = api.clone();
            waiting.spawn(async move {
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
