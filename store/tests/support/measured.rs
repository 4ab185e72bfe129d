//! What the code under test measured, in this whole process, from the first call on.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{LazyLock, Mutex},
};

use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use reinstate_store::log::kafka::describe_metrics;

static MEASURED: LazyLock<(Snapshotter, Mutex<BTreeMap<String, u64>>)> = LazyLock::new(|| {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    recorder.install().unwrap();
    describe_metrics();
    (snapshotter, Mutex::default())
});

/// The names of everything, with the counters' values, all labels together. A snapshot takes them away, so they are added up.
fn measured() -> BTreeMap<String, u64> {
    let (snapshotter, totals) = &*MEASURED;
    let mut totals = totals.lock().unwrap();
    for (key, _, description, value) in snapshotter.snapshot().into_vec() {
        assert!(description.is_some(), "{key:?} is not described");
        let count = if let DebugValue::Counter(count) = value { count } else { 0 };
        *totals.entry(key.key().name().to_owned()).or_default() += count;
    }
    totals.clone()
}

/// A counter's value.
///
/// # Panics
/// When something that was measured has no description.
pub fn count(name: &str) -> u64 {
    measured().get(name).copied().unwrap_or(0)
}

/// The names of everything that was measured.
///
/// # Panics
/// When one of them has no description.
pub fn names() -> BTreeSet<String> {
    measured().into_keys().collect()
}
