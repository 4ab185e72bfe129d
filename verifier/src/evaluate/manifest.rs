//! What is evaluated: labelled photos. A manifest is a JSON file beside the photos that it names:
//!
//! - an array of documents `{id, image, back?, type, mrz: [lines], check_digits_failing_as_printed?, viz?, …}`,
//! - an array of faces `{id, image, person, faces, kind, attack?}`,
//! - or an object `{documents?, faces?, pairs?, note?}` of such arrays, or of names of files that hold them.

use std::fs;
use std::path::{Path, PathBuf};

use reinstate_domain::document::{Claim, DocumentType};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// Why a manifest is not one.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{} can't be read", path.display())]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error("{} is not JSON", path.display())]
    NotJson { path: PathBuf, source: serde_json::Error },
    #[error("{}: {expected}", path.display())]
    Shape { path: PathBuf, expected: &'static str },
    #[error("{}: entry {entry} is no label of a {of}", path.display())]
    Entry { path: PathBuf, entry: String, of: &'static str, source: serde_json::Error },
    #[error("{}: entry {entry}: {fault}", path.display())]
    Label { path: PathBuf, entry: String, fault: String },
}

/// A photo file and, when it is labelled with one, the hash of the bytes that the label is about.
#[derive(Debug, Clone)]
pub struct Photo {
    pub path: PathBuf,
    sha256: Option<String>,
}

impl Photo {
    /// The file's bytes.
    ///
    /// # Errors
    /// It can't be read, or is another file than the one that was labelled.
    pub fn read(&self, entry: &str) -> Result<Vec<u8>, Error> {
        let path = self.path.clone();
        let bytes = fs::read(&path).map_err(|source| Error::Unreadable { path: path.clone(), source })?;
        match &self.sha256 {
            Some(labelled) if !labelled.eq_ignore_ascii_case(&hex::encode(Sha256::digest(&bytes))) => {
                let fault = "the file's sha256 is not the labelled one".to_owned();
                Err(Error::Label { path, entry: entry.to_owned(), fault })
            }
            _ => Ok(bytes),
        }
    }
}

/// A document whose truth is known. What describes the photo is free text that groups the results.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Document {
    pub id: String,
    image: PathBuf,
    back: Option<PathBuf>,
    sha256: Option<String>,
    /// `TD1`, `TD2`, `TD3`, `MRVA`, `MRVB`, `D1`, or `none`.
    #[serde(rename = "type")]
    pub format: String,
    /// As printed; empty when there is no zone.
    pub mrz: Vec<String>,
    /// Not empty when the document is wrong as it was issued, and so is to be refused.
    #[serde(default)]
    pub check_digits_failing_as_printed: Vec<String>,
    pub viz: Option<Visual>,
    pub kind: Option<String>,
    pub issuer: Option<String>,
    #[serde(default)]
    claim: StatedClaim,
    pub half: Option<String>,
    pub disturbance: Option<String>,
    pub strength: Option<f32>,
    pub amount: Option<f32>,
    pub unit: Option<String>,
    pub tampering: Option<String>,
    #[serde(skip)]
    folder: PathBuf,
}

/// What is printed in the visual zone, as it is printed; dates as `1974-08-12`, with `XX` for what isn't known.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Visual {
    pub surname: Option<String>,
    pub given: Option<String>,
    pub number: Option<String>,
    pub dob: Option<String>,
    pub expiry: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
struct StatedClaim {
    #[serde(rename = "type")]
    document_type: Option<DocumentType>,
    country: Option<String>,
}

impl Document {
    #[must_use]
    pub fn front(&self) -> Photo {
        Photo { path: self.folder.join(&self.image), sha256: self.sha256.clone() }
    }

    #[must_use]
    pub fn back(&self) -> Option<Photo> {
        self.back.as_ref().map(|name| Photo { path: self.folder.join(name), sha256: None })
    }

    /// What its owner would say that it is.
    #[must_use]
    pub fn claim(&self) -> Claim {
        Claim { document_type: self.claim.document_type, country: self.claim.country.clone() }
    }

    /// As labelled, or as the zone says.
    #[must_use]
    pub fn issuer(&self) -> Option<String> {
        let printed = || Some(self.mrz.first()?.get(2..5)?.trim_end_matches('<').to_owned());
        self.issuer.clone().or_else(printed)
    }
}

/// A photo of faces.
#[derive(Debug, Clone, Deserialize)]
pub struct Face {
    pub id: String,
    image: PathBuf,
    sha256: Option<String>,
    /// Whose face it is; without it the photo takes part in no comparison.
    pub person: Option<String>,
    /// How many are to be found.
    pub faces: Option<usize>,
    /// `live`, `partial` (not all of the face is visible), or `attack`.
    pub kind: Option<String>,
    /// The kind of attack: `print`, `screen`, `mask`, …
    pub attack: Option<String>,
    pub half: Option<String>,
    #[serde(skip)]
    folder: PathBuf,
}

impl Face {
    #[must_use]
    pub fn photo(&self) -> Photo {
        Photo { path: self.folder.join(&self.image), sha256: self.sha256.clone() }
    }
}

/// Two photos that are to be compared, whatever else is.
#[derive(Debug, Clone, Deserialize)]
pub struct Pair {
    pub id: String,
    reference: PathBuf,
    frame: PathBuf,
    /// Whether both show one person.
    pub genuine: bool,
    #[serde(skip)]
    folder: PathBuf,
}

impl Pair {
    /// The reference and the frame.
    #[must_use]
    pub fn photos(&self) -> [Photo; 2] {
        [&self.reference, &self.frame].map(|name| Photo { path: self.folder.join(name), sha256: None })
    }
}

/// All labels.
#[derive(Debug, Clone, Default)]
pub struct Manifest {
    /// Over the bytes of the file that was named, and not of those that it names.
    pub sha256: String,
    pub documents: Vec<Document>,
    pub faces: Vec<Face>,
    pub pairs: Vec<Pair>,
    /// What whoever wrote it wants a reader of the report to know, such as what was tuned on which photos.
    pub note: Option<String>,
}

impl Manifest {
    /// # Errors
    /// The file, or one that it names, can't be read or holds something else. The error names file and entry.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let (value, sha256) = load(path)?;
        let mut manifest = Self { sha256, ..Self::default() };
        match value {
            Value::Array(entries) if is_of_faces(&entries) => manifest.faces(path, entries)?,
            Value::Array(entries) => manifest.documents(path, entries)?,
            Value::Object(parts) => {
                for (name, part) in parts {
                    let (source, part) = follow(path, part)?;
                    match (name.as_str(), part) {
                        ("documents", Value::Array(entries)) => manifest.documents(&source, entries)?,
                        ("faces", Value::Array(entries)) => manifest.faces(&source, entries)?,
                        ("pairs", Value::Array(entries)) => manifest.pairs(&source, entries)?,
                        ("note", Value::String(note)) => manifest.note = Some(note),
                        _ => {
                            return Err(shape(
                                &source,
                                "a manifest has documents, faces and pairs, each an array, and a note",
                            ));
                        }
                    }
                }
            }
            _ => return Err(shape(path, "a manifest is an array of labels, or an object")),
        }
        if manifest.documents.is_empty() && manifest.faces.is_empty() && manifest.pairs.is_empty() {
            return Err(shape(path, "there is nothing in it"));
        }
        manifest.check_ids(path)?;
        Ok(manifest)
    }

    fn documents(&mut self, path: &Path, entries: Vec<Value>) -> Result<(), Error> {
        for (n, entry) in entries.into_iter().enumerate() {
            let document: Document = label(path, n, entry, "document")?;
            let fault = |fault: &str| Error::Label {
                path: path.to_owned(),
                entry: document.id.clone(),
                fault: fault.into(),
            };
            if document.mrz.iter().any(|line| !line.is_ascii()) {
                return Err(fault("a line of a zone is A to Z, 0 to 9 and <"));
            }
            if document.strength.is_some_and(|strength| !(0.0..=1.0).contains(&strength)) {
                return Err(fault("a strength is between 0 and 1"));
            }
            self.documents.push(Document { folder: folder(path), ..document });
        }
        Ok(())
    }

    fn faces(&mut self, path: &Path, entries: Vec<Value>) -> Result<(), Error> {
        for (n, entry) in entries.into_iter().enumerate() {
            let face: Face = label(path, n, entry, "face")?;
            self.faces.push(Face { folder: folder(path), ..face });
        }
        Ok(())
    }

    fn pairs(&mut self, path: &Path, entries: Vec<Value>) -> Result<(), Error> {
        for (n, entry) in entries.into_iter().enumerate() {
            let pair: Pair = label(path, n, entry, "pair of faces")?;
            self.pairs.push(Pair { folder: folder(path), ..pair });
        }
        Ok(())
    }

    /// Runs are compared by id, so no two entries may share one.
    fn check_ids(&self, path: &Path) -> Result<(), Error> {
        let documents = self.documents.iter().map(|document| &document.id);
        let mut seen = std::collections::BTreeSet::new();
        for id in documents
            .chain(self.faces.iter().map(|face| &face.id))
            .chain(self.pairs.iter().map(|pair| &pair.id))
        {
            if !seen.insert(id) {
                let fault = "another entry has the same id".to_owned();
                return Err(Error::Label { path: path.to_owned(), entry: id.clone(), fault });
            }
        }
        Ok(())
    }
}

fn load(path: &Path) -> Result<(Value, String), Error> {
    let bytes = fs::read(path).map_err(|source| Error::Unreadable { path: path.to_owned(), source })?;
    let value =
        serde_json::from_slice(&bytes).map_err(|source| Error::NotJson { path: path.to_owned(), source })?;
    Ok((value, hex::encode(Sha256::digest(&bytes))))
}

/// The part itself, or the file beside the manifest that it names, and where it then comes from.
fn follow(path: &Path, part: Value) -> Result<(PathBuf, Value), Error> {
    match part {
        Value::String(name) if name.ends_with(".json") => {
            let other = folder(path).join(name);
            let (value, _) = load(&other)?;
            Ok((other, value))
        }
        part => Ok((path.to_owned(), part)),
    }
}

/// Labels of faces say how many there are or who it is; labels of documents never do.
fn is_of_faces(entries: &[Value]) -> bool {
    entries.first().is_some_and(|entry| entry.get("person").is_some() || entry.get("faces").is_some())
}

fn label<T: DeserializeOwned>(path: &Path, n: usize, entry: Value, of: &'static str) -> Result<T, Error> {
    let name = match entry.get("id").and_then(Value::as_str) {
        Some(id) => format!("{} ({id})", n + 1),
        None => (n + 1).to_string(),
    };
    serde_json::from_value(entry).map_err(|source| Error::Entry {
        path: path.to_owned(),
        entry: name,
        of,
        source,
    })
}

fn folder(path: &Path) -> PathBuf {
    path.parent().map(Path::to_owned).unwrap_or_default()
}

fn shape(path: &Path, expected: &'static str) -> Error {
    Error::Shape { path: path.to_owned(), expected }
}
