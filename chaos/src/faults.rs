//! What is broken, when, and for how long: drawn from a seed, so that a failing run can be played again.

use std::{fmt, time::Duration};

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};

use crate::proxy::Weather;

/// A process of the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Target {
    /// From 1.
    Broker(usize),
    Api(usize),
    Verifier(usize),
    Projector,
    Postgres,
}

/// A connection of the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Way {
    /// From every service to one broker, from 1.
    Kafka(usize),
    /// From every service to PostgreSQL.
    Postgres,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// `kill -9`; started again afterwards.
    Kill(Target),
    /// SIGSTOP; SIGCONT afterwards.
    Pause(Target),
    /// SIGTERM; started again afterwards.
    Restart(Target),
    /// `kill -9` of two brokers of three, from this one on.
    TwoBrokers(usize),
    Connection(Way, Weather),
    /// The folder of a broker's log has no space left.
    FullDisk(usize),
}

/// A fault and its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Planned {
    /// From the beginning of the run.
    pub at: Duration,
    pub fault: Fault,
    pub lasts: Duration,
}

/// Between the ends of one fault and the beginning of the next that touches the same processes. The next of others may come any time.
const REST: Duration = Duration::from_millis(500);

impl Fault {
    /// The name under which it is counted.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Kill(Target::Broker(_)) => "kill -9 a broker",
            Self::Kill(Target::Api(_)) => "kill -9 an api",
            Self::Kill(Target::Verifier(_)) => "kill -9 a verifier",
            Self::Kill(Target::Projector) => "kill -9 the projector",
            Self::Kill(Target::Postgres) => "kill -9 PostgreSQL",
            Self::Pause(Target::Broker(_)) => "stop a broker for seconds",
            Self::Pause(Target::Api(_)) => "stop an api for seconds",
            Self::Pause(Target::Verifier(_)) => "stop a verifier for seconds",
            Self::Pause(Target::Projector) => "stop the projector for seconds",
            Self::Pause(Target::Postgres) => "stop PostgreSQL for seconds",
            Self::Restart(Target::Broker(_)) => "restart a broker",
            Self::Restart(Target::Api(_)) => "restart an api",
            Self::Restart(Target::Verifier(_)) => "restart a verifier",
            Self::Restart(Target::Projector) => "restart the projector",
            Self::Restart(Target::Postgres) => "restart PostgreSQL",
            Self::TwoBrokers(_) => "kill -9 two brokers",
            Self::Connection(Way::Kafka(_), Weather::Cut) => "cut the way to a broker",
            Self::Connection(Way::Kafka(_), _) => "slow the way to a broker",
            Self::Connection(Way::Postgres, Weather::Cut) => "cut the way to PostgreSQL",
            Self::Connection(Way::Postgres, _) => "slow the way to PostgreSQL",
            Self::FullDisk(_) => "fill a broker's disk",
        }
    }

    /// The processes that it touches; no two faults touch the same one at a time.
    #[must_use]
    pub fn touches(&self) -> Vec<Target> {
        match self {
            Self::Kill(target) | Self::Pause(target) | Self::Restart(target) => vec![*target],
            // Killed one after the other, brokers could be short of two at any time.
            Self::TwoBrokers(_) => (1..=3).map(Target::Broker).collect(),
            Self::Connection(Way::Kafka(broker), _) | Self::FullDisk(broker) => vec![Target::Broker(*broker)],
            Self::Connection(Way::Postgres, _) => vec![Target::Postgres],
        }
    }
}

impl fmt::Display for Planned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (at, lasts) = (self.at.as_secs_f32(), self.lasts.as_secs_f32());
        write!(f, "at {at:4.1} s for {lasts:3.1} s: {:?}", self.fault)
    }
}

/// What can be broken in the cluster at hand.
#[derive(Debug, Clone, Copy)]
pub struct Scope {
    pub brokers: usize,
    pub apis: usize,
    pub verifiers: usize,
    /// Whether a broker's disk can be filled.
    pub disks: bool,
}

/// Draws the faults of one run, in the order of their beginning.
#[must_use]
pub fn draw(seed: u64, count: usize, time: Duration, scope: Scope) -> Vec<Planned> {
    let mut chance = Chance(ChaCha8Rng::seed_from_u64(seed));
    let mut planned: Vec<Planned> = Vec::with_capacity(count);
    // Some draws meet a process that another fault holds and are thrown away.
    for _ in 0..count * 20 {
        if planned.len() == count {
            break;
        }
        let fault = chance.fault(scope);
        let lasts = match fault {
            Fault::Restart(_) => Duration::ZERO,
            Fault::TwoBrokers(_) | Fault::FullDisk(_) => chance.between(2.0, 5.0),
            _ => chance.between(0.5, 5.0),
        };
        let at = chance.between(0.0, time.as_secs_f64());
        let candidate = Planned { at, fault, lasts };
        let apart = |other: &Planned| {
            let meet = fault.touches().iter().any(|target| other.fault.touches().contains(target));
            !meet || at > other.at + other.lasts + REST || other.at > at + lasts + REST
        };
        if planned.iter().all(apart) {
            planned.push(candidate);
        }
    }
    planned.sort_by_key(|planned| planned.at);
    planned
}

struct Chance(ChaCha8Rng);

impl Chance {
    /// In `0..bound`.
    fn below(&mut self, bound: usize) -> usize {
        let bound = bound.max(1) as u64;
        ((u64::from(self.0.next_u32()) * bound) >> 32) as usize
    }

    fn between(&mut self, low: f64, high: f64) -> Duration {
        let unit = f64::from(self.0.next_u32()) / f64::from(u32::MAX);
        Duration::from_secs_f64(low + (high - low) * unit)
    }

    fn target(&mut self, scope: Scope) -> Target {
        match self.below(5) {
            0 => Target::Broker(1 + self.below(scope.brokers)),
            1 => Target::Api(1 + self.below(scope.apis)),
            2 => Target::Verifier(1 + self.below(scope.verifiers)),
            3 => Target::Projector,
            _ => Target::Postgres,
        }
    }

    fn fault(&mut self, scope: Scope) -> Fault {
        let weather = if self.below(2) == 0 {
            Weather::Cut
        } else {
            Weather::Slow(Duration::from_millis(20 + self.below(200) as u64))
        };
        match self.below(10) {
            0..=3 => Fault::Kill(self.target(scope)),
            4 | 5 => Fault::Pause(self.target(scope)),
            6 => Fault::Restart(self.target(scope)),
            7 if scope.brokers == 3 => Fault::TwoBrokers(1 + self.below(3)),
            8 if scope.disks => Fault::FullDisk(1 + self.below(scope.brokers)),
            8 => Fault::Connection(Way::Kafka(1 + self.below(scope.brokers)), weather),
            _ if self.below(2) == 0 => Fault::Connection(Way::Postgres, weather),
            _ => Fault::Connection(Way::Kafka(1 + self.below(scope.brokers)), weather),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCOPE: Scope = Scope { brokers: 3, apis: 2, verifiers: 2, disks: true };
    const TIME: Duration = Duration::from_secs(15);

    #[test]
    fn a_seed_gives_the_same_faults_again_and_another_one_others() {
        assert_eq!(draw(7, 6, TIME, SCOPE), draw(7, 6, TIME, SCOPE));
        assert_ne!(draw(7, 6, TIME, SCOPE), draw(8, 6, TIME, SCOPE));
    }

    #[test]
    fn no_process_is_touched_by_two_faults_at_a_time() {
        for seed in 0..200 {
            let planned = draw(seed, 8, TIME, SCOPE);
            for (n, one) in planned.iter().enumerate() {
                for other in &planned[n + 1..] {
                    let meet = one.fault.touches().iter().any(|t| other.fault.touches().contains(t));
                    assert!(!meet || other.at > one.at + one.lasts, "{one} and {other}");
                }
            }
        }
    }

    #[test]
    fn every_kind_of_fault_is_drawn_sooner_or_later() {
        let kinds: std::collections::BTreeSet<_> = (0..400)
            .flat_map(|seed| draw(seed, 6, TIME, SCOPE))
            .map(|planned| planned.fault.kind())
            .collect();
        assert_eq!(kinds.len(), 21, "{kinds:#?}");
    }
}
