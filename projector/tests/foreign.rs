//! What others put into the topic, at the end of a partition, where nothing of ours follows it for a long time.
#![allow(clippy::unwrap_used, dead_code, unreachable_pub, reason = "tests, and not all of the shared world")]

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use jiff::Timestamp;
use rdkafka::{
    ClientConfig,
    producer::{FutureProducer, FutureRecord},
};
use reinstate_cluster::kafka::shared;
use reinstate_domain::{
    account::{Context, decide},
    codes::CodeKey,
    entry::Position,
    ids::AccountId,
    policy::{EXCHANGE, Policy},
};
use reinstate_projector::{
    courier::{Carrier, Courier, Message, Undelivered, acknowledged::Acknowledged},
    follow::{Projector, Step},
};
use reinstate_store::{
    journal::Journal,
    keys::SqliteKeys,
    log::{
        LogReader,
        kafka::{Kafka, Settings, create_topic},
    },
    master::Secret,
    read_models::{ReadModels as _, memory::Memory},
};
use tokio::time::timeout;
use uuid::Uuid;
use world::{enrol, request};

#[path = "../../store/tests/support/world.rs"]
mod world;

const SOON: Duration = Duration::from_secs(60);

/// Nothing here asks for a message.
struct Nobody;

#[async_trait]
impl Carrier for Nobody {
    async fn deliver(&self, _: &Message) -> Result<(), Undelivered> {
        Err(Undelivered("nobody asked".into()))
    }

    async fn forget(&self, _: &AccountId) -> Result<(), Undelivered> {
        Err(Undelivered("nobody asked".into()))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_follows_a_partition_passes_what_belongs_to_no_account_and_then_rests() {
    let broker = tokio::task::spawn_blocking(shared).await.unwrap();
    let mut settings = Settings::new(broker.bootstrap(), format!("reinstate.test.{}", Uuid::now_v7()));
    (settings.partitions, settings.replication, settings.min_insync_replicas) = (1, 1, 1);
    assert!(create_topic(&settings).await.unwrap());
    let folder = tempfile::tempdir().unwrap();
    let log = Arc::new(Kafka::connect(&settings).await.unwrap());
    let models = Arc::new(Memory::default());
    let keys = Arc::new(SqliteKeys::open(&folder.path().join("keys.sqlite"), Secret::new([7; 32])).unwrap());
    let journal = Arc::new(Journal::new(log.clone(), models.clone()));
    let following = tokio::spawn({
        let journal = journal.clone();
        async move { journal.follow().await }
    });
    let (policy, code_key) = (Policy::parse(EXCHANGE).unwrap(), CodeKey::new("k1".into(), [1; 32]));
    let anna = AccountId::parse("anna").unwrap();
    let wanted = request(&anna);
    let context = Context { now: wanted.now, policy: &policy, code_key: &code_key };
    journal.execute(&wanted, |account| decide(account, &enrol(), context)).await.unwrap();
    let stranger: FutureProducer =
        ClientConfig::new().set("bootstrap.servers", &settings.brokers).create().unwrap();
    for key in ["no account", "neither is this", ""] {
        stranger.send(FutureRecord::to(&settings.topic).key(key).payload("{}"), SOON).await.unwrap();
    }
    assert_eq!(log.end(0).await.unwrap(), 4);

    let projector = Projector::new(log.clone(), models.clone(), keys.clone());
    let acknowledged = Acknowledged::open(&folder.path().join("courier.json")).unwrap();
    let courier =
        Courier::new(log.clone(), models.clone(), keys, code_key.clone(), Arc::new(Nobody), acknowledged);
    let (mut projected, mut carried) = (None, None);
    for _ in 0..5 {
        projected = Some(projector.step(0).await.unwrap());
        carried = Some(courier.step(0, Timestamp::now()).await.unwrap());
    }
    assert_eq!((projected, carried), (Some(Step::Idle { next: 4 }), Some(Step::Idle { next: 4 })));
    // Both wait for what comes next, and that is not there.
    assert!(timeout(Duration::ZERO, log.wait(0, 4)).await.is_err());
    // Whoever waits for the rows of everything that is in the log is not kept waiting, nor is a refusal held up.
    timeout(SOON, models.wait(Position { partition: 0, offset: 3 })).await.unwrap().unwrap();
    assert_eq!(journal.fresh(&anna).await.unwrap().version, 1);
    following.abort();
}
