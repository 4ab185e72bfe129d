//! Real servers on this machine, each on free ports of 127.0.0.1 with a folder of its own, stopped with their handle: Kafka
//! brokers, PostgreSQL, and Reinstate's services on top of them.

mod error;
pub mod kafka;
pub mod keeper;
pub mod postgres;
mod service;
pub mod services;
