//! The auditor's tool on a topic, as somebody calls it, and what it says of topics that somebody tampered with.
#![allow(clippy::unwrap_used, dead_code, unreachable_pub, reason = "tests, and not all of the shared world")]

use std::{
    collections::BTreeSet,
    fs,
    process::{Command as Process, Output},
    sync::Arc,
    time::Duration,
};

use rdkafka::{
    ClientConfig, Offset, TopicPartitionList,
    admin::{AdminClient, AdminOptions, AlterConfig, ResourceSpecifier},
    client::DefaultClientContext,
    producer::{FutureProducer, FutureRecord},
};
use reinstate_audit::verify::Audit;
use reinstate_cluster::kafka::shared;
use reinstate_domain::ids::AccountId;
use reinstate_store::log::{
    Log, LogReader,
    kafka::{Kafka, KafkaReader, Settings, create_topic},
};
use serde_json::{Value, json};
use tokio::task::spawn_blocking;
use world::{World, case};

#[path = "../../store/tests/support/world.rs"]
mod world;

/// A topic of two partitions with the histories of twelve accounts, ten effective entries and a void one each.
async fn topic() -> (Settings, Kafka) {
    let brokers = spawn_blocking(|| shared().bootstrap().to_owned()).await.unwrap();
    let mut settings = Settings::new(brokers, format!("reinstate.audit.{}", uuid::Uuid::now_v7()));
    (settings.partitions, settings.replication, settings.min_insync_replicas) = (2, 1, 1);
    create_topic(&settings).await.unwrap();
    let log = Kafka::connect(&settings).await.unwrap();
    let world = World::new(1);
    for n in 0..12 {
        let who = AccountId::parse(&format!("account-{n}")).unwrap();
        world.up_to_the_code(&who, case(n), "compliance").await;
    }
    for record in world.log.read(0, 0, 1000).await.unwrap() {
        log.append(record.value.clone()).await.unwrap();
        // Somebody who repeats what was committed.
        if record.position.offset % 5 == 0 {
            log.append(record.value).await.unwrap();
        }
    }
    (settings, log)
}

async fn audit(settings: &Settings, arguments: &[&str]) -> Output {
    let mut command = Process::new(env!("CARGO_BIN_EXE_reinstate-audit"));
    command.args(arguments).args(["--brokers", &settings.brokers, "--topic", &settings.topic]);
    spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

async fn verify(settings: &Settings) -> Value {
    let output = audit(settings, &["verify", "--json"]).await;
    let report: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    let clean = report["faults"].as_array().unwrap().is_empty();
    assert_eq!(output.status.code(), Some(i32::from(!clean)), "{report}");
    report
}

fn faults(report: &Value) -> BTreeSet<(String, String)> {
    let text = |v: &Value| v.as_str().unwrap_or("-").to_owned();
    report["faults"].as_array().unwrap().iter().map(|f| (text(&f["kind"]), text(&f["position"]))).collect()
}

fn admin(settings: &Settings) -> AdminClient<DefaultClientContext> {
    ClientConfig::new().set("bootstrap.servers", &settings.brokers).create().unwrap()
}

async fn put(settings: &Settings, key: Option<&str>, value: &str) -> String {
    put_into(settings, 1, key, value.as_bytes()).await
}

async fn put_into(settings: &Settings, partition: i32, key: Option<&str>, value: &[u8]) -> String {
    let stranger: FutureProducer =
        ClientConfig::new().set("bootstrap.servers", &settings.brokers).create().unwrap();
    let mut record = FutureRecord::<str, [u8]>::to(&settings.topic).payload(value).partition(partition);
    record.key = key;
    let delivered = stranger.send(record, Duration::from_secs(20)).await.unwrap();
    format!("{partition}:{}", delivered.offset)
}

#[tokio::test]
async fn what_the_journal_wrote_is_clean_in_every_partition() {
    let (settings, log) = topic().await;
    let report = verify(&settings).await;
    let clean = json!({
        "sources": ["topic configuration", "log"],
        "entries": 72, "accounts": 12, "effective": 60, "void": 12, "faults": [],
    });
    assert_eq!(report, clean);
    assert!(log.end(0).await.unwrap() > 0 && log.end(1).await.unwrap() > 0, "both partitions have some");

    let output = audit(&settings, &["show", "account-3", "--json"]).await;
    let shown: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&shown["account"], &shown["version"]), (&json!("account-3"), &json!(5)));
    assert_eq!(shown["entries"].as_array().unwrap().len(), 6);
    let unknown = audit(&settings, &["show", "nobody"]).await;
    assert_eq!(unknown.status.code(), Some(1));
}

#[tokio::test]
async fn foreign_records_are_told_each_and_the_rest_is_checked() {
    let (settings, log) = topic().await;
    let of_one = (0..12).map(|n| format!("account-{n}"));
    let whose =
        of_one.into_iter().find(|who| log.partition_of(&AccountId::parse(who).unwrap()) == 1).unwrap();
    let foreign = [put(&settings, None, "{}").await, put(&settings, Some("a key of theirs"), "{}").await];
    let malformed = put(&settings, Some(&whose), "no entry").await;
    let last = put(&settings, None, "").await;
    let report = verify(&settings).await;
    let expected =
        [("foreign", &foreign[0]), ("foreign", &foreign[1]), ("malformed", &malformed), ("foreign", &last)];
    let expected = expected.map(|(kind, position)| (kind.to_owned(), position.clone()));
    assert_eq!(faults(&report), expected.into());
    assert_eq!(report["effective"], 60);
}

#[tokio::test]
async fn a_topic_that_could_lose_entries_or_has_lost_some_shows() {
    let (settings, log) = topic().await;
    let config = AlterConfig::new(ResourceSpecifier::Topic(&settings.topic)).set("retention.ms", "86400000");
    admin(&settings).alter_configs([&config], &AdminOptions::new()).await.unwrap().remove(0).unwrap();
    let report = verify(&settings).await;
    assert_eq!(faults(&report), [("unsafe_topic".to_owned(), "-".to_owned())].into());
    let said = report["faults"][0]["detail"].as_str().unwrap();
    assert!(said.contains("retention.ms is \"86400000\""), "{said}");

    let config = AlterConfig::new(ResourceSpecifier::Topic(&settings.topic)).set("retention.ms", "-1");
    admin(&settings).alter_configs([&config], &AdminOptions::new()).await.unwrap().remove(0).unwrap();
    let mut before = TopicPartitionList::new();
    before.add_partition_offset(&settings.topic, 0, Offset::Offset(3)).unwrap();
    admin(&settings).delete_records(&before, &AdminOptions::new()).await.unwrap();
    let report = verify(&settings).await;
    let found = faults(&report);
    let gap = ("gap".to_owned(), "0:0".to_owned());
    assert!(found.contains(&gap) && found.contains(&("unsafe_topic".to_owned(), "-".to_owned())), "{report}");
    assert!(found.iter().any(|(kind, _)| kind == "broken_chain"), "{report}");
    drop(log);
}

/// The first of the twelve accounts in this partition.
fn in_partition(log: &Kafka, partition: u32) -> AccountId {
    let mut all = (0..12).map(|n| AccountId::parse(&format!("account-{n}")).unwrap());
    all.find(|who| log.partition_of(who) == partition).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn partitions_side_by_side_are_reported_as_one_after_another() {
    let (settings, log) = topic().await;
    for partition in [1, 0, 1] {
        let whose = in_partition(&log, partition).to_string();
        let partition = i32::try_from(partition).unwrap();
        put_into(&settings, partition, Some(&whose), b"no entry").await;
        put_into(&settings, partition, None, b"").await;
    }
    let (reader, _) = KafkaReader::connect_to_any(&settings).await.unwrap();
    let ranges = vec![0..log.end(0).await.unwrap(), 0..log.end(1).await.unwrap()];
    let mut audit = Audit::collecting_evidence();
    for (partition, range) in (0..).zip(&ranges) {
        audit.read_from(&reader, partition, range.start, range.end).await.unwrap();
    }
    let (named, expected) = (audit.named().into_iter().collect::<BTreeSet<_>>(), audit.finish());
    assert_eq!((expected.entries, expected.accounts, expected.faults.len()), (75, 12, 6));
    assert!(!named.is_empty());
    for at_once in [1, 2, 8] {
        let mut audit = Audit::collecting_evidence();
        audit.read_all(Arc::new(reader.clone()), ranges.clone(), at_once).await.unwrap();
        assert_eq!(audit.named().into_iter().collect::<BTreeSet<_>>(), named);
        assert_eq!(audit.finish(), expected, "{at_once} at once");
    }
}

#[tokio::test]
async fn an_account_in_two_partitions_is_one_chain_all_the_same() {
    let (settings, log) = topic().await;
    let whose = in_partition(&log, 0);
    for record in log.read(0, 0, 1000).await.unwrap() {
        if record.account == whose {
            put_into(&settings, 1, Some(whose.as_str()), &record.value).await;
        }
    }
    let report = verify(&settings).await;
    assert_eq!(
        (&report["accounts"], &report["effective"], &report["void"]),
        (&json!(12), &json!(60), &json!(18))
    );
}

#[tokio::test]
async fn what_can_not_be_reached_or_understood_is_said_and_the_exit_code_is_two() {
    let nowhere = Settings::new("127.0.0.1:1", "t");
    let output = audit(&nowhere, &["verify"]).await;
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("no broker of 127.0.0.1:1"), "{said}");

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("security.toml");
    fs::write(
        &file,
        "protocol = 'sasl_ssl'\nmechanism = 'PLAIN'\nusername = 'u'\npassword_file = '/nowhere'",
    )
    .unwrap();
    let output = audit(&nowhere, &["verify", "--security", file.to_str().unwrap()]).await;
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("/nowhere"), "{said}");
    fs::write(&file, "pasword = 'x'").unwrap();
    let output = audit(&nowhere, &["verify", "--security", file.to_str().unwrap()]).await;
    assert!(String::from_utf8_lossy(&output.stderr).contains("pasword"));
}
