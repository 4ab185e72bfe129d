//! An account's history, with its public data and, for staff, scores, thresholds and models.

use actix_web::{HttpRequest, HttpResponse, web};
use jiff::Timestamp;
use reinstate_domain::disclosure::{Audience, disclose};
use reinstate_domain::entry::Position;
use reinstate_domain::ids::EntryId;
use reinstate_domain::wire::{self, Actor, Entry};
use serde::Serialize;
use utoipa::ToSchema;

use super::{List, Page, account_id, await_after};
use crate::error::Problem;
use crate::permission::{Allowed, Inspect};
use crate::service::{Service, read_failed};

/// One entry: one decision.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TimelineEntry {
    #[schema(value_type = String)]
    position: Position,
    #[schema(value_type = String, format = Uuid)]
    id: EntryId,
    version: u64,
    #[schema(value_type = String, format = DateTime)]
    time: Timestamp,
    #[schema(value_type = Object)]
    actor: Actor,
    events: Vec<TimelineEvent>,
}

#[derive(Debug, Serialize, ToSchema)]
struct TimelineEvent {
    #[serde(rename = "type")]
    kind: &'static str,
    #[schema(value_type = Object)]
    data: serde_json::Value,
}

impl TimelineEntry {
    fn of(entry: &Entry, position: Position, audience: Audience) -> Result<Self, Problem> {
        let events = entry.events.iter().map(|event| {
            let data = disclose(event, audience).map_err(|_| Problem::internal())?;
            Ok(TimelineEvent { kind: event.type_name(), data })
        });
        Ok(Self {
            position,
            id: entry.id,
            version: entry.version,
            time: entry.time,
            actor: entry.actor.clone(),
            events: events.collect::<Result<_, Problem>>()?,
        })
    }
}

/// Reads an account's entries in order.
#[utoipa::path(get, path = "/v1/accounts/{account}/timeline", tag = "accounts",
    params(("account" = String, Path), Page, ("Reinstate-After" = Option<String>, Header)),
    responses((status = 200, body = List<TimelineEntry>), (status = 404, body = Problem)), security(("key" = [])))]
pub(crate) async fn read(
    allowed: Allowed<Inspect>,
    service: web::Data<Service>,
    request: HttpRequest,
    path: web::Path<String>,
    page: web::Query<Page>,
) -> Result<HttpResponse, Problem> {
    let id = account_id(&path)?;
    await_after(&service, &request).await?;
    service.account(&id).await?;
    if page.status.is_some() {
        return Err(Problem::field("status", "is not known here"));
    }
    let after = page.after(str::parse::<u64>)?.unwrap_or(0);
    let limit = page.limit()?;
    let positions =
        service.ports.read_models.timeline(&id, after, limit).await.map_err(|e| read_failed(&e))?;
    let last = after.saturating_add(positions.len() as u64).to_string();
    let audience = if allowed.caller.role.is_staff() { Audience::Staff } else { Audience::Backend };
    let mut data = Vec::with_capacity(positions.len());
    for position in positions {
        let record = service.ports.log.at(position).await.map_err(|error| {
            tracing::error!(error = &error as &dyn std::error::Error, "an entry can't be read");
            Problem::log_unavailable()
        })?;
        let record = record.ok_or_else(Problem::log_unavailable)?;
        let entry = wire::decode(&record.value).map_err(|_| Problem::internal())?;
        data.push(TimelineEntry::of(&entry, position, audience)?);
    }
    Ok(HttpResponse::Ok().json(List::page(data, limit, Some(last))))
}
