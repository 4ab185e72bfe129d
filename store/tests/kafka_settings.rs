//! Topics that would lose entries, brokers that refuse us, and what is said about each.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{fs, path::Path, time::Duration};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SanType};
use rdkafka::{
    ClientConfig, Offset, TopicPartitionList,
    admin::{AdminClient, AdminOptions, NewPartitions, NewTopic, TopicReplication},
    client::DefaultClientContext,
};
use reinstate_cluster::kafka::{Kafka as Cluster, Secured, shared};
use reinstate_domain::entry::{Head, Position};
use reinstate_store::log::{
    Log, LogReader,
    kafka::{Error, Kafka, KafkaReader, Mechanism, Protocol, Settings, create_topic},
};
use support::{
    account, committed, entry,
    kafka::{settings, topic},
};
use tokio::task::spawn_blocking;

mod support;

fn admin(settings: &Settings) -> AdminClient<DefaultClientContext> {
    ClientConfig::new().set("bootstrap.servers", &settings.brokers).create().unwrap()
}

async fn unmade() -> Settings {
    settings(spawn_blocking(shared).await.unwrap().bootstrap(), 2)
}

/// Makes the topic with one setting that is not as it should be.
async fn made_with(name: &str, value: &str) -> Settings {
    let settings = unmade().await;
    let mut good = vec![
        ("cleanup.policy", "delete"),
        ("retention.ms", "-1"),
        ("retention.bytes", "-1"),
        ("min.insync.replicas", "1"),
        ("unclean.leader.election.enable", "false"),
        ("max.message.bytes", "1048588"),
    ];
    good.retain(|(good, _)| *good != name);
    let mut topic = NewTopic::new(&settings.topic, 2, TopicReplication::Fixed(1)).set(name, value);
    topic.config.extend(good);
    admin(&settings).create_topics([&topic], &AdminOptions::new()).await.unwrap().remove(0).unwrap();
    settings
}

#[tokio::test]
async fn a_topic_that_could_lose_entries_is_refused_with_the_setting_and_the_command_that_mends_it() {
    for (name, value, right) in [
        ("cleanup.policy", "compact", "delete"),
        ("cleanup.policy", "compact,delete", "delete"),
        ("retention.ms", "604800000", "-1"),
        ("retention.bytes", "1000000", "-1"),
        ("unclean.leader.election.enable", "true", "false"),
        ("max.message.bytes", "1000", "999424"),
    ] {
        let settings = made_with(name, value).await;
        for refused in
            [Kafka::connect(&settings).await.map(|_| ()), create_topic(&settings).await.map(|_| ())]
        {
            let refused = refused.unwrap_err();
            assert!(matches!(refused, Error::Unsafe { .. }), "{refused:?}");
            let said = refused.to_string();
            assert!(said.contains(&format!("{name} is {value:?}")), "{said}");
            assert!(
                said.contains(&format!("--entity-name {} --add-config {name}={right}", settings.topic)),
                "{said}"
            );
        }
    }
    let mut settings = topic(2).await;
    (settings.replication, settings.min_insync_replicas) = (3, 2);
    let said = Kafka::connect(&settings).await.unwrap_err().to_string();
    assert!(said.contains("min.insync.replicas") && said.contains("fewer than 2 copies"), "{said}");
    settings.min_insync_replicas = 1;
    let said = Kafka::connect(&settings).await.unwrap_err().to_string();
    assert!(said.contains("1 copies and 3 are configured"), "{said}");
}

#[tokio::test]
async fn a_topic_with_another_number_of_partitions_is_refused() {
    let mut settings = topic(2).await;
    settings.partitions = 3;
    let refused = KafkaReader::connect(&settings).await.unwrap_err();
    assert!(matches!(refused, Error::Partitions { found: 2, configured: 3, .. }), "{refused:?}");
    settings.partitions = 2;
    let log = Kafka::connect(&settings).await.unwrap();
    // Somebody adds some while we run: accounts stay where they are, and it is told.
    let more = NewPartitions::new(&settings.topic, 5);
    admin(&settings).create_partitions([&more], &AdminOptions::new()).await.unwrap().remove(0).unwrap();
    support::kafka::until("it is told", || async {
        log.health().is_some_and(|said| said.contains("5 partitions now and had 2"))
    })
    .await;
    for n in 0..10 {
        let who = account(&format!("account-{n}"));
        committed(log.append(entry(&who, Head::default())).await.unwrap());
        assert!(log.partition_of(&who) < 2);
    }
    assert!(matches!(Kafka::connect(&settings).await, Err(Error::Partitions { found: 5, .. })));
}

#[tokio::test]
async fn a_topic_that_lost_its_beginning_is_refused_and_can_still_be_looked_at() {
    let settings = topic(1).await;
    let log = Kafka::connect(&settings).await.unwrap();
    let anna = account("anna");
    let mut head = Head::default();
    for _ in 0..5 {
        head = committed(log.append(entry(&anna, head)).await.unwrap());
    }
    let mut before = TopicPartitionList::new();
    before.add_partition_offset(&settings.topic, 0, Offset::Offset(3)).unwrap();
    admin(&settings).delete_records(&before, &AdminOptions::new()).await.unwrap();
    let refused = Kafka::connect(&settings).await.unwrap_err();
    let lost = Position { partition: 0, offset: 3 };
    assert!(matches!(refused, Error::Truncated { position, .. } if position == lost), "{refused:?}");
    let (reader, fault) = KafkaReader::connect_to_any(&settings).await.unwrap();
    assert!(matches!(fault, Some(Error::Truncated { .. })));
    assert_eq!(reader.first(0), 3);
    assert_eq!(reader.read(0, 3, 10).await.unwrap().len(), 2);
    let missing = reader.read(0, 0, 10).await.unwrap_err();
    assert!(matches!(missing, reinstate_store::log::Error::Corrupt { .. }), "{missing:?}");
}

#[tokio::test]
async fn making_a_topic_is_safe_to_repeat_and_a_missing_one_says_how_it_is_made() {
    let settings = unmade().await;
    let said = Kafka::connect(&settings).await.unwrap_err();
    assert!(matches!(said, Error::NoTopic { .. }), "{said:?}");
    assert!(said.to_string().contains("reinstate-projector topic create"), "{said}");
    assert!(create_topic(&settings).await.unwrap());
    assert!(!create_topic(&settings).await.unwrap());
    Kafka::connect(&settings).await.unwrap();
}

#[tokio::test]
async fn brokers_that_are_not_there_are_named() {
    let mut nowhere = Settings::new("127.0.0.1:1", "t");
    nowhere.partitions = 1;
    let refused = KafkaReader::connect(&nowhere).await.unwrap_err();
    assert!(matches!(refused, Error::Unreachable { .. }), "{refused:?}");
    assert!(refused.to_string().contains("127.0.0.1:1"), "{refused}");
}

const MODULE: &str =
    "org.apache.kafka.common.security.plain.PlainLoginModule required user_reinstate=\"right\";";
const SCRAM: &str = "org.apache.kafka.common.security.scram.ScramLoginModule required;";

#[tokio::test]
async fn a_wrong_password_is_told_as_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kafka");
    let secured = Secured {
        protocol: "SASL_PLAINTEXT".to_owned(),
        properties: vec![
            ("sasl.enabled.mechanisms".to_owned(), "PLAIN,SCRAM-SHA-256".to_owned()),
            ("plain.sasl.jaas.config".to_owned(), MODULE.to_owned()),
            ("scram-sha-256.sasl.jaas.config".to_owned(), SCRAM.to_owned()),
        ],
        scram: vec!["SCRAM-SHA-256=[name=reinstate,password=right]".to_owned()],
        ..Secured::default()
    };
    let cluster =
        spawn_blocking(move || Cluster::start_with(&path, 1, Some(&secured)).unwrap()).await.unwrap();
    for mechanism in [Mechanism::Plain, Mechanism::ScramSha256] {
        let mut settings = settings(cluster.secured_bootstrap().unwrap(), 1);
        settings.security.protocol = Protocol::SaslPlaintext;
        settings.security.mechanism = Some(mechanism);
        settings.security.username = Some("reinstate".to_owned());
        settings.security.password = Some("wrong".into());
        for refused in
            [create_topic(&settings).await.map(|_| ()), Kafka::connect(&settings).await.map(|_| ())]
        {
            let refused = refused.unwrap_err();
            assert!(matches!(refused, Error::Refused { .. }), "{mechanism:?}: {refused:?}");
            assert!(
                refused.to_string().contains("password") && !format!("{refused:?}").contains("wrong"),
                "{refused}"
            );
        }
        settings.security.password = Some("right".into());
        create_topic(&settings).await.unwrap();
        let log = Kafka::connect(&settings).await.unwrap();
        committed(log.append(entry(&account("anna"), Head::default())).await.unwrap());
    }
}

/// A broker's key and certificate, signed by a new authority, whose certificate is returned. Valid from a year ago for so many days.
fn certificate(file: &Path, days: i64) -> String {
    let now = jiff::Timestamp::now().as_second();
    let day = |days: i64| {
        let date = jiff::Timestamp::from_second(now + days * 86_400)
            .unwrap()
            .to_zoned(jiff::tz::TimeZone::UTC)
            .date();
        rcgen::date_time_ymd(date.year().into(), date.month().unsigned_abs(), date.day().unsigned_abs())
    };
    let key = KeyPair::generate().unwrap();
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.distinguished_name.push(DnType::CommonName, "authority");
    let root = authority.self_signed(&key).unwrap().pem();
    let issuer = Issuer::new(authority, key);
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.subject_alt_names = vec![SanType::IpAddress("127.0.0.1".parse().unwrap())];
    (params.not_before, params.not_after) = (day(-365), day(days - 365));
    let signed = params.signed_by(&key, &issuer).unwrap().pem();
    fs::write(file, format!("{}{signed}{root}", key.serialize_pem())).unwrap();
    root
}

#[tokio::test]
async fn a_certificate_that_expired_or_that_a_stranger_signed_is_told_as_such() {
    let folder = tempfile::tempdir().unwrap();
    let mut roots = Vec::new();
    for (name, days) in [("good", 400), ("expired", 300)] {
        let root = certificate(&folder.path().join(format!("{name}.pem")), days);
        let file = folder.path().join(format!("{name}-root.pem"));
        fs::write(&file, root).unwrap();
        roots.push(file);
    }
    for (place, name, root) in
        [("trusted", "good", &roots[0]), ("expired", "expired", &roots[1]), ("stranger", "good", &roots[1])]
    {
        let path = folder.path().join(place);
        let keystore = folder.path().join(format!("{name}.pem"));
        let secured = Secured {
            protocol: "SSL".to_owned(),
            properties: vec![
                ("ssl.keystore.type".to_owned(), "PEM".to_owned()),
                ("ssl.keystore.location".to_owned(), keystore.display().to_string()),
            ],
            scram: Vec::new(),
            ..Secured::default()
        };
        let cluster =
            spawn_blocking(move || Cluster::start_with(&path, 1, Some(&secured)).unwrap()).await.unwrap();
        let mut settings = settings(cluster.secured_bootstrap().unwrap(), 1);
        settings.security.protocol = Protocol::Ssl;
        settings.security.ca_file = Some(root.clone());
        let made = tokio::time::timeout(Duration::from_secs(30), create_topic(&settings)).await.unwrap();
        if place == "trusted" {
            assert!(made.unwrap());
            let log = Kafka::connect(&settings).await.unwrap();
            committed(log.append(entry(&account("anna"), Head::default())).await.unwrap());
        } else {
            let refused = made.unwrap_err();
            assert!(matches!(refused, Error::Tls { .. }), "{place}: {refused:?}");
            let said = refused.to_string();
            assert!(
                said.contains("certificate verify failed") && said.contains("openssl s_client"),
                "{said}"
            );
        }
    }
}
