//! Replays a log and says what it found. It only reads, trusts nothing that was derived, and goes on after a fault.

pub mod evidence;
mod named;
pub mod show;
pub mod verify;
