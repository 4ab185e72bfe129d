//! Faces: a challenge, and the frames that answer it.

use actix_multipart::Multipart;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use reinstate_domain::account::{Answer, Command, Refusal};
use reinstate_domain::ids::ChallengeId;
use reinstate_domain::policy::Kind;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{carry_out, hand_in, respond};
use crate::error::Problem;
use crate::permission::{Allowed, Prove};
use crate::resource::{ChallengeResource, Reactivation, tips};
use crate::service::Service;
use crate::upload::{Form, Shape};

/// More frames than any challenge asks for, so that the domain can say how many it wants.
const SHAPE: Shape = Shape { texts: &["challenge"], images: &[("frame", 8)] };

/// The parts of a face's form.
#[derive(ToSchema)]
#[expect(
    dead_code,
    reason = "describes the form; the parts are read by hand, so that unknown and doubled ones are noticed"
)]
pub(crate) struct FaceForm {
    #[schema(value_type = String, format = Uuid)]
    challenge: String,
    /// One for each action of the challenge, in order, as the camera saw it: not mirrored.
    #[schema(value_type = Vec<String>, format = Binary)]
    frame: Vec<Vec<u8>>,
}

/// Begins a face check.
#[utoipa::path(post, path = "/v1/reactivations/{id}/face-challenges", tag = "proofs",
    params(("id" = String, Path), ("Idempotency-Key" = Option<String>, Header)),
    responses((status = 201, body = ChallengeResource), (status = 409, body = Problem)), security(("key" = [])))]
pub(crate) async fn challenge(
    allowed: Allowed<Prove>,
    service: web::Data<Service>,
    request: HttpRequest,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let id = ChallengeId::from_uuid(Uuid::now_v7());
    let issue = |case| Command::IssueChallenge { case, challenge: id };
    let (row, done) = carry_out(&service, &allowed.caller, &request, &path, b"", issue).await?;
    let Answer::ChallengeIssued { challenge: id, .. } = done.answer else { return Err(Problem::internal()) };
    let account = &done.account;
    let newest = account.case(row.case.id).and_then(|case| case.challenge.as_ref()).filter(|c| c.id == id);
    let superseded = || Problem::refused(&Refusal::UnknownChallenge, service.ports.clock.now());
    let challenge = newest.ok_or_else(superseded)?;
    let body = ChallengeResource {
        id,
        tips: tips(&challenge.actions),
        actions: challenge.actions.clone(),
        expires_at: challenge.expires_at,
    };
    Ok(respond(StatusCode::CREATED, &body, account.version, account.position, done.replayed))
}

/// Hands in the frames of a challenge.
#[utoipa::path(post, path = "/v1/reactivations/{id}/faces", tag = "proofs",
    request_body(content = FaceForm, content_type = "multipart/form-data"),
    params(("id" = String, Path), ("Idempotency-Key" = Option<String>, Header)),
    responses((status = 202, body = Reactivation), (status = 409, body = Problem), (status = 413, body = Problem),
        (status = 415, body = Problem), (status = 422, body = Problem)), security(("key" = [])))]
pub(crate) async fn submit(
    allowed: Allowed<Prove>,
    service: web::Data<Service>,
    request: HttpRequest,
    path: web::Path<String>,
    payload: Multipart,
) -> Result<HttpResponse, Problem> {
    let row = service.find(&allowed.caller, &path).await?;
    let form = Form::read(payload, &SHAPE).await?;
    let challenge = ChallengeId::parse(form.required_text("challenge")?)
        .map_err(|_| Problem::field("challenge", "must be the id of a challenge"))?;
    if form.images("frame").is_empty() {
        return Err(Problem::field("frame", "is missing"));
    }
    let wanted = service.request(&request, &row.account, &allowed.caller, &form.content())?;
    hand_in(&service, &wanted, &row, Kind::Face, &form.images("frame"), |case, evidence, frames| {
        Some(Command::SubmitFace { case, evidence, challenge, frames })
    })
    .await
}
