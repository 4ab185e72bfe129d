//! What the log on Kafka makes of what it finds in its topic, and how others find what it wrote.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{collections::HashMap, time::Duration};

use rdkafka::{
    ClientConfig, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    error::KafkaError,
    message::{Headers, Message},
    producer::{BaseProducer, BaseRecord, FutureProducer, FutureRecord, Producer},
};
use reinstate_domain::entry::{Head, Position};
use reinstate_store::{
    log::{
        Appended, Log, LogReader, Record,
        kafka::{Kafka, KafkaReader, Settings},
    },
    trace::{Traceparent, scope},
};
use support::{
    account, committed, entry, entry_of,
    kafka::{SOON, topic, until},
    read_all,
};

mod support;

/// Another client, which knows nothing of entries.
fn stranger(settings: &Settings) -> FutureProducer {
    ClientConfig::new().set("bootstrap.servers", &settings.brokers).create().unwrap()
}

async fn put(stranger: &FutureProducer, topic: &str, key: Option<&str>, value: Option<&[u8]>) -> u64 {
    let mut record = FutureRecord::<str, [u8]>::to(topic).partition(0);
    (record.key, record.payload) = (key, value);
    let delivered = stranger.send(record, SOON).await.unwrap();
    u64::try_from(delivered.offset).unwrap()
}

#[tokio::test]
async fn others_find_a_cloud_event_and_the_trace_goes_with_it() {
    let settings = topic(1).await;
    let log = Kafka::connect(&settings).await.unwrap();
    let trace = Traceparent::parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01").unwrap();
    let anna = account("anna");
    let value = entry(&anna, Head::default());
    let head = committed(scope(trace, log.append(value.clone())).await.unwrap());
    committed(log.append(entry(&anna, head)).await.unwrap());

    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", &settings.brokers)
        .set("group.id", "stranger")
        .create()
        .unwrap();
    let mut place = TopicPartitionList::new();
    place.add_partition_offset(&settings.topic, 0, Offset::Beginning).unwrap();
    consumer.assign(&place).unwrap();
    let message = consumer.poll(SOON).unwrap().unwrap();
    assert_eq!((message.key(), message.payload()), (Some(&b"anna"[..]), Some(&value[..])));
    let headers: HashMap<_, _> = message
        .headers()
        .unwrap()
        .iter()
        .map(|h| (h.key, std::str::from_utf8(h.value.unwrap()).unwrap()))
        .collect();
    let envelope = support::envelope(&value);
    let (id, time) = (envelope.id.to_string(), envelope.time.to_string());
    let expected = [
        ("ce_specversion", "1.0"),
        ("ce_id", &id),
        ("ce_type", "reinstate.entry.v1"),
        ("ce_source", "/reinstate/accounts"),
        ("ce_subject", "anna"),
        ("ce_time", &time),
        ("content-type", "application/json"),
        ("traceparent", trace.as_str()),
    ];
    assert_eq!(headers, expected.into());

    let traces = |records: Vec<Record>| records.into_iter().map(|r| r.trace).collect::<Vec<_>>();
    assert_eq!(traces(log.read(0, 0, 10).await.unwrap()), [Some(trace), None]);
    let cold = KafkaReader::connect(&settings).await.unwrap();
    assert_eq!(traces(cold.read(0, 0, 10).await.unwrap()), [Some(trace), None]);
    let (looking, _) = KafkaReader::connect_to_any(&settings).await.unwrap();
    assert_eq!(traces(looking.read(0, 0, 10).await.unwrap()), [None, None], "an audit has no use for them");
}

#[tokio::test]
async fn the_partition_of_a_key_is_the_one_that_other_clients_choose() {
    let settings = topic(7).await;
    let log = KafkaReader::connect(&settings).await.unwrap();
    let stranger: FutureProducer = ClientConfig::new()
        .set("bootstrap.servers", &settings.brokers)
        .set("partitioner", "murmur2_random")
        .create()
        .unwrap();
    for n in 0..100 {
        let who = account(&format!("{n}{}", "-account".repeat(n % 8)));
        let record = FutureRecord::to(&settings.topic).key(who.as_str()).payload("");
        let delivered = stranger.send(record, SOON).await.unwrap();
        assert_eq!(delivered.partition, i32::try_from(log.partition_of(&who)).unwrap(), "{who}");
    }
}

#[tokio::test]
async fn records_that_belong_to_no_account_are_passed_over_and_can_be_told() {
    let settings = topic(1).await;
    let log = Kafka::connect(&settings).await.unwrap();
    let stranger = stranger(&settings);
    let anna = account("anna");
    let head = committed(log.append(entry(&anna, Head::default())).await.unwrap());
    for key in [None, Some("no account"), Some("")] {
        put(&stranger, &settings.topic, key, Some(b"{}")).await;
    }
    committed(log.append(entry(&anna, head)).await.unwrap());
    put(&stranger, &settings.topic, None, None).await;
    let warm = log.reader();
    until("the last foreign record is passed", || async { warm.end(0).await.unwrap() == 6 }).await;

    let cold = KafkaReader::connect(&settings).await.unwrap();
    for reader in [warm, &cold] {
        let records = read_all(reader, 0).await;
        assert_eq!(records.iter().map(|r| r.position.offset).collect::<Vec<_>>(), [0, 4]);
        assert_eq!(reader.read(0, 1, 1).await.unwrap(), records[1..]);
        assert_eq!(reader.at(Position { partition: 0, offset: 2 }).await.unwrap(), None);
        assert_eq!(reader.read(0, 5, 10).await.unwrap(), []);
        // Whoever goes on reading has passed them, also at the end, where no record of an account follows.
        for (from, found) in [(0, 2), (1, 1), (5, 0), (6, 0)] {
            let page = reader.page(0, from, 10).await.unwrap();
            assert_eq!((page.records.len(), page.next), (found, 6), "from {from}");
        }
        assert_eq!(reader.foreign(0, 0, 6).await.unwrap(), [1, 2, 3, 5]);
        assert_eq!(reader.foreign(0, 2, 3).await.unwrap(), [2]);
        assert_eq!(reader.foreign(0, 4, 5).await.unwrap(), Vec::<u64>::new());
    }
}

#[tokio::test]
async fn a_record_that_is_no_entry_of_its_account_changes_no_head() {
    let settings = topic(1).await;
    let log = Kafka::connect(&settings).await.unwrap();
    let stranger = stranger(&settings);
    let (anna, berta) = (account("anna"), account("berta"));
    let head = committed(log.append(entry(&anna, Head::default())).await.unwrap());
    let bertas = entry(&berta, Head::default());
    let mut truncated = entry(&anna, head).to_vec();
    truncated.truncate(truncated.len() / 2);
    let strange: [Option<&[u8]>; 4] = [None, Some(b"\xff\x00"), Some(&bertas), Some(&truncated)];
    for value in strange {
        put(&stranger, &settings.topic, Some("anna"), value).await;
    }
    let next = committed(log.append(entry(&anna, head)).await.unwrap());
    assert_eq!(next.version, 2);
    // As somebody sees it who was not there.
    let cold = Kafka::connect(&settings).await.unwrap();
    let records = read_all(&cold, 0).await;
    assert_eq!(records.len(), 6, "they are records of anna's all the same");
    assert!(records.iter().all(|r| r.account == anna));
    assert_eq!(records[1].value, &b""[..]);
    assert_eq!(committed(cold.append(entry(&anna, next)).await.unwrap()).version, 3);
    assert!(matches!(cold.append(entry(&anna, head)).await.unwrap(), Appended::Conflict { .. }));
}

#[tokio::test]
async fn offsets_without_a_record_stop_nobody() {
    let settings = topic(1).await;
    let log = Kafka::connect(&settings).await.unwrap();
    let anna = account("anna");
    let head = committed(log.append(entry(&anna, Head::default())).await.unwrap());
    let transactions = |id: &str| -> BaseProducer {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &settings.brokers)
            .set("transactional.id", format!("{}-{id}", settings.topic));
        config.create().unwrap()
    };
    let begin = |producer: &BaseProducer| {
        producer.init_transactions(SOON).unwrap();
        producer.begin_transaction().unwrap();
        let record = BaseRecord::<str, str>::to(&settings.topic).key("berta").payload("-").partition(0);
        producer.send(record).map_err(|(e, _)| e).unwrap();
        producer.flush(SOON).unwrap();
    };
    // Each end of a transaction takes an offset that nobody can read.
    let (ended, open) = (transactions("ended"), transactions("open"));
    begin(&ended);
    ended.commit_transaction(SOON).unwrap();
    ended.begin_transaction().unwrap();
    ended.abort_transaction(SOON).unwrap();
    // And one that never ends.
    begin(&open);
    let next = committed(log.append(entry(&anna, head)).await.unwrap());
    begin(&transactions("last"));
    committed(log.append(entry(&anna, next)).await.unwrap());

    let cold = Kafka::connect(&settings).await.unwrap();
    for reader in [log.reader(), cold.reader()] {
        let records = read_all(reader, 0).await;
        assert_eq!(records.iter().filter(|r| r.account == anna).count(), 3);
        assert!(
            records.windows(2).any(|w| w[0].position.offset + 1 < w[1].position.offset),
            "there is a gap"
        );
        let last = records.last().unwrap().position.offset;
        assert_eq!(reader.read(0, last, 5).await.unwrap().len(), 1);
        assert_eq!(reader.read(0, last + 1, 5).await.unwrap(), []);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_at_any_place_see_the_same_log_whether_it_is_kept_in_memory_or_not() {
    let settings = topic(2).await;
    let log = Kafka::connect(&settings).await.unwrap();
    let anna = account("anna");
    let partition = log.partition_of(&anna);
    let mut head = Head::default();
    let mut values = Vec::new();
    // Three times what is kept.
    for _ in 0..60 {
        let value = entry_of(100_000, &anna, head);
        head = committed(log.append(value.clone()).await.unwrap());
        values.push(value);
    }
    let mut readers = tokio::task::JoinSet::new();
    let cold = KafkaReader::connect(&settings).await.unwrap();
    for reader in [log.reader().clone(), cold] {
        for start in [0_usize, 7, 30, 45, 59] {
            let (reader, values) = (reader.clone(), values.clone());
            readers.spawn(async move {
                let mut next = start as u64;
                let mut found = Vec::new();
                loop {
                    let records = reader.read(partition, next, 4).await.unwrap();
                    let Some(last) = records.last() else { break };
                    next = last.position.offset + 1;
                    found.extend(records.into_iter().map(|r| r.value));
                }
                assert_eq!(found, values[start..]);
            });
        }
    }
    readers.join_all().await;
}

#[tokio::test]
async fn a_hint_about_a_head_is_used_where_it_stands() {
    let settings = topic(1).await;
    let writer = Kafka::connect(&settings).await.unwrap();
    let anna = account("anna");
    let mut heads = vec![Head::default()];
    for _ in 0..5 {
        heads.push(committed(writer.append(entry(&anna, *heads.last().unwrap())).await.unwrap()));
    }
    // An old one: what came since is taken into account.
    for told in 0..=5 {
        let log = Kafka::connect(&settings).await.unwrap();
        log.expect(&anna, heads[told], told as u64);
        let last = *heads.last().unwrap();
        heads.push(committed(log.append(entry(&anna, last)).await.unwrap()));
        // A late one changes nothing.
        log.expect(&anna, heads[0], 0);
        assert!(matches!(log.append(entry(&anna, last)).await.unwrap(), Appended::Conflict { .. }));
        writer.wait(0, log.end(0).await.unwrap() - 1).await.unwrap();
    }
    // One from the future of a reader that is behind: what it has yet to pass is not taken into account twice.
    let log = Kafka::connect(&settings).await.unwrap();
    let (berta, next) = (account("berta"), log.end(0).await.unwrap());
    let ahead = committed(writer.append(entry(&berta, Head::default())).await.unwrap());
    log.expect(&berta, ahead, next + 1);
    assert_eq!(committed(log.append(entry(&berta, ahead)).await.unwrap()).version, 2);
}

#[tokio::test]
async fn a_log_says_which_one_it_is() {
    let (one, other) = (topic(1).await, topic(3).await);
    let identity = async |settings| KafkaReader::connect(settings).await.unwrap().identity().unwrap();
    let first = identity(&one).await;
    assert_eq!((&first.topic, first.partitions), (&one.topic, 1));
    assert_eq!(identity(&one).await, first);
    let second = identity(&other).await;
    assert_eq!(first.cluster, second.cluster);
    assert_ne!(first.topic_id, second.topic_id);
    assert!(first.topic_id.len() >= 22 && !first.cluster.is_empty(), "{first:?}");
}

#[tokio::test]
async fn a_follower_in_another_process_is_woken_without_delay() {
    let settings = topic(1).await;
    let (log, reader) =
        (Kafka::connect(&settings).await.unwrap(), KafkaReader::connect(&settings).await.unwrap());
    let anna = account("anna");
    let mut head = Head::default();
    for offset in 0..20 {
        let waiting = tokio::time::timeout(Duration::from_secs(5), reader.wait(0, offset));
        let (waited, appended) = tokio::join!(waiting, log.append(entry(&anna, head)));
        waited.unwrap().unwrap();
        head = committed(appended.unwrap());
        assert_eq!(reader.read(0, offset, 1).await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn the_end_is_told_with_what_another_process_has_just_written() {
    let settings = topic(1).await;
    let (writer, other) =
        (Kafka::connect(&settings).await.unwrap(), KafkaReader::connect(&settings).await.unwrap());
    let anna = account("anna");
    let mut head = Head::default();
    for written in 1..=50 {
        head = committed(writer.append(entry(&anna, head)).await.unwrap());
        // Whoever asks now, asks after the answer: the end has the entry, and so has a read.
        assert_eq!(other.end(0).await.unwrap(), written);
        assert_eq!(other.read(0, written - 1, 1).await.unwrap().len(), 1);
    }
}

/// Returns once a consumer that begins now was told that it has reached the end: whoever got there before it has been told as well, because
/// the brokers keep this one waiting for longer than ours.
fn wait_for_the_news_of_the_end(settings: &Settings) {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", &settings.brokers)
        .set("group.id", "stranger")
        .set("enable.partition.eof", "true")
        .set("fetch.wait.max.ms", "200")
        .create()
        .unwrap();
    let mut place = TopicPartitionList::new();
    place.add_partition_offset(&settings.topic, 0, Offset::End).unwrap();
    consumer.assign(&place).unwrap();
    assert!(matches!(consumer.poll(SOON), Some(Err(KafkaError::PartitionEOF(0)))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_was_at_the_end_skips_nothing_when_it_falls_behind() {
    let settings = topic(1).await;
    let log = Kafka::connect(&settings).await.unwrap();
    let anna = account("anna");
    let mut head = Head::default();
    let mut append = async |count: u64| {
        for _ in 0..count {
            head = committed(log.append(entry_of(100_000, &anna, head)).await.unwrap());
        }
    };
    append(5).await;
    let reader = KafkaReader::connect(&settings).await.unwrap();
    // From the brokers, by a consumer that is kept where it stands: at the end.
    assert_eq!(reader.read(0, 0, 10).await.unwrap().len(), 5);
    let same = settings.clone();
    tokio::task::spawn_blocking(move || wait_for_the_news_of_the_end(&same)).await.unwrap();
    // More than is kept in memory: the news is old now.
    append(45).await;
    reader.wait(0, 49).await.unwrap();
    let mut offsets = Vec::new();
    loop {
        let from = offsets.last().map_or(5, |last| last + 1);
        let records = reader.read(0, from, 3).await.unwrap();
        if records.is_empty() {
            break;
        }
        offsets.extend(records.iter().map(|r| r.position.offset));
    }
    assert_eq!(offsets, (5..50).collect::<Vec<_>>());
}
