//! The face on file.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use reinstate_domain::account::Command;
use reinstate_domain::entry::Hash;

use super::{account_id, answer_account};
use crate::error::Problem;
use crate::permission::{Allowed, Manage};
use crate::resource::AccountResource;
use crate::service::Service;
use crate::upload;

/// Puts the face on file: a JPEG, PNG or WebP as the body.
#[utoipa::path(put, path = "/v1/accounts/{account}/portrait", tag = "accounts",
    request_body(content = Vec<u8>, content_type = "image/jpeg"),
    params(("account" = String, Path), ("Idempotency-Key" = Option<String>, Header)),
    responses((status = 200, body = AccountResource), (status = 413, body = Problem), (status = 415, body = Problem),
        (status = 422, body = Problem)), security(("key" = [])))]
pub(crate) async fn put(
    allowed: Allowed<Manage>,
    service: web::Data<Service>,
    request: HttpRequest,
    path: web::Path<String>,
    payload: web::Payload,
) -> Result<HttpResponse, Problem> {
    let id = account_id(&path)?;
    service.known(&id).await?;
    let image = upload::image_body(payload).await?;
    let content = Hash::of(&image).to_string();
    let wanted = service.request(&request, &id, &allowed.caller, content.as_bytes())?;
    let done = service
        .execute_with(&wanted, async |_| {
            Ok(Command::EnrolPortrait { portrait: service.keep(&id, &image).await? })
        })
        .await?;
    Ok(answer_account(&service, &id, &done, StatusCode::OK))
}
