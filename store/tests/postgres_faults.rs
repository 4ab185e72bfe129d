//! PostgreSQL that dies, stops and comes back, at any moment of a batch.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use reinstate_cluster::postgres::Postgres as Server;
use reinstate_domain::entry::Position;
use reinstate_store::{
    log::LogReader,
    postgres::{Error as Cause, Postgres, Settings},
    read_models::{
        AccountRow, Error, Projections, ReactivationRow, ReadModels, Snapshots, memory::Memory,
        project::next_batch,
    },
};
use support::{
    account, database,
    world::{World, case, document, evidence, finding},
};

mod support;

/// A while that is long for an answer and short for a test.
const SOON: Duration = Duration::from_secs(30);

/// The bound on every answer, and what a busy machine adds.
const BOUND: Duration = Duration::from_secs(5);

async fn history() -> World {
    use reinstate_domain::{account::Command, evidence::Decision};
    let world = World::new(1);
    for n in 0..6_u128 {
        let who = account(&format!("account-{n}"));
        world.up_to_the_code(&who, case(n), "compliance").await;
        let verify = Command::Verify { case: case(n), phone: Some(world.code(case(n), 1)), email: None };
        world.must(&who, [verify, document(case(n), n)]).await;
        let finding = finding(Decision::Review);
        world.must(&who, [Command::RecordDocument { case: case(n), evidence: evidence(n), finding }]).await;
    }
    world
}

type Everything = (Vec<AccountRow>, Vec<ReactivationRow>, Vec<Vec<Position>>, u64);

async fn everything(models: &dyn Projections) -> Everything {
    let accounts = models.accounts(None, None, 1000).await.unwrap();
    let reactivations = models.reactivations(None, None, 1000).await.unwrap();
    let mut timelines = Vec::new();
    for row in &accounts {
        timelines.push(models.timeline(&row.id, 0, 1000).await.unwrap());
    }
    (accounts, reactivations, timelines, models.checkpoint(0).await.unwrap())
}

/// All of the log, in one go and in memory.
async fn expected(log: &dyn LogReader) -> Everything {
    let models = Memory::default();
    while let Some(batch) = next_batch(log, &models, 0, 1000).await.unwrap() {
        models.apply(batch).await.unwrap();
    }
    everything(&models).await
}

#[tokio::test]
async fn a_connection_that_dies_between_any_two_statements_repeats_nothing_and_skips_nothing() {
    let world = history().await;
    let url = database::empty().await;
    let models = Postgres::open(&Settings::new(&url), None).await.unwrap();
    let die = "CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(10); RETURN NULL; END $$";
    database::psql(&url, die).await;

    let mut deaths = Vec::new();
    for table in ["checkpoints", "accounts", "reactivations", "timelines"] {
        for moment in ["BEFORE", "AFTER"] {
            let on = format!("INSERT OR UPDATE ON reinstate_1.{table} FOR EACH STATEMENT");
            deaths.push((table, format!("CREATE TRIGGER fault {moment} {on} EXECUTE FUNCTION die()")));
        }
    }
    // While it commits.
    let deferred = "CREATE CONSTRAINT TRIGGER fault AFTER INSERT ON reinstate_1.timelines
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION die()";
    deaths.push(("timelines", deferred.to_owned()));

    let mut died = 0;
    while let Some(batch) = next_batch(&*world.log, &models, 0, 3).await.unwrap() {
        if let Some((table, death)) = deaths.get(died) {
            let before = everything(&models).await;
            database::psql(&url, death).await;
            let error = models.apply(batch.clone()).await.unwrap_err();
            assert!(matches!(error, Error::Unavailable(_)), "{death}: {error:?}");
            database::psql(&url, &format!("DROP TRIGGER fault ON reinstate_1.{table}")).await;
            assert_eq!(everything(&models).await, before, "{death}");
            died += 1;
        }
        models.apply(batch).await.unwrap();
    }
    assert_eq!(died, deaths.len(), "the log was long enough for every death");
    assert_eq!(everything(&models).await, expected(&*world.log).await);
}

/// Brings the rows forward until they have everything, through whatever happens.
async fn follow(log: Arc<dyn LogReader>, models: Postgres, step: usize) -> usize {
    let mut failures = 0;
    let end = log.end(0).await.unwrap();
    loop {
        let stepped = async {
            match next_batch(&*log, &models, 0, step).await? {
                Some(batch) => models.apply(batch).await,
                None => Ok(()),
            }
        };
        if stepped.await.is_err() {
            failures += 1;
            tokio::task::yield_now().await;
        }
        if models.checkpoint(0).await.is_ok_and(|next| next >= end) {
            return failures;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_killed_again_and_again_ends_up_with_the_fold_of_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let server = Arc::new(Server::start(folder.path()).unwrap());
    let world = history().await;
    let settings = Settings::new(&server.create_database("rows").unwrap());
    let models = Postgres::open(&settings, None).await.unwrap();
    let mut changes = models.changes();
    let last = Position { partition: 0, offset: world.log.end(0).await.unwrap() - 1 };
    let following = tokio::spawn(follow(world.log.clone(), models.clone(), 1));
    let waiting = {
        let models = models.clone();
        tokio::spawn(async move { while models.wait(last).await.is_err() {} })
    };
    for kill in 0..3 {
        let before = models.checkpoint(0).await;
        tokio::time::timeout(SOON, async {
            // Whoever listens hears again after each restart.
            while models.checkpoint(0).await.ok() <= before.as_ref().ok().copied() && !following.is_finished()
            {
                tokio::time::timeout(SOON, changes.changed()).await.unwrap().unwrap();
            }
        })
        .await
        .unwrap_or_else(|_| panic!("no progress before kill {kill}"));
        let server = server.clone();
        tokio::task::spawn_blocking(move || {
            server.kill9().unwrap();
            server.restart().unwrap();
        })
        .await
        .unwrap();
    }
    tokio::time::timeout(SOON, following).await.unwrap().unwrap();
    tokio::time::timeout(SOON, waiting).await.unwrap().unwrap();
    assert_eq!(everything(&models).await, expected(&*world.log).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_does_not_answer_is_an_error_within_the_bound_and_works_again_afterwards() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path()).unwrap();
    let world = history().await;
    let mut settings = Settings::new(&server.create_database("rows").unwrap());
    settings.connections = 2;
    let models = Postgres::open(&settings, None).await.unwrap();
    let batch = next_batch(&*world.log, &models, 0, 5).await.unwrap().unwrap();
    models.apply(batch).await.unwrap();
    healthy(&models, true).await;

    server.pause().unwrap();
    let batch = next_batch(&*world.log, &Memory::default(), 0, 7).await.unwrap().unwrap();
    let nobody = account("account-0");
    let far = Position { partition: 0, offset: 5000 };
    // More callers than connections: those that wait for one are bounded too.
    let begin = Instant::now();
    let (account, wait, apply, due, checkpoint) = tokio::join!(
        models.account(&nobody),
        models.wait(far),
        models.apply(batch),
        models.due(support::world::now(), 10),
        models.checkpoint(0),
    );
    assert!(begin.elapsed() < BOUND, "{:?}", begin.elapsed());
    for error in [
        account.unwrap_err(),
        wait.unwrap_err(),
        apply.unwrap_err(),
        due.unwrap_err(),
        checkpoint.unwrap_err(),
    ] {
        let Error::Unavailable(cause) = &error else { panic!("{error:?}") };
        let cause: &Cause = cause.downcast_ref().unwrap();
        assert!(matches!(cause, Cause::TimedOut { .. } | Cause::Exhausted { .. }), "{cause:?}");
    }
    healthy(&models, false).await;
    assert!(models.health().unwrap().contains("did not answer"), "{:?}", models.health());

    server.resume().unwrap();
    healthy(&models, true).await;
    assert_eq!(models.checkpoint(0).await.unwrap(), 5);
    tokio::time::timeout(SOON, follow(world.log.clone(), models.clone(), 4)).await.unwrap();
    assert_eq!(everything(&models).await, expected(&*world.log).await);
}

async fn healthy(models: &Postgres, expected: bool) {
    let begin = Instant::now();
    while models.health().is_none() != expected {
        assert!(begin.elapsed() < SOON, "{:?}", models.health());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn rows_that_another_process_wrote_are_heard_of_also_when_the_notification_was_lost() {
    let world = history().await;
    let url = database::empty().await;
    let ours = Postgres::open(&Settings::new(&url), None).await.unwrap();
    let theirs = Postgres::open(&Settings::new(&url), None).await.unwrap();
    let at = |offset| Position { partition: 0, offset };

    let mut changes = ours.changes();
    let batch = next_batch(&*world.log, &theirs, 0, 5).await.unwrap().unwrap();
    theirs.apply(batch).await.unwrap();
    tokio::time::timeout(SOON, ours.wait(at(4))).await.unwrap().unwrap();
    tokio::time::timeout(SOON, changes.changed()).await.unwrap().unwrap();

    // As a writer would leave it whose notification was lost.
    changes.mark_unchanged();
    database::psql(&url, "UPDATE reinstate.checkpoints SET next = 9").await;
    tokio::time::timeout(SOON, ours.wait(at(8))).await.unwrap().unwrap();
    tokio::time::timeout(SOON, changes.changed()).await.unwrap().unwrap();
    assert!(
        tokio::time::timeout(Duration::from_millis(700), ours.wait(at(9))).await.is_err(),
        "9 is not there"
    );
}
