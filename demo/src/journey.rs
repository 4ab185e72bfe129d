//! What the people of a story do, one call of the interface each: the exchange's backend reports and starts, the owner
//! gives the proofs under the token that the backend handed over, a reviewer looks and decides.

use std::cell::RefCell;

use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use ureq::http::Method;

use crate::cast::Person;
use crate::client::{Answer, Body, Client, Part};
use crate::error::Error;
use crate::outbox::Outbox;
use crate::pictures::Pictures;
use crate::resource::{Challenge, CodeSent, CoolingOff, Reactivation};
use crate::teller::Teller;
use crate::timeline;

/// How often a case is asked for, a few seconds each time: a change that comes just before the question is not waited for
/// long.
const PATIENCE: u32 = 60;

/// Whom and what the stories need.
pub struct Stage {
    pub backend: Client,
    pub reviewer: Client,
    pub auditor: Client,
    pub outbox: Outbox,
    pub pictures: Pictures,
}

/// What became of pressing *Reactivate now*.
pub(crate) enum Started<'a> {
    Open(Box<Journey<'a>>),
    NotYet(CoolingOff),
}

impl Stage {
    /// The account's timeline up to its newest entry, with what auditors may see.
    pub(crate) fn timeline(&self, account: &str, person: &Person) -> Result<Vec<timeline::Entry>, Error> {
        // Enrolling the same again writes nothing and answers with the position of the newest entry.
        let enrolment = person.enrolment();
        let same = self.backend.put(&format!("/v1/accounts/{account}"), Body::Json(&enrolment))?;
        let same = same.with_status(&[200])?;
        Ok(timeline::read(&self.auditor, account, same.header("Reinstate-Position"))?)
    }

    /// Enrols an account and reports it locked, `ago` before now.
    pub(crate) fn lock(
        &self,
        account: &str,
        person: &Person,
        ago: SignedDuration,
        teller: &mut Teller<'_>,
    ) -> Result<(), Error> {
        let enrolment = person.enrolment();
        self.backend.put(&format!("/v1/accounts/{account}"), Body::Json(&enrolment))?.with_status(&[201])?;
        teller
            .says("backend", &format!("enrols {account}: phone, e-mail, identity, two security questions"))?;
        let mut lock = json!({"reason": "suspicious_login"});
        if !ago.is_zero() {
            lock["locked_at"] = json!(Timestamp::now() - ago);
        }
        self.backend
            .post(&format!("/v1/accounts/{account}/locks"), Body::Json(&lock))?
            .with_status(&[201])?;
        let when = if ago.is_zero() { "just now".into() } else { format!("{} hours ago", ago.as_hours()) };
        teller.says("backend", &format!("reports it locked {when}, after a suspicious login"))?;
        Ok(())
    }

    /// The owner presses *Reactivate now*.
    pub(crate) fn start(
        &self,
        account: &str,
        person: &Person,
        teller: &mut Teller<'_>,
    ) -> Result<Started<'_>, Error> {
        teller.says("owner", "presses \"Reactivate now\"")?;
        let answer = self.backend.post(&format!("/v1/accounts/{account}/reactivations"), Body::Nothing)?;
        if answer.status == 409 && answer.code() == "cooling_off" {
            let refusal = serde_json::from_slice(&answer.bytes).map_err(|_| Error::Surprise {
                expected: "a time from which the account may be reactivated",
                found: answer.code(),
            })?;
            return Ok(Started::NotYet(refusal));
        }
        let reactivation: Reactivation = answer.with_status(&[201])?.read_as()?;
        let token = reactivation.owner_token.as_deref().unwrap_or_default();
        let owner = self.backend.with_key(token);
        let asked: Vec<_> = reactivation.requirements.iter().map(|r| r.kind.replace('_', " ")).collect();
        teller.says("Reinstate", &format!("asks for: {}", asked.join(", ")))?;
        Ok(Started::Open(Box::new(Journey {
            stage: self,
            account: account.to_owned(),
            person: person.clone(),
            owner,
            id: reactivation.id,
            position: RefCell::default(),
        })))
    }
}

/// An open reactivation.
pub(crate) struct Journey<'a> {
    stage: &'a Stage,
    account: String,
    pub(crate) person: Person,
    owner: Client,
    id: String,
    /// Where the owner's last write is in the log, so that the next read sees it.
    position: RefCell<Option<String>>,
}

impl Journey<'_> {
    fn path(&self, step: &str) -> String {
        format!("/v1/reactivations/{}{step}", self.id)
    }

    /// A step of the owner, which must be answered with this status.
    fn step(&self, step: &str, body: Body<'_>, status: u16) -> Result<Answer, Error> {
        let answer = self.owner.post(&self.path(step), body)?.with_status(&[status])?;
        self.position.replace(answer.header("Reinstate-Position").map(str::to_owned));
        Ok(answer)
    }

    /// The reactivation as its owner sees it, with everything that the owner did.
    fn read(&self, wait: &str) -> Result<Reactivation, Error> {
        let position = self.position.borrow();
        let headers: Vec<_> =
            position.iter().map(|position| ("Reinstate-After", position.as_str())).collect();
        Ok(self.owner.send(Method::GET, &self.path(wait), Body::Nothing, &headers)?.read_as()?)
    }

    /// Everything up to the proofs that need a picture.
    pub(crate) fn reach_the_pictures(&self, teller: &mut Teller<'_>) -> Result<(), Error> {
        self.acknowledge(teller)?;
        self.enter_codes(teller)?;
        self.answer_questions(teller)
    }

    fn acknowledge(&self, teller: &mut Teller<'_>) -> Result<(), Error> {
        self.step("/reminder", Body::Nothing, 200)?;
        teller.says("owner", "reads the reminder and confirms it")?;
        Ok(())
    }

    fn enter_codes(&self, teller: &mut Teller<'_>) -> Result<(), Error> {
        let mut codes = json!({});
        for channel in ["phone", "email"] {
            let wanted = json!({"channel": channel});
            let sent: CodeSent = self.step("/codes", Body::Json(&wanted), 202)?.read_as()?;
            let code = self.stage.outbox.wait_for_code(&self.id, channel, sent.issued)?;
            teller.says("owner", &format!("gets a code by {channel} to {}", sent.sent_to))?;
            codes[channel] = json!(code);
        }
        self.step("/verify", Body::Json(&codes), 200)?;
        teller.says("owner", "enters both codes")?;
        Ok(())
    }

    fn answer_questions(&self, teller: &mut Teller<'_>) -> Result<(), Error> {
        let asked = self.read("")?;
        let questions = asked.requirement("questions").map(|r| r.questions.clone()).unwrap_or_default();
        for question in questions {
            teller.says("Reinstate", &format!("asks: {}", question.prompt))?;
        }
        let answers = self.person.answers();
        self.step("/answers", Body::Json(&answers), 200)?;
        teller.says("owner", "answers")?;
        Ok(())
    }

    /// Hands in a photo of a passport.
    pub(crate) fn hand_in_passport(
        &self,
        what: &str,
        photo: &[u8],
        teller: &mut Teller<'_>,
    ) -> Result<(), Error> {
        let parts =
            [Part::Text("type", "passport"), Part::Text("country", "UTO"), Part::Image("front", photo)];
        self.step("/documents", Body::Form(&parts), 202)?;
        teller.says("owner", &format!("hands in {what} ({} kB)", photo.len() / 1000))?;
        Ok(())
    }

    /// Takes the face check, with the same picture for every frame that is asked for.
    pub(crate) fn hand_in_selfie(
        &self,
        what: &str,
        photo: &[u8],
        teller: &mut Teller<'_>,
    ) -> Result<(), Error> {
        let challenge: Challenge = self.step("/face-challenges", Body::Nothing, 201)?.read_as()?;
        if let Some(tip) = challenge.tips.get(1) {
            teller.says("Reinstate", &format!("gives tips: {tip} …"))?;
        }
        let mut parts = vec![Part::Text("challenge", &challenge.id)];
        parts.extend(challenge.actions.iter().map(|_| Part::Image("frame", photo)));
        self.step("/faces", Body::Form(&parts), 202)?;
        teller.says("owner", &format!("takes the face check: {what}"))?;
        Ok(())
    }

    /// The owner hands everything in and waits until it is decided, or a person has to look.
    pub(crate) fn submit(&self, teller: &mut Teller<'_>) -> Result<Reactivation, Error> {
        self.step("/submit", Body::Nothing, 200)?;
        teller.says("owner", "submits, and waits")?;
        self.wait_until("a decision", Reactivation::is_settled)
    }

    /// Waits until the verifier has looked at a proof.
    pub(crate) fn wait_for(&self, kind: &str) -> Result<Reactivation, Error> {
        self.wait_until("a finding", |case| case.requirement(kind).is_none_or(|r| r.status != "processing"))
    }

    fn wait_until(
        &self,
        what: &'static str,
        holds: impl Fn(&Reactivation) -> bool,
    ) -> Result<Reactivation, Error> {
        let mut seen = self.read("")?;
        for _ in 0..PATIENCE {
            if holds(&seen) {
                return Ok(seen);
            }
            seen = self.read("?wait=3")?;
        }
        if holds(&seen) { Ok(seen) } else { Err(Error::Surprise { expected: what, found: seen.status }) }
    }

    /// A reviewer finds the case in the list, looks at what was handed in, and approves. Says how many images were shown.
    pub(crate) fn review(&self, teller: &mut Teller<'_>) -> Result<(Reactivation, usize), Error> {
        let reviewer = &self.stage.reviewer;
        let waiting =
            reviewer.get("/v1/reactivations?status=in_review&limit=100")?.with_status(&[200])?.json();
        let mut cases = waiting["data"].as_array().into_iter().flatten();
        if !cases.any(|case| case["id"] == self.id.as_str()) {
            let found = "a list without it".to_owned();
            return Err(Error::Surprise { expected: "the case among those in review", found });
        }
        teller.says("reviewer", "finds the case in the list of those that wait for a person")?;
        let mut seen = 0;
        for entry in timeline::read(reviewer, &self.account, None)? {
            for event in entry.events {
                let part = match event.kind.as_str() {
                    "DocumentSubmitted" => "front",
                    "FaceSubmitted" => "frame-0",
                    _ => continue,
                };
                let evidence = event.data["evidence"].as_str().unwrap_or_default();
                let image = reviewer.get(&self.path(&format!("/evidence/{evidence}/{part}")))?;
                let image = image.with_status(&[200])?;
                let kind = image.header("content-type").unwrap_or_default().to_owned();
                teller.says(
                    "reviewer",
                    &format!("looks at {part} ({kind}, {} kB)", image.bytes.len() / 1000),
                )?;
                seen += 1;
            }
        }
        let reason =
            "The same person: hairline, ears, mouth and chin agree; the sunglasses explain the low score.";
        let decision = json!({"decision": "approve", "reason": reason});
        let reactivation: Reactivation =
            reviewer.post(&self.path("/review"), Body::Json(&decision))?.read_as()?;
        teller.says("reviewer", &format!("approves: {reason}"))?;
        Ok((reactivation, seen))
    }
}
