//! What follows the log: the read models, the timekeeper that sends commands which are due, the concluder of cases whose findings
//! are in, the courier that brings codes to their owners. Each is a step with an outcome and a small loop around it; a loop may be dropped at any time.

pub mod check;
pub mod commands;
pub mod concluder;
pub mod courier;
pub mod follow;
pub mod rebuild;
pub mod retry;
pub mod timekeeper;
pub mod watch;

use std::time::Duration;

/// How long a loop rests after a step that failed.
const REST: Duration = Duration::from_secs(1);
