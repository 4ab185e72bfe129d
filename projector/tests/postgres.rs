//! Rebuild, check and retry on a real PostgreSQL.
#![allow(clippy::unwrap_used, dead_code, unreachable_pub, reason = "tests, and not all of the shared world")]

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use reinstate_cluster::postgres::Postgres as Server;
use reinstate_domain::{account::Command, entry::Hash, ids::AccountId};
use reinstate_projector::{
    check::{self, Difference, check, check_by},
    follow::Projector,
    rebuild::{self, Progress, Stage, rebuild, rebuild_within},
    retry::{Retried, retry},
};
use reinstate_store::{
    keys::{self, Keys, SqliteKeys},
    log::{Log, LogReader},
    master::Secret,
    postgres::{self, Postgres, Settings, snapshot::Part},
    read_models::{
        AccountRow, Batch, Projections, Quarantine, ReactivationStatus, ReadModels, Snapshots,
        project::{Made, next_batch},
    },
    seal::DataKey,
};
use tokio::{sync::watch, task::JoinSet, time::timeout};
use world::{World, case, document, enrol, lock, now, request};

#[path = "../../store/tests/support/world.rs"]
mod world;

const SOON: Duration = Duration::from_secs(60);

fn account(name: &str) -> AccountId {
    AccountId::parse(name).unwrap()
}

fn server() -> &'static Server {
    Server::of_this_process().unwrap()
}

async fn database() -> (String, Postgres) {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let name = format!("test_{}", COUNT.fetch_add(1, Ordering::Relaxed));
    let url = tokio::task::spawn_blocking(move || server().create_database(&name).unwrap()).await.unwrap();
    let models = Postgres::open(&Settings::new(&url), None).await.unwrap();
    (url, models)
}

async fn psql(url: &str, sql: &str) -> String {
    let (database, sql) = (url.rsplit_once('/').unwrap().1.to_owned(), sql.to_owned());
    tokio::task::spawn_blocking(move || server().psql(&database, &sql).unwrap()).await.unwrap()
}

/// Every column of every row that clients see.
async fn dump(url: &str) -> String {
    let mut dump = String::new();
    for (table, key) in [
        ("accounts", "account"),
        ("reactivations", "case_id"),
        ("timelines", "account, position"),
        ("checkpoints", "partition"),
    ] {
        dump += &psql(url, &format!("SELECT * FROM reinstate.{table} ORDER BY {key}")).await;
    }
    dump
}

async fn generations(url: &str) -> String {
    psql(url, "SELECT string_agg(nspname, ' ' ORDER BY nspname) FROM pg_namespace WHERE nspname ~ '^reinstate_[0-9]+$'").await
}

fn keys(folder: &tempfile::TempDir) -> Arc<SqliteKeys> {
    Arc::new(SqliteKeys::open(&folder.path().join("keys.sqlite"), Secret::new([7; 32])).unwrap())
}

fn progress() -> watch::Sender<Progress> {
    watch::Sender::default()
}

/// An entry that no program of today understands.
async fn unknown(world: &World, who: &AccountId) {
    let state = world.journal.load(who).await.unwrap();
    let newer = serde_json::json!({
        "id": uuid::Uuid::now_v7(), "account": who, "version": state.version + 1, "prev": state.head,
        "time": now(), "actor": {"role": "test"}, "events": [{"type": "AccountLocked", "v": 2, "data": {}}],
    });
    world.log.append(serde_json::to_vec(&newer).unwrap().into()).await.unwrap();
}

/// Accounts at many stages: open, waiting for the verifier, ended and opened again, erased, halted, and void entries of each.
async fn history(partitions: u32) -> World {
    let world = World::new(partitions);
    for n in 0..24_u128 {
        let who = account(&format!("account-{n:02}"));
        let reason = if n % 6 == 0 { "owner_request" } else { "compliance" };
        world.up_to_the_code(&who, case(n), reason).await;
        let verify = Command::Verify { case: case(n), phone: Some(world.code(case(n), 1)), email: None };
        match n % 6 {
            0 => {
                world
                    .must(
                        &who,
                        [verify, Command::Submit { case: case(n) }, Command::Conclude { case: case(n) }],
                    )
                    .await
            }
            1 => {
                world.must(&who, [Command::Release { reason: "support".into() }, lock("compliance")]).await;
                world.must(&who, [Command::Request { case: case(100 + n) }]).await;
            }
            2 => world.must(&who, [Command::Erase]).await,
            3 => unknown(&world, &who).await,
            5 => world.must(&who, [verify, document(case(n), n)]).await,
            _ => {}
        }
        // Somebody's void entry.
        let void = serde_json::json!({
            "id": uuid::Uuid::now_v7(), "account": who, "version": 1, "prev": null,
            "time": now(), "actor": {"role": "test"}, "events": [],
        });
        world.log.append(serde_json::to_vec(&void).unwrap().into()).await.unwrap();
    }
    // One of whom the log has nothing that counts.
    let void = serde_json::json!({
        "id": uuid::Uuid::now_v7(), "account": "nobody", "version": 2, "prev": Hash::of(b"x"),
        "time": now(), "actor": {"role": "test"}, "events": [],
    });
    world.log.append(serde_json::to_vec(&void).unwrap().into()).await.unwrap();
    world
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_made_again_are_the_live_ones_byte_for_byte_however_little_fits_in_memory() {
    let world = history(3).await;
    let folder = tempfile::tempdir().unwrap();
    let (url, models) = database().await;
    Projector::new(world.log.clone(), Arc::new(models.clone()), keys(&folder)).catch_up().await.unwrap();
    let live = dump(&url).await;
    assert!(live.contains("quarantine") && live.contains("reactivated") && live.contains("erased"));

    for accounts in [1000, 4, 1] {
        let shown = progress();
        let rebuilt =
            rebuild_within(world.log.clone(), &models, &*keys(&folder), &shown, accounts).await.unwrap();
        assert_eq!(dump(&url).await, live, "{accounts} accounts in memory");
        let Progress { stage, entries, total, rate, left } = *shown.borrow();
        assert_eq!((stage, entries, left), (Stage::Done, total, Duration::ZERO));
        assert_eq!(rebuilt.entries, total);
        assert!(rate > 0.0);
    }
    assert_eq!(generations(&url).await, "reinstate_4", "nothing of the old rows is left");

    let checked = check(&*world.log, &models).await.unwrap();
    assert_eq!(checked.differences, []);
    assert_eq!((checked.accounts, checked.quarantined.len()), (24, 4));
    let by_three = check_by(&*world.log, &models, 3).await.unwrap();
    assert_eq!(by_three, checked, "in parts it finds the same");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn queries_and_the_projector_go_on_through_rebuilds_without_a_gap() {
    let world = Arc::new(history(2).await);
    let folder = tempfile::tempdir().unwrap();
    let (url, models) = database().await;
    let projector = Arc::new(Projector::new(world.log.clone(), Arc::new(models.clone()), keys(&folder)));
    projector.catch_up().await.unwrap();
    let projecting = tokio::spawn(projector.run());

    let stop = Arc::new(AtomicBool::new(false));
    let mut busy = JoinSet::new();
    let writing = {
        let (world, stop, who) = (world.clone(), stop.clone(), account("account-04"));
        async move {
            while !stop.load(Ordering::Relaxed) {
                world.must(&who, [Command::Release { reason: "support".into() }, lock("compliance")]).await;
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        }
    };
    busy.spawn(writing);
    let answers = Arc::new(AtomicU64::new(0));
    for _ in 0..3 {
        let (models, stop, answers) = (models.clone(), stop.clone(), answers.clone());
        busy.spawn(async move {
            let who = account("account-04");
            let (mut version, mut checkpoint) = (0, 0);
            while !stop.load(Ordering::Relaxed) {
                let row = models.account(&who).await.unwrap().expect("the account is always there");
                assert!(row.state.version >= version, "rows never go back");
                version = row.state.version;
                let at = row.state.position.unwrap();
                assert!(models.is_effective(&who, at).await.unwrap());
                let next = models.checkpoint(at.partition).await.unwrap();
                assert!(next >= checkpoint && next > at.offset);
                checkpoint = next;
                let ended =
                    models.reactivations(Some(ReactivationStatus::Reactivated), None, 100).await.unwrap();
                assert_eq!(ended.len(), 4, "the list is whole at every moment");
                assert_eq!(models.quarantined(100).await.unwrap().len(), 4);
                assert!(models.timeline(&who, 0, 10_000).await.unwrap().len() as u64 >= version);
                answers.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    for _ in 0..3 {
        let before = answers.load(Ordering::Relaxed);
        rebuild(world.log.clone(), &models, &*keys(&folder), &progress()).await.unwrap();
        timeout(SOON, async {
            while answers.load(Ordering::Relaxed) == before {
                tokio::task::yield_now().await;
            }
        })
        .await
        .expect("queries are answered meanwhile");
    }
    stop.store(true, Ordering::Relaxed);
    while let Some(done) = busy.join_next().await {
        done.unwrap();
    }
    assert_eq!(generations(&url).await, "reinstate_4");

    // The projector goes on with the new rows.
    let who = account("account-04");
    world.must(&who, [Command::Release { reason: "support".into() }]).await;
    let state = world.journal.load(&who).await.unwrap();
    timeout(SOON, models.wait(state.position.unwrap())).await.unwrap().unwrap();
    assert_eq!(models.account(&who).await.unwrap().unwrap().state, *state);
    projecting.abort();
    assert_eq!(check(&*world.log, &models).await.unwrap().differences, []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_check_names_every_row_that_is_not_as_the_log_says() {
    let world = history(2).await;
    let folder = tempfile::tempdir().unwrap();
    let (url, models) = database().await;
    let projector = Projector::new(world.log.clone(), Arc::new(models.clone()), keys(&folder));
    projector.catch_up().await.unwrap();

    let differs = |name: &str, part| vec![Difference::Differs { account: account(name), parts: vec![part] }];
    let missing = |name: &str| vec![Difference::Missing { account: account(name) }];
    let forged = "SELECT 'forged', partition, position, version, status, deadline, deadline_case, work_since, quarantined_at, row";
    for (fault, expected) in [
        (
            "UPDATE reinstate.accounts SET status = 'locked' WHERE account = 'account-00'",
            differs("account-00", Part::Account),
        ),
        (
            "UPDATE reinstate.accounts SET work_since = 1 WHERE account = 'account-04'",
            differs("account-04", Part::Account),
        ),
        (
            "UPDATE reinstate.accounts SET deadline = deadline + 1 WHERE account = 'account-04'",
            differs("account-04", Part::Account),
        ),
        // The same JSON in other bytes.
        (
            "UPDATE reinstate.accounts SET row = (row::jsonb)::json WHERE account = 'account-01'",
            differs("account-01", Part::Account),
        ),
        (
            "UPDATE reinstate.accounts SET quarantined_at = NULL WHERE account = 'account-03'",
            differs("account-03", Part::Account),
        ),
        (
            "UPDATE reinstate.reactivations SET status = 'open' WHERE account = 'account-00'",
            differs("account-00", Part::Reactivations),
        ),
        (
            "DELETE FROM reinstate.reactivations WHERE status = 'cancelled' AND account = 'account-01'",
            differs("account-01", Part::Reactivations),
        ),
        (
            "DELETE FROM reinstate.timelines WHERE account = 'account-05' AND position = (SELECT min(position) FROM reinstate.timelines WHERE account = 'account-05')",
            differs("account-05", Part::Timeline),
        ),
        (
            "INSERT INTO reinstate.timelines SELECT account, partition, 999999 FROM reinstate.accounts WHERE account = 'account-05'",
            differs("account-05", Part::Timeline),
        ),
        ("DELETE FROM reinstate.accounts WHERE account = 'account-07'", differs("account-07", Part::Account)),
        (
            "DELETE FROM reinstate.accounts WHERE account = 'account-08'; DELETE FROM reinstate.reactivations WHERE account = 'account-08'; DELETE FROM reinstate.timelines WHERE account = 'account-08'",
            missing("account-08"),
        ),
        (
            &format!(
                "INSERT INTO reinstate.accounts {forged} FROM reinstate.accounts WHERE account = 'account-04'"
            ),
            vec![Difference::Unfounded { account: account("forged") }],
        ),
    ] {
        psql(&url, fault).await;
        let found = check_by(&*world.log, &models, 5).await.unwrap().differences;
        assert_eq!(found, expected, "{fault}");
        rebuild(world.log.clone(), &models, &*keys(&folder), &progress()).await.unwrap();
        assert_eq!(check(&*world.log, &models).await.unwrap().differences, [], "a rebuild mends it: {fault}");
    }

    let end = world.log.end(1).await.unwrap();
    psql(&url, "UPDATE reinstate.checkpoints SET next = next + 5 WHERE partition = 1").await;
    let found = check(&*world.log, &models).await.unwrap().differences;
    assert_eq!(found, [Difference::Ahead { partition: 1, rows: end + 5, log: end }]);
}

/// The rows as a program leaves them that did not understand the account's entry of this version.
async fn halt(world: &World, models: &Postgres, who: &AccountId, version: usize) {
    let partition = world.log.partition_of(who);
    let records = world.log.read(partition, 0, 10_000).await.unwrap();
    let (mut before, mut whole) =
        (Made::from(AccountRow::new(who.clone())), Made::from(AccountRow::new(who.clone())));
    let mut seen = BTreeSet::new();
    for record in records.iter().filter(|record| record.account == *who) {
        whole.take(record);
        seen.insert(whole.row.head.version);
        if seen.len() < version {
            before.take(record);
        }
    }
    let position = whole.timeline[version - 1];
    let quarantine = Quarantine { position, detail: "an event of a newer version".into() };
    let row = AccountRow { head: whole.row.head, quarantine: Some(quarantine), ..before.row };
    let next = models.checkpoint(partition).await.unwrap();
    let batch = Batch { partition, from: next, next, accounts: vec![row], ..Batch::default() };
    models.apply(batch).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_the_fix_a_halted_account_is_made_anew_and_nobody_else_notices() {
    let world = Arc::new(history(1).await);
    let folder = tempfile::tempdir().unwrap();
    let keys = keys(&folder);
    let (url, models) = database().await;
    let projector = Arc::new(Projector::new(world.log.clone(), Arc::new(models.clone()), keys.clone()));
    projector.catch_up().await.unwrap();
    let whole = dump(&url).await;

    let who = account("account-06");
    halt(&world, &models, &who, 4).await;
    let halted =
        psql(&url, "SELECT account, detail FROM reinstate.quarantine WHERE account = 'account-06'").await;
    assert_eq!(halted, "account-06|an event of a newer version", "operators see it");
    assert_ne!(dump(&url).await, whole);
    assert_eq!(retry(&*world.log, &models, &*keys, &who).await.unwrap(), Retried::Understood { version: 8 });
    assert_eq!(dump(&url).await, whole, "every byte of every account is as if it had never halted");

    // One that is not understood today either stays as it is; one that never halted, and one that nobody knows, too.
    let stuck = retry(&*world.log, &models, &*keys, &account("account-03")).await.unwrap();
    assert!(matches!(&stuck, Retried::StillHalted(q) if q.detail.contains("AccountLocked v2")), "{stuck:?}");
    let fine = retry(&*world.log, &models, &*keys, &account("account-04")).await.unwrap();
    assert_eq!(fine, Retried::Understood { version: 5 });
    for unknown in ["nobody", "never-heard-of"] {
        assert_eq!(retry(&*world.log, &models, &*keys, &account(unknown)).await.unwrap(), Retried::Unknown);
    }
    assert_eq!(dump(&url).await, whole);

    // While the projector runs and others write.
    let running = tokio::spawn(projector.run());
    let mut writers = JoinSet::new();
    for n in [4, 10, 16] {
        let (world, who) = (world.clone(), account(&format!("account-{n:02}")));
        writers.spawn(async move {
            for _ in 0..20 {
                world.must(&who, [Command::Release { reason: "support".into() }, lock("compliance")]).await;
            }
        });
    }
    for _ in 0..10 {
        retry(&*world.log, &models, &*keys, &account("account-10")).await.unwrap();
    }
    writers.join_all().await;
    let last =
        reinstate_domain::entry::Position { partition: 0, offset: world.log.end(0).await.unwrap() - 1 };
    timeout(SOON, models.wait(last)).await.unwrap().unwrap();
    running.abort();
    assert_eq!(check(&*world.log, &models).await.unwrap().differences, []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_erasure_that_was_not_understood_destroys_the_key_when_it_is() {
    let world = World::new(1);
    let folder = tempfile::tempdir().unwrap();
    let keys = keys(&folder);
    let (_, models) = database().await;
    let anna = account("anna");
    keys.create_or_get(&anna).await.unwrap();
    world.must(&anna, [enrol(), lock("compliance"), Command::Erase]).await;
    // The projector that passed the entries did not understand the third.
    let batch = next_batch(&*world.log, &models, 0, 100).await.unwrap().unwrap();
    models.apply(batch).await.unwrap();
    halt(&world, &models, &anna, 3).await;
    assert!(keys.get(&anna).await.unwrap().is_some());
    assert_eq!(retry(&*world.log, &models, &*keys, &anna).await.unwrap(), Retried::Understood { version: 3 });
    assert!(keys.get(&anna).await.unwrap().is_none());
    assert!(models.account(&anna).await.unwrap().unwrap().state.erased);
}

/// A store of keys that is down.
struct Down;

#[async_trait::async_trait]
impl Keys for Down {
    async fn create_or_get(&self, _: &AccountId) -> Result<DataKey, keys::Error> {
        Err(keys::Error::Full)
    }
    async fn get(&self, _: &AccountId) -> Result<Option<DataKey>, keys::Error> {
        Err(keys::Error::Full)
    }
    async fn erase(&self, _: &AccountId) -> Result<bool, keys::Error> {
        Err(keys::Error::Full)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rebuild_that_fails_or_dies_changes_nothing_and_the_next_one_tidies_up() {
    let world = history(2).await;
    let folder = tempfile::tempdir().unwrap();
    let (url, models) = database().await;
    let keys = keys(&folder);
    Projector::new(world.log.clone(), Arc::new(models.clone()), keys.clone()).catch_up().await.unwrap();
    let live = dump(&url).await;

    let failed = rebuild(world.log.clone(), &models, &Down, &progress()).await.unwrap_err();
    assert!(
        matches!(failed, rebuild::Error::Keys(_)),
        "rows do not say erased before the key is gone: {failed:?}"
    );
    assert_eq!((dump(&url).await, generations(&url).await), (live.clone(), "reinstate_1".into()));

    // One that is dropped in the middle, as by a kill.
    let generation = models.begin().await.unwrap();
    let busy = rebuild(world.log.clone(), &models, &*keys, &progress()).await.unwrap_err();
    assert!(matches!(busy, rebuild::Error::Database(postgres::Error::AtWork)), "{busy:?}");
    let busy = check(&*world.log, &models).await.unwrap_err();
    assert!(matches!(busy, check::Error::Database(postgres::Error::AtWork)), "{busy:?}");
    let loader = generation.loader().await.unwrap();
    drop((generation, loader));
    assert_eq!(generations(&url).await, "reinstate_1 reinstate_3");
    assert_eq!(dump(&url).await, live);
    rebuild(world.log.clone(), &models, &*keys, &progress()).await.unwrap();
    assert_eq!((dump(&url).await, generations(&url).await), (live, "reinstate_4".into()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_dies_during_a_rebuild_has_the_live_rows_afterwards() {
    let world = history(1).await;
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path()).unwrap();
    let models =
        Postgres::open(&Settings::new(&server.create_database("rows").unwrap()), None).await.unwrap();
    let keys = keys(&folder);
    Projector::new(world.log.clone(), Arc::new(models.clone()), keys.clone()).catch_up().await.unwrap();
    let before = models.account(&account("account-04")).await.unwrap();

    let generation = models.begin().await.unwrap();
    let mut loader = generation.loader().await.unwrap();
    let position = before.as_ref().unwrap().state.position.unwrap();
    loader.effective(&account("account-04"), position).await.unwrap();
    server.kill9().unwrap();
    assert!(loader.finish().await.is_err());
    assert!(generation.hold_writers().await.is_err());
    server.restart().unwrap();
    assert_eq!(models.account(&account("account-04")).await.unwrap(), before);
    rebuild(world.log.clone(), &models, &*keys, &progress()).await.unwrap();
    assert_eq!(models.account(&account("account-04")).await.unwrap(), before);
    assert_eq!(check(&*world.log, &models).await.unwrap().differences, []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_case_that_comes_back_as_the_newest_does_not_stop_a_rebuild() {
    let world = World::new(1);
    let folder = tempfile::tempdir().unwrap();
    let (url, models) = database().await;
    let anna = account("anna");
    let again = request(&anna);
    world.must(&anna, [enrol(), lock("compliance"), Command::Request { case: case(1) }]).await;
    // No command does this; a log may have it all the same.
    for n in [2, 1] {
        world.must(&anna, [Command::Release { reason: "support".into() }, lock("compliance")]).await;
        let state = world.journal.load(&anna).await.unwrap();
        let decided = world.decide(&state, &Command::Request { case: case(n) }, again.now);
        world.journal.append(&state, &again, decided.events).await.unwrap();
    }
    let keys = keys(&folder);
    Projector::new(world.log.clone(), Arc::new(models.clone()), keys.clone()).catch_up().await.unwrap();
    let live = dump(&url).await;
    assert_eq!(models.reactivations(None, None, 10).await.unwrap().len(), 2);
    rebuild(world.log.clone(), &models, &*keys, &progress()).await.unwrap();
    assert_eq!(dump(&url).await, live);
}
