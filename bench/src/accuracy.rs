//! How well the verifier reads and matches, on labelled photos that are at hand: the folder `mrz-dev` of
//! `REINSTATE_SHARED_DATA`, and the photos that `models/fetch` gets.

use std::path::{Path, PathBuf};
use std::{fs, io};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use reinstate_domain::face::{Action, Reference};
use reinstate_verifier::document::DocumentReader;
use reinstate_verifier::evaluate::{self, Outcome};
use reinstate_verifier::face::{FaceMatcher, Frame};
use reinstate_verifier::models::{self, Bundle, cache_dir};

#[derive(Debug, thiserror::Error)]
pub(crate) enum Failed {
    #[error("the models are not usable")]
    Models(#[from] models::Error),
    #[error(transparent)]
    Evaluate(#[from] evaluate::Error),
    #[error("a face could not be examined")]
    Face(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("{} can't be read; models/fetch gets it", path.display())]
    Photo {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

pub(crate) fn run() -> Result<(), Failed> {
    let bundle = Bundle::load(None)?;
    documents(&bundle)?;
    faces(&bundle)
}

fn documents(bundle: &Bundle) -> Result<(), Failed> {
    let shared = std::env::var_os("REINSTATE_SHARED_DATA")
        .map_or_else(|| PathBuf::from("../shared/data"), PathBuf::from);
    let folder = shared.join("mrz-dev");
    if !folder.join("manifest.json").exists() {
        println!("documents: skipped, there is no {} (set REINSTATE_SHARED_DATA)", folder.display());
        return Ok(());
    }
    let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
    let readings = evaluate::read_all(&folder, &mut DocumentReader::new(bundle)?, today)?;
    println!("documents in {}", folder.display());
    for reading in &readings {
        println!(
            "  {:<6} {:<5} {:<8} {:>6} CPU ms",
            reading.id,
            reading.format,
            format!("{:?}", reading.outcome),
            reading.cpu.as_millis()
        );
    }
    let count = |outcome| readings.iter().filter(|r| r.outcome == outcome).count();
    println!(
        "  {} photos: {} exact, {} refused for their own digits, {} nothing reported, {} valid but wrong",
        readings.len(),
        count(Outcome::Exact),
        count(Outcome::Refused),
        count(Outcome::Nothing),
        count(Outcome::Wrong)
    );
    Ok(())
}

/// Cosines and liveness beside the values that a prototype measured with the same weights.
fn faces(bundle: &Bundle) -> Result<(), Failed> {
    let mut matcher = FaceMatcher::new(bundle)?;
    let folder = cache_dir().join("photos");
    let pairs = [
        ("obama2.jpg", "obama.jpg", 0.7572, 0.9997),
        ("biden.jpg", "obama2.jpg", 0.1010, 0.970),
        ("obama.jpg", "biden.jpg", -0.0152, 0.9998),
    ];
    println!("\nfaces in {}", folder.display());
    println!(
        "  {:<12} {:<12} {:>8} {:>9} {:>9} {:>9}",
        "portrait", "selfie", "cosine", "expected", "liveness", "expected"
    );
    for (portrait, selfie, cosine, liveness) in pairs {
        let (reference, frame) = (photo(&folder, portrait)?, photo(&folder, selfie)?);
        let frames = [Frame { action: Action::LookAhead, image: frame.as_slice() }];
        let examined = matcher.examine(&frames, &[(Reference::OnFile, reference.as_slice())]);
        let found = examined.map_err(|e| Failed::Face(Box::new(e)))?.observation;
        let (similarity, live) = (found.similarity().unwrap_or(f32::NAN), found.liveness.unwrap_or(f32::NAN));
        println!("  {portrait:<12} {selfie:<12} {similarity:>8.4} {cosine:>9.4} {live:>9.4} {liveness:>9.4}");
    }
    Ok(())
}

fn photo(folder: &Path, name: &str) -> Result<Vec<u8>, Failed> {
    let path = folder.join(name);
    fs::read(&path).map_err(|source| Failed::Photo { path, source })
}
