//! What stands outside the log and is named in it by hash.

use reinstate_domain::{account::Event, entry::Hash, evidence::Finding, sealed::BlobId};

/// Something outside the log that an event names by hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Named {
    Blob(BlobId),
    Artefact(Hash),
}

/// Everything that an event names.
#[must_use]
pub(crate) fn named_by(event: &Event) -> Vec<Named> {
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
