//! Whether what the events name is still there: sealed images by the hash of their sealed bytes, policies and bundle manifests by
//! their own. No key is needed.

use reinstate_store::blobs::{self, Artefacts, Blobs};

use crate::named::Named;
use crate::verify::{Audit, Kind};

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
