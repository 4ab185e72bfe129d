//! What the Kafka log measures. The names are an interface: dashboards and alarms use them.

use std::time::Duration;

use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};

const APPEND: &str = "reinstate_log_append_seconds";
const APPENDS: &str = "reinstate_log_appends_total";
const POSITION: &str = "reinstate_log_tail_position";
const LAG: &str = "reinstate_log_tail_lag";
const TAIL_REBUILDS: &str = "reinstate_log_tail_rebuilds_total";
const PRODUCER_REBUILDS: &str = "reinstate_log_producer_rebuilds_total";
const FOREIGN: &str = "reinstate_log_foreign_records_total";
const SEARCHES: &str = "reinstate_log_searches_total";
const UP: &str = "reinstate_log_up";

/// Tells the recorder what each metric means. Once, after the recorder was installed.
pub fn describe_metrics() {
    let what = "Time that an append took, by phase: deliver (until the brokers acknowledged it) and read_back (until our reader passed it).";
    describe_histogram!(APPEND, Unit::Seconds, what);
    let what = "Appends by outcome: committed, conflict, indeterminate (no answer in time), refused (nothing was written).";
    describe_counter!(APPENDS, Unit::Count, what);
    let what = "The offset after the newest record that our reader has passed, by partition.";
    describe_gauge!(POSITION, Unit::Count, what);
    let what = "Records that the brokers have and our reader has not passed, by partition.";
    describe_gauge!(LAG, Unit::Count, what);
    describe_counter!(
        TAIL_REBUILDS,
        Unit::Count,
        "How often the reader of the log's end stood still and was replaced."
    );
    describe_counter!(
        PRODUCER_REBUILDS,
        Unit::Count,
        "How often the producer failed for good and was replaced."
    );
    let what = "Records in the topic that belong to no account, because their key is no account id. Anything but 0 needs a look.";
    describe_counter!(FOREIGN, Unit::Count, what);
    let what = "How often a partition's history was read to find an account's head. Rare when the journal tells what it loaded.";
    describe_counter!(SEARCHES, Unit::Count, what);
    describe_gauge!(UP, Unit::Count, "1 when a broker answers and the reader follows the log, else 0.");
}

pub(super) fn delivered(took: Duration) {
    histogram!(APPEND, "phase" => "deliver").record(took);
}

pub(super) fn read_back(took: Duration) {
    histogram!(APPEND, "phase" => "read_back").record(took);
}

pub(super) fn appended(outcome: &'static str) {
    counter!(APPENDS, "outcome" => outcome).increment(1);
}

/// Gauges are numbers with 53 bits; offsets stay below.
#[expect(clippy::cast_precision_loss, reason = "offsets stay below 2^53")]
pub(super) fn position(partition: usize, next: u64, end: u64) {
    let partition = partition.to_string();
    gauge!(POSITION, "partition" => partition.clone()).set(next as f64);
    gauge!(LAG, "partition" => partition).set(end.saturating_sub(next) as f64);
}

pub(super) fn tail_rebuilt() {
    counter!(TAIL_REBUILDS).increment(1);
}

pub(super) fn producer_rebuilt() {
    counter!(PRODUCER_REBUILDS).increment(1);
}

pub(super) fn foreign() {
    counter!(FOREIGN).increment(1);
}

pub(super) fn searched() {
    counter!(SEARCHES).increment(1);
}

pub(super) fn up(up: bool) {
    gauge!(UP).set(f64::from(u8::from(up)));
}
