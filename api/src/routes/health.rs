//! Whether the process lives, and whether it is ready: as on the operations port, for whoever may only reach the interface.

use actix_web::{HttpResponse, web};
use reinstate_process::readiness::Health;

use crate::service::Service;

/// Whether the process lives.
#[utoipa::path(get, path = "/livez", tag = "operations", responses((status = 200, body = Health)))]
pub(crate) async fn live() -> HttpResponse {
    Health::live()
}

/// Whether every part is ready; says which is not.
#[utoipa::path(get, path = "/readyz", tag = "operations",
    responses((status = 200, body = Health), (status = 503, body = Health)))]
pub(crate) async fn ready(service: web::Data<Service>) -> HttpResponse {
    Health::ready(&service.ports.readiness)
}
