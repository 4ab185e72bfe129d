//! Members of a consumer group that share a topic's partitions.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use reinstate_domain::entry::{Head, Position};
use reinstate_store::log::{
    Log, LogReader, Record,
    kafka::{Group, Kafka, Membership, Settings},
};
use support::{
    account, committed, entry,
    kafka::{SOON, topic, until},
};

mod support;

fn membership(settings: &Settings, buffer: usize) -> Membership {
    Membership { group: format!("{}.group", settings.topic), session_timeout: Duration::from_secs(6), buffer }
}

fn mine(group: &Group) -> Vec<u32> {
    group.partitions().borrow().clone()
}

/// Appends first entries of accounts until every partition has had so many more.
async fn fill(log: &Kafka, prefix: &str, each: usize) -> BTreeSet<Position> {
    let mut positions = BTreeSet::new();
    let mut counts = vec![0; log.partitions() as usize];
    for n in 0.. {
        let who = account(&format!("{prefix}-{n}"));
        let count = &mut counts[log.partition_of(&who) as usize];
        if *count == each {
            if counts.iter().all(|count| *count == each) {
                return positions;
            }
            continue;
        }
        *count += 1;
        let partition = log.partition_of(&who);
        committed(log.append(entry(&who, Head::default())).await.unwrap());
        positions.insert(Position { partition, offset: log.end(partition).await.unwrap() - 1 });
    }
    positions
}

async fn next(group: &mut Group) -> Record {
    tokio::time::timeout(SOON, group.next()).await.unwrap().unwrap()
}

#[tokio::test]
async fn members_share_the_partitions_and_take_over_from_each_other() {
    let settings = topic(4).await;
    let log = Kafka::connect(&settings).await.unwrap();
    let mut one = Group::join(&settings, &membership(&settings, 100)).unwrap();
    until("the first has all", || async { mine(&one) == [0, 1, 2, 3] }).await;
    let mut two = Group::join(&settings, &membership(&settings, 100)).unwrap();
    until("they share", || async {
        let both: BTreeSet<u32> = mine(&one).into_iter().chain(mine(&two)).collect();
        both.len() == 4 && mine(&one).len() == 2 && mine(&two).len() == 2
    })
    .await;
    let written = fill(&log, "shared", 3).await;
    let (mut read, ones) = (BTreeSet::new(), mine(&one));
    for _ in 0..6 {
        let (a, b) = (next(&mut one).await, next(&mut two).await);
        assert!(ones.contains(&a.position.partition) && !ones.contains(&b.position.partition));
        read.extend([a.position, b.position]);
        one.done(a.position);
        two.done(b.position);
    }
    assert_eq!(read, written);
    drop(one);
    until("the second takes over", || async { mine(&two) == [0, 1, 2, 3] }).await;
    let more = fill(&log, "alone", 2).await;
    let mut read = BTreeSet::new();
    // What was said to be done just before the hand-over may come again: it is a hint.
    while !read.is_superset(&more) {
        let record = next(&mut two).await;
        assert!(written.contains(&record.position) || more.contains(&record.position));
        read.insert(record.position);
    }
}

#[tokio::test]
async fn a_member_whose_work_takes_long_keeps_its_partitions_and_loses_no_record() {
    let settings = topic(2).await;
    let log = Kafka::connect(&settings).await.unwrap();
    let session_timeout = Duration::from_secs(1);
    let membership = Membership { session_timeout, ..membership(&settings, 3) };
    let mut group = Group::join(&settings, &membership).unwrap();
    until("it has both", || async { mine(&group) == [0, 1] }).await;
    let mut partitions = group.partitions();
    partitions.mark_unchanged();
    let written = fill(&log, "much", 40).await;
    // The records wait outside, and nobody takes the partitions away.
    let begin = Instant::now();
    until("several sessions have passed", || async { begin.elapsed() > 4 * session_timeout }).await;
    let mut read = Vec::new();
    while read.len() < written.len() {
        read.push(next(&mut group).await.position);
    }
    assert_eq!(read.iter().copied().collect::<BTreeSet<_>>(), written);
    for partition in 0..2 {
        let offsets: Vec<u64> = read.iter().filter(|p| p.partition == partition).map(|p| p.offset).collect();
        assert!(offsets.windows(2).all(|w| w[0] < w[1]), "in order, each once");
    }
    assert!(!partitions.has_changed().unwrap(), "no partition came or went");
}

#[tokio::test]
async fn who_joins_anew_goes_on_behind_what_was_done() {
    let settings = topic(1).await;
    let log = Kafka::connect(&settings).await.unwrap();
    let mut group = Group::join(&settings, &membership(&settings, 100)).unwrap();
    until("it has the partition", || async { mine(&group) == [0] }).await;
    fill(&log, "before", 5).await;
    for _ in 0..3 {
        let record = next(&mut group).await;
        group.done(record.position);
    }
    drop(group);
    let mut group = Group::join(&settings, &membership(&settings, 100)).unwrap();
    let first = next(&mut group).await.position.offset;
    assert_eq!(first, 3);
}
