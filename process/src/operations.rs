//! The operations port: `/livez`, `/readyz`, `/metrics`. Not for the public.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use actix_web::dev::{Server, ServerHandle};
use actix_web::{App, HttpResponse, HttpServer, web};
use serde::Deserialize;

use crate::metrics::Metrics;
use crate::readiness::{Health, Readiness};

/// The `[operations]` table.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Where the port listens; port 0 picks a free one.
    pub listen: String,
}

/// The port can't be opened.
#[derive(Debug, thiserror::Error)]
#[error("can't listen on {address} (operations.listen)")]
pub struct Error {
    address: String,
    #[source]
    source: std::io::Error,
}

/// The port, listening.
pub struct Operations {
    address: SocketAddr,
    server: Server,
}

impl Operations {
    /// Binds the port. Nothing is served before [`Self::serve`].
    ///
    /// # Errors
    /// [`Error`] names the address that is not to be had.
    pub fn bind(settings: &Settings, readiness: Arc<Readiness>, metrics: Metrics) -> Result<Self, Error> {
        let failed = |source| Error { address: settings.listen.clone(), source };
        let listener = TcpListener::bind(&settings.listen).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let readiness = web::Data::from(readiness);
        let server = HttpServer::new(move || {
            let metrics = metrics.clone();
            let render = move || {
                let text = metrics.render();
                async move { HttpResponse::Ok().content_type("text/plain; version=0.0.4").body(text) }
            };
            App::new()
                .app_data(readiness.clone())
                .route("/metrics", web::get().to(render))
                .route("/livez", web::get().to(|| async { Health::live() }))
                .route(
                    "/readyz",
                    web::get().to(|readiness: web::Data<Readiness>| async move { Health::ready(&readiness) }),
                )
        })
        .workers(1)
        .shutdown_timeout(1)
        .disable_signals()
        .listen(listener)
        .map_err(failed)?
        .run();
        Ok(Self { address, server })
    }

    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves in the background until the handle is told to stop, or the process ends.
    #[must_use]
    pub fn serve(self) -> ServerHandle {
        let handle = self.server.handle();
        tokio::spawn(async move {
            if let Err(error) = self.server.await {
                tracing::error!(error = &error as &dyn std::error::Error, "the operations port failed");
            }
        });
        handle
    }
}
