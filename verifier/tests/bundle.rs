//! The default bundle as `models/fetch` leaves it, and what is said of a bundle that is not as it should be.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::error::Error as _;
use std::fs;
use std::path::PathBuf;

use ndarray::{Array4, s};
use reinstate_verifier::models::{Bundle, Error, ONNX_RUNTIME, Role, cache_dir};
use reinstate_verifier::recognise::{TextDetection, TextRecognition};

const ROLES: [Role; 10] = [
    Role::TextDetection,
    Role::TextDetectionCareful,
    Role::TextRecognition,
    Role::TextRecognitionCareful,
    Role::FaceDetection,
    Role::FaceEmbedding,
    Role::FaceLiveness,
    Role::FacePose,
    Role::FaceLandmarks,
    Role::FaceEyes,
];

/// A copy of the default bundle that may be damaged.
fn copy(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    let bundle = Bundle::load(None).unwrap();
    fs::write(folder.join("manifest.toml"), bundle.manifest()).unwrap();
    for role in ROLES {
        let file = &bundle.spec(role).unwrap().file;
        fs::copy(cache_dir().join("models/default").join(file), folder.join(file)).unwrap();
    }
    folder
}

#[test]
fn every_role_of_the_default_bundle_loads_with_the_shapes_of_the_manifest() {
    let bundle = Bundle::load(None).unwrap();
    for role in ROLES {
        bundle.model(role).unwrap();
    }
}

#[test]
fn a_line_of_text_becomes_one_probability_per_class_of_the_dictionary_at_each_step() {
    let bundle = Bundle::load(None).unwrap();
    for role in [Role::TextRecognition, Role::TextRecognitionCareful] {
        let mut model = bundle.model(role).unwrap();
        let (mut shape, mut sum) = (Vec::new(), 0.0);
        let lines = Array4::zeros((2, 3, 48, 160));
        model
            .recognise(lines.view(), &mut |classes| {
                shape = classes.shape().to_vec();
                sum = classes.slice(s![0, 0, ..]).sum();
            })
            .unwrap();
        assert_eq!(shape, [2, 20, model.dictionary().len()]);
        assert!((sum - 1.0).abs() < 1e-3);
        assert!(model.dictionary().iter().any(|c| c == "<"));
    }
}

#[test]
fn a_page_becomes_a_probability_for_every_pixel() {
    let bundle = Bundle::load(None).unwrap();
    let mut model = bundle.model(Role::TextDetection).unwrap();
    let map = model.detect(Array4::zeros((1, 3, 64, 96)).view()).unwrap();
    assert_eq!(map.shape(), [64, 96]);
}

#[test]
fn an_altered_file_is_named_and_never_loaded() {
    let folder = copy("altered");
    let file = folder.join("fr_feature.onnx");
    let mut bytes = fs::read(&file).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&file, bytes).unwrap();
    let error = Bundle::load(Some(&folder)).unwrap_err();
    assert!(matches!(&error, Error::FileAltered { role: Role::FaceEmbedding, path, .. } if *path == file));
    let opened = Bundle::open(Some(&folder)).unwrap();
    assert!(matches!(opened.model(Role::FaceEmbedding), Err(Error::FileAltered { .. })));
    opened.model(Role::FacePose).unwrap();
}

#[test]
fn a_missing_file_is_named_with_its_role() {
    let folder = copy("missing");
    fs::remove_file(folder.join("PP-OCRv6_det_tiny.onnx")).unwrap();
    let text = Bundle::load(Some(&folder)).unwrap_err().to_string();
    assert!(text.contains("text_detection") && text.contains("PP-OCRv6_det_tiny.onnx"), "{text}");
}

#[test]
fn a_file_of_other_shapes_than_the_manifest_says_is_refused() {
    let folder = copy("shapes");
    let manifest = folder.join("manifest.toml");
    let text = fs::read_to_string(&manifest).unwrap().replace("[1, 512]", "[1, 128]");
    fs::write(&manifest, text).unwrap();
    let error = Bundle::load(Some(&folder)).unwrap().model(Role::FaceEmbedding).unwrap_err();
    assert!(matches!(error, Error::ShapeMismatch { role: Role::FaceEmbedding, .. }));
}

#[test]
fn a_manifest_that_says_more_than_is_understood_is_refused_with_the_line() {
    let folder = copy("unknown");
    let manifest = folder.join("manifest.toml");
    let text = fs::read_to_string(&manifest).unwrap().replace("format = 1", "format = 1\nsurprise = 2");
    fs::write(&manifest, text).unwrap();
    let error = Bundle::load(Some(&folder)).unwrap_err();
    assert!(error.source().unwrap().to_string().contains("surprise"));
}

#[test]
fn the_fetch_script_gets_the_runtime_that_the_program_looks_for() {
    let script = include_str!("../../models/fetch");
    assert!(script.contains(&format!("\nonnxruntime={ONNX_RUNTIME} ")));
}

#[test]
fn the_manifest_and_the_fetch_script_agree_on_every_weight() {
    let script = include_str!("../../models/fetch");
    let bundle = Bundle::open(None).unwrap();
    for role in ROLES {
        let spec = bundle.spec(role).unwrap();
        let row = format!("models/default/{}  {}", spec.file.display(), spec.sha256);
        assert!(script.contains(&row), "{role}");
    }
}
