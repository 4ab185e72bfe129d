//! One file for each part of the contract. A handler parses, authorises, makes one call and renders.

pub(crate) mod accounts;
pub(crate) mod cases;
pub(crate) mod codes;
pub(crate) mod documents;
pub(crate) mod erasure;
pub(crate) mod faces;
pub(crate) mod health;
pub(crate) mod locks;
pub(crate) mod portraits;
pub(crate) mod questions;
pub(crate) mod reactivations;
pub(crate) mod reviews;
pub(crate) mod timelines;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse};
use reinstate_domain::account::Account;
use reinstate_domain::entry::Position;
use reinstate_domain::ids::{AccountId, CaseId};
use reinstate_store::read_models::ReactivationRow;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::auth::Caller;
use crate::error::Problem;
use crate::resource::{CaseView, Prompt, Reactivation, reactivation};
use crate::service::{Done, Service};

/// The header that a write answers and a read may ask for.
const POSITION: &str = "Reinstate-Position";
const AFTER: &str = "Reinstate-After";
const REPLAYED: &str = "Idempotent-Replayed";

/// A page of a list.
#[derive(Debug, Clone, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Page {
    /// How many, 1 to 100.
    limit: Option<usize>,
    /// The `next` of the page before.
    after: Option<String>,
    /// Only those with this status.
    status: Option<String>,
}

impl Page {
    const MOST: usize = 100;

    fn limit(&self) -> Result<usize, Problem> {
        match self.limit.unwrap_or(20) {
            n @ 1..=Self::MOST => Ok(n),
            _ => Err(Problem::field("limit", "must be 1 to 100")),
        }
    }
}

/// A list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct List<T: ToSchema> {
    data: Vec<T>,
    /// The cursor of the next page; null on the last.
    next: Option<String>,
}

pub(crate) fn account_id(text: &str) -> Result<AccountId, Problem> {
    AccountId::parse(text).map_err(|_| Problem::not_found())
}

/// Waits for the position that a read asks for.
pub(crate) async fn await_after(service: &Service, request: &HttpRequest) -> Result<(), Problem> {
    let Some(header) = request.headers().get(AFTER) else { return Ok(()) };
    let bad =
        || Problem::new(StatusCode::BAD_REQUEST, "position_invalid", "Reinstate-After is PARTITION:OFFSET.");
    let position = header.to_str().ok().and_then(|text| Position::parse(text).ok()).ok_or_else(bad)?;
    if position.partition >= service.log.partitions() {
        return Err(bad());
    }
    service.await_position(position).await
}

/// A resource with its version and where it stands in the log.
pub(crate) fn respond(
    status: StatusCode,
    body: &impl Serialize,
    version: u64,
    position: Option<Position>,
    replayed: bool,
) -> HttpResponse {
    let mut response = HttpResponse::build(status);
    response.insert_header(("ETag", format!("\"{version}\"")));
    if let Some(position) = position {
        response.insert_header((POSITION, position.to_string()));
    }
    if replayed {
        response.insert_header((REPLAYED, "true"));
    }
    response.json(body)
}

/// The reactivation as it is after a command on it. A command that was carried out earlier, on a case that another has
/// followed meanwhile, shows that case as the read model has it.
pub(crate) async fn render_case(
    service: &Service,
    caller: &Caller,
    id: &AccountId,
    done: &Done,
    case: CaseId,
) -> Result<Reactivation, Problem> {
    match done.account.case(case) {
        Some(newest) => {
            let account = &done.account;
            let view =
                CaseView { account: id, case: newest, version: account.version, position: account.position };
            let mut rendered = reactivation(&view, caller.role.is_staff());
            ask(service, id, account, &mut rendered).await?;
            Ok(rendered)
        }
        None => render_row(service, caller, &service.find(caller, &case.to_string()).await?).await,
    }
}

/// The reactivation as a row of the read model has it.
pub(crate) async fn render_row(
    service: &Service,
    caller: &Caller,
    row: &ReactivationRow,
) -> Result<Reactivation, Problem> {
    let view = CaseView {
        account: &row.account,
        case: &row.case,
        version: row.version,
        position: Some(row.position),
    };
    let mut rendered = reactivation(&view, caller.role.is_staff());
    if rendered.asks_questions() {
        let account = service.account(&row.account).await?;
        ask(service, &row.account, &account, &mut rendered).await?;
    }
    Ok(rendered)
}

async fn ask(
    service: &Service,
    id: &AccountId,
    account: &Account,
    rendered: &mut Reactivation,
) -> Result<(), Problem> {
    if rendered.asks_questions()
        && let Some(person) = service.person(id, account).await?
    {
        let prompts = person.questions.into_iter().map(|q| Prompt { id: q.id, prompt: q.prompt });
        rendered.ask(prompts.collect());
    }
    Ok(())
}

/// Answers a command on a case with the reactivation.
pub(crate) async fn answer_case(
    service: &Service,
    caller: &Caller,
    row: &ReactivationRow,
    done: &Done,
    status: StatusCode,
) -> Result<HttpResponse, Problem> {
    let body = render_case(service, caller, &row.account, done, row.case.id).await?;
    Ok(respond(status, &body, body.version, body.position, done.replayed))
}
