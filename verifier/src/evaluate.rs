//! How well documents are read, measured on labelled photos. The folder holds `manifest.json`, an array of
//! `{id, image, type, mrz: [lines], check_digits_failing_as_printed: […]}`.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::civil::Date;
use serde::Deserialize;

use crate::document::{self, DocumentReader};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{path} can't be read")]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error("{path} is no list of labelled photos")]
    Invalid { path: PathBuf, source: serde_json::Error },
    #[error(transparent)]
    Document(#[from] document::Error),
}

#[derive(Deserialize)]
struct Labelled {
    id: String,
    image: PathBuf,
    #[serde(rename = "type")]
    format: String,
    mrz: Vec<String>,
    check_digits_failing_as_printed: Vec<String>,
}

/// How one photo came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Every line is exactly what is printed.
    Exact,
    /// Nothing was reported as valid.
    Nothing,
    /// Its digits fail as printed, and it was refused for that.
    Refused,
    /// Something was reported as valid that is not what is printed.
    Wrong,
}

/// One photo.
#[derive(Debug)]
pub struct Reading {
    pub id: String,
    pub format: String,
    pub outcome: Outcome,
    pub cpu: Duration,
    /// What is printed and what was read, for a person to compare.
    pub printed: Vec<String>,
    pub read: Vec<String>,
}

/// Reads every photo of the folder.
///
/// # Errors
/// The folder is not as described, or the reader failed.
pub fn read_all(folder: &Path, reader: &mut DocumentReader, today: Date) -> Result<Vec<Reading>, Error> {
    let open = |path: PathBuf| fs::read(&path).map_err(|source| Error::Unreadable { path, source });
    let path = folder.join("manifest.json");
    let labelled: Vec<Labelled> =
        serde_json::from_slice(&open(path.clone())?).map_err(|source| Error::Invalid { path, source })?;
    labelled.into_iter().map(|label| read(folder, label, reader, today, &open)).collect()
}

fn read(
    folder: &Path,
    label: Labelled,
    reader: &mut DocumentReader,
    today: Date,
    open: &impl Fn(PathBuf) -> Result<Vec<u8>, Error>,
) -> Result<Reading, Error> {
    let examination = reader.examine(&open(folder.join(&label.image))?, None, today)?;
    let mrz = examination.observation.mrz;
    let outcome = match &mrz {
        Some(mrz) if mrz.valid && mrz.lines == label.mrz => Outcome::Exact,
        Some(mrz) if mrz.valid => Outcome::Wrong,
        Some(mrz) if !label.check_digits_failing_as_printed.is_empty() && mrz.read == label.mrz => {
            Outcome::Refused
        }
        _ => Outcome::Nothing,
    };
    Ok(Reading {
        id: label.id,
        format: label.format,
        outcome,
        cpu: examination.timings.stages().map(|(_, spent)| spent.cpu).sum(),
        printed: label.mrz,
        read: mrz.map(|mrz| mrz.read).unwrap_or_default(),
    })
}
