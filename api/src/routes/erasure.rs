//! Erasure: the key goes, the history stays.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use reinstate_domain::account::Command;

use super::{account_id, answer_account};
use crate::error::Problem;
use crate::permission::{Allowed, Manage};
use crate::resource::AccountResource;
use crate::service::{Service, key_failed};

/// Erases the person behind an account.
#[utoipa::path(delete, path = "/v1/accounts/{account}/personal-data", tag = "accounts",
    params(("account" = String, Path)),
    responses((status = 200, body = AccountResource), (status = 404, body = Problem)), security(("key" = [])))]
pub(crate) async fn erase(
    allowed: Allowed<Manage>,
    service: web::Data<Service>,
    request: HttpRequest,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let id = account_id(&path)?;
    let wanted = service.request(&request, &id, &allowed.caller, b"")?;
    // The fact first: when the process dies in between, whoever follows the log finishes the work.
    let done = service.execute(&wanted, &Command::Erase).await?;
    service.ports.data_keys.erase(&id).await.map_err(|error| key_failed(&error))?;
    Ok(answer_account(&service, &id, &done, StatusCode::OK))
}
