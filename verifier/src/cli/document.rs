//! `reinstate-verifier document FRONT [--back F] [--type T] [--country C]`

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use jiff::Zoned;
use reinstate_domain::document::{
    Claim, DocumentObservation, DocumentQuality, DocumentSignals, DocumentType, FieldComparison, MrzFields,
    MrzReading, Portrait, VisualFields, judge,
};
use reinstate_domain::evidence::{Decision, ModelRef};
use reinstate_domain::reason::ReasonCode;
use reinstate_verifier::Settings;
use reinstate_verifier::contain::Program;
use reinstate_verifier::document::DocumentReader;
use reinstate_verifier::engine::{self, DocumentJob, ExaminedDocument, Single};
use reinstate_verifier::timing::Timings;
use serde::Serialize;

use super::{Failure, print, read};

/// Reads an identity document and judges it by itself: there is no identity on file to compare it with.
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// The side with the portrait.
    front: PathBuf,
    /// The other side of a card.
    #[arg(long)]
    back: Option<PathBuf>,
    /// What the document is said to be: passport, id_card, driving_licence, residence_permit.
    #[arg(long = "type", value_parser = document_type)]
    document_type: Option<DocumentType>,
    /// Who is said to have issued it: ISO 3166 alpha-3, or an ICAO 9303 code such as UTO or D.
    #[arg(long)]
    country: Option<String>,
}

fn document_type(name: &str) -> Result<DocumentType, serde_json::Error> {
    serde_json::from_value(serde_json::Value::from(name))
}

#[derive(Serialize)]
struct Finding {
    decision: Decision,
    reasons: Vec<ReasonCode>,
    quality: DocumentQuality,
    mrz: Option<MrzReading>,
    fields: Option<MrzFields>,
    visual: VisualFields,
    comparison: Vec<FieldComparison>,
    signals: DocumentSignals,
    portrait: Option<Portrait>,
    models: Vec<ModelRef>,
    timings_ms: BTreeMap<&'static str, f64>,
}

pub(super) fn run(program: &Program, bundle: Option<&Path>, arguments: &Arguments) -> Result<(), Failure> {
    let front = read(&arguments.front)?;
    let back = arguments.back.as_deref().map(read).transpose()?;
    let today = Zoned::now().date();
    let mut engine = Single::start(program, bundle, &Settings::default())?;
    let examination = match engine.examine_document(&DocumentJob { front, back, today }) {
        Err(engine::Error::Lost(_)) => broken(),
        examined => examined?,
    };
    let bundle = engine.bundle();
    let observation = examination.observation;
    let claim = Claim { document_type: arguments.document_type, country: arguments.country.clone() };
    let verdict = judge(&observation, bundle.document_thresholds(), &claim, None, today);
    print(&Finding {
        decision: verdict.decision,
        reasons: verdict.reasons,
        quality: observation.quality,
        mrz: observation.mrz,
        fields: observation.fields,
        visual: observation.visual,
        comparison: observation.comparison,
        signals: observation.signals,
        portrait: observation.portrait,
        models: DocumentReader::models(bundle)?,
        timings_ms: examination.timings.wall_ms(),
    })
}

/// What is said of pictures that bring down whoever looks at them.
fn broken() -> ExaminedDocument {
    let observation =
        DocumentObservation { fault: Some(ReasonCode::ImageCorrupt), ..DocumentObservation::default() };
    ExaminedDocument { observation, portrait: None, timings: Timings::default() }
}
