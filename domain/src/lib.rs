//! The pure heart of Reinstate. Nothing here reads a clock, draws a random number, opens a file or awaits: time,
//! randomness, policy and scores are arguments, so a decision can be derived again years later from the log alone.

pub mod account;
pub mod codes;
pub mod disclosure;
pub mod document;
pub mod entry;
pub mod evidence;
pub mod face;
pub mod identity;
pub mod ids;
pub mod policy;
pub mod reason;
pub mod sealed;
pub mod wire;
