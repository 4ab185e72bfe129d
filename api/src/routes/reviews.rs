//! What a reviewer sees and decides.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use reinstate_domain::account::Command;
use reinstate_domain::account::event::ReviewDecision;
use reinstate_domain::ids::EvidenceId;
use reinstate_domain::sealed::purpose;
use reinstate_store::seal;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::answer_case;
use crate::error::Problem;
use crate::json::{self, Json};
use crate::permission::{Allowed, Judge};
use crate::resource::Reactivation;
use crate::service::{Request, Service, key_failed};

#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReviewBody {
    #[schema(value_type = String, pattern = "approve|deny")]
    decision: ReviewDecision,
    /// In the reviewer's own words, for auditors; sealed.
    reason: String,
}

/// Decides a case that waits for a person.
#[utoipa::path(post, path = "/v1/reactivations/{id}/review", tag = "reviews", request_body = ReviewBody,
    params(("id" = String, Path), ("Idempotency-Key" = Option<String>, Header)),
    responses((status = 200, body = Reactivation), (status = 409, body = Problem)), security(("key" = [])))]
pub(crate) async fn decide(
    allowed: Allowed<Judge>,
    service: web::Data<Service>,
    request: HttpRequest,
    path: web::Path<String>,
    Json(body): Json<ReviewBody>,
) -> Result<HttpResponse, Problem> {
    let row = service.find(&allowed.caller, &path).await?;
    let length = body.reason.trim().chars().count();
    if length == 0 || length > 1000 {
        return Err(Problem::field("/reason", "must be 1 to 1000 characters"));
    }
    let wanted = service.request(&request, &row.account, &allowed.caller, &json::canonical(&body)?)?;
    let key = service.key(&row.account).await?;
    let reason = seal::seal(&key, &row.account, purpose::REVIEW, body.reason.as_bytes())
        .map_err(|_| Problem::internal())?;
    let reviewer = allowed.caller.name.clone();
    let command = Command::Review { case: row.case.id, reviewer, decision: body.decision, reason };
    let done = service.execute(&wanted, &command).await?;
    answer_case(&service, &allowed.caller, &row, &done, StatusCode::OK).await
}

/// Shows an image of a piece of evidence: `front`, `back`, `portrait`, `frame-0` … That somebody looked is an event too.
#[utoipa::path(get, path = "/v1/reactivations/{id}/evidence/{evidence}/{part}", tag = "reviews",
    params(("id" = String, Path), ("evidence" = String, Path), ("part" = String, Path)),
    responses((status = 200, content_type = "image/jpeg", body = Vec<u8>), (status = 404, body = Problem)),
    security(("key" = [])))]
pub(crate) async fn evidence(
    allowed: Allowed<Judge>,
    service: web::Data<Service>,
    path: web::Path<(String, String, String)>,
) -> Result<HttpResponse, Problem> {
    let (id, evidence, part) = path.into_inner();
    let row = service.find(&allowed.caller, &id).await?;
    let evidence = EvidenceId::parse(&evidence).map_err(|_| Problem::not_found())?;
    let blob = row.case.image(evidence, &part).ok_or_else(Problem::not_found)?;
    let erased = || Problem::new(StatusCode::GONE, "erased", "The personal data of this account was erased.");
    let key = service.ports.data_keys.get(&row.account).await.map_err(|error| key_failed(&error))?;
    let key = key.ok_or_else(erased)?;
    let image = service.ports.blobs.get(&key, &row.account, blob).await.map_err(|error| {
        tracing::error!(%error, "an image can't be read");
        Problem::internal()
    })?;
    // The look is in the log before the image leaves.
    let wanted = Request { account: &row.account, caller: &allowed.caller, fingerprint: None };
    let reviewer = allowed.caller.name.clone();
    service.execute(&wanted, &Command::View { case: row.case.id, evidence, part, reviewer }).await?;
    let kind = crate::upload::content_type(&image).unwrap_or("application/octet-stream");
    let cache = ("Cache-Control", "no-store");
    Ok(HttpResponse::Ok().content_type(kind).insert_header(cache).body(image.to_vec()))
}
