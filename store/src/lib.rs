//! Ports and adapters: where facts, keys and pictures are kept, and the one way to write them.
//!
//! The log is the only truth. Everything else here is either outside it on purpose (keys and blobs, so that a person can
//! be erased while the chain still verifies) or can be rebuilt from it (read models).

pub mod attempts;
pub mod blobs;
pub mod clock;
pub mod data_dir;
pub mod journal;
pub mod keys;
pub mod log;
pub mod master;
pub mod postgres;
pub mod read_models;
pub mod seal;
pub mod trace;
