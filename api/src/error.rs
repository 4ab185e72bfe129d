//! What a caller is told when something did not work: RFC 9457 problems with a stable `code`. What the log says is another
//! matter: a problem never carries the input, a cause or a stack.

use std::fmt;

use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderName, HeaderValue, RETRY_AFTER};
use actix_web::{HttpResponse, HttpResponseBuilder, ResponseError};
use jiff::Timestamp;
use reinstate_domain::account::Refusal;
use reinstate_domain::account::event::NotYet;
use reinstate_domain::ids::CaseId;
use reinstate_domain::policy::Kind;
use reinstate_domain::reason::ReasonCode;
use serde::Serialize;
use utoipa::ToSchema;

/// A bad field of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct FieldError {
    /// RFC 6901 pointer into the body, or the part's name in a multipart body.
    pub(crate) pointer: String,
    pub(crate) detail: String,
}

/// `application/problem+json`.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Problem {
    /// A URI that names the kind of problem.
    #[serde(rename = "type")]
    kind: String,
    title: String,
    status: u16,
    detail: String,
    /// Stable, for programs.
    code: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldError>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
    /// `cooling_off`: when the account may be reactivated.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    opens_at: Option<Timestamp>,
    /// `retry_later` and `too_soon`: when it makes sense again.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    retry_after: Option<Timestamp>,
    /// `already_open`: the reactivation that is open.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = Uuid)]
    reactivation: Option<CaseId>,
    /// `step_not_open`: what is open instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<String>>)]
    next: Option<Vec<Kind>>,
    #[serde(skip)]
    retry_seconds: Option<i64>,
    #[serde(skip)]
    replayed: bool,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, code: &str, detail: &str) -> Self {
        Self {
            kind: format!("urn:reinstate:problem:{code}"),
            title: status.canonical_reason().unwrap_or("Error").to_owned(),
            status: status.as_u16(),
            detail: detail.to_owned(),
            code: code.to_owned(),
            errors: Vec::new(),
            request_id: None,
            opens_at: None,
            retry_after: None,
            reactivation: None,
            next: None,
            retry_seconds: None,
            replayed: false,
        }
    }

    /// The answer to a request that was refused before, under the same idempotency key.
    pub(crate) fn replayed(self) -> Self {
        Self { replayed: true, ..self }
    }

    /// Unknown and foreign alike, to the letter.
    pub(crate) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "There is nothing under this address.")
    }

    pub(crate) fn unauthorized() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", "Send a valid key as Authorization: Bearer KEY.")
    }

    pub(crate) fn forbidden() -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", "This key's role may not do this.")
    }

    pub(crate) fn invalid(errors: Vec<FieldError>) -> Self {
        let detail = "Some fields are not as they must be.";
        Self { errors, ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, "validation_failed", detail) }
    }

    pub(crate) fn field(pointer: &str, detail: &str) -> Self {
        Self::invalid(vec![FieldError { pointer: pointer.to_owned(), detail: detail.to_owned() }])
    }

    /// A reason code of an image, with its own status.
    pub(crate) fn image(status: StatusCode, reason: ReasonCode, part: &str) -> Self {
        let error = FieldError { pointer: part.to_owned(), detail: reason.owner_text().to_owned() };
        Self { errors: vec![error], ..Self::new(status, reason.as_str(), reason.owner_text()) }
    }

    pub(crate) fn internal() -> Self {
        let detail = "Something went wrong on our side. The request_id helps to find it.";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail)
    }

    pub(crate) fn log_unavailable() -> Self {
        let detail = "The log does not answer. Nothing was written; try again.";
        Self {
            retry_seconds: Some(1),
            ..Self::new(StatusCode::SERVICE_UNAVAILABLE, "log_unavailable", detail)
        }
    }

    pub(crate) fn outcome_unknown() -> Self {
        let detail = "The log did not confirm in time, so the outcome is unknown. Repeat the request under the same \
                      Idempotency-Key: it is carried out once.";
        Self {
            retry_seconds: Some(1),
            ..Self::new(StatusCode::SERVICE_UNAVAILABLE, "log_unavailable", detail)
        }
    }

    pub(crate) fn read_model_behind() -> Self {
        let detail = "The read model has not reached the position asked for.";
        Self {
            retry_seconds: Some(1),
            ..Self::new(StatusCode::SERVICE_UNAVAILABLE, "read_model_behind", detail)
        }
    }

    pub(crate) fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    #[must_use]
    pub(crate) fn with_request_id(mut self, id: &str) -> Self {
        self.request_id = Some(id.to_owned());
        self
    }

    /// The one place where the domain's refusals get a status.
    pub(crate) fn refused(refusal: &Refusal, now: Timestamp) -> Self {
        let conflict = |code, detail| Self::new(StatusCode::CONFLICT, code, detail);
        match refusal {
            Refusal::UnknownAccount | Refusal::UnknownCase | Refusal::UnknownEvidence => Self::not_found(),
            Refusal::Erased => conflict("erased", "The personal data of this account was erased."),
            Refusal::LockInFuture => Self::field("/locked_at", "must not be in the future"),
            Refusal::NotLocked => conflict("not_locked", "The account is not locked."),
            Refusal::AlreadyOpen { case } => Self {
                reactivation: Some(*case),
                ..conflict("already_open", "A reactivation of this account is open.")
            },
            Refusal::CoolingOff { opens_at } => Self::not_yet(NotYet::CoolingOff, *opens_at),
            Refusal::RetryLater { retry_after } => Self::not_yet(NotYet::RetryLater, *retry_after),
            Refusal::RetryNever => {
                conflict("retry_never", "No further reactivation can be opened. Contact the exchange.")
            }
            Refusal::CaseExpired => {
                conflict(ReasonCode::CaseExpired.as_str(), ReasonCode::CaseExpired.owner_text())
            }
            Refusal::CaseEnded => conflict("reactivation_ended", "The reactivation has ended."),
            Refusal::StepNotOpen { open } => Self {
                next: Some(open.clone()),
                ..conflict("step_not_open", "This step is not open. What is open stands in next.")
            },
            Refusal::TooSoon { resend_at } => Self {
                retry_after: Some(*resend_at),
                retry_seconds: Some(seconds_until(*resend_at, now)),
                ..Self::new(StatusCode::TOO_MANY_REQUESTS, "too_soon", "A code was sent a moment ago.")
            },
            Refusal::DocumentNotAccepted => {
                let code = ReasonCode::DocumentNotAccepted;
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, code.as_str(), code.owner_text())
            }
            Refusal::UnknownChallenge => {
                conflict("challenge_unknown", "This is not the newest challenge of this reactivation.")
            }
            Refusal::ChallengeUsed => conflict("challenge_used", "This challenge was answered already."),
            Refusal::ChallengeExpired => conflict("challenge_expired", "The time of this challenge is over."),
            Refusal::FrameCount { expected } => {
                Self::field("frame", &format!("must be sent {expected} times, once for each action in order"))
            }
            Refusal::NotInReview => conflict("not_in_review", "The reactivation is not in review."),
            Refusal::Policy(_) => Self::internal(),
        }
    }

    /// A reactivation that can't be opened yet.
    pub(crate) fn not_yet(reason: NotYet, until: Timestamp) -> Self {
        match reason {
            NotYet::CoolingOff => {
                let detail = "The account was locked a short while ago. The time from which it can be reactivated stands in opens_at.";
                Self { opens_at: Some(until), ..Self::new(StatusCode::CONFLICT, "cooling_off", detail) }
            }
            NotYet::RetryLater => {
                let detail = "A reactivation was denied. The time from which another can be opened stands in retry_after.";
                Self { retry_after: Some(until), ..Self::new(StatusCode::CONFLICT, "retry_later", detail) }
            }
        }
    }
}

fn seconds_until(at: Timestamp, now: Timestamp) -> i64 {
    (at.as_second() - now.as_second()).max(1)
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.status, self.code)
    }
}

impl std::error::Error for Problem {}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.status()
    }

    fn error_response(&self) -> HttpResponse {
        let mut response: HttpResponseBuilder = HttpResponse::build(self.status());
        response.content_type("application/problem+json");
        if let Some(seconds) = self.retry_seconds {
            response.insert_header((RETRY_AFTER, seconds.to_string()));
        }
        if self.replayed {
            response.insert_header(("Idempotent-Replayed", "true"));
        }
        if self.status() == StatusCode::UNAUTHORIZED {
            let name = HeaderName::from_static("www-authenticate");
            response.insert_header((name, HeaderValue::from_static("Bearer")));
        }
        match serde_json::to_vec(self) {
            Ok(body) => response.body(body),
            Err(_) => response.finish(),
        }
    }
}
