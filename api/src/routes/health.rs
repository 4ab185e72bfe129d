//! Whether the process lives, and whether it is ready.

use actix_web::{HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use crate::service::Service;

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Health {
    status: &'static str,
    /// What is not ready, and why.
    unready: Vec<Unready>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Unready {
    part: &'static str,
    detail: String,
}

/// Whether the process lives.
#[utoipa::path(get, path = "/livez", tag = "operations", responses((status = 200, body = Health)))]
pub(crate) async fn live() -> HttpResponse {
    HttpResponse::Ok().json(Health { status: "ok", unready: Vec::new() })
}

/// Whether every part is ready; says which is not.
#[utoipa::path(get, path = "/readyz", tag = "operations",
    responses((status = 200, body = Health), (status = 503, body = Health)))]
pub(crate) async fn ready(service: web::Data<Service>) -> HttpResponse {
    let unready = service.ports.readiness.unready();
    let unready: Vec<_> = unready.into_iter().map(|(part, detail)| Unready { part, detail }).collect();
    if unready.is_empty() {
        HttpResponse::Ok().json(Health { status: "ok", unready })
    } else {
        HttpResponse::ServiceUnavailable().json(Health { status: "unready", unready })
    }
}
