//! The contract as OpenAPI 3.1, generated from the handlers and types that serve it.

use actix_web::HttpResponse;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};

use crate::routes::{
    accounts, cases, codes, documents, erasure, faces, health, locks, portraits, questions, reactivations,
    reviews, timelines,
};

#[derive(OpenApi)]
#[openapi(
    info(title = "Reinstate", description = "Gives a locked exchange account back to its owner.", license(name = "Apache-2.0")),
    modifiers(&Keys),
    paths(
        accounts::enrol, accounts::read, accounts::list, portraits::put, locks::lock, locks::release, erasure::erase,
        timelines::read, reactivations::start, reactivations::read, reactivations::list, cases::reminder, codes::send,
        codes::verify, questions::answer, documents::submit, faces::challenge, faces::submit, cases::submit, cases::cancel,
        reviews::decide, reviews::evidence, health::live, health::ready, serve,
    ),
    tags(
        (name = "accounts", description = "Role backend; reading also for reviewer and auditor."),
        (name = "reactivations", description = "Starting is for the backend, reading for its owner too."),
        (name = "proofs", description = "Roles owner and backend."),
        (name = "reviews", description = "Role reviewer."),
        (name = "operations", description = "No key needed."),
    ),
)]
struct Contract;

struct Keys;

impl Modify for Keys {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("A key of a role, or an owner's token."))
            .build();
        openapi.components.get_or_insert_default().add_security_scheme("key", SecurityScheme::Http(scheme));
    }
}

/// The description, as JSON.
pub(crate) fn document() -> Result<String, serde_json::Error> {
    Contract::openapi().to_json()
}

/// This description.
#[utoipa::path(get, path = "/openapi.json", tag = "operations",
    responses((status = 200, body = Object, description = "OpenAPI 3.1")))]
pub(crate) async fn serve() -> HttpResponse {
    match document() {
        Ok(json) => HttpResponse::Ok().content_type("application/json").body(json),
        Err(_) => HttpResponse::InternalServerError().finish(),
    }
}
