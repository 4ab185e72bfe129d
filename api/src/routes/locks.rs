//! Locks and releases, as the exchange reports them.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use jiff::Timestamp;
use reinstate_domain::account::{Answer, Command};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::accounts::is_slug;
use super::{account_id, answer_account};
use crate::error::Problem;
use crate::json::{self, Json};
use crate::permission::{Allowed, Manage};
use crate::resource::AccountResource;
use crate::service::Service;

#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LockBody {
    /// A slug: `suspicious_login`, `owner_request`, `too_many_failures`, `compliance`, …
    reason: String,
    /// When the exchange locked it; now when absent. Not in the future.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    locked_at: Option<Timestamp>,
}

#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReleaseBody {
    /// A slug.
    reason: String,
}

fn check_reason(reason: &str) -> Result<(), Problem> {
    if is_slug(reason) {
        Ok(())
    } else {
        Err(Problem::field("/reason", "must be a slug: 1 to 64 of a-z 0-9 _ -"))
    }
}

/// Reports that an account was locked.
#[utoipa::path(post, path = "/v1/accounts/{account}/locks", tag = "accounts", request_body = LockBody,
    params(("account" = String, Path), ("Idempotency-Key" = Option<String>, Header)),
    responses((status = 201, body = AccountResource), (status = 200, body = AccountResource, description = "locked already"),
        (status = 404, body = Problem), (status = 422, body = Problem)), security(("key" = [])))]
pub(crate) async fn lock(
    allowed: Allowed<Manage>,
    service: web::Data<Service>,
    request: HttpRequest,
    path: web::Path<String>,
    Json(body): Json<LockBody>,
) -> Result<HttpResponse, Problem> {
    let id = account_id(&path)?;
    check_reason(&body.reason)?;
    let wanted = service.request(&request, &id, &allowed.caller, &json::canonical(&body)?)?;
    let command = Command::Lock { reason: body.reason, at: body.locked_at };
    let done = service.execute(&wanted, &command).await?;
    let new = done.answer == Answer::Locked { new: true };
    let status = if new { StatusCode::CREATED } else { StatusCode::OK };
    Ok(answer_account(&service, &id, &done, status))
}

/// Reports that the exchange unlocked the account itself. Ends an open reactivation.
#[utoipa::path(post, path = "/v1/accounts/{account}/releases", tag = "accounts", request_body = ReleaseBody,
    params(("account" = String, Path), ("Idempotency-Key" = Option<String>, Header)),
    responses((status = 200, body = AccountResource), (status = 404, body = Problem)), security(("key" = [])))]
pub(crate) async fn release(
    allowed: Allowed<Manage>,
    service: web::Data<Service>,
    request: HttpRequest,
    path: web::Path<String>,
    Json(body): Json<ReleaseBody>,
) -> Result<HttpResponse, Problem> {
    let id = account_id(&path)?;
    check_reason(&body.reason)?;
    let wanted = service.request(&request, &id, &allowed.caller, &json::canonical(&body)?)?;
    let done = service.execute(&wanted, &Command::Release { reason: body.reason }).await?;
    Ok(answer_account(&service, &id, &done, StatusCode::OK))
}
