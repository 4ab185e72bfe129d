//! Security questions: all answers at once, one verdict.

use std::collections::BTreeMap;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use reinstate_domain::account::{Account, Command, Refusal, Status};
use reinstate_domain::ids::{AccountId, CaseId};
use reinstate_domain::policy::Kind;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::answer_case;
use crate::answers;
use crate::error::Problem;
use crate::json::{self, Json};
use crate::permission::{Allowed, Prove};
use crate::resource::Reactivation;
use crate::service::Service;

/// The most characters of an answer that are looked at.
const MAX_ANSWER: usize = 200;

#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AnswersBody {
    /// By the questions' ids.
    answers: BTreeMap<String, String>,
}

/// Answers the security questions.
#[utoipa::path(post, path = "/v1/reactivations/{id}/answers", tag = "proofs", request_body = AnswersBody,
    params(("id" = String, Path), ("Idempotency-Key" = Option<String>, Header)),
    responses((status = 200, body = Reactivation), (status = 409, body = Problem)), security(("key" = [])))]
pub(crate) async fn answer(
    allowed: Allowed<Prove>,
    service: web::Data<Service>,
    request: HttpRequest,
    path: web::Path<String>,
    Json(body): Json<AnswersBody>,
) -> Result<HttpResponse, Problem> {
    let row = service.find(&allowed.caller, &path).await?;
    if body.answers.len() > 10 || body.answers.values().any(|a| a.chars().count() > MAX_ANSWER) {
        return Err(Problem::field("/answers", "must be at most 10, each of at most 200 characters"));
    }
    let wanted = service.request(&request, &row.account, &allowed.caller, &json::canonical(&body)?)?;
    let case = row.case.id;
    let done = service
        .execute_with(&wanted, async |account| {
            let correct = compare(&service, &row.account, account, case, &body.answers).await?;
            Ok(Command::Answer { case, correct })
        })
        .await?;
    answer_case(&service, &allowed.caller, &row, &done, StatusCode::OK).await
}

/// Compares off the threads that serve requests, and only while the step is open: a closed step must cost no hashing.
async fn compare(
    service: &Service,
    id: &AccountId,
    account: &Account,
    case: CaseId,
    answers: &BTreeMap<String, String>,
) -> Result<bool, Problem> {
    let now = service.ports.clock.now();
    let case = account.case(case).ok_or_else(|| Problem::refused(&Refusal::UnknownCase, now))?;
    let open = case.requirement(Kind::Questions).is_some_and(|r| case.status_of(r) == Status::Open);
    if !open {
        return Ok(false);
    }
    let Some(person) = service.person(id, account).await? else { return Ok(false) };
    let answers = answers.clone();
    answers::apart(move |memory| answers::all_right(&person.questions, &answers, memory)).await
}
