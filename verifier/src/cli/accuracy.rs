//! `reinstate-verifier accuracy DIR`: how well the labelled photos of a folder are read, as a table for a person.

use std::path::{Path, PathBuf};

use jiff::Zoned;
use reinstate_verifier::document::DocumentReader;
use reinstate_verifier::evaluate::{self, Outcome};

use super::{Failure, open_bundle};

/// Reads every labelled photo of a folder and says how often the machine-readable zone came out exactly.
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// The folder that holds manifest.json and the photos.
    folder: PathBuf,
}

pub(super) fn run(bundle: Option<&Path>, arguments: &Arguments) -> Result<(), Failure> {
    let bundle = open_bundle(bundle)?;
    let mut reader = DocumentReader::new(&bundle)?;
    let readings = evaluate::read_all(&arguments.folder, &mut reader, Zoned::now().date())?;
    println!("{:<8}{:<8}{:<10}{:>8}", "photo", "format", "outcome", "CPU ms");
    for reading in &readings {
        let outcome = format!("{:?}", reading.outcome).to_lowercase();
        println!(
            "{:<8}{:<8}{outcome:<10}{:>8.0}",
            reading.id,
            reading.format,
            reading.cpu.as_secs_f64() * 1e3
        );
    }
    let count = |outcome| readings.iter().filter(|reading| reading.outcome == outcome).count();
    let mut cpu: Vec<_> = readings.iter().map(|reading| reading.cpu).collect();
    cpu.sort();
    println!(
        "{} photos: {} exact, {} refused for digits that fail as printed, {} not read, {} valid but wrong; \
         median {:.0} CPU ms",
        readings.len(),
        count(Outcome::Exact),
        count(Outcome::Refused),
        count(Outcome::Nothing),
        count(Outcome::Wrong),
        cpu.get(cpu.len() / 2).map_or(0.0, |time| time.as_secs_f64() * 1e3),
    );
    Ok(())
}
