//! Security codes: asking for one and entering it.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use reinstate_domain::account::{Command, Refusal};
use reinstate_domain::codes::{Channel, Code};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{answer_case, carry_out, respond};
use crate::error::{FieldError, Problem};
use crate::json::{self, Json};
use crate::permission::{Allowed, Prove};
use crate::resource::{CodeSent, Reactivation, mask};
use crate::service::Service;

#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CodeBody {
    #[schema(value_type = String, pattern = "phone|email")]
    channel: Channel,
}

/// Sends a code. The newest is the only good one.
#[utoipa::path(post, path = "/v1/reactivations/{id}/codes", tag = "proofs", request_body = CodeBody,
    params(("id" = String, Path), ("Idempotency-Key" = Option<String>, Header)),
    responses((status = 202, body = CodeSent), (status = 409, body = Problem),
        (status = 429, body = Problem, description = "sooner than resend_at")), security(("key" = [])))]
pub(crate) async fn send(
    allowed: Allowed<Prove>,
    service: web::Data<Service>,
    request: HttpRequest,
    path: web::Path<String>,
    Json(body): Json<CodeBody>,
) -> Result<HttpResponse, Problem> {
    let channel = body.channel;
    let (content, issue) = (json::canonical(&body)?, |case| Command::IssueCode { case, channel });
    let (row, done) = carry_out(&service, &allowed.caller, &request, &path, &content, issue).await?;
    let account = &done.account;
    let newest = account.case(row.case.id).and_then(|case| case.requirement(channel.kind())?.code.as_ref());
    let Some(code) = newest else {
        return Err(Problem::refused(&Refusal::CaseEnded, service.ports.clock.now()));
    };
    let person = service.person(&row.account, account).await?;
    let contact = person.as_ref().and_then(|person| person.contacts.of(channel)).unwrap_or_default();
    let sent = CodeSent {
        channel,
        sent_to: mask(contact),
        issued: code.issue,
        expires_at: code.expires_at,
        resend_at: code.resend_at,
    };
    Ok(respond(StatusCode::ACCEPTED, &sent, account.version, account.position, done.replayed))
}

/// The codes that the owner enters, any of them.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct VerifyBody {
    /// Six digits.
    #[serde(default)]
    phone: Option<String>,
    /// Six digits.
    #[serde(default)]
    email: Option<String>,
}

impl VerifyBody {
    fn parse(&self) -> Result<(Option<Code>, Option<Code>), Problem> {
        let mut errors = Vec::new();
        let mut parse = |field: &str, text: &Option<String>| {
            let code = text.as_deref().map(Code::parse).transpose();
            code.unwrap_or_else(|error| {
                errors.push(FieldError { pointer: format!("/{field}"), detail: error.to_string() });
                None
            })
        };
        let codes = (parse("phone", &self.phone), parse("email", &self.email));
        if self.phone.is_none() && self.email.is_none() {
            errors.push(FieldError { pointer: String::new(), detail: "needs phone or email".into() });
        }
        if errors.is_empty() { Ok(codes) } else { Err(Problem::invalid(errors)) }
    }
}

/// Enters codes. Each is judged by itself; the answer is the reactivation.
#[utoipa::path(post, path = "/v1/reactivations/{id}/verify", tag = "proofs", request_body = VerifyBody,
    params(("id" = String, Path), ("Idempotency-Key" = Option<String>, Header)),
    responses((status = 200, body = Reactivation), (status = 409, body = Problem), (status = 422, body = Problem)),
    security(("key" = [])))]
pub(crate) async fn verify(
    allowed: Allowed<Prove>,
    service: web::Data<Service>,
    request: HttpRequest,
    path: web::Path<String>,
    Json(body): Json<VerifyBody>,
) -> Result<HttpResponse, Problem> {
    let row = service.find(&allowed.caller, &path).await?;
    let (phone, email) = body.parse()?;
    let wanted = service.request(&request, &row.account, &allowed.caller, &json::canonical(&body)?)?;
    let done = service.execute(&wanted, &Command::Verify { case: row.case.id, phone, email }).await?;
    answer_case(&service, &allowed.caller, &row, &done, StatusCode::OK).await
}
