//! One trace from the request over the log to the finding and the rows, as a collector gets it from three programs.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span as Sent;
use prost::Message as _;
use reinstate_cluster::services::Variable;
use support::{Case, World, eventually, pictures};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
/// The span of whoever calls, as the load's `traceparent` names it.
const CALLER: &str = "00f067aa0ba902b7";

#[derive(Debug, Clone, PartialEq, Eq)]
struct Span {
    service: String,
    name: String,
    id: String,
    parent: String,
}

/// Takes spans by OTLP over HTTP and keeps those of one trace.
#[derive(Clone, Default)]
struct Collector(Arc<Mutex<Vec<Span>>>);

impl Collector {
    /// Listens as long as the test runs; its address.
    fn start() -> (Self, String) {
        let collector = Self::default();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let taking = collector.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (collector, stream) = (taking.clone(), stream.unwrap());
                thread::spawn(move || collector.serve(stream));
            }
        });
        (collector, endpoint)
    }

    /// Answers until the other end is gone.
    fn serve(&self, mut stream: TcpStream) {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        loop {
            let mut length = 0;
            loop {
                let mut line = String::new();
                if reader.read_line(&mut line).unwrap_or(0) == 0 {
                    return;
                }
                if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
                if line == "\r\n" {
                    break;
                }
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            self.keep(ExportTraceServiceRequest::decode(&body[..]).unwrap());
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
        }
    }

    fn keep(&self, request: ExportTraceServiceRequest) {
        for resource in request.resource_spans {
            let attributes = resource.resource.unwrap().attributes;
            let name = attributes.into_iter().find(|attribute| attribute.key == "service.name").unwrap();
            let Some(Value::StringValue(service)) = name.value.unwrap().value else {
                panic!("a name is a text")
            };
            let spans = resource.scope_spans.into_iter().flat_map(|scope| scope.spans);
            let ours = spans.filter(|span| hex(&span.trace_id) == TRACE);
            self.0.lock().unwrap().extend(ours.map(|span: Sent| Span {
                service: service.clone(),
                name: span.name.clone(),
                id: hex(&span.span_id),
                parent: hex(&span.parent_span_id),
            }));
        }
    }

    /// Waits for a span of this service and name below `parent`.
    fn below(&self, parent: &str, service: &str, name: &str) -> Span {
        let what = format!("{name} of {service} below {parent}");
        eventually(&what, || {
            let spans = self.0.lock().unwrap();
            spans.iter().find(|s| s.parent == parent && s.service == service && s.name == name).cloned()
        })
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn one_trace_goes_from_the_request_over_the_log_to_the_finding_and_the_rows() {
    let (collector, endpoint) = Collector::start();
    let traces = Variable { service: None, name: "REINSTATE_TRACES__ENDPOINT".into(), value: endpoint };
    let world = World::start_in(vec![traces], 1, 1, 1);
    let case = Case::with_pictures(&world);
    case.pass_codes(&world);
    let passport = pictures().passport(&reinstate_demo::Person::number(0)).unwrap();
    case.hand_in_document_within(&passport, TRACE);

    let request = collector.below(CALLER, "reinstate-api", "POST /v1/reactivations/{id}/documents");
    let append = collector.below(&request.id, "reinstate-api", "append");
    for phase in ["produce", "read_back"] {
        collector.below(&append.id, "reinstate-api", phase);
    }
    // What follows reads the trace in the record's header.
    collector.below(&request.id, "reinstate-projector", "project");
    let examine = collector.below(&request.id, "reinstate-verifier", "examine");
    collector.below(&examine.id, "reinstate-verifier", "append");
    collector.below(&examine.id, "reinstate-projector", "project");
    world.assert_clean();
    world.system.stop().unwrap();
}
