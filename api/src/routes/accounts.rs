//! Accounts: enrolment and reading.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use jiff::civil::Date;
use reinstate_domain::account::decide::Enrolment;
use reinstate_domain::account::event::{Attributes, Risk};
use reinstate_domain::account::{Answer, Command};
use reinstate_domain::identity::{Contacts, Identity, Person, Question};
use reinstate_domain::ids::AccountId;
use reinstate_domain::sealed::purpose;
use reinstate_store::read_models::AccountStatus;
use reinstate_store::seal;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{List, Page, account_id, answer_account, await_after, respond};
use crate::answers::Memory;
use crate::error::{FieldError, Problem};
use crate::json::Json;
use crate::permission::{Allowed, Inspect, Manage};
use crate::resource::{self, AccountResource};
use crate::service::{Service, read_failed};
use crate::{answers, json};

/// What the exchange enrols.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EnrolmentBody {
    #[serde(default)]
    contacts: ContactsBody,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    identity: Option<IdentityBody>,
    #[serde(default)]
    questions: Vec<QuestionBody>,
    #[serde(default)]
    factors: FactorsBody,
    #[serde(default)]
    attributes: AttributesBody,
}

#[derive(Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
struct ContactsBody {
    /// E.164, such as `+4915112345678`.
    phone: Option<String>,
    email: Option<String>,
}

#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct IdentityBody {
    given_names: String,
    surname: String,
    #[schema(value_type = String, format = Date)]
    birth_date: Date,
    /// ISO 3166 alpha-3 or an ICAO 9303 code.
    #[serde(default)]
    nationality: Option<String>,
}

#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct QuestionBody {
    id: String,
    prompt: String,
    answer: String,
}

/// Further factors. TOTP is not built yet; a server that took a secret and did not ask for it would be weaker than it looks.
#[derive(Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct FactorsBody {}

#[derive(Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
struct AttributesBody {
    country: Option<String>,
    #[schema(value_type = Option<String>)]
    risk: Option<Risk>,
    tier: Option<String>,
}

impl EnrolmentBody {
    fn check(&self, today: Date) -> Result<(), Problem> {
        let mut errors = Vec::new();
        let mut must = |holds: bool, pointer: String, detail: &str| {
            if !holds {
                errors.push(FieldError { pointer, detail: detail.to_owned() });
            }
        };
        if let Some(phone) = &self.contacts.phone {
            must(is_e164(phone), "/contacts/phone".into(), "must be E.164: + and 7 to 15 digits");
        }
        if let Some(email) = &self.contacts.email {
            must(is_email(email), "/contacts/email".into(), "must be an e-mail address");
        }
        if let Some(identity) = &self.identity {
            let names = [("given_names", &identity.given_names), ("surname", &identity.surname)];
            for (field, name) in names {
                must(is_text(name, 100), format!("/identity/{field}"), "must be 1 to 100 characters");
            }
            must(identity.birth_date < today, "/identity/birth_date".into(), "must be in the past");
            if let Some(code) = &identity.nationality {
                must(is_country(code), "/identity/nationality".into(), "must be 1 to 3 capital letters");
            }
        }
        must(self.questions.len() <= 10, "/questions".into(), "must be at most 10");
        for (n, question) in self.questions.iter().enumerate() {
            let twice = self.questions[..n].iter().any(|q| q.id == question.id);
            must(is_slug(&question.id) && !twice, format!("/questions/{n}/id"), "must be a slug, once");
            must(
                is_text(&question.prompt, 200),
                format!("/questions/{n}/prompt"),
                "must be 1 to 200 characters",
            );
            must(
                is_text(&question.answer, 200),
                format!("/questions/{n}/answer"),
                "must be 1 to 200 characters",
            );
        }
        if let Some(country) = &self.attributes.country {
            must(is_country(country), "/attributes/country".into(), "must be 1 to 3 capital letters");
        }
        if let Some(tier) = &self.attributes.tier {
            must(is_slug(tier), "/attributes/tier".into(), "must be a slug");
        }
        if errors.is_empty() { Ok(()) } else { Err(Problem::invalid(errors)) }
    }

    /// The part that is sealed, its answers hashed. Takes a moment for each answer.
    fn person(self, memory: &mut Memory) -> Result<(Person, Attributes), Problem> {
        let questions = self.questions.into_iter().map(|q| {
            let answer = answers::hash(&q.answer, memory).map_err(|error| {
                tracing::error!(%error, "an answer can't be hashed");
                Problem::internal()
            })?;
            Ok(Question { id: q.id, prompt: q.prompt, answer })
        });
        let identity = self.identity.map(|i| Identity {
            given_names: i.given_names,
            surname: i.surname,
            birth_date: i.birth_date,
            nationality: i.nationality,
        });
        let person = Person {
            contacts: Contacts { phone: self.contacts.phone, email: self.contacts.email },
            identity,
            questions: questions.collect::<Result<_, Problem>>()?,
        };
        let AttributesBody { country, risk, tier } = self.attributes;
        Ok((person, Attributes { country, risk, tier }))
    }
}

fn is_e164(text: &str) -> bool {
    let digits = text.strip_prefix('+').unwrap_or_default();
    (7..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0')
}

fn is_email(text: &str) -> bool {
    let plain = |b: u8| b > b' ' && b != 0x7f;
    match text.rsplit_once('@') {
        Some((local, domain)) => {
            !local.is_empty()
                && !domain.is_empty()
                && text.len() <= 254
                && text.bytes().all(plain)
                && !local.contains('@')
        }
        None => false,
    }
}

pub(crate) fn is_country(text: &str) -> bool {
    (1..=3).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_uppercase())
}

fn is_text(text: &str, most: usize) -> bool {
    let length = text.trim().chars().count();
    length > 0 && length <= most && !text.chars().any(char::is_control)
}

/// A short name for programs: 1 to 64 of `[a-z0-9_-]`, and letters of either case in ids of questions and tiers.
pub(crate) fn is_slug(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

/// Enrols or updates an account.
#[utoipa::path(put, path = "/v1/accounts/{account}", tag = "accounts", request_body = EnrolmentBody,
    params(("account" = String, Path), ("Idempotency-Key" = Option<String>, Header)),
    responses((status = 201, body = AccountResource), (status = 200, body = AccountResource),
        (status = 422, body = Problem)), security(("key" = [])))]
pub(crate) async fn enrol(
    allowed: Allowed<Manage>,
    service: web::Data<Service>,
    request: HttpRequest,
    path: web::Path<String>,
    Json(body): Json<EnrolmentBody>,
) -> Result<HttpResponse, Problem> {
    let id = account_id(&path)?;
    body.check(service.ports.clock.now().to_zoned(jiff::tz::TimeZone::UTC).date())?;
    let content = json::canonical(&body)?;
    let digest = service.fingerprints().of(&[b"enrolment", &content]).to_string();
    let command = prepare(&service, &id, body, digest).await?;
    let wanted = service.request(&request, &id, &allowed.caller, &content)?;
    let done = service.execute(&wanted, &command).await?;
    let created = done.answer == Answer::Enrolled { created: true };
    let status = if created { StatusCode::CREATED } else { StatusCode::OK };
    Ok(answer_account(&service, &id, &done, status))
}

/// Hashes and seals what is personal, off the threads that serve requests.
async fn prepare(
    service: &Service,
    id: &AccountId,
    body: EnrolmentBody,
    digest: String,
) -> Result<Command, Problem> {
    let account = service.load(id).await?;
    let unchanged = account.profile.as_ref().filter(|profile| profile.digest == digest);
    if let Some(profile) = unchanged {
        // Hashing answers takes its time, and the domain will say that nothing changed.
        return Ok(Command::Enrol(Enrolment {
            profile: profile.sealed.clone(),
            digest,
            phone: profile.phone,
            email: profile.email,
            identity: profile.identity,
            questions: profile.questions.clone(),
            attributes: profile.attributes.clone(),
        }));
    }
    if account.erased {
        return Err(Problem::refused(&reinstate_domain::account::Refusal::Erased, service.ports.clock.now()));
    }
    let (person, attributes) = answers::apart(move |memory| body.person(memory)).await??;
    let key = service.key(id).await?;
    let plain = serde_json::to_vec(&person).map_err(|_| Problem::internal())?;
    let profile = seal::seal(&key, id, purpose::PROFILE, &plain).map_err(|_| Problem::internal())?;
    Ok(Command::Enrol(Enrolment {
        profile,
        digest,
        phone: person.contacts.phone.is_some(),
        email: person.contacts.email.is_some(),
        identity: person.identity.is_some(),
        questions: person.questions.into_iter().map(|q| q.id).collect(),
        attributes,
    }))
}

/// Reads an account.
#[utoipa::path(get, path = "/v1/accounts/{account}", tag = "accounts",
    params(("account" = String, Path), ("Reinstate-After" = Option<String>, Header)),
    responses((status = 200, body = AccountResource), (status = 404, body = Problem)), security(("key" = [])))]
pub(crate) async fn read(
    _allowed: Allowed<Inspect>,
    service: web::Data<Service>,
    request: HttpRequest,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let id = account_id(&path)?;
    await_after(&service, &request).await?;
    let account = service.account(&id).await?;
    let body = resource::account(&id, &account, &service.ports.policy);
    Ok(respond(StatusCode::OK, &body, body.version, body.position, false))
}

/// Lists accounts.
#[utoipa::path(get, path = "/v1/accounts", tag = "accounts", params(Page),
    responses((status = 200, body = List<AccountResource>)), security(("key" = [])))]
pub(crate) async fn list(
    _allowed: Allowed<Inspect>,
    service: web::Data<Service>,
    request: HttpRequest,
    page: web::Query<Page>,
) -> Result<HttpResponse, Problem> {
    await_after(&service, &request).await?;
    let status = page.status(&[
        ("active", AccountStatus::Active),
        ("locked", AccountStatus::Locked),
        ("erased", AccountStatus::Erased),
    ])?;
    let after = page.after(AccountId::parse)?;
    let limit = page.limit()?;
    let rows = service
        .ports
        .read_models
        .accounts(status, after.as_ref(), limit)
        .await
        .map_err(|e| read_failed(&e))?;
    let data = rows.iter().map(|row| resource::account(&row.id, &row.state, &service.ports.policy)).collect();
    Ok(HttpResponse::Ok().json(List::page(data, limit, rows.last().map(|row| row.id.to_string()))))
}
