//! The server: built by `main` and by tests alike, on any port.

use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{Server, ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::http::{ConnectionType, StatusCode};
use actix_web::middleware::{Next, from_fn};
use actix_web::{App, HttpResponse, HttpServer, web};
use metrics::Label;
use reinstate_process::Stop;
use reinstate_process::trace;
use reinstate_store::trace::Traceparent;
use tracing::field::Empty;
use uuid::Uuid;

use crate::error::Problem;
use crate::routes::endpoints::{self, Pattern};
use crate::service::Service;
use crate::settings::Settings;

/// How long a stop waits for requests that were accepted.
const DRAIN_SECONDS: u64 = 30;

/// How long the head of a request may take to arrive, 408 after that. An instance that stood still for a while finds requests that
/// were there all the time, and must not count that against them.
const REQUEST_HEAD: Duration = Duration::from_secs(30);

/// The server can't start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("can't listen on {address}")]
    Listen {
        address: String,
        #[source]
        source: std::io::Error,
    },
}

/// The interface, listening.
pub struct Application {
    address: SocketAddr,
    server: Server,
    stop: Stop,
}

impl Application {
    /// Binds the port. Nothing is served before [`Self::run`].
    ///
    /// # Errors
    /// [`Error::Listen`] names the address that is not to be had.
    pub fn build(settings: &Settings, service: web::Data<Service>) -> Result<Self, Error> {
        let (listener, address) = bind(&settings.listen)?;
        let stop = service.ports.stop.clone();
        let server = HttpServer::new(move || {
            App::new().wrap(from_fn(observe)).app_data(service.clone()).configure(routes)
        })
        .workers(settings.workers.max(1))
        .shutdown_timeout(DRAIN_SECONDS)
        .client_request_timeout(REQUEST_HEAD)
        .disable_signals()
        .listen(listener)
        .map_err(|source| Error::Listen { address: address.to_string(), source })?
        .run();
        Ok(Self { address, server, stop })
    }

    /// Where the interface listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until the process is to end; what was accepted is answered first.
    ///
    /// # Errors
    /// When the server fails.
    pub async fn run(self) -> std::io::Result<()> {
        let (handle, stop) = (self.server.handle(), self.stop);
        tokio::spawn(async move {
            stop.requested().await;
            handle.stop(true).await;
        });
        self.server.await
    }
}

fn bind(address: &str) -> Result<(TcpListener, SocketAddr), Error> {
    let failed = |source| Error::Listen { address: address.to_owned(), source };
    let listener = TcpListener::bind(address).map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}

fn routes(config: &mut web::ServiceConfig) {
    let bad_query = |_, _: &_| {
        Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "validation_failed",
            "A query parameter is unknown or not as it must be.",
        )
        .into()
    };
    config
        .app_data(web::QueryConfig::default().error_handler(bad_query))
        .app_data(web::PathConfig::default().error_handler(|_, _| Problem::not_found().into()))
        .configure(endpoints::register)
        .default_service(web::to(|| async { Err::<HttpResponse, _>(Problem::not_found()) }));
}

/// Every request gets an id, a log line and a place in the metrics, and is a part of its caller's trace; every refusal becomes a
/// problem that carries the id. Lines and traces have the route's pattern and never the path, which names an account.
async fn observe(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let header = request.headers().get("traceparent").and_then(|value| value.to_str().ok());
    let parent = header.and_then(|text| Traceparent::parse(text).ok());
    let span = tracing::info_span!(
        "request",
        otel.kind = "server",
        http.request.method = request.method().as_str(),
        http.route = Empty,
        http.response.status_code = Empty,
        request_id = Empty,
    );
    trace::within(span.clone(), parent.as_ref(), answer(request, next, &span)).await
}

async fn answer(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
    span: &tracing::Span,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let started = Instant::now();
    let request_id = Uuid::now_v7().to_string();
    let method = request.method().to_string();
    // Handlers and extractors answer their errors as responses; an error here is the connection's.
    let response = next.call(request).await?.map_into_boxed_body();
    // The framework's own `match_pattern` would match the path once more against every pattern.
    let route = response.request().app_data::<Pattern>().map_or("unmatched", |pattern| pattern.0);
    let stopping =
        response.request().app_data::<web::Data<Service>>().is_some_and(|s| s.ports.stop.is_requested());
    let mut response = explain(response, &request_id);
    if let (Ok(name), Ok(value)) = (HeaderName::try_from("request-id"), HeaderValue::try_from(&request_id)) {
        response.headers_mut().insert(name, value);
    }
    if stopping {
        // The caller's next request goes to an instance that stays.
        response.response_mut().head_mut().set_connection_type(ConnectionType::Close);
    }
    let status = response.status().as_u16();
    let seconds = started.elapsed().as_secs_f64();
    let labels = [
        Label::from_static_parts("route", route),
        Label::new("method", method.clone()),
        Label::new("status", status.to_string()),
    ];
    metrics::histogram!("reinstate_api_request_seconds", labels.iter()).record(seconds);
    trace::name(span, format!("{method} {route}"));
    span.record("http.route", route);
    span.record("http.response.status_code", status);
    span.record("request_id", &request_id);
    tracing::info!(request_id, method, route, status, seconds, "request");
    Ok(response)
}

/// Gives a refusal its request id, and turns what the framework refused by itself into a problem as well.
fn explain(response: ServiceResponse<BoxBody>, request_id: &str) -> ServiceResponse<BoxBody> {
    let status = response.status();
    if !status.is_client_error() && !status.is_server_error() {
        return response;
    }
    let known = response.response().error().and_then(|error| error.as_error::<Problem>()).cloned();
    let is_ours = response.headers().get("content-type").is_some_and(|kind| kind == "application/json");
    let problem = match known {
        Some(problem) => problem,
        None if is_ours => return response,
        None => framework_problem(status),
    };
    let body = actix_web::ResponseError::error_response(&problem.with_request_id(request_id));
    response.into_response(body)
}

fn framework_problem(status: StatusCode) -> Problem {
    match status {
        StatusCode::NOT_FOUND => Problem::not_found(),
        StatusCode::PAYLOAD_TOO_LARGE => Problem::new(status, "body_too_large", "The body is too large."),
        StatusCode::UNSUPPORTED_MEDIA_TYPE => Problem::new(
            status,
            "unsupported_media_type",
            "The body's content type is not the one expected here.",
        ),
        status if status.is_server_error() => Problem::internal(),
        status => Problem::new(status, "bad_request", "The request is not as it must be."),
    }
}
