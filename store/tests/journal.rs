//! What the journal promises: what was answered is in the log once, what was refused is not, whoever else writes.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    future::poll_fn,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::Poll,
    time::Duration,
};

use jiff::SignedDuration;
use reinstate_domain::{
    account::{Answer, Command, Event, Refusal},
    codes::Channel,
    evidence::Decision,
    ids::AccountId,
    wire,
};
use reinstate_store::{
    clock::{Difference, SharedClock},
    journal::{Error, Executed, Journal, Written},
    log::{self, memory::Fault},
};
use support::{
    account, effective, read_all,
    world::{World, case, document, enrol, evidence, finding, fingerprint, following, lock, request},
};
use tokio::task::JoinSet;

mod support;

/// The account's effective events, from the log alone.
async fn events(world: &World, who: &AccountId) -> Vec<Event> {
    use reinstate_store::log::LogReader;
    let records = read_all(&*world.log, world.log.partition_of(who)).await;
    effective(&records, who).iter().flat_map(|r| wire::decode(&r.value).unwrap().events).collect()
}

#[track_caller]
fn decided(executed: Executed) -> (Result<Answer, Refusal>, bool) {
    match executed {
        Executed::Decided { answer, written, .. } => (answer, written),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_decision_is_written_once_and_saying_it_again_writes_nothing() {
    let world = World::new(3);
    let anna = account("anna");
    assert_eq!(decided(world.execute(&anna, enrol()).await), (Ok(Answer::Enrolled { created: true }), true));
    assert_eq!(
        decided(world.execute(&anna, enrol()).await),
        (Ok(Answer::Enrolled { created: false }), false)
    );
    let lock = lock("owner_request");
    assert_eq!(decided(world.execute(&anna, lock.clone()).await), (Ok(Answer::Locked { new: true }), true));
    assert_eq!(decided(world.execute(&anna, lock).await), (Ok(Answer::Locked { new: false }), false));
    assert_eq!(events(&world, &anna).await.len(), 2);
}

#[tokio::test]
async fn a_refusal_writes_nothing() {
    let world = World::new(1);
    let anna = account("anna");
    let refused = decided(world.execute(&anna, lock("x")).await);
    assert_eq!(refused, (Err(Refusal::UnknownAccount), false));
    assert!(events(&world, &anna).await.is_empty());
}

#[tokio::test]
async fn an_idempotency_key_is_answered_again_by_any_instance_and_refused_for_another_request() {
    let world = World::new(1);
    let anna = account("anna");
    world.must(&anna, [enrol(), lock("owner_request")]).await;
    let mut asked = request(&anna);
    asked.command = Some(fingerprint("key", "open"));
    let open = Command::Request { case: case(1) };
    let first = world.execute_on(&world.journal, &asked, &open).await.unwrap();
    assert_eq!(decided(first), (Ok(Answer::Opened { case: case(1) }), true));

    let again = Command::Request { case: case(2) };
    for journal in [world.journal.clone(), world.another_journal()] {
        let Executed::Replayed { answer, .. } = world.execute_on(&journal, &asked, &again).await.unwrap()
        else {
            panic!("the key was used for this request");
        };
        assert_eq!(answer, Answer::Opened { case: case(1) });
    }
    asked.command = Some(fingerprint("key", "something else"));
    let reused = world.execute_on(&world.journal, &asked, &again).await.unwrap();
    assert!(matches!(reused, Executed::KeyReused));
}

#[tokio::test]
async fn an_instance_whose_state_is_stale_decides_again_on_the_newest() {
    let world = World::new(1);
    let anna = account("anna");
    let (one, other) = (world.journal.clone(), world.another_journal());
    world.must(&anna, [enrol()]).await;
    other.load(&anna).await.unwrap();
    world.must(&anna, [lock("owner_request")]).await;
    // The other instance still believes that the account is not locked.
    let executed = world.execute_on(&other, &request(&anna), &lock("compliance")).await.unwrap();
    assert_eq!(decided(executed), (Ok(Answer::Locked { new: false }), false));
    assert_eq!(one.load(&anna).await.unwrap(), other.load(&anna).await.unwrap());
    assert_eq!(events(&world, &anna).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parallel_guesses_through_two_instances_are_never_more_than_the_attempts_allow() {
    let world = Arc::new(World::new(1));
    let anna = account("anna");
    world.up_to_the_code(&anna, case(1), "owner_request").await;
    let guess = Command::Verify { case: case(1), phone: Some(world.wrong_code(case(1))), email: None };
    let instances = [world.journal.clone(), world.another_journal()];
    let mut guesses = JoinSet::new();
    for n in 0..400 {
        let (world, journal, guess) = (world.clone(), instances[n % 2].clone(), guess.clone());
        let asked = request(&anna);
        guesses.spawn(async move { world.execute_on(&journal, &asked, &guess).await.unwrap() });
    }
    let written = guesses.join_all().await.into_iter().filter(decided_written).count();
    let events = events(&world, &anna).await;
    let rejected = events.iter().filter(|e| matches!(e, Event::CodeRejected(_))).count();
    assert_eq!((rejected, written), (5, 5));

    let right = Command::Verify { case: case(1), phone: Some(world.code(case(1), 1)), email: None };
    let (answer, written) = decided(world.execute(&anna, right).await);
    assert!(!written && answer.is_err(), "the right code comes too late");
}

/// Polls it once: it has begun, and waits.
async fn begin<F: Future>(mut future: Pin<&mut F>) {
    let pending = poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx).is_pending())).await;
    assert!(pending);
}

fn decided_written(executed: &Executed) -> bool {
    matches!(executed, Executed::Decided { written: true, .. })
}

#[tokio::test]
async fn an_append_whose_answer_is_lost_is_in_the_log_once() {
    for faults in [
        vec![Fault::AnswerLost],
        vec![Fault::EntryLost],
        vec![Fault::EntryLost, Fault::AnswerLost],
        vec![Fault::AnswerLost, Fault::EntryLost],
    ] {
        let world = World::new(1);
        let anna = account("anna");
        for fault in &faults {
            world.log.fail(*fault);
        }
        let executed = world.execute(&anna, enrol()).await;
        assert!(decided_written(&executed), "{faults:?}: {executed:?}");
        assert_eq!(events(&world, &anna).await.len(), 1, "{faults:?}");
        world.must(&anna, [lock("owner_request")]).await;
    }
}

#[tokio::test]
async fn an_append_of_which_nothing_is_heard_is_unknown_and_may_be_repeated() {
    for fault in [Fault::AnswerLost, Fault::EntryLost] {
        let world = World::new(1);
        let anna = account("anna");
        world.must(&anna, [enrol()]).await;
        (0..3).for_each(|_| world.log.fail(fault));
        let mut asked = request(&anna);
        asked.command = Some(fingerprint("key", "lock"));
        let unknown = world.execute_on(&world.journal, &asked, &lock("x")).await;
        assert!(matches!(unknown, Err(Error::Indeterminate)), "{unknown:?}");
        world.execute_on(&world.journal, &asked, &lock("x")).await.unwrap();
        let events = events(&world, &anna).await;
        assert_eq!(events.iter().filter(|e| matches!(e, Event::AccountLocked(_))).count(), 1);
    }
}

#[tokio::test]
async fn an_entry_that_won_unheard_is_found_even_when_others_wrote_after_it() {
    let world = Arc::new(World::new(1));
    let anna = account("anna");
    world.must(&anna, [enrol()]).await;
    world.log.fail(Fault::AnswerLost);
    let state = world.journal.load(&anna).await.unwrap();
    let asked = request(&anna);
    let decided = world.decide(&state, &lock("x"), asked.now);
    let mut append = Box::pin(world.journal.append(&state, &asked, decided.events));
    // The first copy goes in and its answer is lost; the repeat waits a moment.
    begin(append.as_mut()).await;
    let release = Command::Release { reason: "support".into() };
    world.execute_on(&world.another_journal(), &asked, &release).await.unwrap();

    let Written::Committed(state) = append.await.unwrap() else { panic!("the first copy won") };
    assert_eq!(state.version, 3);
    assert!(state.lock.is_none());
}

#[tokio::test]
async fn an_entry_that_lost_unheard_is_a_conflict() {
    let world = Arc::new(World::new(1));
    let anna = account("anna");
    world.must(&anna, [enrol()]).await;
    world.log.fail(Fault::EntryLost);
    let state = world.journal.load(&anna).await.unwrap();
    let asked = request(&anna);
    let decided = world.decide(&state, &lock("x"), asked.now);
    let mut append = Box::pin(world.journal.append(&state, &asked, decided.events));
    begin(append.as_mut()).await;
    let other = world.another_journal();
    world.execute_on(&other, &asked, &lock("y")).await.unwrap();
    world.execute_on(&other, &asked, &Command::Release { reason: "support".into() }).await.unwrap();

    assert!(matches!(append.await.unwrap(), Written::Conflict));
    assert_eq!(events(&world, &anna).await.len(), 3);
}

#[tokio::test]
async fn a_full_log_is_told_and_nothing_is_written() {
    let world = World::new(1);
    let anna = account("anna");
    world.log.fail(Fault::Full);
    let refused = world.execute_on(&world.journal, &request(&anna), &enrol()).await;
    assert!(matches!(refused, Err(Error::Log(log::Error::Full))));
    assert!(events(&world, &anna).await.is_empty());
    world.must(&anna, [enrol()]).await;
}

#[tokio::test]
async fn what_could_not_be_read_back_is_never_written() {
    let world = World::new(1);
    let anna = account("anna");
    world.up_to_the_code(&anna, case(1), "compliance").await;
    let code = Some(world.code(case(1), 1));
    world.must(&anna, [Command::Verify { case: case(1), phone: code, email: None }]).await;
    world.must(&anna, [document(case(1), 5)]).await;
    let mut finding = finding(Decision::Pass);
    finding.scores.insert("broken".into(), f64::NAN);
    let record = Command::RecordDocument { case: case(1), evidence: evidence(5), finding };
    let before = events(&world, &anna).await;
    let refused = world.execute_on(&world.journal, &request(&anna), &record).await;
    assert!(matches!(refused, Err(Error::Unreadable(_) | Error::Unwritable(_))), "{refused:?}");
    assert_eq!(events(&world, &anna).await, before);
}

#[tokio::test]
async fn a_clock_that_goes_back_does_not_turn_the_log_back() {
    let world = World::new(1);
    let anna = account("anna");
    world.must(&anna, [enrol()]).await;
    let mut early = request(&anna);
    early.now = "2020-01-01T00:00:00Z".parse().unwrap();
    world.execute_on(&world.journal, &early, &Command::Lock { reason: "x".into(), at: None }).await.unwrap();
    let state = world.journal.load(&anna).await.unwrap();
    assert_eq!((state.version, state.time), (2, Some(request(&anna).now)));
}

/// A clock that is an hour off until it is set right.
struct Beside(AtomicBool);

impl SharedClock for Beside {
    fn difference(&self) -> Option<Difference> {
        let (ahead, most) = (SignedDuration::from_hours(1), Duration::from_secs(5));
        (!self.0.load(Ordering::Relaxed)).then(|| Difference { at: "another".into(), ahead, most })
    }
}

#[tokio::test]
async fn a_process_whose_clock_differs_decides_nothing_until_it_agrees() {
    let world = World::new(1);
    let anna = account("anna");
    world.must(&anna, [enrol()]).await;
    let clock = Arc::new(Beside(AtomicBool::new(false)));
    let journal = Journal::new(world.log.clone(), world.models.clone()).by(clock.clone());
    let state = world.journal.load(&anna).await.unwrap();
    // Not even a refusal, which would be by the wrong time too.
    for command in [lock("x"), enrol()] {
        let refused = world.execute_on(&journal, &request(&anna), &command).await;
        assert!(matches!(refused, Err(Error::Clock(_))), "{refused:?}");
    }
    let events = world.decide(&state, &lock("x"), request(&anna).now).events;
    let refused = journal.append(&state, &request(&anna), events).await;
    assert!(matches!(refused, Err(Error::Clock(_))), "{refused:?}");
    assert_eq!(world.journal.fresh(&anna).await.unwrap().version, state.version);
    clock.0.store(true, Ordering::Relaxed);
    world.execute_on(&journal, &request(&anna), &lock("x")).await.unwrap();
    assert_eq!(world.journal.fresh(&anna).await.unwrap().version, state.version + 1);
}

#[tokio::test]
async fn an_account_with_an_entry_that_is_not_understood_is_refused_and_others_go_on() {
    use reinstate_store::log::Log;
    let world = World::new(1);
    let (anna, berta) = (account("anna"), account("berta"));
    world.must(&anna, [enrol()]).await;
    let state = world.journal.load(&anna).await.unwrap();
    // An entry of some newer program: the envelope is right, the event unknown.
    let head = reinstate_domain::entry::Head { hash: state.head, version: state.version };
    world.log.append(support::entry(&anna, head)).await.unwrap();
    let refused = world.execute_on(&world.journal, &request(&anna), &lock("x")).await;
    assert!(matches!(refused, Err(Error::Quarantined { position }) if position.offset == 1), "{refused:?}");
    world.must(&berta, [enrol()]).await;
}

#[tokio::test]
async fn a_caller_that_goes_away_leaves_no_stale_state_behind() {
    let world = World::new(1);
    let anna = account("anna");
    world.must(&anna, [enrol()]).await;
    world.log.fail(Fault::AnswerLost);
    {
        let asked = request(&anna);
        let locking = lock("x");
        let mut gone = Box::pin(world.execute_on(&world.journal, &asked, &locking));
        begin(gone.as_mut()).await;
    }
    let journal: &Journal = &world.journal;
    assert!(journal.load(&anna).await.unwrap().lock.is_some(), "the entry went in");
    assert_eq!(decided(world.execute(&anna, lock("x")).await), (Ok(Answer::Locked { new: false }), false));
}

#[tokio::test]
async fn a_code_asked_for_twice_at_once_is_issued_once() {
    let world = World::new(1);
    let anna = account("anna");
    world.must(&anna, [enrol(), lock("owner_request"), Command::Request { case: case(1) }]).await;
    world.must(&anna, [Command::AcknowledgeReminder { case: case(1) }]).await;
    let issue = Command::IssueCode { case: case(1), channel: Channel::Phone };
    let other = world.another_journal();
    let asked = request(&anna);
    let (one, two) = tokio::join!(
        world.execute_on(&world.journal, &asked, &issue),
        world.execute_on(&other, &asked, &issue)
    );
    let written = [one.unwrap(), two.unwrap()].iter().filter(|e| decided_written(e)).count();
    assert_eq!(written, 1);
}

#[tokio::test]
async fn a_state_is_loaded_without_waiting_for_the_projector() {
    let world = World::new(1);
    let anna = account("anna");
    world.must(&anna, [enrol()]).await;
    world.stop_the_projector();
    world.must(&anna, [lock("owner_request")]).await;
    let state = world.another_journal().load(&anna).await.unwrap();
    assert_eq!((state.version, state.lock.is_some()), (2, true));
}

#[tokio::test]
async fn a_journal_learns_what_another_one_wrote() {
    let world = World::new(1);
    let anna = account("anna");
    world.must(&anna, [enrol()]).await;
    let other = world.another_journal();
    world.execute_on(&other, &request(&anna), &lock("owner_request")).await.unwrap();
    assert!(world.journal.fresh(&anna).await.unwrap().lock.is_some());
    assert!(world.journal.load(&anna).await.unwrap().lock.is_some(), "and keeps it");
}

#[tokio::test]
async fn nothing_is_refused_on_a_state_that_another_process_has_outgrown() {
    let world = World::new(1);
    let anna = account("anna");
    world.must(&anna, [enrol()]).await;
    let late = world.journal_that_does_not_follow();
    assert!(late.load(&anna).await.unwrap().lock.is_none());
    world.must(&anna, [lock("owner_request")]).await;

    let (asked, release) = (request(&anna), Command::Release { reason: "support".into() });
    let mut released = Box::pin(world.execute_on(&late, &asked, &release));
    begin(released.as_mut()).await;
    let follower = following(&late);
    assert!(decided_written(&released.await.unwrap()), "it is locked, so it can be released");
    follower.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_race_every_instance_has_the_state_of_the_log() {
    let world = Arc::new(World::new(2));
    let instances = [world.journal.clone(), world.another_journal(), world.another_journal()];
    let accounts = [account("anna"), account("berta"), account("carla")];
    for id in &accounts {
        world.must(id, [enrol()]).await;
    }
    let mut writers = JoinSet::new();
    for n in 0..300 {
        let (world, journal, id) = (world.clone(), instances[n % 3].clone(), accounts[n % 2].clone());
        writers.spawn(async move {
            let command = if n % 4 < 2 { lock("x") } else { Command::Release { reason: "support".into() } };
            world.execute_on(&journal, &request(&id), &command).await.unwrap();
        });
    }
    writers.join_all().await;
    for id in &accounts {
        let cold = world.journal_that_does_not_follow().load(id).await.unwrap();
        for journal in &instances {
            assert_eq!(journal.fresh(id).await.unwrap(), cold);
        }
    }
}
