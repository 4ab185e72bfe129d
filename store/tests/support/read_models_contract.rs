//! What every adapter of the read models must do. Generic over the port.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use jiff::SignedDuration;
use reinstate_domain::{
    account::{self, Account, Case, Command},
    entry::{Hash, Position},
    evidence::Decision,
    ids::AccountId,
    wire,
};
use reinstate_store::{
    log::{Log, LogReader, memory::Memory},
    read_models::{
        AccountRow, AccountStatus, Error, Projections, ReactivationRow, ReactivationStatus,
        project::next_batch,
    },
};

use super::{
    account, effective, entry, read_all,
    world::{World, case, document, enrol, evidence, finding, lock, now, request},
};

/// Where one test's read models live.
#[async_trait]
pub trait Place: Send + Sync {
    /// New, empty read models.
    async fn empty(&self) -> Arc<dyn Projections>;
}

const PARTITIONS: u32 = 3;

/// Accounts at every stage of the journey.
async fn history() -> World {
    let world = World::new(PARTITIONS);
    for n in 0..12_u128 {
        let who = account(&format!("account-{n:02}"));
        let id = case(100 + n);
        let verify = Command::Verify { case: id, phone: Some(world.code(id, 1)), email: None };
        let reason = if n % 2 == 0 { "compliance" } else { "owner_request" };
        match n {
            0 | 1 => world.must(&who, [enrol()]).await,
            2 => world.must(&who, [enrol(), lock(reason)]).await,
            3 => {
                world.must(&who, [enrol(), lock(reason), Command::Erase]).await;
            }
            _ => world.up_to_the_code(&who, id, reason).await,
        }
        match n {
            5 => world.must(&who, [Command::Cancel { case: id }]).await,
            6 => world.must(&who, [verify, document(id, 6)]).await,
            7 => {
                world
                    .must(&who, [verify, Command::Submit { case: id }, Command::Conclude { case: id }])
                    .await;
            }
            8 => {
                let record = Command::RecordDocument {
                    case: id,
                    evidence: evidence(8),
                    finding: finding(Decision::Review),
                };
                world.must(&who, [verify, document(id, 8), record]).await;
            }
            9 => {
                world.must(&who, [Command::Release { reason: "support".into() }]).await;
                world.must(&who, [lock(reason), Command::Request { case: case(200) }]).await;
            }
            10 => {
                // The time of the first case is over when the second one is opened: one entry ends one and opens the other.
                let mut later = request(&who);
                later.now = now().checked_add(SignedDuration::from_hours(25)).unwrap();
                let open = Command::Request { case: case(201) };
                world.execute_on(&world.journal, &later, &open).await.unwrap();
            }
            _ => {}
        }
        // Somebody's void entry.
        world.log.append(entry(&who, Default::default())).await.unwrap();
    }
    world
}

async fn project_all(log: &dyn LogReader, models: &dyn Projections, step: usize) {
    for partition in 0..log.partitions() {
        while let Some(batch) = next_batch(log, models, partition, step).await.unwrap() {
            models.apply(batch).await.unwrap();
        }
    }
}

async fn all(models: &dyn Projections) -> (Vec<AccountRow>, Vec<ReactivationRow>) {
    let accounts = models.accounts(None, None, 1000).await.unwrap();
    (accounts, models.reactivations(None, None, 1000).await.unwrap())
}

/// The account and its cases, from the log by the domain's own means.
async fn fold(log: &Memory, who: &AccountId) -> (Account, BTreeMap<reinstate_domain::ids::CaseId, Case>) {
    let mut state = Account::default();
    let mut cases = BTreeMap::new();
    for record in effective(&read_all(log, log.partition_of(who)).await, who) {
        let entry = wire::decode(&record.value).unwrap();
        let mut step = state.clone();
        for event in &entry.events {
            account::evolve(&mut step, event, entry.time);
            cases.extend(step.case.iter().map(|case| (case.id, case.clone())));
        }
        account::apply(&mut state, &entry, Hash::of(&record.value), record.position);
    }
    (state, cases)
}

pub async fn the_rows_are_the_fold_of_the_log(place: &dyn Place) {
    let world = history().await;
    let models = place.empty().await;
    project_all(&*world.log, &*models, 5).await;
    let (accounts, reactivations) = all(&*models).await;
    assert_eq!(accounts.len(), 12);
    let mut expected = BTreeMap::new();
    for row in &accounts {
        let (state, cases) = fold(&world.log, &row.id).await;
        assert_eq!(row.state, state, "{}", row.id);
        assert_eq!((row.head.hash, row.head.version), (state.head, state.version));
        assert_eq!(row.quarantine, None);
        expected.extend(cases);
        assert_eq!(models.account(&row.id).await.unwrap().as_ref(), Some(row));
    }
    let found: BTreeMap<_, _> = reactivations.into_iter().map(|row| (row.case.id, row.case)).collect();
    assert_eq!(found, expected);
    assert_eq!(models.account(&account("nobody")).await.unwrap(), None);
    assert_eq!(models.reactivation(case(999)).await.unwrap(), None);
}

pub async fn made_again_in_other_steps_the_rows_are_the_same(place: &dyn Place) {
    let world = history().await;
    let mut versions = Vec::new();
    for step in [1, 7, 1000] {
        let models = place.empty().await;
        project_all(&*world.log, &*models, step).await;
        versions.push(serde_json::to_string(&all(&*models).await).unwrap());
    }
    assert_eq!(versions[0], versions[1]);
    assert_eq!(versions[0], versions[2]);
}

pub async fn lists_are_by_status_in_order_and_go_on_behind_the_cursor(place: &dyn Place) {
    let world = history().await;
    let models = place.empty().await;
    project_all(&*world.log, &*models, 4).await;
    let (accounts, reactivations) = all(&*models).await;
    assert!(accounts.windows(2).all(|w| w[0].id < w[1].id));
    assert!(reactivations.windows(2).all(|w| w[0].case.id < w[1].case.id));

    for status in [AccountStatus::Active, AccountStatus::Locked, AccountStatus::Erased] {
        let mut listed: Vec<AccountRow> = Vec::new();
        loop {
            let after = listed.last().map(|row| &row.id);
            let page = models.accounts(Some(status), after, 2).await.unwrap();
            if page.is_empty() {
                break;
            }
            listed.extend(page);
        }
        let expected: Vec<_> = accounts.iter().filter(|row| row.status() == status).cloned().collect();
        assert!(!expected.is_empty(), "the history has some {status:?}");
        assert_eq!(listed, expected, "{status:?}");
    }
    for (status, some) in [
        (ReactivationStatus::Open, true),
        (ReactivationStatus::Reactivated, true),
        (ReactivationStatus::Cancelled, true),
        (ReactivationStatus::Expired, true),
        (ReactivationStatus::Processing, false),
        (ReactivationStatus::Denied, false),
    ] {
        let mut listed: Vec<ReactivationRow> = Vec::new();
        loop {
            let after = listed.last().map(|row| row.case.id);
            let page = models.reactivations(Some(status), after, 2).await.unwrap();
            if page.is_empty() {
                break;
            }
            listed.extend(page);
        }
        let expected: Vec<_> = reactivations.iter().filter(|row| row.status() == status).cloned().collect();
        assert_eq!(!expected.is_empty(), some, "{status:?}");
        assert_eq!(listed, expected, "{status:?}");
    }
}

pub async fn reactivations_are_found_by_their_ids_and_those_that_there_are_not_are_left_out(
    place: &dyn Place,
) {
    let world = history().await;
    let models = place.empty().await;
    assert_eq!(models.reactivations_of(&[case(104)]).await.unwrap(), []);
    project_all(&*world.log, &*models, 5).await;
    let (_, all) = all(&*models).await;
    // One that another of its account has followed, the newest of another account, one twice, and two that nobody opened.
    let wanted = [case(201), case(109), case(999), case(104), case(109), case(0)];
    let mut found = models.reactivations_of(&wanted).await.unwrap();
    found.sort_unstable_by_key(|row| row.case.id);
    let expected: Vec<_> = all.into_iter().filter(|row| wanted.contains(&row.case.id)).collect();
    assert_eq!(expected.len(), 3);
    assert_eq!(found, expected);
    assert_eq!(models.reactivations_of(&[]).await.unwrap(), []);
}

pub async fn a_timeline_has_the_effective_entries_and_no_other(place: &dyn Place) {
    let world = history().await;
    let models = place.empty().await;
    project_all(&*world.log, &*models, 6).await;
    for row in models.accounts(None, None, 1000).await.unwrap() {
        let records = read_all(&*world.log, world.log.partition_of(&row.id)).await;
        let expected: Vec<_> = effective(&records, &row.id).iter().map(|r| r.position).collect();
        assert_eq!(models.timeline(&row.id, 0, 1000).await.unwrap(), expected);
        assert_eq!(models.timeline(&row.id, 1, 2).await.unwrap(), expected[1..expected.len().min(3)]);
        assert_eq!(models.timeline(&row.id, row.state.version, 9).await.unwrap(), []);
        for record in records.iter().filter(|r| r.account == row.id) {
            let effective = models.is_effective(&row.id, record.position).await.unwrap();
            assert_eq!(effective, expected.contains(&record.position));
        }
        assert!(!models.is_effective(&account("nobody"), expected[0]).await.unwrap());
    }
}

pub async fn what_is_due_and_what_is_to_do_is_listed_until_it_is_done(place: &dyn Place) {
    let world = history().await;
    let models = place.empty().await;
    project_all(&*world.log, &*models, 8).await;
    assert_eq!(models.due(now(), 100).await.unwrap(), []);
    let tomorrow = now().checked_add(SignedDuration::from_hours(24)).unwrap();
    let due = models.due(tomorrow, 100).await.unwrap();
    let open = models.reactivations(Some(ReactivationStatus::Open), None, 100).await.unwrap();
    // One case was opened a day later than the others.
    assert_eq!(due.len(), open.len() - 1);
    assert!(
        due.iter().all(|due| open.iter().any(|row| row.case.id == due.case && row.account == due.account))
    );
    assert!(due.windows(2).all(|w| w[0].at <= w[1].at));
    assert_eq!(models.due(tomorrow, 2).await.unwrap(), due[..2]);

    let who = account("account-06");
    let all: Vec<u32> = (0..PARTITIONS).collect();
    assert_eq!(models.work(&all, 100).await.unwrap(), std::slice::from_ref(&who));
    let its = world.log.partition_of(&who);
    let others: Vec<u32> = all.iter().copied().filter(|p| *p != its).collect();
    assert_eq!(models.work(&[its], 100).await.unwrap(), std::slice::from_ref(&who));
    assert_eq!(models.work(&others, 100).await.unwrap(), [], "it is not theirs to do");
    assert_eq!(models.work(&all, 0).await.unwrap(), []);
    let finding = finding(Decision::Pass);
    world.must(&who, [Command::RecordDocument { case: case(106), evidence: evidence(6), finding }]).await;
    let late = &due[0];
    let mut expire = request(&late.account);
    expire.now = tomorrow;
    world.execute_on(&world.journal, &expire, &Command::Expire { case: late.case }).await.unwrap();
    project_all(&*world.log, &*models, 8).await;
    assert_eq!(models.work(&all, 100).await.unwrap(), []);
    assert_eq!(models.due(tomorrow, 100).await.unwrap().len(), due.len() - 1);
}

pub async fn an_entry_that_is_not_understood_halts_its_account_and_no_other(place: &dyn Place) {
    let world = World::new(1);
    let (anna, berta) = (account("anna"), account("berta"));
    world.up_to_the_code(&anna, case(1), "owner_request").await;
    let before = world.journal.load(&anna).await.unwrap();
    let head = reinstate_domain::entry::Head { hash: before.head, version: before.version };
    let first = super::committed(world.log.append(entry(&anna, head)).await.unwrap());
    let second = super::committed(world.log.append(entry(&anna, first)).await.unwrap());
    world.up_to_the_code(&berta, case(2), "owner_request").await;

    let models = place.empty().await;
    project_all(&*world.log, &*models, 2).await;
    let row = models.account(&anna).await.unwrap().unwrap();
    let quarantine = row.quarantine.clone().unwrap();
    assert_eq!(quarantine.position.offset, before.version);
    assert!(quarantine.detail.contains("Filler"), "{}", quarantine.detail);
    assert_eq!(row.state, *before, "the state stays as it was");
    assert_eq!(row.head, second, "the chain goes on");
    assert_eq!(models.quarantined(10).await.unwrap(), [row]);
    let tomorrow = now().checked_add(SignedDuration::from_hours(24)).unwrap();
    let due = models.due(tomorrow, 10).await.unwrap();
    assert_eq!(
        due.iter().map(|d| &d.account).collect::<Vec<_>>(),
        [&berta],
        "nothing is done for the halted"
    );
    let row = models.account(&berta).await.unwrap().unwrap();
    assert_eq!((row.state.version, row.quarantine), (5, None));
}

pub async fn rows_of_another_step_are_refused_and_change_nothing(place: &dyn Place) {
    let world = history().await;
    let models = place.empty().await;
    let partition = world.log.partition_of(&account("account-00"));
    let batch = next_batch(&*world.log, &*models, partition, 3).await.unwrap().unwrap();
    assert_eq!((batch.from, batch.next), (0, 3));
    models.apply(batch.clone()).await.unwrap();
    let before = all(&*models).await;
    let refused = models.apply(batch).await.unwrap_err();
    assert!(matches!(refused, Error::OutOfStep { expected: 0, found: 3, .. }), "{refused:?}");
    assert_eq!(all(&*models).await, before);
    assert_eq!(models.checkpoint(partition).await.unwrap(), 3);
    assert_eq!(
        models.checkpoint((partition + 1) % PARTITIONS).await.unwrap(),
        0,
        "each partition has its own"
    );
}

pub async fn waiters_return_when_the_rows_have_the_position_and_changes_are_told(place: &dyn Place) {
    let world = history().await;
    let models = place.empty().await;
    let mut changes = models.changes();
    let partition = world.log.partition_of(&account("account-00"));
    let position = Position { partition, offset: 2 };
    let waiting = {
        let models = models.clone();
        tokio::spawn(async move { models.wait(position).await })
    };
    let batch = next_batch(&*world.log, &*models, partition, 2).await.unwrap().unwrap();
    models.apply(batch).await.unwrap();
    changes.changed().await.unwrap();
    tokio::task::yield_now().await;
    assert!(!waiting.is_finished(), "offset 2 is not there yet");
    let batch = next_batch(&*world.log, &*models, partition, 1).await.unwrap().unwrap();
    models.apply(batch).await.unwrap();
    tokio::time::timeout(std::time::Duration::from_secs(20), waiting).await.unwrap().unwrap().unwrap();
    assert!(changes.has_changed().unwrap());
}

/// Makes a module with one test per clause of the contract. The expression makes a [`Place`].
#[macro_export]
macro_rules! read_models_contract {
    ($adapter:ident, $place:expr) => {
        mod $adapter {
            use super::*;
            $crate::read_models_contract!(@tests $place;
                the_rows_are_the_fold_of_the_log
                made_again_in_other_steps_the_rows_are_the_same
                lists_are_by_status_in_order_and_go_on_behind_the_cursor
                reactivations_are_found_by_their_ids_and_those_that_there_are_not_are_left_out
                a_timeline_has_the_effective_entries_and_no_other
                what_is_due_and_what_is_to_do_is_listed_until_it_is_done
                an_entry_that_is_not_understood_halts_its_account_and_no_other
                rows_of_another_step_are_refused_and_change_nothing
                waiters_return_when_the_rows_have_the_position_and_changes_are_told
            );
        }
    };
    (@tests $place:expr; $($name:ident)*) => {
        $(
            #[tokio::test]
            async fn $name() {
                support::read_models_contract::$name(&$place).await;
            }
        )*
    };
}
