//! A span on its way to a collector, which here is a listener that writes down what it gets.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use reinstate_process::settings::{Logging, Traces};
use reinstate_process::{Telemetry, telemetry, trace};
use reinstate_store::trace::{Traceparent, current};

/// The request line, the headers and the body of one request.
fn collect(listener: &TcpListener) -> (String, Vec<u8>) {
    let (stream, _) = listener.accept().unwrap();
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        if line == "\r\n" {
            break;
        }
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        head.push_str(&line);
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let mut stream = stream;
    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
    (head, body)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_span_goes_on_with_the_trace_it_was_handed_and_reaches_the_collector() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let (sender, received) = mpsc::channel();
    thread::spawn(move || sender.send(collect(&listener)).unwrap());
    let logging = Logging { level: "warn".into() };
    let telemetry = Telemetry::init("test-service", &logging, &Traces { endpoint }).unwrap();

    let parent = Traceparent::parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01").unwrap();
    // The layer takes our own targets only; a test's is `trace`.
    let span = tracing::info_span!(target: "reinstate_test", "examine");
    let inside = trace::within(span, Some(&parent), async { current() }).await.unwrap();
    assert_eq!(trace::id(&inside), "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_ne!(inside, parent, "what is written belongs to the new span");

    tokio::task::spawn_blocking(move || telemetry.finish()).await.unwrap();
    let (head, body) = received.recv_timeout(Duration::from_secs(20)).unwrap();
    assert!(head.starts_with("POST /v1/traces"), "{head}");
    let has = |wanted: &[u8]| body.windows(wanted.len()).any(|window| window == wanted);
    let trace_id = u128::from_str_radix("4bf92f3577b34da6a3ce929d0e0e4736", 16).unwrap();
    assert!(has(&trace_id.to_be_bytes()) && has(b"examine") && has(b"test-service"));
    assert!(has(&0x00f0_67aa_0ba9_02b7_u64.to_be_bytes()), "the span names its parent");
}

#[test]
fn a_collector_that_would_need_tls_and_a_level_that_is_none_are_refused_before_anything_starts() {
    let logging = |level: &str| Logging { level: level.into() };
    let traces = |endpoint: &str| Traces { endpoint: endpoint.into() };
    let refused = telemetry::check(&logging("info"), &traces("https://collector:4318"));
    assert!(matches!(refused, Err(telemetry::Error::Scheme)));
    let refused = telemetry::check(&logging("reinstate=shout"), &traces(""));
    assert!(matches!(refused, Err(telemetry::Error::Level(_))));
}
