//! What every adapter of the log must do. Generic over the port: [`log_contract!`](crate::log_contract) makes a test of each.

use std::{collections::HashSet, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use reinstate_domain::{entry::Head, ids::AccountId};
use reinstate_store::log::{Appended, Error, Log, MAX_READ, MAX_VALUE};
use tokio::{task::JoinSet, time::timeout};

use super::{account, committed, effective, entry, entry_of, read_all};

/// Where one test's log lives. It begins empty.
#[async_trait]
pub trait Place: Send + Sync {
    /// Opens the log. Called again after every handle from the last call was dropped, it finds the same log.
    async fn open(&self) -> Arc<dyn Log>;
}

/// Far above what anything here takes.
const SOON: Duration = Duration::from_secs(20);

async fn records_of(log: &dyn Log, account: &AccountId) -> Vec<reinstate_store::log::Record> {
    read_all(log, log.partition_of(account)).await
}

pub async fn an_entry_that_follows_the_head_is_committed_and_read_back(place: &dyn Place) {
    let log = place.open().await;
    let anna = account("anna");
    let mut head = Head::default();
    let mut values = Vec::new();
    for version in 1..=20 {
        let value = entry(&anna, head);
        values.push(value.clone());
        let Appended::Committed { position, head: new } = log.append(value).await.unwrap() else {
            panic!("entry {version} followed the head");
        };
        assert_eq!(new.version, version);
        assert_eq!(position.partition, log.partition_of(&anna));
        assert!(position.offset < log.end(position.partition).await.unwrap(), "readable once it is answered");
        head = new;
    }
    let records = records_of(&*log, &anna).await;
    assert_eq!(records.iter().map(|r| &r.value).collect::<Vec<_>>(), values.iter().collect::<Vec<_>>());
    assert!(records.iter().all(|r| r.account == anna));
}

pub async fn of_concurrent_writers_on_one_account_exactly_one_wins_each_round(place: &dyn Place) {
    let log = place.open().await;
    let anna = account("anna");
    let mut head = Head::default();
    for round in 1..=10 {
        let mut writers = JoinSet::new();
        for _ in 0..16 {
            let (log, value) = (log.clone(), entry(&anna, head));
            writers.spawn(async move { log.append(value).await.unwrap() });
        }
        let answers = writers.join_all().await;
        let winners: Vec<Head> = answers
            .iter()
            .filter_map(|a| match a {
                Appended::Committed { head, .. } => Some(*head),
                Appended::Conflict { .. } => None,
                Appended::Indeterminate => panic!("every writer was answered"),
            })
            .collect();
        assert_eq!(winners.len(), 1, "round {round}");
        assert_eq!(winners[0].version, round);
        head = winners[0];
    }
    let records = records_of(&*log, &anna).await;
    assert_eq!(effective(&records, &anna).len(), 10);
}

pub async fn a_void_entry_changes_nothing_and_its_position_tells_where_the_winner_is_known(
    place: &dyn Place,
) {
    let log = place.open().await;
    let anna = account("anna");
    let first = entry(&anna, Head::default());
    let head = committed(log.append(first.clone()).await.unwrap());

    let miscounted = Head { version: head.version + 1, ..head };
    for (why, void) in [
        ("follows nothing", entry(&anna, Head::default())),
        ("counts wrong", entry(&anna, miscounted)),
        ("follows another account's entry", entry(&account("berta"), head)),
    ] {
        let Appended::Conflict { position } = log.append(void).await.unwrap() else { panic!("{why}") };
        timeout(SOON, log.wait(position.partition, position.offset)).await.unwrap().unwrap();
        let records = read_all(&*log, position.partition).await;
        assert!(records.iter().any(|r| r.position.offset <= position.offset));
    }

    let next = committed(log.append(entry(&anna, head)).await.unwrap());
    assert_eq!(next.version, 2, "the void entries left the head alone");
    let records = records_of(&*log, &anna).await;
    assert_eq!(effective(&records, &anna)[0].value, first);
    assert_eq!(effective(&records, &account("berta")), Vec::<&_>::new());
}

pub async fn the_same_bytes_appended_again_are_effective_once(place: &dyn Place) {
    let log = place.open().await;
    let anna = account("anna");
    let value = entry(&anna, Head::default());
    let head = committed(log.append(value.clone()).await.unwrap());
    let second = committed(log.append(entry(&anna, head)).await.unwrap());
    for _ in 0..3 {
        assert!(matches!(log.append(value.clone()).await.unwrap(), Appended::Conflict { .. }));
    }
    let records = records_of(&*log, &anna).await;
    assert_eq!(effective(&records, &anna).len(), 2);
    assert_eq!(committed(log.append(entry(&anna, second)).await.unwrap()).version, 3);
}

pub async fn an_append_whose_caller_goes_away_is_there_once_or_not_at_all(place: &dyn Place) {
    let log = place.open().await;
    for n in 0..20 {
        let who = account(&format!("gone-{n}"));
        let value = entry(&who, Head::default());
        let impatient = timeout(Duration::from_micros(50 * n), log.append(value.clone())).await;
        let repeated = log.append(value.clone()).await.unwrap();
        if let Ok(answered) = impatient {
            assert!(matches!(answered.unwrap(), Appended::Committed { .. }));
            assert!(matches!(repeated, Appended::Conflict { .. }));
        }
        let records = records_of(&*log, &who).await;
        let effective = effective(&records, &who);
        assert_eq!(effective.len(), 1);
        assert_eq!(effective[0].value, value);
    }
}

pub async fn accounts_do_not_disturb_each_other(place: &dyn Place) {
    let log = place.open().await;
    let mut writers = JoinSet::new();
    for n in 0..32 {
        let log = log.clone();
        writers.spawn(async move {
            let who = account(&format!("account-{n}"));
            let mut head = Head::default();
            for _ in 0..10 {
                head = committed(log.append(entry(&who, head)).await.unwrap());
            }
            who
        });
    }
    for who in writers.join_all().await {
        let records = records_of(&*log, &who).await;
        assert_eq!(effective(&records, &who).len(), 10, "{who}");
    }
}

pub async fn readers_begin_anywhere_and_see_order_without_doubles(place: &dyn Place) {
    let log = place.open().await;
    let anna = account("anna");
    let partition = log.partition_of(&anna);
    assert_eq!(log.end(partition).await.unwrap(), 0);
    assert_eq!(log.read(partition, 0, 10).await.unwrap(), Vec::new());
    let mut head = Head::default();
    for _ in 0..25 {
        head = committed(log.append(entry(&anna, head)).await.unwrap());
    }
    let all = read_all(&*log, partition).await;
    assert!(all.windows(2).all(|w| w[0].position.offset < w[1].position.offset));
    assert_eq!(log.end(partition).await.unwrap(), all.last().unwrap().position.offset + 1);
    for (index, record) in all.iter().enumerate() {
        let from = log.read(partition, record.position.offset, 3).await.unwrap();
        assert_eq!(from, all[index..all.len().min(index + 3)]);
    }
    assert_eq!(log.read(partition, u64::MAX, 3).await.unwrap(), Vec::new());
    assert!(matches!(log.read(log.partitions(), 0, 1).await, Err(Error::NoSuchPartition(_))));
}

pub async fn a_restart_loses_and_changes_nothing(place: &dyn Place) {
    let anna = account("anna");
    let log = place.open().await;
    let partition = log.partition_of(&anna);
    let mut head = Head::default();
    for _ in 0..5 {
        head = committed(log.append(entry(&anna, head)).await.unwrap());
        assert!(matches!(
            log.append(entry(&anna, Head::default())).await.unwrap(),
            Appended::Conflict { .. }
        ));
    }
    let before = read_all(&*log, partition).await;
    drop(log);

    let log = place.open().await;
    assert_eq!(log.partition_of(&anna), partition);
    assert_eq!(read_all(&*log, partition).await, before);
    assert!(matches!(log.append(entry(&anna, Head::default())).await.unwrap(), Appended::Conflict { .. }));
    assert_eq!(committed(log.append(entry(&anna, head)).await.unwrap()).version, 6);
}

pub async fn wait_returns_once_the_record_is_there_and_not_before(place: &dyn Place) {
    let log = place.open().await;
    let anna = account("anna");
    let partition = log.partition_of(&anna);
    let waiting = {
        let log = log.clone();
        tokio::spawn(async move { log.wait(partition, 1).await })
    };
    let head = committed(log.append(entry(&anna, Head::default())).await.unwrap());
    timeout(SOON, log.wait(partition, 0)).await.unwrap().unwrap();
    assert!(!waiting.is_finished(), "offset 1 is not there yet");
    committed(log.append(entry(&anna, head)).await.unwrap());
    timeout(SOON, waiting).await.unwrap().unwrap().unwrap();
    assert_eq!(log.read(partition, 1, 1).await.unwrap().len(), 1);
    // A wait that is given up leaves nothing behind.
    assert!(timeout(Duration::from_millis(1), log.wait(partition, 99)).await.is_err());
    assert_eq!(log.end(partition).await.unwrap(), 2);
}

pub async fn large_values_are_kept_to_the_byte_and_too_large_ones_refused(place: &dyn Place) {
    let log = place.open().await;
    let anna = account("anna");
    let overhead = entry_of(0, &anna, Head::default()).len();
    let largest = entry_of(MAX_VALUE - overhead, &anna, Head::default());
    assert_eq!(largest.len(), MAX_VALUE);
    let head = committed(log.append(largest.clone()).await.unwrap());
    let too_large = entry_of(MAX_VALUE, &anna, head);
    assert!(matches!(log.append(too_large).await, Err(Error::TooLarge { size }) if size > MAX_VALUE));
    assert_eq!(committed(log.append(entry(&anna, head)).await.unwrap()).version, 2);
    let records = records_of(&*log, &anna).await;
    assert_eq!(records.len(), 2, "what was refused is not there");
    assert_eq!(records[0].value, largest);

    let bertas = account("berta");
    let mut head = Head::default();
    for _ in 0..10 {
        head = committed(log.append(entry_of(MAX_VALUE - 500, &bertas, head)).await.unwrap());
    }
    let step = log.read(log.partition_of(&bertas), 0, 100).await.unwrap();
    assert!(step.iter().map(|r| r.value.len()).sum::<usize>() <= MAX_READ);
    let records = records_of(&*log, &bertas).await;
    assert_eq!(effective(&records, &bertas).len(), 10);
}

pub async fn what_is_no_entry_is_refused_and_not_written(place: &dyn Place) {
    let log = place.open().await;
    let no_account: &[u8] = br#"{"id":"0190163d-8694-739b-b01a-c8d9ec58b8a1","version":1,"prev":null}"#;
    for value in [&b""[..], b"{}", b"\xff\xfe", no_account] {
        let refused = log.append(Bytes::copy_from_slice(value)).await;
        assert!(matches!(refused, Err(Error::NotAnEntry(_))), "{value:?}");
    }
    for partition in 0..log.partitions() {
        assert_eq!(log.end(partition).await.unwrap(), 0);
    }
}

pub async fn many_callers_share_the_log_and_every_answer_is_true(place: &dyn Place) {
    let log = place.open().await;
    let mut writers = JoinSet::new();
    for writer in 0..64 {
        let log = log.clone();
        writers.spawn(async move {
            let who = account(&format!("shared-{}", writer % 8));
            let mut won = HashSet::new();
            let mut head = Head::default();
            for _ in 0..5 {
                let value = entry(&who, head);
                match log.append(value.clone()).await.unwrap() {
                    Appended::Committed { position, head: new } => {
                        won.insert((position, value));
                        head = new;
                    }
                    Appended::Conflict { .. } => {
                        let records = records_of(&*log, &who).await;
                        let last = effective(&records, &who).last().map(|r| r.value.clone()).unwrap();
                        let version = super::envelope(&last).version;
                        head = Head { hash: Some(reinstate_domain::entry::Hash::of(&last)), version };
                    }
                    Appended::Indeterminate => panic!("every writer was answered"),
                }
            }
            (who, won)
        });
    }
    let mut answered = HashSet::new();
    let mut accounts = HashSet::new();
    for (who, won) in writers.join_all().await {
        accounts.insert(who);
        answered.extend(won);
    }
    let mut stored = HashSet::new();
    for who in accounts {
        let records = records_of(&*log, &who).await;
        stored.extend(effective(&records, &who).into_iter().map(|r| (r.position, r.value.clone())));
    }
    assert_eq!(stored, answered);
}

/// Makes a module with one test per clause of the contract. The expression makes a new, empty [`Place`].
#[macro_export]
macro_rules! log_contract {
    ($adapter:ident, $place:expr) => {
        mod $adapter {
            use super::*;
            $crate::log_contract!(@tests $place;
                an_entry_that_follows_the_head_is_committed_and_read_back
                of_concurrent_writers_on_one_account_exactly_one_wins_each_round
                a_void_entry_changes_nothing_and_its_position_tells_where_the_winner_is_known
                the_same_bytes_appended_again_are_effective_once
                an_append_whose_caller_goes_away_is_there_once_or_not_at_all
                accounts_do_not_disturb_each_other
                readers_begin_anywhere_and_see_order_without_doubles
                a_restart_loses_and_changes_nothing
                wait_returns_once_the_record_is_there_and_not_before
                large_values_are_kept_to_the_byte_and_too_large_ones_refused
                what_is_no_entry_is_refused_and_not_written
                many_callers_share_the_log_and_every_answer_is_true
            );
        }
    };
    (@tests $place:expr; $($name:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                let place = $place;
                support::log_contract::$name(&place).await;
            }
        )*
    };
}
