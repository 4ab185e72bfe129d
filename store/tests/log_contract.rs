//! The log's contract, run against each adapter.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use async_trait::async_trait;
use reinstate_store::{
    data_dir::DataDir,
    log::{Log, embedded::Embedded, memory::Memory},
};
use support::{kafka::OnKafka, log_contract::Place};

mod support;

struct Folder(tempfile::TempDir);

#[async_trait]
impl Place for Folder {
    async fn open(&self) -> Arc<dyn Log> {
        let directory = DataDir::open(self.0.path()).unwrap();
        Arc::new(Embedded::open(Arc::new(directory)).unwrap())
    }
}

/// The memory's log lives as long as the place does.
struct Kept(Arc<Memory>);

#[async_trait]
impl Place for Kept {
    async fn open(&self) -> Arc<dyn Log> {
        self.0.clone()
    }
}

log_contract!(embedded, Folder(tempfile::tempdir().unwrap()));
log_contract!(memory, Kept(Arc::new(Memory::new(1))));
log_contract!(memory_of_three_partitions, Kept(Arc::new(Memory::new(3))));
log_contract!(kafka, OnKafka::of(1));
log_contract!(kafka_of_three_partitions, OnKafka::of(3));
