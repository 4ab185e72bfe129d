//! Topics on the broker that all tests of a binary share.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use reinstate_cluster::kafka::shared;
use reinstate_store::log::{
    Log,
    kafka::{Kafka, Settings, create_topic},
};
use tokio::sync::OnceCell;
use uuid::Uuid;

use super::log_contract::Place;

/// Far above what anything here takes.
pub const SOON: Duration = Duration::from_secs(60);

/// A topic that nobody else has, not made yet, on one broker.
pub fn settings(bootstrap: &str, partitions: u32) -> Settings {
    let mut settings = Settings::new(bootstrap, format!("reinstate.test.{}", Uuid::now_v7()));
    settings.partitions = partitions;
    settings.replication = 1;
    settings.min_insync_replicas = 1;
    settings
}

/// A new topic on the shared broker.
pub async fn topic(partitions: u32) -> Settings {
    let broker = tokio::task::spawn_blocking(shared).await.unwrap();
    let settings = settings(broker.bootstrap(), partitions);
    assert!(create_topic(&settings).await.unwrap());
    settings
}

/// Waits until it is so, and says what was waited for when it never is.
pub async fn until<F: Future<Output = bool>>(what: &str, mut so: impl FnMut() -> F) {
    let waiting = async {
        while !so().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    assert!(tokio::time::timeout(SOON, waiting).await.is_ok(), "{what}");
}

/// A topic as a place for the contract's tests.
pub struct OnKafka {
    partitions: u32,
    settings: OnceCell<Settings>,
}

impl OnKafka {
    pub fn of(partitions: u32) -> Self {
        Self { partitions, settings: OnceCell::new() }
    }
}

#[async_trait]
impl Place for OnKafka {
    async fn open(&self) -> Arc<dyn Log> {
        let settings = self.settings.get_or_init(|| topic(self.partitions)).await;
        Arc::new(Kafka::connect(settings).await.unwrap())
    }
}
