//! Reactivations: starting, following, listing.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use reinstate_domain::account::{Answer, Command};
use reinstate_domain::ids::CaseId;
use reinstate_store::read_models::{ReactivationRow, ReactivationStatus};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::{List, Page, account_id, await_after, render_case, render_row, respond};
use crate::error::Problem;
use crate::permission::{Allowed, Follow, Inspect, Manage};
use crate::resource::Reactivation;
use crate::service::{Service, read_failed};

/// The longest `?wait=`, in seconds.
const MAX_WAIT: u64 = 60;

/// A reactivation that was just opened, with the token for its owner.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Opened {
    #[serde(flatten)]
    reactivation: Reactivation,
    /// Hand it to the owner's app or browser: it opens this reactivation and nothing else.
    owner_token: String,
}

/// Starts a reactivation.
#[utoipa::path(post, path = "/v1/accounts/{account}/reactivations", tag = "reactivations",
    params(("account" = String, Path), ("Idempotency-Key" = Option<String>, Header)),
    responses((status = 201, body = Opened), (status = 404, body = Problem),
        (status = 409, body = Problem, description = "cooling_off with opens_at, not_locked, already_open, retry_later, retry_never")),
    security(("key" = [])))]
pub(crate) async fn start(
    allowed: Allowed<Manage>,
    service: web::Data<Service>,
    request: HttpRequest,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let id = account_id(&path)?;
    let wanted = service.request(&request, &id, &allowed.caller, b"")?;
    let command = Command::Request { case: CaseId::from_uuid(Uuid::now_v7()) };
    let done = service.execute(&wanted, &command).await?;
    let Answer::Opened { case } = done.answer else { return Err(Problem::internal()) };
    service.owners.remember(case, &id);
    // Its owner calls next, by the reactivation's own id, which the read model must know by then.
    if let Some(position) = done.account.position
        && service.await_position(position).await.is_err()
    {
        tracing::warn!("the read model is behind a reactivation that was just opened");
    }
    let reactivation = render_case(&service, &allowed.caller, &id, &done, case).await?;
    let (version, position) = (reactivation.version, reactivation.position);
    let body = Opened { reactivation, owner_token: service.owner_tokens().token(case) };
    Ok(respond(StatusCode::CREATED, &body, version, position, done.replayed))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Wait {
    /// Hold the answer for so many seconds, at most 60, until the status or a requirement changes.
    wait: Option<u64>,
}

/// Reads a reactivation.
#[utoipa::path(get, path = "/v1/reactivations/{id}", tag = "reactivations",
    params(("id" = String, Path), Wait, ("Reinstate-After" = Option<String>, Header)),
    responses((status = 200, body = Reactivation), (status = 404, body = Problem)), security(("key" = [])))]
pub(crate) async fn read(
    allowed: Allowed<Follow>,
    service: web::Data<Service>,
    request: HttpRequest,
    path: web::Path<String>,
    query: web::Query<Wait>,
) -> Result<HttpResponse, Problem> {
    await_after(&service, &request).await?;
    let row = service.find(&allowed.caller, &path).await?;
    let mut body = render_row(&service, &allowed.caller, &row).await?;
    if let Some(seconds) = query.wait {
        if seconds > MAX_WAIT {
            return Err(Problem::field("wait", "must be at most 60"));
        }
        body = hold(&service, &allowed, row, body, Duration::from_secs(seconds)).await?;
    }
    Ok(respond(StatusCode::OK, &body, body.version, body.position, false))
}

/// Waits until the reactivation shows something new, or the time is over. Nothing new comes after its end, and a server that
/// stops waits no longer.
async fn hold(
    service: &Service,
    allowed: &Allowed<Follow>,
    mut row: ReactivationRow,
    first: Reactivation,
    longest: Duration,
) -> Result<Reactivation, Problem> {
    let until = Instant::now() + longest;
    if first.has_ended() {
        return Ok(first);
    }
    let models = &*service.ports.read_models;
    let waiting = service.held.enter(row.case.id);
    let mut changes = models.changes();
    let mut newest = first.clone();
    loop {
        let change = *changes.borrow_and_update();
        match service.held.row(models, &waiting, change).await {
            Ok(Some(found)) if found.version > row.version => {
                row = ReactivationRow::clone(&found);
                newest = render_row(service, &allowed.caller, &row).await?;
                if newest.differs(&first) || newest.has_ended() {
                    return Ok(newest);
                }
            }
            Ok(_) => {}
            // While the read model is away nothing changes here; what was seen last is still worth an answer when the time is over.
            Err(error) => tracing::warn!(%error, "the read model does not answer who waits for a change"),
        }
        tokio::select! {
            changed = changes.changed() => changed.map_err(|_| Problem::read_model_behind())?,
            () = tokio::time::sleep_until(until) => return Ok(newest),
            () = service.ports.stop.requested() => return Ok(newest),
        }
    }
}

/// Lists reactivations, the newest last.
#[utoipa::path(get, path = "/v1/reactivations", tag = "reactivations", params(Page),
    responses((status = 200, body = List<Reactivation>)), security(("key" = [])))]
pub(crate) async fn list(
    allowed: Allowed<Inspect>,
    service: web::Data<Service>,
    request: HttpRequest,
    page: web::Query<Page>,
) -> Result<HttpResponse, Problem> {
    await_after(&service, &request).await?;
    let status = page.status(&[
        ("open", ReactivationStatus::Open),
        ("processing", ReactivationStatus::Processing),
        ("in_review", ReactivationStatus::InReview),
        ("reactivated", ReactivationStatus::Reactivated),
        ("denied", ReactivationStatus::Denied),
        ("expired", ReactivationStatus::Expired),
        ("cancelled", ReactivationStatus::Cancelled),
    ])?;
    let after = page.after(CaseId::parse)?;
    let limit = page.limit()?;
    let rows =
        service.ports.read_models.reactivations(status, after, limit).await.map_err(|e| read_failed(&e))?;
    let mut data = Vec::with_capacity(rows.len());
    for row in &rows {
        data.push(render_row(&service, &allowed.caller, row).await?);
    }
    Ok(HttpResponse::Ok().json(List::page(data, limit, rows.last().map(|row| row.case.id.to_string()))))
}
