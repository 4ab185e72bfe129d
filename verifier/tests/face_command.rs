//! `reinstate-verifier face` as api.md §5 has it.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use reinstate_verifier::models::cache_dir;
use serde_json::Value;

fn face(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_reinstate-verifier")).arg("face").args(arguments).output().unwrap()
}

fn photo(name: &str) -> String {
    cache_dir().join("photos").join(name).display().to_string()
}

fn scratch(name: &str, bytes: &[u8]) -> String {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&path, bytes).unwrap();
    path.display().to_string()
}

#[track_caller]
fn finding(output: &Output) -> Value {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn the_same_person_passes_with_every_field_of_the_contract() {
    let finding = finding(&face(&[&photo("obama.jpg"), &photo("obama2.jpg"), &photo("obama2.jpg")]));
    assert_eq!(finding["decision"], "pass");
    assert_eq!(finding["reasons"], serde_json::json!([]));
    assert!(finding["similarity"].as_f64().unwrap() > finding["threshold"].as_f64().unwrap());
    assert!(
        finding["liveness"]["score"].as_f64().unwrap() > finding["liveness"]["threshold"].as_f64().unwrap()
    );
    let faces = finding["faces"].as_array().unwrap();
    assert_eq!(faces.iter().map(|face| face["frame"].as_u64().unwrap()).collect::<Vec<_>>(), [0, 1]);
    assert_eq!(faces[0]["box"].as_array().unwrap().len(), 4);
    let roles: Vec<_> =
        finding["models"].as_array().unwrap().iter().map(|m| m["role"].as_str().unwrap()).collect();
    assert_eq!(
        roles,
        ["face_detection", "face_embedding", "face_liveness", "face_pose", "face_landmarks", "face_eyes"]
    );
    assert!(finding["estimated_false_match_rate"].as_f64().unwrap() <= 1e-4);
    assert!(finding["timings_ms"]["detect"].as_f64().unwrap() > 0.0);
}

#[test]
fn somebody_else_fails_and_that_is_no_error() {
    let finding = finding(&face(&[&photo("obama.jpg"), &photo("biden.jpg")]));
    assert_eq!((&finding["decision"], &finding["reasons"][0]), (&"fail".into(), &"face_mismatch".into()));
}

#[test]
fn a_file_that_is_no_image_is_a_finding_and_not_an_error() {
    let text = scratch("text.jpg", b"this is no image");
    let finding = finding(&face(&[&photo("obama.jpg"), &text]));
    assert_eq!((&finding["decision"], &finding["reasons"][0]), (&"fail".into(), &"image_unsupported".into()));
    assert!(finding["similarity"].is_null());
}

#[test]
fn a_file_that_is_not_there_ends_with_two_and_one_line_that_names_it() {
    let output = face(&[&photo("obama.jpg"), "/nowhere/selfie.jpg"]);
    assert_eq!(output.status.code(), Some(2));
    let line = String::from_utf8(output.stderr).unwrap();
    assert!(line.contains("/nowhere/selfie.jpg") && line.trim().lines().count() == 1, "{line}");
    assert!(output.stdout.is_empty());
}

#[test]
fn a_model_that_is_missing_ends_with_one_and_one_line_that_names_it() {
    let manifest_only = concat!(env!("CARGO_MANIFEST_DIR"), "/../models/default");
    let photo = photo("obama.jpg");
    let output = face(&[&photo, &photo, "--models", manifest_only]);
    assert_eq!(output.status.code(), Some(1));
    let line = String::from_utf8(output.stderr).unwrap();
    assert!(line.contains("centerface.onnx") && line.contains("face_detection"), "{line}");
    assert_eq!(line.trim().lines().count(), 1, "{line}");
}

#[test]
fn a_runtime_that_is_missing_ends_with_one_and_one_line_that_names_it() {
    let output = Command::new(env!("CARGO_BIN_EXE_reinstate-verifier"))
        .args(["face", &photo("obama.jpg"), &photo("obama2.jpg")])
        .env("ORT_DYLIB_PATH", "/nowhere/libonnxruntime.so")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let line = String::from_utf8(output.stderr).unwrap();
    assert!(line.contains("/nowhere/libonnxruntime.so") && line.trim().lines().count() == 1, "{line}");
}
