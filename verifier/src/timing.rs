//! How long each stage of one examination took.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Time spent in one stage.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
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

impl Serialize for Timings {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

/// From another process, which may say anything.
impl<'de> Deserialize<'de> for Timings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let stages = BTreeMap::<String, Spent>::deserialize(deserializer)?;
        Ok(Self(stages.into_iter().filter_map(|(stage, spent)| Some((known(&stage)?, spent))).collect()))
    }
}

/// The most stages that are ever told apart. Each becomes a label of a metric, which must not grow with what others send.
const MOST_STAGES: usize = 64;

/// The stage of this name, for as long as the process lives; none when it is no name or there are too many.
fn known(stage: &str) -> Option<&'static str> {
    static KNOWN: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(stage) = known.get(stage) {
        return Some(stage);
    }
    let is_name =
        (1..=32).contains(&stage.len()) && stage.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    if !is_name || known.len() >= MOST_STAGES {
        return None;
    }
    let stage: &'static str = Box::leak(stage.into());
    known.insert(stage);
    Some(stage)
}

fn thread_cpu() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_of_another_process_are_kept_as_long_as_they_are_few_and_are_names() {
        let mut timings = Timings::default();
        timings.measure("decode", || ());
        let json = serde_json::to_string(&timings).unwrap();
        let heard: Timings = serde_json::from_str(&json).unwrap();
        assert_eq!(heard.stages().collect::<Vec<_>>(), timings.stages().collect::<Vec<_>>());

        let spent = r#"{"wall":{"secs":1,"nanos":0},"cpu":{"secs":1,"nanos":0}}"#;
        let hostile: Timings =
            serde_json::from_str(&format!(r#"{{"decode\n":{spent},"":{spent}}}"#)).unwrap();
        assert_eq!(hostile.stages().count(), 0);
        for n in 0..200 {
            let stage = "a".repeat(1 + n % 20) + &"b".repeat(n / 20);
            let _: Timings = serde_json::from_str(&format!(r#"{{"{stage}":{spent}}}"#)).unwrap();
        }
        assert_eq!(known("one_more"), None);
    }
}
