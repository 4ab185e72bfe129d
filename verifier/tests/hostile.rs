//! The hostile corpus through the real engine: each file gets its code, and whoever comes after it notices nothing.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

mod support;

use std::collections::BTreeSet;

use jiff::civil::Date;
use reinstate_domain::document::DocumentObservation;
use reinstate_verifier::Settings;
use reinstate_verifier::engine::DocumentJob;
use support::hostile::{Expected, corpus};
use support::{children, engine, photo, status};

fn kib(pid: u32, field: &str) -> u64 {
    status(pid, field).trim_end_matches(" kB").parse().unwrap()
}

#[tokio::test]
async fn every_hostile_file_gets_its_code_and_the_next_photo_its_answer() {
    let engine = engine(Settings::default());
    let today = Date::constant(2026, 1, 1);
    let examine =
        async |front: Vec<u8>| engine.examine_document(DocumentJob { front, back: None, today }).await;
    let before: DocumentObservation = examine(photo("obama.jpg")).await.unwrap().observation;
    let zygote = children(std::process::id())[0];
    let memory = kib(zygote, "VmRSS");

    let mut names = BTreeSet::new();
    let mut wrong = Vec::new();
    for file in corpus() {
        let begun = std::time::Instant::now();
        let name = file.name;
        let found = match examine(file.bytes).await {
            Ok(examined) => match examined.observation.fault {
                Some(fault) => serde_json::to_value(fault).unwrap().as_str().unwrap().to_owned(),
                None => "picture".to_owned(),
            },
            Err(error) => format!("{error:?}"),
        };
        let as_expected = match file.expected {
            Expected::Fault(code) => found == code,
            Expected::Picture => found == "picture",
        };
        println!("{:>6} ms  {found:<20} {name}", begun.elapsed().as_millis());
        if !as_expected {
            wrong.push(format!("{name}: {found}, not {:?}", file.expected));
        }
        assert!(names.insert(name), "two files of one name");
    }
    assert!(names.len() >= 60, "{}", names.len());
    assert!(wrong.is_empty(), "{wrong:#?}");

    assert_eq!(examine(photo("obama.jpg")).await.unwrap().observation, before);
    assert_eq!(children(std::process::id()), [zygote], "it is the same process that holds the models");
    let grown = kib(zygote, "VmRSS").saturating_sub(memory);
    assert!(grown < 8 << 10, "the process that sees no picture grew by {grown} KiB");
}
