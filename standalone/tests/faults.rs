//! What is broken around the server: another process, a model file, the disk. It says so, and nothing is lost.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use reinstate_demo::Body;
use serde_json::json;
use support::cases::{Case, enrolment, fresh_account};
use support::{Folder, Process, eventually, models};

/// Runs a server that is expected to end by itself.
fn run_to_its_end(command: &mut Command) -> Output {
    command.output().unwrap()
}

#[test]
fn a_folder_that_another_server_uses_is_left_alone_and_the_first_goes_on() {
    let folder = Folder::new("in-use");
    let mut first = Process::start(&folder);
    let second = run_to_its_end(&mut folder.command());
    assert!(!second.status.success());
    let said =
        format!("{}{}", String::from_utf8_lossy(&second.stdout), String::from_utf8_lossy(&second.stderr));
    assert!(said.contains("in use"), "{said}");
    let path = format!("/v1/accounts/{}", fresh_account("first"));
    first.backend().put(&path, Body::Json(&enrolment())).unwrap().with_status(&[201]).unwrap();
    first.stop();
    folder.assert_clean();
}

#[test]
fn without_a_model_file_the_interface_answers_and_readyz_names_the_file() {
    let folder = Folder::new("no-model");
    let broken = folder.path.join("models");
    copy_all(&models(), &broken);
    let altered = "fr_feature.onnx";
    let mut bytes = fs::read(broken.join(altered)).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(broken.join(altered), bytes).unwrap();

    let mut server = Process::run(&folder, folder.command().env("REINSTATE_VERIFIER__MODELS", &broken));
    eventually("a word about the model", || {
        let answer = server.anybody().get("/readyz").unwrap();
        let said = String::from_utf8_lossy(&answer.bytes).into_owned();
        let place = broken.to_str().unwrap();
        assert!(!said.contains(place), "whoever asks need not know where on the machine: {said}");
        (answer.status == 503 && said.contains(altered)).then_some(())
    });
    assert!(folder.said().contains(broken.to_str().unwrap()), "the log says where the file is");
    // A case that needs no model goes its way.
    let case = Case::with_codes_only(&server);
    case.pass_codes(&server);
    case.post("/submit", Body::Nothing).with_status(&[200]).unwrap();
    eventually("the decision", || (case.read().status == "reactivated").then_some(()));
    server.stop();
    folder.assert_clean();
}

fn copy_all(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

/// A disk on which no file may grow beyond `blocks` of 512 bytes: writing more fails like a full disk does, and not with a
/// signal.
fn on_a_small_disk(folder: &Folder, blocks: u32) -> Command {
    let server = folder.command();
    let mut command = Command::new("sh");
    command.args(["-c", &format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$@\""), "sh"]);
    command.arg(server.get_program()).args(server.get_args());
    command
}

#[test]
fn a_full_disk_is_a_clear_error_and_what_was_answered_before_is_kept() {
    let folder = Folder::new("full");
    let server = Process::run(&folder, &mut on_a_small_disk(&folder, 1200));
    let mut kept = Vec::new();
    let refused = eventually("the end of the disk", || {
        let account = fresh_account("full");
        let body = json!({"contacts": {"email": format!("{}@example.org", "x".repeat(200))}});
        let answer = server.backend().put(&format!("/v1/accounts/{account}"), Body::Json(&body)).unwrap();
        if answer.is_success() {
            kept.push(account);
            return None;
        }
        Some((account, answer))
    });
    let (lost, answer) = refused;
    assert_eq!(answer.status, 503, "{}", answer.json());
    assert!(["log_unavailable", "keys_unavailable"].contains(&answer.code().as_str()), "{}", answer.json());
    assert_eq!(server.anybody().get("/livez").unwrap().status, 200);
    server.kill();

    let mut server = Process::start(&folder);
    for account in &kept {
        let read = server.backend().get(&format!("/v1/accounts/{account}")).unwrap();
        assert_eq!((read.status, &read.json()["version"]), (200, &json!(1)));
    }
    assert_eq!(server.backend().get(&format!("/v1/accounts/{lost}")).unwrap().status, 404);
    server.stop();
    folder.assert_clean();
    assert_eq!(folder.audit()["effective"], json!(kept.len()));
}
