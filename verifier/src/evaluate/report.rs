//! What a run found, as JSON: for a program, and to compare the next run with.

use std::fs;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::comparison::Comparison;
use super::run::Run;
use super::{documents, faces};

/// Only ever added to, so that old reports can be compared with new ones.
const SCHEMA: u32 = 1;

/// Why a report can't be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{} can't be read", path.display())]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error("{} is no report of an evaluation", path.display())]
    Invalid { path: PathBuf, source: serde_json::Error },
    #[error("{} can't be written", path.display())]
    Unwritable { path: PathBuf, source: std::io::Error },
    #[error("the report can't be written as JSON")]
    Json(#[source] serde_json::Error),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    pub schema: u32,
    pub made: Timestamp,
    pub run: Run,
    pub documents: Option<documents::Summary>,
    pub faces: Option<faces::Summary>,
    /// With an older report, when one was given.
    pub comparison: Option<Comparison>,
}

impl Report {
    #[must_use]
    pub fn new(run: Run, documents: Option<documents::Summary>, faces: Option<faces::Summary>) -> Self {
        Self { schema: SCHEMA, made: Timestamp::now(), run, documents, faces, comparison: None }
    }

    /// # Errors
    /// The file can't be read, or is something else.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let bytes = fs::read(path).map_err(|source| Error::Unreadable { path: path.to_owned(), source })?;
        serde_json::from_slice(&bytes).map_err(|source| Error::Invalid { path: path.to_owned(), source })
    }

    /// Writes the report as JSON, and the page beside it: files that are [`named`] so.
    ///
    /// # Errors
    /// A file can't be written.
    pub fn write(&self, html: &str, to: &Path) -> Result<(), Error> {
        let json = serde_json::to_vec_pretty(self).map_err(Error::Json)?;
        for (path, bytes) in [(named(to, "json"), &json[..]), (named(to, "html"), html.as_bytes())] {
            fs::write(&path, bytes).map_err(|source| Error::Unwritable { path, source })?;
        }
        Ok(())
    }
}

/// A file of the report `out`, whether that was given with the ending of one of them or without. A name may have dots of its own.
#[must_use]
pub fn named(out: &Path, ending: &str) -> PathBuf {
    let has_ending = out.extension().is_some_and(|has| has == "html" || has == "json");
    let name = if has_ending { out.with_extension("") } else { out.to_owned() };
    name.with_added_extension(ending)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_keeps_its_name_whatever_dots_are_in_it() {
        for (out, page) in [
            ("new", "new.html"),
            ("glare-0.5", "glare-0.5.html"),
            ("a/b.json", "a/b.html"),
            ("b.html", "b.html"),
        ] {
            assert_eq!(named(Path::new(out), "html"), Path::new(page));
        }
    }
}
