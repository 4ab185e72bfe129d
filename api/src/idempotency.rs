//! Idempotency keys: the same key and request gives the same status and the resource as it is now. The log remembers them, as
//! HMACs under a server key, because what was asked may be personal.

use actix_web::HttpRequest;
use actix_web::http::StatusCode;
use hmac::{Hmac, KeyInit as _, Mac as _};
use reinstate_domain::entry::{Fingerprint, Hash};
use sha2::Sha256;

use crate::auth::Caller;
use crate::error::Problem;

/// The longest idempotency key, in bytes.
const MAX: usize = 255;

/// Computes fingerprints that only this deployment can compute.
#[derive(Clone)]
pub(crate) struct Fingerprints([u8; 32]);

impl Fingerprints {
    pub(crate) fn new(key: [u8; 32]) -> Self {
        Self(key)
    }

    /// The fingerprint of some parts, each with its length, so that no two lists of parts are alike.
    pub(crate) fn of(&self, parts: &[&[u8]]) -> Hash {
        #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("any key length");
        for part in parts {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        Hash::from_bytes(mac.finalize().into_bytes().into())
    }

    /// The fingerprint of a request that came with an idempotency key. `content` is what the request says, in a form that does
    /// not depend on how it was written (a multipart boundary, the order of JSON fields).
    ///
    /// # Errors
    /// 400 when the header is not 1 to 255 visible ASCII characters, or stands twice.
    pub(crate) fn of_request(
        &self,
        request: &HttpRequest,
        caller: &Caller,
        content: &[u8],
    ) -> Result<Option<Fingerprint>, Problem> {
        let mut headers = request.headers().get_all("Idempotency-Key");
        let Some(key) = headers.next() else { return Ok(None) };
        let visible = |b: &u8| (0x21..=0x7e).contains(b);
        let key = key.as_bytes();
        if headers.next().is_some() || key.is_empty() || key.len() > MAX || !key.iter().all(visible) {
            let detail = "Idempotency-Key must be 1 to 255 visible ASCII characters, once.";
            return Err(Problem::new(StatusCode::BAD_REQUEST, "idempotency_key_invalid", detail));
        }
        let scope = caller.scope();
        Ok(Some(Fingerprint {
            key: self.of(&[b"key", scope.as_bytes(), key]),
            request: self.of(&[
                b"request",
                request.method().as_str().as_bytes(),
                request.path().as_bytes(),
                content,
            ]),
        }))
    }
}
