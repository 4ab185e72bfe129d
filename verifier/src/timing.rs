//! How long each stage of one examination took.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// Time spent in one stage.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Spent {
    pub wall: Duration,
    /// Of the thread that measured; whatever other threads did meanwhile is not in it.
    pub cpu: Duration,
}

/// Time per stage, by name. A stage that is measured twice adds up.
#[derive(Debug, Clone, Default)]
pub struct Timings(BTreeMap<&'static str, Spent>);

impl Timings {
    /// Runs `work` and books its time to `stage`.
    pub fn measure<T>(&mut self, stage: &'static str, work: impl FnOnce() -> T) -> T {
        let (wall, cpu) = (Instant::now(), thread_cpu());
        let result = work();
        let spent = self.0.entry(stage).or_default();
        spent.wall += wall.elapsed();
        spent.cpu += thread_cpu().saturating_sub(cpu);
        result
    }

    /// Every stage, by name.
    pub fn stages(&self) -> impl Iterator<Item = (&'static str, Spent)> + '_ {
        self.0.iter().map(|(stage, spent)| (*stage, *spent))
    }

    /// The wall time of every stage in milliseconds, to two decimals, as findings show it.
    #[must_use]
    pub fn wall_ms(&self) -> BTreeMap<&'static str, f64> {
        let ms = |time: Duration| (time.as_secs_f64() * 100_000.0).round() / 100.0;
        self.0.iter().map(|(stage, spent)| (*stage, ms(spent.wall))).collect()
    }
}

fn thread_cpu() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).unwrap_or_default())
}
