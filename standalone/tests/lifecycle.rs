//! Beginnings and ends of the process: a stop answers what was accepted, and a start may be killed at any moment.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use reinstate_demo::Body;
use serde_json::json;
use support::cases::{Case, count, enrolment, events, fresh_account};
use support::{Folder, Process, eventually, jpeg};

/// How long a socket is read before the test gives up: longer than a stop drains.
const PATIENCE: Duration = Duration::from_secs(60);

/// Sends the head of a request and waits until the server has taken it on, which `100 Continue` says.
fn begin(server: &Process, method: &str, path: &str, key: &str, headers: &str) -> TcpStream {
    let address = server.url().trim_start_matches("http://").to_owned();
    let mut socket = TcpStream::connect(&address).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {key}\r\nConnection: close\r\nExpect: 100-continue\r\n{headers}\r\n"
    );
    socket.write_all(head.as_bytes()).unwrap();
    let mut taken_on = [0; 25];
    socket.read_exact(&mut taken_on).unwrap();
    assert_eq!(String::from_utf8_lossy(&taken_on), "HTTP/1.1 100 Continue\r\n\r\n");
    socket
}

/// The rest of what the server says.
fn answer(mut socket: TcpStream) -> String {
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn a_stop_answers_what_was_accepted_and_takes_nothing_new() {
    let folder = Folder::new("drain");
    let mut server = Process::start(&folder);
    let (case, waiting) = (Case::with_pictures(&server), Case::with_codes_only(&server));
    case.pass_codes(&server);
    let key = server.setting("REINSTATE_BACKEND_KEY").to_owned();

    let mut form = b"--b\r\nContent-Disposition: form-data; name=\"type\"\r\n\r\npassport\r\n--b\r\nContent-Disposition: form-data; name=\"country\"\r\n\r\nUTO\r\n--b\r\nContent-Disposition: form-data; name=\"front\"\r\n\r\n".to_vec();
    form.extend(jpeg(400, 300));
    form.extend(b"\r\n--b--\r\n");
    let (first, rest) = form.split_at(form.len() / 2);
    let headers =
        format!("Content-Type: multipart/form-data; boundary=b\r\nContent-Length: {}\r\n", form.len());
    let mut upload = begin(&server, "POST", &case.path("/documents"), &key, &headers);
    upload.write_all(first).unwrap();
    let poll = begin(&server, "GET", &waiting.path("?wait=60"), &key, "");

    let asked = Instant::now();
    server.terminate();
    eventually("the word of the stop", || folder.said().contains("stopping").then_some(()));
    let address = server.url().trim_start_matches("http://").to_owned();
    eventually("a closed door", || TcpStream::connect(&address).is_err().then_some(()));
    upload.write_all(rest).unwrap();
    let uploaded = answer(upload);
    assert!(uploaded.starts_with("HTTP/1.1 202"), "{uploaded}");
    let polled = answer(poll);
    assert!(polled.starts_with("HTTP/1.1 200") && polled.contains(&waiting.id), "{polled}");
    server.await_end();
    assert!(asked.elapsed() < PATIENCE, "whoever waits for a change is not waited for");

    let mut server = Process::start(&folder);
    assert_eq!(count(&events(&server, &case.account), "DocumentSubmitted"), 1);
    server.stop();
    folder.assert_clean();
}

/// Into how many moments a start is divided.
const MOMENTS: u32 = 16;

/// Starts a server and kills it after a time; whatever it said goes where the servers of the folder write.
fn start_and_kill(folder: &Folder, after: Duration) {
    std::fs::create_dir_all(&folder.path).unwrap();
    let output = File::options().create(true).append(true).open(folder.path.with_extension("log")).unwrap();
    let mut command = folder.command();
    command.stdin(Stdio::null()).stdout(output.try_clone().unwrap()).stderr(output);
    let mut child = command.spawn().unwrap();
    // Not to wait for something, but to choose the moment.
    thread::sleep(after);
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_start_on_an_existing_folder_may_be_killed_at_any_moment() {
    let folder = Folder::new("killed-start");
    let begun = Instant::now();
    let mut server = Process::start(&folder);
    let takes = begun.elapsed();
    let case = Case::with_codes_only(&server);
    case.pass_codes(&server);
    let before = case.events(&server);
    server.stop();
    for moment in 0..MOMENTS {
        start_and_kill(&folder, takes * moment / MOMENTS);
    }
    let mut server = Process::start(&folder);
    assert_eq!(events(&server, &case.account), before);
    let submitted = server.backend().post(&case.path("/submit"), Body::Nothing).unwrap();
    submitted.with_status(&[200]).unwrap();
    eventually("the decision", || {
        let read = server.backend().get(&case.path("")).unwrap().json();
        (read["status"] == "reactivated").then_some(())
    });
    server.stop();
    folder.assert_clean();
}

#[test]
fn a_first_start_may_be_killed_at_any_moment() {
    let begun = Instant::now();
    Process::start(&Folder::new("first-start")).kill();
    let takes = begun.elapsed();
    for moment in 0..MOMENTS {
        let folder = Folder::new("killed-first-start");
        start_and_kill(&folder, takes * moment / MOMENTS);
        let mut server = Process::start(&folder);
        let path = format!("/v1/accounts/{}", fresh_account("first"));
        let enrolled = server.backend().put(&path, Body::Json(&enrolment())).unwrap();
        assert_eq!((enrolled.status, &enrolled.json()["version"]), (201, &json!(1)));
        server.stop();
        folder.assert_clean();
    }
}
