//! Steps of a case that need no proof: the reminder, handing it in, giving it up.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use reinstate_domain::account::Command;
use reinstate_domain::ids::CaseId;
use serde::Serialize;
use utoipa::ToSchema;

use super::{answer_case, carry_out, render_case, respond};
use crate::error::Problem;
use crate::permission::{Allowed, Prove};
use crate::resource::Reactivation;
use crate::service::Service;

/// A reactivation that was handed in, with what its owner reads while waiting.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Submitted {
    #[serde(flatten)]
    reactivation: Reactivation,
    notice: &'static str,
}

const NOTICE: &str = "We are checking what you gave us. This takes a moment; when a person has to look, it takes longer. \
                      Your account stays locked until then. We never ask for your password.";

/// The owner has read the reminder and confirms it.
#[utoipa::path(post, path = "/v1/reactivations/{id}/reminder", tag = "reactivations",
    params(("id" = String, Path), ("Idempotency-Key" = Option<String>, Header)),
    responses((status = 200, body = Reactivation), (status = 409, body = Problem)), security(("key" = [])))]
pub(crate) async fn reminder(
    allowed: Allowed<Prove>,
    service: web::Data<Service>,
    request: HttpRequest,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    simple(&allowed, &service, &request, &path, |case| Command::AcknowledgeReminder { case }).await
}

/// Gives the reactivation up.
#[utoipa::path(post, path = "/v1/reactivations/{id}/cancel", tag = "reactivations",
    params(("id" = String, Path), ("Idempotency-Key" = Option<String>, Header)),
    responses((status = 200, body = Reactivation), (status = 409, body = Problem)), security(("key" = [])))]
pub(crate) async fn cancel(
    allowed: Allowed<Prove>,
    service: web::Data<Service>,
    request: HttpRequest,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    simple(&allowed, &service, &request, &path, |case| Command::Cancel { case }).await
}

async fn simple(
    allowed: &Allowed<Prove>,
    service: &Service,
    request: &HttpRequest,
    id: &str,
    command: impl FnOnce(CaseId) -> Command,
) -> Result<HttpResponse, Problem> {
    let (row, done) = carry_out(service, &allowed.caller, request, id, b"", command).await?;
    answer_case(service, &allowed.caller, &row, &done, StatusCode::OK).await
}

/// Hands the reactivation in. The decision follows once every finding is in.
#[utoipa::path(post, path = "/v1/reactivations/{id}/submit", tag = "reactivations",
    params(("id" = String, Path), ("Idempotency-Key" = Option<String>, Header)),
    responses((status = 200, body = Submitted), (status = 409, body = Problem)), security(("key" = [])))]
pub(crate) async fn submit(
    allowed: Allowed<Prove>,
    service: web::Data<Service>,
    request: HttpRequest,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let submit = |case| Command::Submit { case };
    let (row, done) = carry_out(&service, &allowed.caller, &request, &path, b"", submit).await?;
    let reactivation = render_case(&service, &allowed.caller, &row.account, &done, row.case.id).await?;
    let (version, position) = (reactivation.version, reactivation.position);
    let body = Submitted { reactivation, notice: NOTICE };
    Ok(respond(StatusCode::OK, &body, version, position, done.replayed))
}
