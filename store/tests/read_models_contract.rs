//! The read models' contract, run against each adapter.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use async_trait::async_trait;
use reinstate_store::read_models::{Projections, memory::Memory};
use support::{database, read_models_contract::Place};

mod support;

struct InMemory;

#[async_trait]
impl Place for InMemory {
    async fn empty(&self) -> Arc<dyn Projections> {
        Arc::new(Memory::default())
    }
}

struct InPostgres;

#[async_trait]
impl Place for InPostgres {
    async fn empty(&self) -> Arc<dyn Projections> {
        Arc::new(database::models().await)
    }
}

read_models_contract!(memory, InMemory);
read_models_contract!(postgres, InPostgres);
