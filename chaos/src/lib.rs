//! Breaks a cluster at random while customers use it, heals it, and holds the log against what the customers were told.

pub mod cluster;
pub mod faults;
pub mod judge;
pub mod proxy;
