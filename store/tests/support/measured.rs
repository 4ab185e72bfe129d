//! What the code under test measured, in this whole process, from the first call on: as Prometheus would be told it.

use std::{collections::BTreeSet, sync::LazyLock};

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use reinstate_store::log::kafka::describe_metrics;

static MEASURED: LazyLock<PrometheusHandle> = LazyLock::new(|| {
    let handle = PrometheusBuilder::new().install_recorder().unwrap();
    describe_metrics();
    handle
});

/// The second word of the lines that begin so.
fn words(text: &str, beginning: &str) -> BTreeSet<String> {
    let rest = text.lines().filter_map(|line| line.strip_prefix(beginning));
    rest.filter_map(|rest| rest.split(' ').next()).map(str::to_owned).collect()
}

/// A counter's value, all labels together.
pub fn count(name: &str) -> u64 {
    let text = MEASURED.render();
    let samples = text.lines().filter_map(|line| {
        let (series, value) = line.rsplit_once(' ')?;
        (series.split('{').next()? == name).then(|| value.parse::<u64>().ok())?
    });
    samples.sum()
}

/// The names of everything that was measured.
///
/// # Panics
/// When one of them has no description.
pub fn names() -> BTreeSet<String> {
    let text = MEASURED.render();
    let names = words(&text, "# TYPE ");
    let undescribed: Vec<_> = names.difference(&words(&text, "# HELP ")).cloned().collect();
    assert!(undescribed.is_empty(), "not described: {undescribed:?}");
    names
}
