//! What the code under test measured, in this whole process.

use std::sync::LazyLock;

use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};

/// A counter's value, all labels together.
pub fn count(name: &str) -> u64 {
    static SNAPSHOTTER: LazyLock<Snapshotter> = LazyLock::new(|| {
        let recorder = DebuggingRecorder::new();
        let snapshotter = recorder.snapshotter();
        recorder.install().unwrap();
        snapshotter
    });
    let snapshot = SNAPSHOTTER.snapshot().into_vec();
    let values = snapshot.into_iter().filter(|(key, ..)| key.key().name() == name);
    values.map(|(.., value)| if let DebugValue::Counter(count) = value { count } else { 0 }).sum()
}
