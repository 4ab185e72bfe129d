//! `reinstate-verifier evaluate` as its users call it: a folder of labelled photos in, a page, JSON and an exit status out.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use reinstate_specimen::{Fonts, Half, Kind, Plan, Portrait, Set, Studio};
use reinstate_verifier::models::cache_dir;
use serde_json::{Value, json};

fn evaluate(manifest: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_reinstate-verifier"));
    command.arg("evaluate").arg(manifest).args(["--today", "2026-11-25", "--jobs", "2"]).args(arguments);
    command.output().unwrap()
}

/// Two photos of one passport as phones take them; returns the labels.
fn small_sweep(folder: &Path) -> Vec<Value> {
    let set = Set::Ordinary { photos: 2 };
    let plan =
        Plan { kinds: vec![Kind::Passport], issuers: vec!["UTO".into()], ..Plan::of(set, Half::Tuning, 1) };
    let fonts = Fonts::load().unwrap();
    let portraits = [Portrait::new(&image::open(cache_dir().join("photos/obama.jpg")).unwrap(), None)];
    let mut studio = Studio::new(&fonts, &portraits);
    fs::create_dir_all(folder.join("images")).unwrap();
    let take = |shot| {
        let taken = studio.take(shot).unwrap();
        fs::write(folder.join(&taken.label.image), taken.front).unwrap();
        serde_json::to_value(taken.label).unwrap()
    };
    plan.shots().iter().map(take).collect()
}

fn write(folder: &Path, name: &str, value: &Value) -> std::path::PathBuf {
    let path = folder.join(name);
    fs::write(&path, value.to_string()).unwrap();
    path
}

#[test]
fn a_run_reports_what_it_read_and_an_older_run_shows_what_became_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let mut labels = small_sweep(folder.path());
    let manifest = write(folder.path(), "manifest.json", &json!({"documents": labels, "note": "a test"}));
    let report = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();

    let first = evaluate(&manifest, &["--out", &report("first")]);
    assert!(first.status.success(), "{}", String::from_utf8_lossy(&first.stderr));
    let json: Value = serde_json::from_slice(&fs::read(report("first.json")).unwrap()).unwrap();
    let page = fs::read_to_string(report("first.html")).unwrap();
    let all = &json["documents"]["all"];
    assert_eq!(
        (&all["photos"], &all["exact"]["count"], &all["wrong"]["count"]),
        (&json!(2), &json!(2), &json!(0))
    );
    assert!(String::from_utf8_lossy(&first.stdout).contains("2 photos, 2 of 2 zones exact"));
    assert!(page.contains("2 of 2, 95 % interval") && page.contains("a test"));
    for written in [&json.to_string(), &page] {
        let line = labels[0]["mrz"][0].as_str().unwrap();
        let surname = labels[0]["viz"]["surname"].as_str().unwrap();
        assert!(
            !written.contains(line) && !written.contains(surname),
            "what is on the photo is nobody's business"
        );
    }

    // The label is wrong now, so that what is read is.
    let line = labels[0]["mrz"][1].as_str().unwrap();
    let other = if line.starts_with('A') { "B" } else { "A" };
    labels[0]["mrz"][1] = json!(format!("{other}{}", &line[1..]));
    let altered = write(folder.path(), "altered.json", &json!(labels));
    let alone = evaluate(&altered, &["--out", &report("second")]);
    assert!(alone.status.success(), "without an older run nothing became worse");
    let against = evaluate(&altered, &["--out", &report("second"), "--against", &report("first.json")]);
    assert_eq!(against.status.code(), Some(1));
    let id = labels[0]["id"].as_str().unwrap();
    assert!(String::from_utf8_lossy(&against.stdout).contains(&format!("worse than before: {id}")));
    assert!(
        fs::read_to_string(report("second.html"))
            .unwrap()
            .contains("Something is accepted now that is false")
    );
}

#[test]
fn a_manifest_that_is_none_is_told_apart_by_file_and_entry_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let document = json!({"id": "d1", "image": "none.jpg", "type": "TD3", "mrz": []});
    let cases = [
        ("garbage.json", "{".to_owned(), "garbage.json is not JSON"),
        ("number.json", "7".to_owned(), "a manifest is an array of labels, or an object"),
        ("empty.json", "[]".to_owned(), "there is nothing in it"),
        (
            "entry.json",
            json!([document, {"id": "d2", "type": "TD3", "mrz": []}]).to_string(),
            "entry 2 (d2) is no label of a document: missing field `image`",
        ),
        ("photo.json", json!([document]).to_string(), "none.jpg can't be read"),
        ("twice.json", json!([document, document]).to_string(), "entry d1: another entry has the same id"),
        (
            "part.json",
            json!({"documents": [document], "speech": []}).to_string(),
            "a manifest has documents, faces and pairs",
        ),
        ("other.json", json!({"faces": "missing.json"}).to_string(), "missing.json can't be read"),
        (
            "face.json",
            json!([{"person": null, "image": "f.jpg"}]).to_string(),
            "entry 1 is no label of a face: missing field `id`",
        ),
    ];
    for (name, text, expected) in cases {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        let output = evaluate(&path, &["--out", folder.path().join("report").to_str().unwrap()]);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{name}: {said}");
        assert!(said.contains(expected), "{name}: {said}");
        assert_eq!(said.trim_end().lines().count(), 1, "{name}: {said}");
    }
}

#[test]
fn a_photo_that_is_not_the_one_that_was_labelled_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("d1.jpg"), b"another picture").unwrap();
    let label = json!([{"id": "d1", "image": "d1.jpg", "sha256": "00", "type": "TD3", "mrz": []}]);
    let output = evaluate(
        &write(folder.path(), "m.json", &label),
        &["--out", folder.path().join("r").to_str().unwrap()],
    );
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(said.contains("d1.jpg") && said.contains("sha256 is not the labelled one"), "{said}");
}
