//! The read models' contract, run against each adapter.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use async_trait::async_trait;
use reinstate_store::read_models::{Projections, memory::Memory};
use support::read_models_contract::Place;

mod support;

struct InMemory;

#[async_trait]
impl Place for InMemory {
    async fn empty(&self) -> Arc<dyn Projections> {
        Arc::new(Memory::default())
    }
}

read_models_contract!(memory, InMemory);
