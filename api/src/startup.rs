//! The server: built by `main` and by tests alike, on any port.

use std::net::{SocketAddr, TcpListener};
use std::time::Instant;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{Server, ServerHandle, ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::middleware::{Next, from_fn};
use actix_web::{App, HttpResponse, HttpServer, web};
use metrics_exporter_prometheus::PrometheusHandle;
use uuid::Uuid;

use crate::error::Problem;
use crate::routes::{endpoints, health};
use crate::service::Service;
use crate::settings::Settings;

/// How long a stop waits for requests that were accepted.
const DRAIN_SECONDS: u64 = 30;

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

/// The interface and its operations port, listening.
pub struct Application {
    service: web::Data<Service>,
    address: SocketAddr,
    operations_address: SocketAddr,
    server: Server,
    operations: Server,
}

/// Stops an application from another task; what was accepted is answered first.
pub struct Stop {
    service: web::Data<Service>,
    /// The interface, then the operations port: that one tells of the end of the other.
    servers: [ServerHandle; 2],
}

impl Stop {
    pub async fn stop(&self) {
        self.service.stop();
        for server in &self.servers {
            server.stop(true).await;
        }
    }
}

impl Application {
    /// Binds both ports. Nothing is served before [`Self::run`].
    ///
    /// # Errors
    /// [`Error::Listen`] names the address that is not to be had.
    pub fn build(
        settings: &Settings,
        service: web::Data<Service>,
        metrics: PrometheusHandle,
    ) -> Result<Self, Error> {
        let (listener, address) = bind(&settings.listen)?;
        let (operations_listener, operations_address) = bind(&settings.operations_listen)?;
        let failed =
            |address: SocketAddr| move |source| Error::Listen { address: address.to_string(), source };
        let shared = service.clone();
        let server = HttpServer::new(move || {
            App::new().wrap(from_fn(observe)).app_data(shared.clone()).configure(routes)
        })
        .workers(settings.workers.max(1))
        .shutdown_timeout(DRAIN_SECONDS)
        .disable_signals()
        .listen(listener)
        .map_err(failed(address))?
        .run();
        let shared = service.clone();
        let operations = HttpServer::new(move || {
            let metrics = metrics.clone();
            let render = move || {
                let text = metrics.render();
                async move { HttpResponse::Ok().content_type("text/plain; version=0.0.4").body(text) }
            };
            App::new()
                .app_data(shared.clone())
                .route("/metrics", web::get().to(render))
                .route("/livez", web::get().to(health::live))
                .route("/readyz", web::get().to(health::ready))
        })
        .workers(1)
        .shutdown_timeout(1)
        .disable_signals()
        .listen(operations_listener)
        .map_err(failed(operations_address))?
        .run();
        Ok(Self { service, address, operations_address, server, operations })
    }

    /// Where the interface listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where `/metrics` listens.
    #[must_use]
    pub fn operations_address(&self) -> SocketAddr {
        self.operations_address
    }

    #[must_use]
    pub fn stopper(&self) -> Stop {
        Stop { service: self.service.clone(), servers: [self.server.handle(), self.operations.handle()] }
    }

    /// Serves until it is stopped.
    ///
    /// # Errors
    /// When a server fails.
    pub async fn run(self) -> std::io::Result<()> {
        tokio::try_join!(self.server, self.operations).map(|_| ())
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

/// Every request gets an id, a log line and a place in the metrics; every refusal becomes a problem that carries the id.
/// The line has the route's pattern and never the path, which names an account.
async fn observe(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let started = Instant::now();
    let trace_id = trace_id(&request);
    let request_id = Uuid::now_v7().to_string();
    let method = request.method().to_string();
    // Handlers and extractors answer their errors as responses; an error here is the connection's.
    let response = next.call(request).await?.map_into_boxed_body();
    let route = response.request().match_pattern().unwrap_or_else(|| "unmatched".to_owned());
    let mut response = explain(response, &request_id);
    if let (Ok(name), Ok(value)) = (HeaderName::try_from("request-id"), HeaderValue::try_from(&request_id)) {
        response.headers_mut().insert(name, value);
    }
    let status = response.status().as_u16();
    let seconds = started.elapsed().as_secs_f64();
    let labels = [("route", route.clone()), ("method", method.clone()), ("status", status.to_string())];
    metrics::histogram!("reinstate_api_request_seconds", &labels).record(seconds);
    tracing::info!(trace_id, request_id, method, route, status, seconds, "request");
    Ok(response)
}

/// The W3C trace that the caller is in, or a new one.
fn trace_id(request: &ServiceRequest) -> String {
    let header = request.headers().get("traceparent").and_then(|value| value.to_str().ok());
    let given = header.and_then(|text| text.split('-').nth(1));
    let valid = |id: &&str| {
        id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit()) && id.bytes().any(|b| b != b'0')
    };
    given.filter(valid).map_or_else(|| Uuid::now_v7().simple().to_string(), str::to_owned)
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
