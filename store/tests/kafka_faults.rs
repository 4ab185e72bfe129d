//! Real brokers that are killed, stopped and cut off under load. Whatever was answered must be true afterwards.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use rdkafka::admin::{AdminClient, AdminOptions};
use reinstate_cluster::kafka::Kafka as Cluster;
use reinstate_domain::entry::{Hash, Head};
use reinstate_store::log::{
    Appended, Error, Log, LogReader,
    kafka::{Kafka, KafkaReader, Settings, create_topic},
};
use support::{
    account, committed, effective, entry,
    kafka::{settings, until},
    read_all,
};
use tokio::task::{JoinSet, spawn_blocking};

mod support;

/// What an append may take at most: the settings' 5 seconds and a slow machine.
const BOUND: Duration = Duration::from_secs(7);

async fn start(brokers: u16) -> (tempfile::TempDir, Arc<Cluster>, Settings) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_owned();
    let cluster = spawn_blocking(move || Cluster::start(&path, brokers.into()).unwrap()).await.unwrap();
    let mut settings = settings(cluster.bootstrap(), 4);
    settings.replication = brokers;
    settings.min_insync_replicas = brokers.min(2);
    create_topic(&settings).await.unwrap();
    (folder, Arc::new(cluster), settings)
}

/// Callers that each append to an account of their own, one entry after the other, and repeat what nobody answered.
struct Load {
    stop: Arc<AtomicBool>,
    committed: Arc<AtomicU64>,
    callers: JoinSet<(String, Vec<Hash>, Duration)>,
}

impl Load {
    fn start(log: &Kafka, callers: usize) -> Self {
        let (stop, committed) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let mut tasks = JoinSet::new();
        for caller in 0..callers {
            tasks.spawn(call(log.clone(), format!("caller-{caller}"), stop.clone(), committed.clone()));
        }
        Self { stop, committed, callers: tasks }
    }

    /// Waits until as many more entries were committed.
    async fn progress(&self, more: u64) {
        let goal = self.committed.load(Ordering::SeqCst) + more;
        until("entries are committed", || async { self.committed.load(Ordering::SeqCst) >= goal }).await;
    }

    /// What each caller was told is in the log, in the order in which it was told, and how long the longest answer took.
    async fn finish(self) -> (HashMap<String, Vec<Hash>>, Duration) {
        self.stop.store(true, Ordering::SeqCst);
        let told = self.callers.join_all().await;
        let longest = told.iter().map(|(.., longest)| *longest).max().unwrap();
        (told.into_iter().map(|(who, hashes, _)| (who, hashes)).collect(), longest)
    }
}

async fn call(
    log: Kafka,
    name: String,
    stop: Arc<AtomicBool>,
    count: Arc<AtomicU64>,
) -> (String, Vec<Hash>, Duration) {
    let who = account(&name);
    let (mut head, mut told, mut longest) = (Head::default(), Vec::new(), Duration::ZERO);
    let mut value = entry(&who, head);
    let mut unsure = false;
    // Nobody ends while an answer is missing.
    while unsure || !stop.load(Ordering::SeqCst) {
        let begin = Instant::now();
        let appended = log.append(value.clone()).await;
        longest = longest.max(begin.elapsed());
        let ours = Head { hash: Some(Hash::of(&value)), version: head.version + 1 };
        match appended {
            Ok(Appended::Committed { head: new, .. }) => assert_eq!(new, ours),
            // Only an earlier copy of the same bytes can have been first.
            Ok(Appended::Conflict { .. }) => assert!(unsure, "{name} is alone on its account"),
            Ok(Appended::Indeterminate) => {
                unsure = true;
                continue;
            }
            Err(Error::Unavailable(_)) => {
                tokio::time::sleep(Duration::from_millis(20)).await;
                continue;
            }
            Err(other) => panic!("{other:?}"),
        }
        (head, unsure) = (ours, false);
        told.push(Hash::of(&value));
        count.fetch_add(1, Ordering::SeqCst);
        value = entry(&who, head);
    }
    (name, told, longest)
}

/// Every entry that was answered is effective, once, in its order, and there is no other.
async fn check(log: &dyn LogReader, told: &HashMap<String, Vec<Hash>>) {
    let mut records = Vec::new();
    for partition in 0..log.partitions() {
        records.extend(read_all(log, partition).await);
    }
    for (who, told) in told {
        let effective: Vec<Hash> =
            effective(&records, &account(who)).into_iter().map(|r| Hash::of(&r.value)).collect();
        assert_eq!(&effective, told, "{who}");
        assert!(told.len() > 1, "{who} got through");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_committed_survives_a_broker_that_is_killed_again_and_again() {
    let (_folder, cluster, settings) = start(1).await;
    let log = Kafka::connect(&settings).await.unwrap();
    let load = Load::start(&log, 8);
    for _ in 0..2 {
        load.progress(200).await;
        cluster.kill(0).unwrap();
        until("the outage is told", || async { log.health().is_some() }).await;
        cluster.restart(0).unwrap();
        until("it is over", || async { log.health().is_none() }).await;
    }
    load.progress(200).await;
    let (told, longest) = load.finish().await;
    assert!(longest < BOUND, "an append took {longest:?}");
    check(&KafkaReader::connect(&settings).await.unwrap(), &told).await;
    check(log.reader(), &told).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_three_brokers_any_one_may_die() {
    let (_folder, cluster, settings) = start(3).await;
    let log = Kafka::connect(&settings).await.unwrap();
    let load = Load::start(&log, 8);
    for broker in 0..3 {
        load.progress(100).await;
        cluster.kill(broker).unwrap();
        // Without it: the others take its partitions over.
        load.progress(400).await;
        cluster.restart(broker).unwrap();
        let ready = cluster.clone();
        spawn_blocking(move || ready.wait_until_ready().unwrap()).await.unwrap();
    }
    load.progress(100).await;
    let (told, longest) = load.finish().await;
    assert!(longest < BOUND, "an append took {longest:?}");
    check(&KafkaReader::connect(&settings).await.unwrap(), &told).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_stops_for_seconds_is_waited_for_and_nothing_is_doubled() {
    let (_folder, cluster, settings) = start(1).await;
    let log = Kafka::connect(&settings).await.unwrap();
    let load = Load::start(&log, 8);
    load.progress(100).await;
    cluster.pause(0).unwrap();
    until("the outage is told", || async { log.health().is_some() }).await;
    cluster.resume(0).unwrap();
    load.progress(100).await;
    let (told, longest) = load.finish().await;
    assert!(longest < BOUND, "an append took {longest:?}");
    check(log.reader(), &told).await;
    until("all is well again", || async { log.health().is_none() }).await;
}

#[tokio::test]
async fn while_no_broker_answers_writes_are_refused_at_once_and_reads_go_on() {
    let (_folder, cluster, settings) = start(1).await;
    let log = Kafka::connect(&settings).await.unwrap();
    let anna = account("anna");
    let head = committed(log.append(entry(&anna, Head::default())).await.unwrap());
    cluster.kill(0).unwrap();
    let value = entry(&anna, head);
    // The first one may have to find out.
    let begin = Instant::now();
    let first = log.append(value.clone()).await;
    assert!(matches!(first, Ok(Appended::Indeterminate) | Err(Error::Unavailable(_))), "{first:?}");
    assert!(begin.elapsed() < BOUND);
    until("the outage is told", || async { log.health().is_some() }).await;
    let said = log.health().unwrap();
    assert!(said.contains("no broker of") && said.contains(&settings.brokers), "{said}");
    let begin = Instant::now();
    assert!(matches!(log.append(value.clone()).await, Err(Error::Unavailable(_))));
    assert!(begin.elapsed() < Duration::from_millis(200));
    let partition = log.partition_of(&anna);
    assert_eq!(log.read(partition, 0, 10).await.unwrap().len(), 1);
    // Where the log ends now, only they would know.
    assert!(matches!(log.end(partition).await, Err(Error::Unavailable(_))));

    cluster.restart(0).unwrap();
    until("it comes back without a new connection", || async { log.health().is_none() }).await;
    let mut appended = log.append(value.clone()).await.unwrap();
    while appended == Appended::Indeterminate {
        appended = log.append(value.clone()).await.unwrap();
    }
    assert_eq!(effective(&read_all(&log, partition).await, &anna).len(), 2);
}

#[tokio::test]
async fn a_topic_that_is_made_anew_under_the_same_name_is_not_taken_for_the_old_one() {
    let (_folder, _cluster, settings) = start(1).await;
    let log = Kafka::connect(&settings).await.unwrap();
    let anna = account("anna");
    committed(log.append(entry(&anna, Head::default())).await.unwrap());
    let admin: AdminClient<_> =
        rdkafka::ClientConfig::new().set("bootstrap.servers", &settings.brokers).create().unwrap();
    admin.delete_topics(&[&settings.topic], &AdminOptions::new()).await.unwrap();
    until("its absence is told", || async { log.health().is_some_and(|said| said.contains("no longer")) })
        .await;
    until("it can be made anew", || async { create_topic(&settings).await.unwrap_or(false) }).await;
    let new = KafkaReader::connect(&settings).await.unwrap();
    assert_ne!(new.identity(), log.identity());
    until("the old reader tells", || async { log.health().is_some_and(|said| said.contains("made anew")) })
        .await;
    assert!(matches!(log.append(entry(&anna, Head::default())).await, Err(Error::Unavailable(_))));
}

#[tokio::test]
async fn a_value_that_was_altered_on_the_brokers_disk_is_damage_there_and_nowhere_else() {
    let (_folder, cluster, mut settings) = start(1).await;
    (settings.partitions, settings.topic) = (1, format!("{}.one", settings.topic));
    create_topic(&settings).await.unwrap();
    let log = Kafka::connect(&settings).await.unwrap();
    let anna = account("anna");
    let (mut head, mut values) = (Head::default(), Vec::new());
    for _ in 0..5 {
        values.push(entry(&anna, head));
        head = committed(log.append(values.last().unwrap().clone()).await.unwrap());
    }
    drop(log);
    let (stopping, file) = (cluster.clone(), cluster.data(0).join(format!("{}-0", settings.topic)));
    spawn_blocking(move || stopping.stop(0).unwrap()).await.unwrap();
    let file = file.join("00000000000000000000.log");
    let mut stored = std::fs::read(&file).unwrap();
    let at = stored.windows(values[2].len()).position(|window| window == values[2]).unwrap();
    stored[at + 20] ^= 1;
    std::fs::write(&file, stored).unwrap();
    let starting = cluster.clone();
    let started = spawn_blocking(move || starting.restart(0).and_then(|()| starting.wait_until_ready()));
    started.await.unwrap().unwrap();

    let log = KafkaReader::connect(&settings).await.unwrap();
    let before = log.read(0, 0, 10).await.unwrap();
    assert_eq!(before.iter().map(|r| &r.value).collect::<Vec<_>>(), [&values[0], &values[1]]);
    let damaged = log.read(0, 2, 10).await.unwrap_err();
    assert!(matches!(damaged, Error::Corrupt { position, .. } if position.offset == 2), "{damaged:?}");
    let behind = log.read(0, 3, 10).await.unwrap();
    assert_eq!(behind.iter().map(|r| &r.value).collect::<Vec<_>>(), [&values[3], &values[4]]);
}
