//! Whether the process can do its work, and if not, which part can't and why.

use std::fmt;
use std::sync::Arc;

use actix_web::HttpResponse;
use serde::Serialize;
use utoipa::ToSchema;

use crate::stop::Stop;

type Check = Box<dyn Fn() -> Option<String> + Send + Sync>;

/// The parts that a process needs. A part says in a sentence what is wrong with it, and nothing when it works. Asking is cheap.
#[derive(Default)]
pub struct Readiness(Vec<(&'static str, Check)>);

impl fmt::Debug for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(part, _)| part)).finish()
    }
}

impl Readiness {
    /// Adds a part.
    #[must_use]
    pub fn with(
        mut self,
        part: &'static str,
        check: impl Fn() -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        self.0.push((part, Box::new(check)));
        self
    }

    /// No new work for a process that is ending.
    #[must_use]
    pub fn until(self, stop: Stop) -> Self {
        self.with("process", move || stop.is_requested().then(|| "the process is ending".to_owned()))
    }

    #[must_use]
    pub fn shared(self) -> Arc<Self> {
        Arc::new(self)
    }

    /// The parts that can't do their work now.
    #[must_use]
    pub fn unready(&self) -> Vec<Unready> {
        let told = |(part, check): &(&'static str, Check)| check().map(|detail| Unready { part, detail });
        self.0.iter().filter_map(told).collect()
    }
}

/// A part that can't do its work, and why.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Unready {
    pub part: &'static str,
    pub detail: String,
}

/// The answer of `livez` and `readyz`.
#[derive(Debug, Serialize, ToSchema)]
pub struct Health {
    status: &'static str,
    /// What is not ready, and why.
    unready: Vec<Unready>,
}

impl Health {
    /// The process lives.
    #[must_use]
    pub fn live() -> HttpResponse {
        HttpResponse::Ok().json(Self { status: "ok", unready: Vec::new() })
    }

    /// 200 when every part is ready, else 503 with the ones that are not.
    #[must_use]
    pub fn ready(readiness: &Readiness) -> HttpResponse {
        let unready = readiness.unready();
        if unready.is_empty() {
            HttpResponse::Ok().json(Self { status: "ok", unready })
        } else {
            HttpResponse::ServiceUnavailable().json(Self { status: "unready", unready })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_that_can_not_work_is_named_with_its_reason_and_the_others_are_not() {
        let (request, stop) = Stop::by_hand();
        let readiness =
            Readiness::default().with("log", || None).with("database", || Some("refused".into())).until(stop);
        let named = |part, detail: &str| Unready { part, detail: detail.to_owned() };
        assert_eq!(readiness.unready(), [named("database", "refused")]);
        assert_eq!(Health::ready(&readiness).status(), 503);
        request.stop();
        assert_eq!(readiness.unready().len(), 2, "an ending process takes no new work");
        assert_eq!(Health::ready(&Readiness::default()).status(), 200);
    }
}
