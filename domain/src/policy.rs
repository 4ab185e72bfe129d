//! Policy: versioned data that says which proofs an account must give. TOML with conditions in CEL; a case records which
//! policy by hash, and takes its bounds ([`Terms`]) along, so that no later change reinterprets it.

use std::fmt;
use std::sync::Arc;

use cel::{Context, Env, Program, Value};
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use crate::document::DocumentType;
use crate::entry::Hash;
use crate::face::{Action, FalseMatchRates};

/// A proof that a policy can ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Reminder,
    PhoneCode,
    EmailCode,
    Questions,
    Document,
    Face,
}

impl Kind {
    /// Steps open stage by stage: the reminder, then the codes, then the proofs.
    #[must_use]
    pub fn stage(self) -> u8 {
        match self {
            Self::Reminder => 0,
            Self::PhoneCode | Self::EmailCode => 1,
            Self::Questions | Self::Document | Self::Face => 2,
        }
    }

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reminder => "reminder",
            Self::PhoneCode => "phone_code",
            Self::EmailCode => "email_code",
            Self::Questions => "questions",
            Self::Document => "document",
            Self::Face => "face",
        }
    }
}

/// Which policy a case follows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyRef {
    pub name: String,
    pub version: u32,
    pub sha256: Hash,
}

/// The bounds of a case, as its policy had them when the case began.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Terms {
    pub case: CaseTerms,
    pub codes: CodeTerms,
    pub questions: QuestionTerms,
    pub document: DocumentTerms,
    pub face: FaceTerms,
}

impl Terms {
    /// How many failures a requirement allows; `None` where nothing can fail.
    #[must_use]
    pub fn attempts(&self, kind: Kind) -> Option<u32> {
        match kind {
            Kind::Reminder => None,
            Kind::PhoneCode | Kind::EmailCode => Some(self.codes.attempts),
            Kind::Questions => Some(self.questions.attempts),
            Kind::Document => Some(self.document.attempts),
            Kind::Face => Some(self.face.attempts),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaseTerms {
    pub cooling_off: SignedDuration,
    pub lifetime: SignedDuration,
    pub retry_after: SignedDuration,
    pub denials_per_lock: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CodeTerms {
    pub lifetime: SignedDuration,
    pub resend_after: SignedDuration,
    pub attempts: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuestionTerms {
    pub attempts: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DocumentTerms {
    pub attempts: u32,
    pub accepted: Vec<DocumentType>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaceTerms {
    pub attempts: u32,
    pub challenge_lifetime: SignedDuration,
    /// Frames of one challenge, one action each.
    pub frames: u8,
    /// What a challenge may ask for. Cases before there was a choice asked to look ahead.
    #[serde(default = "look_ahead", skip_serializing_if = "is_look_ahead")]
    pub actions: Vec<Action>,
    /// The estimated part of strangers that may pass for the owner; with the next one, or neither. Without them the thresholds
    /// of the bundle hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_false_match_rate: Option<f64>,
    /// The estimated part of strangers that may come before a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub review_false_match_rate: Option<f64>,
}

fn look_ahead() -> Vec<Action> {
    vec![Action::LookAhead]
}

fn is_look_ahead(actions: &[Action]) -> bool {
    actions == [Action::LookAhead]
}

impl FaceTerms {
    /// The false-match rates, where the policy names them.
    #[must_use]
    pub fn rates(&self) -> Option<FalseMatchRates> {
        Some(FalseMatchRates { pass: self.max_false_match_rate?, review: self.review_false_match_rate? })
    }

    fn check(&self) -> Result<(), Error> {
        let twice = |n: usize| self.actions[..n].contains(&self.actions[n]);
        if self.actions.is_empty() || (0..self.actions.len()).any(twice) {
            return Err(Error::Bound("face.actions must name at least one action, and none twice"));
        }
        let others = self.actions.iter().filter(|action| **action != Action::LookAhead).count();
        let frames = usize::from(self.frames);
        if others == 0 && !(1..=3).contains(&frames) {
            return Err(Error::Bound("face.frames must be 1 to 3 where all look ahead"));
        }
        if others > 0 && !(2..=1 + others).contains(&frames) {
            return Err(Error::Bound(
                "face.frames must leave one to look ahead and no more than one for each other action",
            ));
        }
        if self.max_false_match_rate.is_some() != self.review_false_match_rate.is_some() {
            return Err(Error::Bound(
                "face.max_false_match_rate and face.review_false_match_rate go together",
            ));
        }
        let ordered =
            |rates: FalseMatchRates| rates.pass > 0.0 && rates.pass <= rates.review && rates.review <= 1.0;
        if !self.rates().is_none_or(ordered) {
            return Err(Error::Bound(
                "face.max_false_match_rate must be above 0, and face.review_false_match_rate at least that and at most 1",
            ));
        }
        Ok(())
    }
}

/// What a policy may look at. None of it is personal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    pub lock_reason: String,
    /// Empty when unknown, as the next two.
    pub risk: String,
    pub country: String,
    pub tier: String,
    pub phone: bool,
    pub email: bool,
    pub questions: bool,
    pub identity: bool,
    pub portrait: bool,
}

/// One proof that was asked for, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    pub kind: Kind,
    pub why: String,
}

/// The policy text is not usable. Names the place, for whoever wrote the policy.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the policy is not valid TOML of the expected shape")]
    Toml(#[source] toml::de::Error),
    #[error("requirement {index}: the condition is not valid CEL: {detail}")]
    Condition { index: usize, detail: String },
    #[error("requirement {index}: {detail}")]
    Evaluation { index: usize, detail: String },
    #[error("{0}")]
    Bound(&'static str),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    name: String,
    version: u32,
    case: CaseTerms,
    codes: CodeTerms,
    questions: QuestionTerms,
    document: DocumentTerms,
    face: FaceTerms,
    requirement: Vec<RuleText>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleText {
    kind: Kind,
    when: String,
    why: String,
}

struct Rule {
    kind: Kind,
    condition: Program,
    why: String,
}

/// A policy that parsed, whose conditions compiled and were tried.
pub struct Policy {
    reference: PolicyRef,
    terms: Terms,
    rules: Vec<Rule>,
    env: Arc<Env>,
}

impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Policy({} {})", self.reference.name, self.reference.version)
    }
}

/// The text of the shipped `exchange` policy.
pub const EXCHANGE: &str = include_str!("../policies/exchange.toml");

/// The text of the shipped `nist-aal2` policy.
pub const NIST_AAL2: &str = include_str!("../policies/nist-aal2.toml");

/// The text of a policy that is shipped, by its name.
#[must_use]
pub fn shipped(name: &str) -> Option<&'static str> {
    match name {
        "exchange" => Some(EXCHANGE),
        "nist-aal2" => Some(NIST_AAL2),
        _ => None,
    }
}

impl Policy {
    /// # Errors
    /// [`Error`] when the text is not TOML of this shape, a bound is out of its range, or a condition does not compile or does
    /// not give true or false. Every condition is tried once here, so that none can fail in the middle of a case.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let document: Document = toml::from_str(text).map_err(Error::Toml)?;
        let env = Arc::new(Env::stdlib());
        let rules = document
            .requirement
            .into_iter()
            .enumerate()
            .map(|(index, rule)| {
                let condition =
                    env.compile(&rule.when).map_err(|e| Error::Condition { index, detail: e.to_string() })?;
                Ok(Rule { kind: rule.kind, condition, why: rule.why })
            })
            .collect::<Result<Vec<_>, Error>>()?;
        let policy = Self {
            reference: PolicyRef {
                name: document.name,
                version: document.version,
                sha256: Hash::of(text.as_bytes()),
            },
            terms: Terms {
                case: document.case,
                codes: document.codes,
                questions: document.questions,
                document: document.document,
                face: document.face,
            },
            rules,
            env,
        };
        policy.check_bounds()?;
        policy.requirements(&Facts {
            lock_reason: String::new(),
            risk: String::new(),
            country: String::new(),
            tier: String::new(),
            phone: false,
            email: false,
            questions: false,
            identity: false,
            portrait: false,
        })?;
        Ok(policy)
    }

    fn check_bounds(&self) -> Result<(), Error> {
        let t = &self.terms;
        let attempts = [
            t.codes.attempts,
            t.questions.attempts,
            t.document.attempts,
            t.face.attempts,
            t.case.denials_per_lock,
        ];
        if attempts.contains(&0) {
            return Err(Error::Bound("attempts and denials_per_lock must be at least 1"));
        }
        let spans = [t.case.lifetime, t.codes.lifetime, t.face.challenge_lifetime];
        if spans.iter().any(|s| *s <= SignedDuration::ZERO) {
            return Err(Error::Bound("every lifetime must be longer than nothing"));
        }
        let waits = [t.case.cooling_off, t.case.retry_after, t.codes.resend_after];
        if waits.iter().any(|s| s.is_negative()) {
            return Err(Error::Bound("cooling_off, retry_after and resend_after must not be negative"));
        }
        t.face.check()?;
        let mut kinds: Vec<Kind> = self.rules.iter().map(|r| r.kind).collect();
        kinds.sort_unstable();
        if kinds.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(Error::Bound("a kind of requirement stands twice"));
        }
        Ok(())
    }

    #[must_use]
    pub fn reference(&self) -> &PolicyRef {
        &self.reference
    }

    #[must_use]
    pub fn terms(&self) -> &Terms {
        &self.terms
    }

    /// The proofs that an account must give, in the policy's order.
    ///
    /// # Errors
    /// [`Error::Evaluation`] when a condition does not give true or false for these facts.
    pub fn requirements(&self, facts: &Facts) -> Result<Vec<Asked>, Error> {
        let mut asked = Vec::new();
        for (index, rule) in self.rules.iter().enumerate() {
            let fault = |detail: String| Error::Evaluation { index, detail };
            let mut context = Context::with_env(Arc::clone(&self.env));
            let has = std::collections::HashMap::from([
                ("phone", facts.phone),
                ("email", facts.email),
                ("questions", facts.questions),
                ("identity", facts.identity),
                ("portrait", facts.portrait),
            ]);
            let lock = std::collections::HashMap::from([("reason", facts.lock_reason.clone())]);
            context.add_variable_from_value("has", has);
            context.add_variable_from_value("lock", lock);
            context.add_variable_from_value("risk", facts.risk.clone());
            context.add_variable_from_value("country", facts.country.clone());
            context.add_variable_from_value("tier", facts.tier.clone());
            match rule.condition.execute(&context).map_err(|e| fault(e.to_string()))? {
                Value::Bool(true) => asked.push(Asked { kind: rule.kind, why: rule.why.clone() }),
                Value::Bool(false) => {}
                _ => return Err(fault("the condition gives neither true nor false".into())),
            }
        }
        Ok(asked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(reason: &str, risk: &str) -> Vec<Kind> {
        asked_of(reason, risk, true, true)
    }

    fn asked_of(reason: &str, risk: &str, phone: bool, questions: bool) -> Vec<Kind> {
        let facts = Facts {
            lock_reason: reason.into(),
            risk: risk.into(),
            country: "UTO".into(),
            tier: String::new(),
            phone,
            email: false,
            questions,
            identity: true,
            portrait: false,
        };
        let asked = Policy::parse(EXCHANGE).unwrap().requirements(&facts).unwrap();
        asked.into_iter().map(|a| a.kind).collect()
    }

    #[test]
    fn a_calm_lock_at_low_risk_asks_for_neither_document_nor_face() {
        for reason in ["owner_request", "too_many_failures"] {
            assert_eq!(asked(reason, "low"), [Kind::Reminder, Kind::PhoneCode, Kind::Questions]);
        }
    }

    #[test]
    fn suspicion_unknown_reasons_high_risk_and_missing_risk_ask_for_document_and_face() {
        for (reason, risk) in [
            ("suspicious_login", "low"),
            ("compliance", "low"),
            ("never_heard_of_it", "low"),
            ("owner_request", "high"),
            ("owner_request", ""),
        ] {
            let kinds = asked(reason, risk);
            assert!(kinds.ends_with(&[Kind::Document, Kind::Face]), "{reason} {risk}: {kinds:?}");
        }
    }

    #[test]
    fn an_account_without_any_contact_is_never_given_back_for_a_reminder_alone() {
        assert_eq!(
            asked_of("owner_request", "low", false, false),
            [Kind::Reminder, Kind::Document, Kind::Face]
        );
    }

    #[test]
    fn the_shipped_policy_asks_to_look_ahead_and_one_line_makes_the_challenge_active() {
        let passive = Policy::parse(EXCHANGE).unwrap();
        assert_eq!(
            (passive.terms().face.actions.as_slice(), passive.terms().face.frames),
            (&[Action::LookAhead][..], 1)
        );
        let active =
            EXCHANGE.replace("\nframes = 1 ", "\nframes = 3 ").replace("\n# actions = ", "\nactions = ");
        let active = Policy::parse(&active).unwrap();
        assert!(active.terms().face.frames == 3 && active.terms().face.actions.len() == 6);
    }

    #[test]
    fn nist_aal2_takes_no_answers_to_questions_no_email_and_ten_minutes_for_a_code() {
        let policy = Policy::parse(NIST_AAL2).unwrap();
        assert_eq!(policy.terms().codes.lifetime, SignedDuration::from_mins(10));
        let facts = Facts {
            lock_reason: "owner_request".into(),
            risk: "low".into(),
            country: String::new(),
            tier: String::new(),
            phone: true,
            email: true,
            questions: true,
            identity: true,
            portrait: true,
        };
        let asked = |facts: &Facts| -> Vec<Kind> {
            policy.requirements(facts).unwrap().into_iter().map(|a| a.kind).collect()
        };
        assert_eq!(asked(&facts), [Kind::Reminder, Kind::PhoneCode, Kind::Document, Kind::Face]);
        let bare = Facts { phone: false, ..facts };
        assert_eq!(asked(&bare), [Kind::Reminder, Kind::Document, Kind::Face]);
        assert!(policy.terms().face.actions.contains(&Action::TurnLeft), "its challenge is active");
    }

    #[test]
    fn every_shipped_policy_is_found_by_its_own_name() {
        for name in ["exchange", "nist-aal2"] {
            assert_eq!(Policy::parse(shipped(name).unwrap()).unwrap().reference().name, name);
        }
        assert_eq!(shipped("lenient"), None);
    }

    #[test]
    fn the_hash_covers_the_text_as_it_stands() {
        let changed = EXCHANGE.replace("version = 1", "version = 2");
        let (a, b) = (Policy::parse(EXCHANGE).unwrap(), Policy::parse(&changed).unwrap());
        assert_ne!(a.reference().sha256, b.reference().sha256);
        assert_eq!(a.reference().sha256, Hash::of(EXCHANGE.as_bytes()));
    }

    #[test]
    fn a_policy_that_could_fail_in_the_middle_of_a_case_is_refused_at_start() {
        for (from, to) in [
            ("when = \"has.phone\"", "when = \"has.phone &&\""),
            ("when = \"has.phone\"", "when = \"has.fax\""),
            ("when = \"has.phone\"", "when = \"1 + 1\""),
            ("attempts = 5", "attempts = 0"),
            ("frames = 1", "frames = 4"),
            ("frames = 1", "frames = 1\nactions = []"),
            ("frames = 1", "frames = 1\nactions = [\"look_ahead\", \"look_ahead\"]"),
            ("frames = 1", "frames = 1\nactions = [\"turn_left\"]"),
            ("frames = 1", "frames = 3\nactions = [\"turn_left\"]"),
            ("frames = 1", "frames = 1\nactions = [\"wink\"]"),
            ("max_false_match_rate", "# max_false_match_rate"),
            ("max_false_match_rate = ", "max_false_match_rate = -"),
            ("max_false_match_rate = ", "max_false_match_rate = 1"),
            ("kind = \"email_code\"", "kind = \"phone_code\""),
            ("[questions]", "[questions]\nunknown = 1"),
        ] {
            let text = EXCHANGE.replace(from, to);
            assert_ne!(text, EXCHANGE);
            assert!(Policy::parse(&text).is_err(), "{to}");
        }
    }
}
