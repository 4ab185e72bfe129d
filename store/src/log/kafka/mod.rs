//! The log on Apache Kafka: one topic, one record per entry, the account's id as its key.
//!
//! Kafka has no conditional append, so an append is two things: the entry is produced (idempotent, acknowledged by all replicas in sync),
//! and then this process waits until its own reader has passed it and says what the rule made of it. Reading it back costs next to
//! nothing, because one thread ([`tail`]) reads the end of every partition anyway.
//!
//! `docs/decisions/0060` to `0064` say why things are as they are.

mod client;
mod ends;
mod error;
mod group;
mod heads;
mod history;
mod measures;
mod murmur2;
mod producer;
mod reader;
mod ring;
mod settings;
mod tail;
mod topic;
mod topic_id;
mod watch;
mod writer;

pub use self::{
    error::Error,
    group::{Group, Membership},
    measures::describe_metrics,
    reader::KafkaReader,
    settings::{Mechanism, Protocol, Security, Settings},
    topic::create_topic,
    writer::Kafka,
};
