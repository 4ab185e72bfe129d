//! Bad input gets a clear error, and nothing of it is kept: malformed requests, wrong keys, repeats, races.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use reinstate_demo::{Answer, Body, Method, Part, client};
use serde_json::{Value, json};
use support::cases::{Case, count, enrolment, events, fresh_account, lock, locked_account};
use support::{Process, eventually, jpeg, server};

/// How long a read waits for the position that it asks for (api.md §1).
const READ_YOUR_WRITES: Duration = Duration::from_secs(2);

/// A refusal: status, code, and a problem that explains itself without repeating what was sent.
#[track_caller]
fn assert_refused(answer: &Answer, status: u16, code: &str) {
    let body = answer.json();
    assert_eq!((answer.status, answer.code().as_str()), (status, code), "{body}");
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    assert_eq!(body["status"], status, "{body}");
    for field in ["type", "title", "detail", "request_id"] {
        assert!(!body[field].as_str().unwrap_or_default().is_empty(), "no {field}: {body}");
    }
}

/// Where the first bad field is.
fn pointer(answer: &Answer) -> String {
    answer.json()["errors"][0]["pointer"].as_str().unwrap_or("(none)").to_owned()
}

fn put_account(server: &Process, body: Body<'_>) -> Answer {
    server.backend().put(&format!("/v1/accounts/{}", fresh_account("bad")), body).unwrap()
}

// ── Keys ────────────────────────────────────────────────────────────────────────────────────────────────────────────

#[test]
fn without_a_good_key_nothing_is_answered_and_with_another_roles_key_nothing_is_done() {
    let server = server("garbage");
    let path = format!("/v1/accounts/{}", fresh_account("keys"));
    let body = enrolment();
    for caller in [server.anybody(), server.anybody().with_key("wrong"), server.anybody().with_key("rt_x_y")]
    {
        assert_refused(&caller.put(&path, Body::Json(&body)).unwrap(), 401, "unauthorized");
        assert_refused(&caller.get(&path).unwrap(), 401, "unauthorized");
    }
    for caller in [server.reviewer(), server.auditor()] {
        assert_refused(&caller.put(&path, Body::Json(&body)).unwrap(), 403, "forbidden");
    }
    let case = Case::with_codes_only(&server);
    assert_refused(&case.owner.get(&format!("/v1/accounts/{}", case.account)).unwrap(), 403, "forbidden");
    let review = json!({"decision": "approve", "reason": "I say so"});
    assert_refused(&case.post_json("/review", &review), 403, "forbidden");
    assert_refused(&server.backend().get(&path).unwrap(), 404, "not_found");
}

#[test]
fn what_is_unknown_and_what_belongs_to_another_look_alike() {
    let server = server("garbage");
    let (mine, foreign) = (Case::with_codes_only(&server), Case::with_codes_only(&server));
    let unknown = client::fresh_key();
    let mut bodies = Vec::new();
    for id in [&foreign.id, &unknown, &"nonsense".to_owned()] {
        for answer in [
            mine.owner.get(&format!("/v1/reactivations/{id}")).unwrap(),
            mine.owner.post(&format!("/v1/reactivations/{id}/submit"), Body::Nothing).unwrap(),
        ] {
            assert_refused(&answer, 404, "not_found");
            let mut body = answer.json();
            body.as_object_mut().unwrap().remove("request_id");
            bodies.push(body);
        }
    }
    bodies.dedup();
    assert_eq!(bodies.len(), 1, "{bodies:?}");
}

// ── JSON ────────────────────────────────────────────────────────────────────────────────────────────────────────────

#[test]
fn json_that_is_broken_too_deep_too_long_or_something_else_is_refused_and_not_repeated() {
    let server = server("garbage");
    let kind = "application/json";
    let deep = format!("{{\"identity\":{}", "[".repeat(20_000));
    let long = format!("{{\"filler\":\"{}\"}}", "x".repeat(70_000));
    let text = enrolment().to_string();
    for (kind, body, status, code) in [
        (kind, "{", 400, "invalid_json"),
        (kind, "", 400, "invalid_json"),
        (kind, &text[..text.len() / 2], 400, "invalid_json"),
        // Refused at the first bracket that is out of place, and not only when the depth runs out.
        (kind, &deep, 422, "validation_failed"),
        (kind, &long, 413, "body_too_large"),
        ("text/plain", &text, 415, "unsupported_media_type"),
        ("application/xml", "<a/>", 415, "unsupported_media_type"),
    ] {
        let answer = put_account(&server, Body::Raw(kind, body.as_bytes()));
        assert_refused(&answer, status, code);
    }
}

#[test]
fn a_bad_field_is_pointed_at_and_its_value_is_not_repeated() {
    let server = server("garbage");
    let with = |path: &[&str], value: Value| {
        let mut body = enrolment();
        let field = path.iter().fold(&mut body, |body, key| &mut body[*key]);
        *field = value;
        body
    };
    for (body, place) in [
        (with(&["contacts", "phone"], json!("drop-table")), "/contacts/phone"),
        (with(&["contacts", "fax"], json!("drop-table")), "/contacts"),
        (with(&["identity", "birth_date"], json!("drop-table")), "/identity/birth_date"),
        (with(&["identity", "birth_date"], json!("2999-01-01")), "/identity/birth_date"),
        (with(&["attributes", "risk"], json!("drop-table")), "/attributes/risk"),
        (with(&["drop-table"], json!(1)), "/drop-table"),
    ] {
        let answer = put_account(&server, Body::Json(&body));
        assert_refused(&answer, 422, "validation_failed");
        assert!(pointer(&answer).starts_with(place), "{place}: {}", answer.json());
        let details = answer.json()["errors"][0]["detail"].to_string();
        assert!(!details.contains("drop-table"), "{details}");
    }
    let account = locked_account(&server, "owner_request");
    let future = json!({"reason": "owner_request", "locked_at": "2999-01-01T00:00:00Z"});
    let answer =
        server.backend().post(&format!("/v1/accounts/{account}/locks"), Body::Json(&future)).unwrap();
    assert_refused(&answer, 422, "validation_failed");
}

#[test]
fn an_array_where_an_object_belongs_is_refused() {
    let server = server("garbage");
    let case = Case::with_codes_only(&server);
    case.acknowledge();
    let with = |field: &str, value: Value| {
        let mut body = enrolment();
        body[field] = value;
        body
    };
    // Each has the values of the object's fields in their order, or none where all may be absent.
    for (body, place) in [
        (json!([]), ""),
        (json!([enrolment()["contacts"], null, [], {}, {}]), ""),
        (with("contacts", json!(["+447700900123", "owner@example.org"])), "/contacts"),
        (with("contacts", json!([])), "/contacts"),
        (with("identity", json!(["Jonas Emil", "Lindqvist", "1969-03-14", null])), "/identity"),
        (with("questions", json!([["boat", "Which?", "Albatross"]])), "/questions/0"),
        (with("factors", json!([])), "/factors"),
        (with("attributes", json!([null, "low", null])), "/attributes"),
    ] {
        let answer = put_account(&server, Body::Json(&body));
        assert_refused(&answer, 422, "validation_failed");
        assert_eq!(pointer(&answer), place, "{}", answer.json());
    }
    let locks = format!("/v1/accounts/{}/locks", case.account);
    for (path, body) in [
        (locks, json!(["owner_request", null])),
        (case.path("/codes"), json!(["phone"])),
        (case.path("/verify"), json!(["123456", null])),
        (case.path("/answers"), json!([{"boat": "albatross"}])),
    ] {
        let answer = server.backend().post(&path, Body::Json(&body)).unwrap();
        assert_refused(&answer, 422, "validation_failed");
    }
    let review = server.reviewer().post(&case.path("/review"), Body::Json(&json!(["approve", "I say so"])));
    assert_refused(&review.unwrap(), 422, "validation_failed");
    assert_eq!(count(&case.events(&server), "CodeIssued"), 0);
}

#[test]
fn unknown_addresses_methods_and_parameters_are_refused() {
    let server = server("garbage");
    let backend = server.backend();
    assert_refused(&backend.get("/v1/nothing").unwrap(), 404, "not_found");
    assert_refused(&backend.get("/v1/accounts/no%20spaces").unwrap(), 404, "not_found");
    assert_refused(&backend.post("/v1/accounts", Body::Nothing).unwrap(), 405, "method_not_allowed");
    for query in ["limit=0", "limit=101", "limit=x", "colour=red", "status=lost"] {
        let answer = backend.get(&format!("/v1/reactivations?{query}")).unwrap();
        assert_refused(&answer, 422, "validation_failed");
    }
    let case = Case::with_codes_only(&server);
    assert_refused(&case.owner.get(&case.path("?wait=3600")).unwrap(), 422, "validation_failed");
}

// ── Pictures ────────────────────────────────────────────────────────────────────────────────────────────────────────

/// A PNG's signature and header that claim a size, and nothing behind them.
fn png_header(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
    bytes.extend(width.to_be_bytes());
    bytes.extend(height.to_be_bytes());
    bytes.extend([8, 2, 0, 0, 0, 0, 0, 0, 0]);
    bytes
}

#[test]
fn a_portrait_that_is_no_usable_picture_is_refused_by_its_bytes_whatever_it_is_called() {
    let server = server("garbage");
    let account = locked_account(&server, "owner_request");
    let path = format!("/v1/accounts/{account}/portrait");
    let good = jpeg(400, 300);
    let mut too_long = good.clone();
    too_long.resize(11 * 1024 * 1024, 0);
    for (bytes, status, code) in [
        (png_header(50_000, 50_000), 422, "image_too_large"),
        (png_header(u32::MAX, u32::MAX), 422, "image_too_large"),
        (png_header(0, 0), 422, "image_corrupt"),
        (png_header(400, 300)[..18].to_vec(), 422, "image_corrupt"),
        (good[..4].to_vec(), 422, "image_corrupt"),
        (jpeg(20, 20), 422, "image_too_small"),
        (b"GIF89a\x01\0\x01\0\0\0\0".to_vec(), 415, "image_unsupported"),
        (b"%PDF-1.7 pretends to be a JPEG".to_vec(), 415, "image_unsupported"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>".to_vec(), 415, "image_unsupported"),
        (Vec::new(), 415, "image_unsupported"),
        (too_long, 413, "image_too_large"),
    ] {
        let answer = server.backend().put(&path, Body::Image(&bytes)).unwrap();
        assert_refused(&answer, status, code);
    }
    assert_eq!(count(&events(&server, &account), "PortraitEnrolled"), 0);
    // A PNG under a JPEG's name is a PNG.
    let mut png = std::io::Cursor::new(Vec::new());
    image::RgbImage::new(200, 200).write_to(&mut png, image::ImageFormat::Png).unwrap();
    let answer = server.backend().put(&path, Body::Image(&png.into_inner())).unwrap();
    answer.with_status(&[200]).unwrap();
    assert_eq!(count(&events(&server, &account), "PortraitEnrolled"), 1);
}

#[test]
fn pictures_that_break_only_when_they_are_opened_are_examined_and_asked_for_again() {
    let server = server("garbage");
    server.wait_until_ready();
    let whole = jpeg(1200, 900);
    let truncated = whole[..whole.len() / 2].to_vec();
    let mut noise = whole.clone();
    let middle = noise.len() / 2;
    for (i, byte) in noise[middle..].iter_mut().enumerate() {
        *byte = (i * 31) as u8;
    }
    let mut polyglot = whole;
    polyglot.extend(b"PK\x03\x04<script>alert(1)</script>%PDF-1.7\n%%EOF");
    for bytes in [truncated, noise, polyglot] {
        let case = Case::with_pictures(&server);
        case.pass_codes(&server);
        let form =
            [Part::Text("type", "passport"), Part::Text("country", "UTO"), Part::Image("front", &bytes)];
        case.post("/documents", Body::Form(&form)).with_status(&[202]).unwrap();
        let document = eventually("a finding", || {
            case.read().requirement("document").filter(|document| document.status != "processing").cloned()
        });
        assert_eq!((document.status.as_str(), document.attempts_left), ("open", Some(2)), "{document:?}");
        assert!(document.reasons.iter().all(|reason| reason.retry) && !document.reasons.is_empty());
        assert_eq!(count(&case.events(&server), "DocumentExamined"), 1);
    }
}

#[test]
fn a_form_with_missing_doubled_unknown_or_wrong_parts_is_refused_and_nothing_is_kept() {
    let server = server("garbage");
    let case = Case::with_pictures(&server);
    case.pass_codes(&server);
    let picture = jpeg(400, 300);
    let (kind, country) = (Part::Text("type", "passport"), Part::Text("country", "UTO"));
    let front = Part::Image("front", &picture);
    let long = "x".repeat(100_000);
    for (form, place) in [
        (vec![kind, country], "front"),
        (vec![kind, front], "country"),
        (vec![country, front], "type"),
        (vec![kind, country, front, front], "front"),
        (vec![kind, kind, country, front], "type"),
        (vec![kind, country, front, Part::Text("colour", "red")], ""),
        (vec![Part::Text("type", "library_card"), country, front], "type"),
        (vec![kind, Part::Text("country", "Utopia"), front], "country"),
        (vec![kind, Part::Text("country", &long), front], "country"),
        (vec![], "type"),
    ] {
        let answer = case.post("/documents", Body::Form(&form));
        assert_refused(&answer, 422, "validation_failed");
        assert_eq!(pointer(&answer), place, "{}", answer.json());
    }
    let gif = Part::Image("front", b"GIF89a\x01\0\x01\0\0\0\0");
    assert_refused(&case.post("/documents", Body::Form(&[kind, country, gif])), 415, "image_unsupported");
    let huge = png_header(50_000, 50_000);
    let form = [kind, country, Part::Image("front", &huge)];
    assert_refused(&case.post("/documents", Body::Form(&form)), 422, "image_too_large");
    let no_form = case.post_json("/documents", &json!({"type": "passport"}));
    assert!([400, 415].contains(&no_form.status), "{}", no_form.json());

    let challenge = case.post("/face-challenges", Body::Nothing).with_status(&[201]).unwrap().json();
    let challenge = challenge["id"].as_str().unwrap();
    let frame = Part::Image("frame", &picture);
    for form in [
        vec![Part::Text("challenge", challenge)],
        vec![frame],
        vec![Part::Text("challenge", "nonsense"), frame],
        vec![Part::Text("challenge", challenge), frame, frame],
    ] {
        assert_refused(&case.post("/faces", Body::Form(&form)), 422, "validation_failed");
    }
    let form = [Part::Text("challenge", &client::fresh_key()), frame];
    assert_refused(&case.post("/faces", Body::Form(&form)), 409, "challenge_unknown");

    let events = case.events(&server);
    assert_eq!((count(&events, "DocumentSubmitted"), count(&events, "FaceSubmitted")), (0, 0));
    assert_eq!(case.read().requirement("document").unwrap().attempts_left, Some(3));
}

/// Sends the head of a request and the beginning of its body, then hangs up the sending side; what comes back.
fn cut_off(server: &Process, path: &str, kind: &str, key: &str, body: &[u8]) -> String {
    let address = server.url().trim_start_matches("http://").to_owned();
    let mut socket = TcpStream::connect(&address).unwrap();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {key}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n",
        body.len() * 2
    );
    socket.write_all(head.as_bytes()).unwrap();
    socket.write_all(body).unwrap();
    socket.shutdown(Shutdown::Write).unwrap();
    let mut answer = Vec::new();
    // A server that closes without a word has answered too.
    let _ = socket.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn a_head_that_comes_slowly_is_waited_for() {
    let server = server("garbage");
    let account = locked_account(&server, "suspicious_login");
    let key = server.setting("REINSTATE_BACKEND_KEY");
    let address = server.url().trim_start_matches("http://").to_owned();
    let mut socket = TcpStream::connect(&address).unwrap();
    let first = format!("GET /v1/accounts/{account} HTTP/1.1\r\nConnection: close\r\n");
    socket.write_all(first.as_bytes()).unwrap();
    // The web server's own limit is five seconds.
    socket.set_read_timeout(Some(Duration::from_secs(6))).unwrap();
    let too_early = socket.read(&mut [0; 1]).unwrap_err();
    assert!(matches!(too_early.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{too_early}");
    let rest = format!("Host: {address}\r\nAuthorization: Bearer {key}\r\n\r\n");
    socket.write_all(rest.as_bytes()).unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[test]
fn a_body_that_is_cut_off_in_the_middle_changes_nothing() {
    let server = server("garbage");
    let case = Case::with_pictures(&server);
    case.pass_codes(&server);
    let before = case.events(&server);
    let key = server.setting("REINSTATE_BACKEND_KEY");
    let picture = jpeg(400, 300);
    let mut form = b"--b\r\nContent-Disposition: form-data; name=\"type\"\r\n\r\npassport\r\n--b\r\nContent-Disposition: form-data; name=\"country\"\r\n\r\nUTO\r\n--b\r\nContent-Disposition: form-data; name=\"front\"\r\n\r\n".to_vec();
    form.extend(&picture);
    let json = json!({"answers": {"boat": "albatross"}}).to_string();
    for (step, kind, body) in [
        ("/documents", "multipart/form-data; boundary=b", form.as_slice()),
        ("/answers", "application/json", json.as_bytes()),
    ] {
        let answer = cut_off(&server, &case.path(step), kind, key, body);
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
    }
    assert_eq!(case.events(&server), before);
}

// ── Codes ───────────────────────────────────────────────────────────────────────────────────────────────────────────

#[test]
fn a_code_is_good_for_its_own_case_and_channel_once() {
    let server = server("garbage");
    let (case, other) = (Case::with_codes_only(&server), Case::with_codes_only(&server));
    assert_refused(&case.post_json("/codes", &json!({"channel": "phone"})), 409, "step_not_open");
    case.acknowledge();
    other.acknowledge();

    let asked = case.post_json("/verify", &json!({"phone": "123456"})).with_status(&[200]).unwrap();
    let reason = |answer: &Value, kind: &str| {
        let requirements = answer["requirements"].as_array().unwrap();
        let of_kind = requirements.iter().find(|r| r["kind"] == kind).unwrap();
        (of_kind["reasons"][0]["code"].as_str().unwrap_or("").to_owned(), of_kind["attempts_left"].clone())
    };
    assert_eq!(reason(&asked.json(), "phone_code"), ("code_not_requested".into(), json!(5)));

    let phone = case.fetch_code(&server, "phone");
    let email = case.fetch_code(&server, "email");
    let others = other.fetch_code(&server, "phone");
    let too_soon = case.post_json("/codes", &json!({"channel": "phone"}));
    assert_refused(&too_soon, 429, "too_soon");
    assert!(too_soon.header("Retry-After").is_some());

    // One in a million times two codes are alike; then they are no test.
    if others != phone {
        let wrong = case.post_json("/verify", &json!({"phone": others}));
        assert_eq!(reason(&wrong.json(), "phone_code"), ("code_wrong".into(), json!(4)));
    }
    if email != phone {
        let wrong = case.post_json("/verify", &json!({"email": phone}));
        assert_eq!(reason(&wrong.json(), "email_code"), ("code_wrong".into(), json!(4)));
    }
    for (body, place) in [
        (json!({"phone": "12345"}), "/phone"),
        (json!({"phone": "1234567"}), "/phone"),
        (json!({"phone": "١٢٣٤٥٦"}), "/phone"),
        (json!({"email": "12 456"}), "/email"),
        (json!({"totp": "123456"}), "/totp"),
        (json!({}), ""),
    ] {
        let answer = case.post_json("/verify", &body);
        assert_refused(&answer, 422, "validation_failed");
        assert_eq!(pointer(&answer), place, "{}", answer.json());
    }
    case.post_json("/verify", &json!({"phone": phone, "email": email})).with_status(&[200]).unwrap();
    assert_refused(&case.post_json("/verify", &json!({"phone": phone})), 409, "step_not_open");
    assert_eq!(case.read().next, ["submit"]);
    assert_eq!(count(&case.events(&server), "CodeAccepted"), 2);
}

#[test]
fn five_wrong_codes_end_the_case_however_many_arrive_at_once() {
    let server = server("garbage");
    let case = Case::with_codes_only(&server);
    case.acknowledge();
    let code = case.fetch_code(&server, "phone");
    let wrong: Vec<_> = (0..40).map(|n| format!("{n:06}")).filter(|guess| *guess != code).collect();
    thread::scope(|scope| {
        for guesses in wrong.chunks(5) {
            let case = &case;
            scope.spawn(move || {
                for guess in guesses {
                    let answer = case.post_json("/verify", &json!({"phone": guess}));
                    assert!([200, 409].contains(&answer.status), "{}", answer.json());
                }
            });
        }
    });
    let events = case.events(&server);
    assert_eq!(count(&events, "CodeRejected"), 5, "{events:?}");
    assert_eq!(count(&events, "ReactivationDenied"), 1, "{events:?}");
    let ended = case.read();
    assert_eq!(ended.status, "denied");
    let reasons: Vec<_> = ended.result.unwrap().reasons.into_iter().map(|reason| reason.code).collect();
    assert!(reasons.contains(&"attempts_exhausted".to_owned()), "{reasons:?}");
    assert_refused(&case.post_json("/verify", &json!({"phone": code})), 409, "reactivation_ended");
}

// ── Order, repeats and races ────────────────────────────────────────────────────────────────────────────────────────

#[test]
fn steps_out_of_order_are_refused_and_name_what_is_open() {
    let server = server("garbage");
    let case = Case::with_pictures(&server);
    let picture = jpeg(400, 300);
    let form = [Part::Text("type", "passport"), Part::Text("country", "UTO"), Part::Image("front", &picture)];
    for answer in [
        case.post_json("/verify", &json!({"phone": "123456"})),
        case.post("/documents", Body::Form(&form)),
        case.post("/face-challenges", Body::Nothing),
        case.post("/submit", Body::Nothing),
    ] {
        assert_refused(&answer, 409, "step_not_open");
        assert_eq!(answer.json()["next"], json!(["reminder"]), "{}", answer.json());
    }
    let review = json!({"decision": "approve", "reason": "too early"});
    let early = server.reviewer().post(&case.path("/review"), Body::Json(&review)).unwrap();
    assert_refused(&early, 409, "not_in_review");
    let again = format!("/v1/accounts/{}/reactivations", case.account);
    let again = server.backend().post(&again, Body::Nothing).unwrap();
    assert_refused(&again, 409, "already_open");
    assert_eq!(again.json()["reactivation"], json!(case.id));
}

#[test]
fn two_submissions_at_once_are_one() {
    let server = server("garbage");
    for _ in 0..5 {
        let case = Case::with_codes_only(&server);
        case.pass_codes(&server);
        let statuses: Vec<u16> = thread::scope(|scope| {
            let submit = || case.post("/submit", Body::Nothing).status;
            let both = [scope.spawn(submit), scope.spawn(submit)];
            both.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        // The second comes either while it is being decided, or after.
        assert!(statuses.contains(&200) && statuses.iter().all(|s| [200, 409].contains(s)), "{statuses:?}");
        eventually("the decision", || Some(()).filter(|()| case.read().status == "reactivated"));
        let events = case.events(&server);
        assert_eq!(count(&events, "CaseSubmitted"), 1, "{events:?}");
        assert_eq!(count(&events, "AccountReactivated"), 1, "{events:?}");
    }
}

#[test]
fn nothing_is_taken_after_the_end() {
    let server = server("garbage");
    let case = Case::with_pictures(&server);
    case.pass_codes(&server);
    case.post("/cancel", Body::Nothing).with_status(&[200]).unwrap();
    case.post("/cancel", Body::Nothing).with_status(&[200]).unwrap();
    let before = case.events(&server);
    let picture = jpeg(400, 300);
    let form = [Part::Text("type", "passport"), Part::Text("country", "UTO"), Part::Image("front", &picture)];
    for answer in [
        case.post("/documents", Body::Form(&form)),
        case.post("/face-challenges", Body::Nothing),
        case.post("/submit", Body::Nothing),
        case.post_json("/codes", &json!({"channel": "phone"})),
    ] {
        assert_refused(&answer, 409, "reactivation_ended");
    }
    assert_eq!(case.events(&server), before);
    assert_eq!(case.read().status, "cancelled");
}

#[test]
fn a_submission_raced_by_a_release_ends_in_one_of_the_two() {
    let server = server("garbage");
    for _ in 0..5 {
        let case = Case::with_codes_only(&server);
        case.pass_codes(&server);
        let release = json!({"reason": "owner_called"});
        let path = format!("/v1/accounts/{}/releases", case.account);
        let backend = server.backend();
        thread::scope(|scope| {
            let released = scope.spawn(|| backend.post(&path, Body::Json(&release)).unwrap().status);
            let submitted = scope.spawn(|| case.post("/submit", Body::Nothing).status);
            assert_eq!(released.join().unwrap(), 200);
            assert!([200, 409].contains(&submitted.join().unwrap()));
        });
        let status =
            eventually("an end", || Some(case.read().status).filter(|s| s != "open" && s != "processing"));
        let events = case.events(&server);
        let (reactivated, superseded) =
            (count(&events, "AccountReactivated"), count(&events, "CaseCancelled"));
        match status.as_str() {
            "reactivated" => assert_eq!((reactivated, superseded), (1, 0), "{events:?}"),
            "cancelled" => assert_eq!((reactivated, superseded), (0, 1), "{events:?}"),
            other => panic!("{other}: {events:?}"),
        }
        let account = server.backend().get(&format!("/v1/accounts/{}", case.account)).unwrap().json();
        assert_eq!(account["status"], "active");
    }
}

#[test]
fn a_repeat_under_the_same_key_is_carried_out_once_and_another_request_under_it_is_refused() {
    let server = server("garbage");
    let account = fresh_account("repeat");
    let path = format!("/v1/accounts/{account}");
    let backend = server.backend();
    let (key, body) = (client::fresh_key(), enrolment());
    let first = backend.once(Method::PUT, &path, Body::Json(&body), &key).unwrap();
    assert_eq!((first.status, first.header("Idempotent-Replayed")), (201, None));
    let again = backend.once(Method::PUT, &path, Body::Json(&body), &key).unwrap();
    assert_eq!((again.status, again.header("Idempotent-Replayed")), (201, Some("true")));
    assert_eq!(again.json(), first.json());
    let mut other = enrolment();
    other["attributes"]["risk"] = json!("high");
    let reused = backend.once(Method::PUT, &path, Body::Json(&other), &key).unwrap();
    assert_refused(&reused, 422, "idempotency_key_reused");

    let locks = format!("{path}/locks");
    let (key, body) = (client::fresh_key(), lock("owner_request"));
    for _ in 0..2 {
        let answer = backend.once(Method::POST, &locks, Body::Json(&body), &key).unwrap();
        assert_eq!(answer.status, 201);
    }
    let reactivations = format!("{path}/reactivations");
    let key = client::fresh_key();
    let opened: Vec<Value> = (0..2)
        .map(|_| {
            backend
                .once(Method::POST, &reactivations, Body::Nothing, &key)
                .unwrap()
                .with_status(&[201])
                .unwrap()
                .json()
        })
        .collect();
    assert_eq!(opened[0], opened[1]);
    for bad in ["", "with space", &"x".repeat(300)] {
        let answer = backend.once(Method::POST, &locks, Body::Json(&body), bad).unwrap();
        assert_refused(&answer, 400, "idempotency_key_invalid");
    }
    let expected = ["AccountEnrolled", "AccountLocked", "ReactivationRequested", "RequirementsSet"];
    assert_eq!(events(&server, &account), expected);
}

#[test]
fn a_read_waits_for_the_position_of_a_write_and_says_so_when_it_does_not_come() {
    let server = server("garbage");
    let backend = server.backend();
    let path = format!("/v1/accounts/{}", fresh_account("after"));
    for version in 1..=10 {
        let mut body = enrolment();
        body["attributes"]["tier"] = json!(format!("t{version}"));
        let written = backend.put(&path, Body::Json(&body)).unwrap();
        let position = written.header("Reinstate-Position").unwrap();
        let read = backend.send(Method::GET, &path, Body::Nothing, &[("Reinstate-After", position)]).unwrap();
        assert_eq!(read.json()["version"], version, "{}", read.json());
        assert_eq!(read.header("ETag").unwrap(), format!("\"{version}\""));
    }
    for bad in ["", "x", "0", "0:", "-1:0", "99:1"] {
        let answer = backend.send(Method::GET, &path, Body::Nothing, &[("Reinstate-After", bad)]).unwrap();
        assert_refused(&answer, 400, "position_invalid");
    }
    // The log does not have this position yet.
    let asked = Instant::now();
    let far = backend.send(Method::GET, &path, Body::Nothing, &[("Reinstate-After", "0:99999999")]).unwrap();
    assert!(asked.elapsed() >= READ_YOUR_WRITES, "it was waited for");
    assert_refused(&far, 503, "read_model_behind");
    let seconds: u64 = far.header("Retry-After").unwrap().parse().unwrap();
    assert!(seconds > 0);
}
