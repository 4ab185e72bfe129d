//! From what was measured to the fact that is recorded.

use std::collections::BTreeMap;

use reinstate_domain::document::DocumentObservation;
use reinstate_domain::entry::Hash;
use reinstate_domain::evidence::{BundleRef, Decision, Finding, ModelRef, Verdict};
use reinstate_domain::face::{FaceObservation, FaceThresholds, FalseMatchRates};
use reinstate_domain::ids::AccountId;
use reinstate_domain::policy::FaceTerms;
use reinstate_domain::reason::ReasonCode;
use reinstate_domain::sealed::{BlobId, Sealed, purpose};
use reinstate_store::seal;
use reinstate_store::seal::DataKey;
use serde::Serialize;
use serde_json::Value;

use super::Error;
use crate::document::DocumentReader;
use crate::engine::Engine;
use crate::face::FaceMatcher;
use crate::models::{self, Bundle, ONNX_RUNTIME};
use crate::timing::Timings;

/// What a face is judged by: the bundle's thresholds, with the cosines that the policy's rates stand for where the policy names
/// rates and the bundle is calibrated.
pub(super) struct FaceBounds {
    pub(super) thresholds: FaceThresholds,
    /// The rates that were used.
    rates: Option<FalseMatchRates>,
}

impl FaceBounds {
    pub(super) fn of(bundle: &Bundle, terms: Option<&FaceTerms>) -> Self {
        let thresholds = bundle.face_thresholds();
        match terms.and_then(FaceTerms::rates).zip(bundle.face_calibration()) {
            Some((rates, calibration)) => {
                Self { thresholds: thresholds.at(rates, calibration), rates: Some(rates) }
            }
            None => Self { thresholds: thresholds.clone(), rates: None },
        }
    }
}

/// What was looked at, by what, for whom.
pub(super) struct Subject<'a> {
    pub(super) engine: &'a Engine,
    pub(super) id: &'a AccountId,
    pub(super) key: &'a DataKey,
    pub(super) inputs: Vec<BlobId>,
}

impl Subject<'_> {
    /// The finding on a document.
    pub(super) fn document(
        self,
        observation: &DocumentObservation,
        verdict: Verdict,
        portrait: Option<BlobId>,
    ) -> Result<Finding, Error> {
        let mut scores = BTreeMap::new();
        numbers(&observation.quality, "", &mut scores)?;
        numbers(&observation.signals, "signal_", &mut scores)?;
        if let Some(mrz) = &observation.mrz {
            let failed = mrz.checks.iter().filter(|check| !check.passed).count();
            scores.insert("mrz_certainty".into(), six_decimals(f64::from(mrz.certainty)));
            scores.insert("mrz_repairs".into(), count(mrz.repairs.len()));
            scores.insert("mrz_failed_checks".into(), count(failed));
        }
        let mut thresholds = BTreeMap::new();
        numbers(self.engine.bundle().document_thresholds(), "", &mut thresholds)?;
        let models = DocumentReader::models(self.engine.bundle());
        self.finding(verdict, observation, scores, thresholds, models, portrait)
    }

    /// The finding on a face, judged by `bounds`.
    pub(super) fn face(
        self,
        observation: &FaceObservation,
        bounds: &FaceBounds,
        verdict: Verdict,
    ) -> Result<Finding, Error> {
        let mut scores = BTreeMap::new();
        let mut measured = vec![
            ("liveness".to_owned(), observation.liveness),
            ("consistency".to_owned(), observation.consistency),
        ];
        for similarity in &observation.similarities {
            let reference = serde_json::to_value(similarity.reference).map_err(Error::Json)?;
            let name = format!("similarity_{}", reference.as_str().unwrap_or_default());
            measured.push((name, similarity.cosine));
        }
        for (n, frame) in observation.frames.iter().enumerate() {
            scores.insert(format!("frame_{n}_faces"), count(frame.faces.len()));
            if let Some(measures) = &frame.measures {
                numbers(measures, &format!("frame_{n}_"), &mut scores)?;
            }
            if let Some(movement) = &frame.movement {
                numbers(movement, &format!("frame_{n}_moved_"), &mut scores)?;
            }
        }
        scores.extend(
            measured.into_iter().filter_map(|(name, value)| Some((name, six_decimals(f64::from(value?))))),
        );
        // The rate of the lowest similarity, which is the one that decides. Whether the policy's rates were used: without a
        // calibration the bundle's own thresholds hold.
        let calibration = self.engine.bundle().face_calibration();
        if let Some((calibration, cosine)) = calibration.zip(observation.similarity()) {
            let rate = calibration.false_match_rate(cosine);
            scores.insert("estimated_false_match_rate".into(), rate);
        }
        scores.insert("calibrated".into(), f64::from(u8::from(bounds.rates.is_some())));
        let mut thresholds = BTreeMap::new();
        numbers(&bounds.thresholds, "", &mut thresholds)?;
        if let Some(rates) = bounds.rates {
            thresholds.insert("max_false_match_rate".into(), rates.pass);
            thresholds.insert("review_false_match_rate".into(), rates.review);
        }
        let models = FaceMatcher::models(self.engine.bundle());
        self.finding(verdict, observation, scores, thresholds, models, None)
    }

    fn finding(
        self,
        verdict: Verdict,
        observation: &impl Serialize,
        scores: BTreeMap<String, f64>,
        thresholds: BTreeMap<String, f64>,
        models: Result<Vec<ModelRef>, models::Error>,
        portrait: Option<BlobId>,
    ) -> Result<Finding, Error> {
        let plain = serde_json::to_vec(observation).map_err(Error::Json)?;
        let sealed = seal::seal(self.key, self.id, purpose::OBSERVATION, &plain).map_err(Error::Seal)?;
        let models = models.map_err(|e| Error::Engine(e.into()))?;
        Ok(Finding { models, scores, thresholds, observation: Some(sealed), portrait, ..self.bare(verdict) })
    }

    /// A document over which `lost` examinations never came to an end: a person looks.
    pub(super) fn given_up_document(self, lost: u32) -> Finding {
        self.given_up(lost, ReasonCode::DocumentUnreadable)
    }

    /// A face over which `lost` examinations never came to an end: a person looks.
    pub(super) fn given_up_face(self, lost: u32) -> Finding {
        self.given_up(lost, ReasonCode::FaceUncertain)
    }

    fn given_up(self, lost: u32, reason: ReasonCode) -> Finding {
        let scores = BTreeMap::from([("examinations_lost".to_owned(), f64::from(lost))]);
        Finding { scores, ..self.bare(Verdict { decision: Decision::Review, reasons: vec![reason] }) }
    }

    fn bare(self, verdict: Verdict) -> Finding {
        let bundle = self.engine.bundle();
        Finding {
            decision: verdict.decision,
            reasons: verdict.reasons,
            bundle: Some(BundleRef {
                name: bundle.name().to_owned(),
                version: bundle.version().to_owned(),
                sha256: Hash::of(bundle.manifest().as_bytes()),
            }),
            models: Vec::new(),
            runtime: format!("onnxruntime {ONNX_RUNTIME}, reinstate-verifier {}", env!("CARGO_PKG_VERSION")),
            inputs: self.inputs,
            scores: BTreeMap::new(),
            thresholds: BTreeMap::new(),
            observation: None::<Sealed>,
            portrait: None,
        }
    }
}

fn count(n: usize) -> f64 {
    u32::try_from(n).map_or(f64::MAX, f64::from)
}

/// Measures are 32-bit floats; what they have beyond six decimals is only the width of the type that shows them. The sealed
/// observation keeps the exact values.
fn six_decimals(number: f64) -> f64 {
    (number * 1e6).round() / 1e6
}

/// Every number of a value, by the path of its fields. Texts stay behind: they may be personal.
fn numbers(value: &impl Serialize, prefix: &str, into: &mut BTreeMap<String, f64>) -> Result<(), Error> {
    fn walk(value: &Value, path: &str, into: &mut BTreeMap<String, f64>) {
        match value {
            Value::Number(number) => {
                if let Some(number) = number.as_f64() {
                    into.insert(path.trim_end_matches('_').to_owned(), six_decimals(number));
                }
            }
            Value::Object(fields) => {
                fields.iter().for_each(|(name, field)| walk(field, &format!("{path}{name}_"), into));
            }
            Value::Array(items) => {
                items.iter().enumerate().for_each(|(n, item)| walk(item, &format!("{path}{n}_"), into));
            }
            Value::Null | Value::Bool(_) | Value::String(_) => {}
        }
    }
    walk(&serde_json::to_value(value).map_err(Error::Json)?, prefix, into);
    Ok(())
}

/// Where the time went, for operators.
pub(super) fn record_timings(kind: &'static str, timings: &Timings) {
    for (stage, spent) in timings.stages() {
        let labels = [("kind", kind), ("stage", stage)];
        metrics::histogram!("reinstate_verifier_stage_seconds", &labels).record(spent.wall.as_secs_f64());
    }
}

#[cfg(test)]
mod tests {
    use reinstate_domain::policy::{EXCHANGE, NIST_AAL2, Policy};

    use super::*;

    fn bounds(policy: &str) -> FaceBounds {
        let policy = Policy::parse(policy).unwrap();
        FaceBounds::of(&Bundle::open(None).unwrap(), Some(&policy.terms().face))
    }

    #[test]
    fn the_rates_of_the_shipped_policies_are_cosines_of_the_default_bundle() {
        let exchange = bounds(EXCHANGE);
        assert_eq!((exchange.thresholds.match_at, exchange.thresholds.review_at), (0.42, 0.30));
        assert!(exchange.rates.is_some());
        assert_eq!(bounds(NIST_AAL2).thresholds.match_at, 0.50);
    }

    #[test]
    fn a_policy_without_rates_leaves_the_bundles_own_thresholds() {
        let silent = EXCHANGE.replace("max_false_match_rate", "# ").replace("review_false_match_rate", "# ");
        let bounds = bounds(&silent);
        assert_eq!(&bounds.thresholds, Bundle::open(None).unwrap().face_thresholds());
        assert!(bounds.rates.is_none(), "the finding says so");
    }
}
