//! The clock that all processes of a system share. Each goes by its host's own, and what one writes another keeps: a host that is an
//! hour ahead would end a cooling-off an hour early.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// A clock that others go by too.
pub trait SharedClock: Send + Sync {
    /// How this host's clock differs from it, when that is more than it may.
    fn difference(&self) -> Option<Difference>;
}

/// This host's clock is wrong, or the shared one is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("this host's clock is {} that of {at} and may differ by {} s: set both by NTP", words(*.ahead), most.as_secs_f32())]
pub struct Difference {
    /// Whose clock it is compared with.
    pub at: Arc<str>,
    /// How far this host's clock is ahead, at least; negative when it is behind.
    pub ahead: SignedDuration,
    pub most: Duration,
}

fn words(ahead: SignedDuration) -> String {
    let seconds = ahead.unsigned_abs().as_secs_f32();
    if ahead.is_negative() { format!("{seconds:.1} s behind") } else { format!("{seconds:.1} s ahead of") }
}

/// How far this host's clock is ahead, at least: it `asked` at one moment and had the answer at the other, and somewhere between
/// them the other clock showed `shared`.
#[must_use]
pub fn ahead(asked: Timestamp, shared: Timestamp, answered: Timestamp) -> SignedDuration {
    if shared < asked {
        shared.duration_until(asked)
    } else if shared > answered {
        shared.duration_until(answered)
    } else {
        SignedDuration::ZERO
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    #[test]
    fn a_slow_answer_is_no_difference() {
        assert_eq!(ahead(at(0), at(7), at(9)), SignedDuration::ZERO);
        assert_eq!(ahead(at(3600), at(0), at(3609)), SignedDuration::from_hours(1));
        assert_eq!(ahead(at(0), at(3609), at(9)), SignedDuration::from_hours(-1));
    }

    #[test]
    fn a_difference_says_whose_clock_is_where_and_what_to_do() {
        let difference = |ahead| Difference { at: "db:5432".into(), ahead, most: Duration::from_secs(5) };
        assert_eq!(
            difference(SignedDuration::from_hours(1)).to_string(),
            "this host's clock is 3600.0 s ahead of that of db:5432 and may differ by 5 s: set both by NTP"
        );
        let behind = difference(SignedDuration::from_millis(-5_500)).to_string();
        assert!(behind.starts_with("this host's clock is 5.5 s behind that of db:5432"), "{behind}");
    }
}
