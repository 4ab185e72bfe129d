//! Brokers that fail in ways that real ones seldom do: librdkafka's own mock.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::{Duration, Instant};

use rdkafka::{
    mocking::MockCluster,
    producer::DefaultProducerContext,
    types::{RDKafkaApiKey, RDKafkaRespErr},
};
use reinstate_domain::entry::Head;
use reinstate_store::log::{
    Appended, Log, LogReader,
    kafka::{Kafka, Settings},
};
use support::{
    account, committed, effective, entry,
    kafka::{settings, until},
    measured::count,
    read_all,
};

mod support;

const REBUILDS: &str = "reinstate_log_producer_rebuilds_total";

type Mock = MockCluster<'static, DefaultProducerContext>;

fn cluster(brokers: i32) -> (Mock, Settings) {
    let mock = MockCluster::new(brokers).unwrap();
    let settings = settings(&mock.bootstrap_servers(), 1);
    mock.create_topic(&settings.topic, 1, brokers).unwrap();
    (mock, settings)
}

#[tokio::test]
async fn errors_that_pass_are_not_seen_by_the_caller() {
    let (mock, settings) = cluster(1);
    let log = Kafka::connect_to_mock(&settings).await.unwrap();
    let anna = account("anna");
    let mut head = Head::default();
    for error in [
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND,
        RDKafkaRespErr::RD_KAFKA_RESP_ERR__TRANSPORT,
    ] {
        mock.request_errors(RDKafkaApiKey::Produce, &[error, error]);
        head = committed(log.append(entry(&anna, head)).await.unwrap());
    }
    assert_eq!(effective(&read_all(&log, 0).await, &anna).len(), 5);
}

#[tokio::test]
async fn an_append_that_the_brokers_never_take_is_answered_in_time_and_can_be_repeated() {
    let (mock, mut settings) = cluster(1);
    settings.append_timeout_ms = 1500;
    let log = Kafka::connect_to_mock(&settings).await.unwrap();
    let anna = account("anna");
    let value = entry(&anna, Head::default());
    let errors = [RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS; 1000];
    mock.request_errors(RDKafkaApiKey::Produce, &errors);
    let begin = Instant::now();
    assert_eq!(log.append(value.clone()).await.unwrap(), Appended::Indeterminate);
    assert!(begin.elapsed() < Duration::from_secs(3), "{:?}", begin.elapsed());
    mock.clear_request_errors(RDKafkaApiKey::Produce);
    let mut repeated = log.append(value.clone()).await.unwrap();
    while repeated == Appended::Indeterminate {
        repeated = log.append(value.clone()).await.unwrap();
    }
    let records = read_all(&log, 0).await;
    assert_eq!(effective(&records, &anna).len(), 1);
    assert_eq!(matches!(repeated, Appended::Committed { .. }), records.len() == 1, "{repeated:?}");
}

#[tokio::test]
async fn a_producer_that_has_failed_for_good_is_replaced() {
    assert_eq!(count(REBUILDS), 0);
    let (mock, settings) = cluster(1);
    let log = Kafka::connect_to_mock(&settings).await.unwrap();
    let anna = account("anna");
    let head = committed(log.append(entry(&anna, Head::default())).await.unwrap());
    // The broker forgot everything about this producer: librdkafka calls that fatal.
    mock.request_errors(
        RDKafkaApiKey::Produce,
        &[RDKafkaRespErr::RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER],
    );
    let value = entry(&anna, head);
    let mut appended = log.append(value.clone()).await.unwrap();
    let mut repeats = 0;
    while appended == Appended::Indeterminate {
        repeats += 1;
        assert!(repeats < 5, "the producer is not replaced");
        appended = log.append(value.clone()).await.unwrap();
    }
    assert_eq!(count(REBUILDS), 1);
    assert_eq!(effective(&read_all(&log, 0).await, &anna).len(), 2);
}

#[tokio::test]
async fn a_reader_that_stands_still_is_noticed_and_comes_back() {
    let (mock, mut settings) = cluster(1);
    settings.append_timeout_ms = 1000;
    let log = Kafka::connect_to_mock(&settings).await.unwrap();
    let anna = account("anna");
    let head = committed(log.append(entry(&anna, Head::default())).await.unwrap());
    assert_eq!(log.health(), None);
    let errors = [RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN; 10_000];
    mock.request_errors(RDKafkaApiKey::Fetch, &errors);
    let value = entry(&anna, head);
    assert_eq!(log.append(value.clone()).await.unwrap(), Appended::Indeterminate, "nobody read it back");
    until("the watchdog sees it", || async {
        log.health().is_some_and(|said| said.contains("stands still"))
    })
    .await;
    mock.clear_request_errors(RDKafkaApiKey::Fetch);
    until("it comes back", || async { log.health().is_none() && log.end(0).await.unwrap() == 2 }).await;
    assert!(matches!(log.append(value).await.unwrap(), Appended::Conflict { .. }));
    assert_eq!(effective(&read_all(&log, 0).await, &anna).len(), 2);
}

#[tokio::test]
async fn the_leader_moves_and_nothing_is_lost() {
    let (mock, settings) = cluster(3);
    let log = Kafka::connect_to_mock(&settings).await.unwrap();
    let anna = account("anna");
    let mut head = Head::default();
    for round in 0..6 {
        mock.partition_leader(&settings.topic, 0, Some(round % 3 + 1)).unwrap();
        for _ in 0..5 {
            let value = entry(&anna, head);
            head = loop {
                match log.append(value.clone()).await.unwrap() {
                    Appended::Committed { head, .. } => break head,
                    Appended::Indeterminate => {}
                    // An earlier copy of these bytes came through.
                    Appended::Conflict { .. } => {
                        let records = read_all(&log, 0).await;
                        let last = effective(&records, &anna).last().unwrap().value.clone();
                        assert_eq!(last, value);
                        let hash = Some(reinstate_domain::entry::Hash::of(&value));
                        break Head { hash, version: head.version + 1 };
                    }
                }
            };
        }
    }
    assert_eq!(effective(&read_all(&log, 0).await, &anna).len(), 30);
}

#[tokio::test]
async fn a_slow_broker_is_waited_for() {
    let (mock, settings) = cluster(1);
    let log = Kafka::connect_to_mock(&settings).await.unwrap();
    mock.broker_round_trip_time(1, Duration::from_millis(400)).unwrap();
    let anna = account("anna");
    let begin = Instant::now();
    let mut head = Head::default();
    for _ in 0..3 {
        head = committed(log.append(entry(&anna, head)).await.unwrap());
    }
    assert!(begin.elapsed() > Duration::from_millis(1200));
    assert_eq!(log.health(), None);
}
