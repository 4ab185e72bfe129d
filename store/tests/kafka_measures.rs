//! What an operator can read off the Kafka log. Alone in its process, because what is measured is the process's.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;

use reinstate_domain::entry::Head;
use reinstate_store::log::{Appended, Log, LogReader, kafka::Kafka};
use support::{
    account, committed, entry,
    kafka::{topic, until},
    measured::{count, names},
};

mod support;

#[tokio::test]
async fn appends_are_counted_by_outcome_and_a_hint_spares_the_search_for_a_head() {
    assert_eq!(count("reinstate_log_appends_total"), 0);
    let settings = topic(1).await;
    let writer = Kafka::connect(&settings).await.unwrap();
    let anna = account("anna");
    let head = committed(writer.append(entry(&anna, Head::default())).await.unwrap());
    assert!(matches!(writer.append(entry(&anna, Head::default())).await.unwrap(), Appended::Conflict { .. }));
    let searches = count("reinstate_log_searches_total");

    // Two that were not there: one is told the head, the other has to look for it.
    let told = Kafka::connect(&settings).await.unwrap();
    told.expect(&anna, head, told.end(0).await.unwrap());
    let head = committed(told.append(entry(&anna, head)).await.unwrap());
    assert_eq!(count("reinstate_log_searches_total"), searches);
    let cold = Kafka::connect(&settings).await.unwrap();
    committed(cold.append(entry(&anna, head)).await.unwrap());
    assert_eq!(count("reinstate_log_searches_total"), searches + 1);
    assert_eq!(count("reinstate_log_appends_total"), 4);

    let expected = [
        "reinstate_log_append_seconds",
        "reinstate_log_appends_total",
        "reinstate_log_searches_total",
        "reinstate_log_tail_lag",
        "reinstate_log_tail_position",
        "reinstate_log_up",
    ];
    let expected: BTreeSet<String> = expected.map(str::to_owned).into();
    until("the watchdog has measured", || async { names().is_superset(&expected) }).await;
    assert_eq!(names(), expected, "each with its description, and no other without trouble");
}
