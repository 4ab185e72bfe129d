//! The projector and the timekeeper on a log in memory.
#![allow(clippy::unwrap_used, dead_code, unreachable_pub, reason = "tests, and not all of the shared world")]

use std::{sync::Arc, time::Duration};

use jiff::SignedDuration;
use reinstate_domain::{
    account::{Account, CaseStatus, Command, Outcome},
    entry::Head,
    ids::AccountId,
    policy::{EXCHANGE, Policy},
    sealed::purpose,
};
use reinstate_projector::{
    commands::Commands,
    follow::{Error, Projector, Step},
    timekeeper::Timekeeper,
    watch::{Lag, lag},
};
use reinstate_store::{
    journal::Executed,
    keys::{self, Keys, SqliteKeys},
    log::{Log, LogReader},
    master::Secret,
    read_models::{ReactivationStatus, ReadModels, Snapshots, memory::Memory as Models},
    seal::{self, DataKey},
};
use tokio::time::timeout;
use world::{World, case, enrol, lock, now, request};

#[path = "../../store/tests/support/world.rs"]
mod world;

const SOON: Duration = Duration::from_secs(20);

fn account(name: &str) -> AccountId {
    AccountId::parse(name).unwrap()
}

fn keys(folder: &tempfile::TempDir) -> Arc<SqliteKeys> {
    Arc::new(SqliteKeys::open(&folder.path().join("keys.sqlite"), Secret::new([7; 32])).unwrap())
}

#[tokio::test]
async fn a_start_catches_up_with_the_log_and_then_follows_it() {
    let world = World::new(3);
    for n in 0..20 {
        world.must(&account(&format!("a{n}")), [enrol(), lock("owner_request")]).await;
    }
    let folder = tempfile::tempdir().unwrap();
    let models = Arc::new(Models::default());
    let projector = Arc::new(Projector::new(world.log.clone(), models.clone(), keys(&folder)));
    projector.catch_up().await.unwrap();
    assert_eq!(models.accounts(None, None, 100).await.unwrap().len(), 20);
    let partition = world.log.partition_of(&account("a0"));
    let end = world.log.end(partition).await.unwrap();
    assert_eq!(projector.step(partition).await.unwrap(), Step::Idle { next: end });

    let running = tokio::spawn(projector.run());
    world.must(&account("a0"), [Command::Release { reason: "support".into() }]).await;
    let released = world.journal.load(&account("a0")).await.unwrap();
    timeout(SOON, models.wait(released.position.unwrap())).await.unwrap().unwrap();
    assert_eq!(models.account(&account("a0")).await.unwrap().unwrap().state, *released);
    running.abort();
}

#[tokio::test]
async fn a_projector_that_another_one_overtook_goes_on_from_the_rows_of_the_other() {
    let world = World::new(1);
    let (anna, berta) = (account("anna"), account("berta"));
    let folder = tempfile::tempdir().unwrap();
    let models = Arc::new(Models::default());
    let projector = || Projector::new(world.log.clone(), models.clone(), keys(&folder));
    let (one, other) = (projector(), projector());
    world.must(&anna, [enrol()]).await;
    world.must(&berta, [enrol()]).await;
    assert_eq!(one.step(0).await.unwrap(), Step::Applied { next: 2 });
    world.must(&anna, [lock("owner_request")]).await;
    assert_eq!(other.step(0).await.unwrap(), Step::Applied { next: 3 });

    // To the row that the first one remembers, this one would be void.
    world.must(&anna, [Command::Release { reason: "support".into() }]).await;
    assert_eq!(one.step(0).await.unwrap(), Step::Applied { next: 3 }, "it learns where the rows are");
    assert_eq!(one.step(0).await.unwrap(), Step::Applied { next: 4 });
    // And what it remembers since then is as good as what is stored.
    world.must(&anna, [lock("compliance")]).await;
    world.must(&berta, [lock("compliance")]).await;
    assert_eq!(one.step(0).await.unwrap(), Step::Applied { next: 6 });
    for who in [anna, berta] {
        let state = world.journal.load(&who).await.unwrap();
        assert_eq!(models.account(&who).await.unwrap().unwrap().state, *state, "{who}");
    }
}

#[tokio::test]
async fn an_erasure_in_the_log_destroys_the_key_even_when_its_writer_died_before() {
    let world = World::new(1);
    let folder = tempfile::tempdir().unwrap();
    let keys = keys(&folder);
    let (anna, berta) = (account("anna"), account("berta"));
    let key = keys.create_or_get(&anna).await.unwrap();
    keys.create_or_get(&berta).await.unwrap();
    let sealed = seal::seal(&key, &anna, purpose::PROFILE, b"her name").unwrap();
    world.must(&anna, [enrol(), Command::Erase]).await;
    world.must(&berta, [enrol()]).await;

    let projector = Projector::new(world.log.clone(), Arc::new(Models::default()), keys.clone());
    projector.catch_up().await.unwrap();
    assert!(keys.get(&anna).await.unwrap().is_none());
    assert!(matches!(keys.create_or_get(&anna).await, Err(keys::Error::Erased)));
    let other = keys.get(&berta).await.unwrap().unwrap();
    assert!(seal::open(&other, &anna, purpose::PROFILE, &sealed).is_err());
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

#[tokio::test]
async fn rows_do_not_say_erased_before_the_key_is_gone() {
    let world = World::new(1);
    let anna = account("anna");
    world.must(&anna, [enrol(), Command::Erase]).await;
    let models = Arc::new(Models::default());
    let projector = Projector::new(world.log.clone(), models.clone(), Arc::new(Down));
    assert!(matches!(projector.step(0).await, Err(Error::Keys(_))));
    assert_eq!(models.checkpoint(0).await.unwrap(), 0);
    assert!(models.account(&anna).await.unwrap().is_none());
}

#[tokio::test]
async fn an_account_that_halts_is_listed_and_the_others_are_followed() {
    let world = World::new(1);
    let (anna, berta) = (account("anna"), account("berta"));
    world.must(&anna, [enrol()]).await;
    let state: Arc<Account> = world.journal.load(&anna).await.unwrap();
    let newer = serde_json::json!({
        "id": uuid::Uuid::now_v7(), "account": anna, "version": 2, "prev": state.head,
        "time": now(), "actor": {"role": "test"}, "events": [{"type": "AccountLocked", "v": 2, "data": {}}],
    });
    world.log.append(serde_json::to_vec(&newer).unwrap().into()).await.unwrap();
    world.must(&berta, [enrol()]).await;

    let folder = tempfile::tempdir().unwrap();
    let models = Arc::new(Models::default());
    Projector::new(world.log.clone(), models.clone(), keys(&folder)).catch_up().await.unwrap();
    let halted = models.quarantined(10).await.unwrap();
    assert_eq!(halted.len(), 1);
    assert_eq!((halted[0].id.clone(), halted[0].head.version), (anna, 2));
    assert_eq!(halted[0].head, Head { version: 2, ..halted[0].head });
    assert!(halted[0].quarantine.as_ref().unwrap().detail.contains("AccountLocked v2"));
    assert!(models.account(&berta).await.unwrap().unwrap().quarantine.is_none());
}

fn timekeeper(world: &World) -> Timekeeper {
    let policy = Arc::new(Policy::parse(EXCHANGE).unwrap());
    let commands = Commands { journal: world.journal.clone(), policy, code_key: world.code_key.clone() };
    Timekeeper::new(commands, world.models.clone())
}

#[tokio::test]
async fn the_timekeeper_closes_what_has_lapsed_once_and_nothing_else() {
    let world = World::new(2);
    let people: Vec<AccountId> = (0..6).map(|n| account(&format!("a{n}"))).collect();
    for (n, who) in people.iter().enumerate() {
        world.must(who, [enrol(), lock("owner_request"), Command::Request { case: case(n as u128) }]).await;
    }
    // One ended, one was opened an hour later.
    world.must(&people[0], [Command::Cancel { case: case(0) }]).await;
    world.must(&people[1], [Command::Cancel { case: case(1) }]).await;
    let mut later = request(&people[1]);
    later.now = now().checked_add(SignedDuration::from_hours(1)).unwrap();
    world.execute_on(&world.journal, &later, &Command::Request { case: case(11) }).await.unwrap();

    let keeper = timekeeper(&world);
    let day = |minutes: i64| now().checked_add(SignedDuration::from_mins(24 * 60 + minutes)).unwrap();
    for who in &people {
        let position = world.journal.load(who).await.unwrap().position.unwrap();
        world.models.wait(position).await.unwrap();
    }
    assert_eq!(keeper.step(day(-1)).await.unwrap(), 0);
    assert_eq!(keeper.step(day(0)).await.unwrap(), 4);
    // Again, whether or not the read model has it yet; and by a keeper in another process.
    assert_eq!(keeper.step(day(1)).await.unwrap(), 0);
    assert_eq!(timekeeper(&world).step(day(1)).await.unwrap(), 0);
    assert_eq!(keeper.step(day(60)).await.unwrap(), 1);
    for who in &people[1..] {
        let state = world.journal.load(who).await.unwrap();
        assert_eq!(state.case.as_ref().unwrap().status, CaseStatus::Ended(Outcome::Expired));
        world.models.wait(state.position.unwrap()).await.unwrap();
    }
    let expired = world.models.reactivations(Some(ReactivationStatus::Expired), None, 10).await.unwrap();
    assert_eq!(expired.len(), 5);
}

#[tokio::test]
async fn a_case_that_fails_to_close_holds_up_no_other() {
    use reinstate_store::log::memory::Fault;
    let world = World::new(1);
    for n in 0..3_u128 {
        let who = account(&format!("a{n}"));
        world.must(&who, [enrol(), lock("owner_request"), Command::Request { case: case(n) }]).await;
        let position = world.journal.load(&who).await.unwrap().position.unwrap();
        world.models.wait(position).await.unwrap();
    }
    world.log.fail(Fault::Full);
    let tomorrow = now().checked_add(SignedDuration::from_hours(24)).unwrap();
    let keeper = timekeeper(&world);
    assert_eq!(keeper.step(tomorrow).await.unwrap(), 2);
    assert_eq!(keeper.step(tomorrow).await.unwrap(), 1);
    let executed = world.execute(&account("a0"), Command::Expire { case: case(0) }).await;
    assert!(matches!(executed, Executed::Decided { written: false, .. }));
}

#[tokio::test]
async fn the_lag_is_the_entries_that_the_rows_lack_and_the_age_of_the_oldest() {
    let world = World::new(1);
    world.must(&account("a"), [enrol(), lock("owner_request")]).await;
    let later = now().checked_add(SignedDuration::from_secs(7)).unwrap();
    assert_eq!(lag(&*world.log, 0, 2, later).await.unwrap(), Lag { entries: 0, seconds: 0.0 });
    assert_eq!(lag(&*world.log, 0, 1, later).await.unwrap(), Lag { entries: 1, seconds: 7.0 });
    // A writer whose clock is ahead is no reason for a negative age.
    let before = now().checked_sub(SignedDuration::from_secs(7)).unwrap();
    assert_eq!(lag(&*world.log, 0, 0, before).await.unwrap(), Lag { entries: 2, seconds: 0.0 });
}
