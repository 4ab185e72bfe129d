//! One file for each part of the contract. A handler parses, authorises, makes one call and renders.

pub(crate) mod accounts;
pub(crate) mod cases;
pub(crate) mod codes;
pub(crate) mod documents;
pub(crate) mod endpoints;
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
use bytes::Bytes;
use reinstate_domain::account::{Account, Command};
use reinstate_domain::entry::Position;
use reinstate_domain::ids::{AccountId, CaseId, EvidenceId};
use reinstate_domain::policy::Kind;
use reinstate_domain::sealed::BlobId;
use reinstate_store::read_models::ReactivationRow;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::auth::Caller;
use crate::error::Problem;
use crate::resource::{self, CaseView, Prompt, Reactivation, reactivation};
use crate::service::{Done, Request, Service};

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

    fn after<T, E>(&self, parse: impl FnOnce(&str) -> Result<T, E>) -> Result<Option<T>, Problem> {
        let bad = |_| Problem::field("after", "must be the next of the page before");
        self.after.as_deref().map(parse).transpose().map_err(bad)
    }

    /// The status asked for, of those that a list knows.
    fn status<T: Copy>(&self, known: &[(&str, T)]) -> Result<Option<T>, Problem> {
        let Some(wanted) = self.status.as_deref() else { return Ok(None) };
        let found = known.iter().find(|(name, _)| *name == wanted);
        found.map(|&(_, status)| Some(status)).ok_or_else(|| {
            let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
            Problem::field("status", &format!("must be one of {}", names.join(", ")))
        })
    }
}

/// A list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct List<T: ToSchema> {
    data: Vec<T>,
    /// The cursor of the next page; null on the last.
    next: Option<String>,
}

impl<T: ToSchema> List<T> {
    /// A page of at most `limit`. `last` is the cursor of its last row.
    fn page(data: Vec<T>, limit: usize, last: Option<String>) -> Self {
        let next = last.filter(|_| data.len() == limit);
        Self { data, next }
    }
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
    if position.partition >= service.ports.log.partitions() {
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

/// Carries out a command on the case that a path names.
pub(crate) async fn carry_out(
    service: &Service,
    caller: &Caller,
    request: &HttpRequest,
    id: &str,
    content: &[u8],
    command: impl FnOnce(CaseId) -> Command,
) -> Result<(ReactivationRow, Done), Problem> {
    let row = service.find(caller, id).await?;
    let wanted = service.request(request, &row.account, caller, content)?;
    let done = service.execute(&wanted, &command(row.case.id)).await?;
    Ok((row, done))
}

/// Hands in a form of images for a step. They are kept only while it is open, and not again for a repeat.
pub(crate) async fn hand_in(
    service: &Service,
    wanted: &Request<'_>,
    row: &ReactivationRow,
    kind: Kind,
    images: &[&Bytes],
    command: impl FnOnce(CaseId, EvidenceId, Vec<BlobId>) -> Option<Command>,
) -> Result<HttpResponse, Problem> {
    let case = row.case.id;
    let done = service
        .execute_with(wanted, async |account| {
            service.must_be_open(account, case, kind)?;
            let mut kept = Vec::with_capacity(images.len());
            for image in images {
                kept.push(service.keep(&row.account, image).await?);
            }
            command(case, EvidenceId::from_uuid(Uuid::now_v7()), kept).ok_or_else(Problem::internal)
        })
        .await?;
    answer_case(service, wanted.caller, row, &done, StatusCode::ACCEPTED).await
}

/// Answers a command on an account with the account.
pub(crate) fn answer_account(
    service: &Service,
    id: &AccountId,
    done: &Done,
    status: StatusCode,
) -> HttpResponse {
    let body = resource::account(id, &done.account, &service.ports.policy);
    respond(status, &body, body.version, body.position, done.replayed)
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
