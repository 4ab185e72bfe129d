//! `reinstate-specimen again`, as its user runs it.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

fn again(manifest: &Path, out: &Path) -> Vec<Value> {
    let run = Command::new(env!("CARGO_BIN_EXE_reinstate-specimen"))
        .args(["again", "--disturbances", "rotation,jpeg", "--strengths", "0,0.3", "--out"])
        .args([out, manifest])
        .output()
        .expect("the program runs");
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let manifest = std::fs::read(out.join("manifest.json")).expect("a manifest was written");
    serde_json::from_slice(&manifest).expect("a manifest is JSON")
}

#[test]
fn a_labelled_photo_is_taken_again_in_each_way_and_keeps_its_label() {
    let folder = tempfile::tempdir().unwrap();
    let print = image::RgbImage::from_fn(300, 200, |x, y| image::Rgb([x as u8, y as u8, 40]));
    print.save(folder.path().join("page.png")).unwrap();
    let entry = json!({
        "id": "h1", "image": "page.png", "sha256": "00", "type": "TD3", "mrz": ["P<UTO", "L898902C3"], "kind": "passport"
    });
    let manifest = folder.path().join("labels.json");
    std::fs::write(&manifest, json!({ "documents": [entry] }).to_string()).unwrap();

    let (a, b) = (folder.path().join("a"), folder.path().join("b"));
    let labels = again(&manifest, &a);
    let told: Vec<_> =
        labels.iter().map(|l| (l["id"].as_str().unwrap(), l["strength"].as_f64().unwrap())).collect();
    let expected = ["h1-rotation-000", "h1-rotation-030", "h1-jpeg-000", "h1-jpeg-030"];
    assert_eq!(told.iter().map(|(id, _)| *id).collect::<Vec<_>>(), expected);
    assert!(told.iter().all(|(id, strength)| id.ends_with("-030") == (*strength > 0.2)));
    for label in &labels {
        assert_eq!(
            (&label["mrz"], &label["kind"], &label["half"]),
            (&entry["mrz"], &entry["kind"], &json!("tuning"))
        );
        assert!(label.get("sha256").is_none(), "it was the hash of the print");
        assert_eq!(image::open(a.join(label["image"].as_str().unwrap())).unwrap().width(), 1800);
    }
    assert_eq!(again(&manifest, &b), labels);
    for label in &labels {
        let file = label["image"].as_str().unwrap();
        assert!(
            std::fs::read(a.join(file)).unwrap() == std::fs::read(b.join(file)).unwrap(),
            "same seed, same bytes"
        );
    }
}
