//! Whether what the events name is still there: sealed images by the hash of their sealed bytes, policies and bundle manifests by
//! their own. No key is needed.

use reinstate_domain::{account::Event, entry::Hash, evidence::Finding, sealed::BlobId};
use reinstate_store::blobs::{self, Artefacts, Blobs};

use crate::verify::{Audit, Kind};

/// Something outside the log that an event names by hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Named {
    Blob(BlobId),
    Artefact(Hash),
}

/// Everything that an event names.
#[must_use]
pub fn named_by(event: &Event) -> Vec<Named> {
    let finding = |finding: &Finding| {
        let blobs = finding.inputs.iter().chain(&finding.portrait).copied().map(Named::Blob);
        blobs.chain(finding.bundle.iter().map(|bundle| Named::Artefact(bundle.sha256))).collect()
    };
    match event {
        Event::PortraitEnrolled(e) => vec![Named::Blob(e.portrait)],
        Event::RequirementsSet(e) => vec![Named::Artefact(e.policy.sha256)],
        Event::DocumentSubmitted(e) => [e.front].iter().chain(&e.back).copied().map(Named::Blob).collect(),
        Event::FaceSubmitted(e) => e.frames.iter().copied().map(Named::Blob).collect(),
        Event::DocumentExamined(e) => finding(&e.finding),
        Event::FaceExamined(e) => finding(&e.finding),
        _ => Vec::new(),
    }
}

/// Reads everything that the audit collected and reports what is missing or damaged.
///
/// # Errors
/// When a store does not answer.
pub async fn check(audit: &mut Audit, blobs: &Blobs, artefacts: &Artefacts) -> Result<(), blobs::Error> {
    audit.source("blobs");
    audit.source("artefacts");
    let mut named = audit.named();
    named.sort_unstable();
    for named in named {
        let (what, checked) = match named {
            Named::Blob(id) => ("blob", blobs.verify(id).await),
            Named::Artefact(hash) => ("artefact", artefacts.get(hash).await.map(|_| ())),
        };
        match checked {
            Ok(()) => {}
            Err(blobs::Error::NotFound(hash)) => {
                audit.fault(None, None, Kind::Evidence, format!("the {what} {hash} is missing"));
            }
            Err(blobs::Error::Damaged(hash)) => {
                audit.fault(None, None, Kind::Evidence, format!("the {what} {hash} is damaged"));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
