//! Personal data under an account's own key: XChaCha20-Poly1305 with a random nonce, bound to the account and to a purpose, so
//! that a sealed value is worth nothing in another place.

use std::fmt;

use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};
use reinstate_domain::{ids::AccountId, sealed::Sealed};
use zeroize::Zeroizing;

use crate::master::Secret;

/// Bytes of the nonce, which goes before the ciphertext.
const NONCE: usize = 24;

/// An account's key. Does not print; wiped when dropped.
pub struct DataKey(Secret);

impl DataKey {
    /// A key whose bytes are known: for tests and for what is not kept.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Secret::new(bytes))
    }

    pub(crate) fn random() -> Result<Self, Error> {
        Secret::random().map(Self).map_err(|_| Error::Random)
    }

    pub(crate) fn secret(&self) -> &Secret {
        &self.0
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DataKey")
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("the system has no randomness to give")]
    Random,
    #[error("the value is too large to be sealed")]
    TooLarge,
    /// Altered, or of another account, purpose or key.
    #[error("the sealed value does not open")]
    DoesNotOpen,
}

/// Seals `bytes`. `purpose` names the place that the value is for, such as `profile`; the same name opens it.
///
/// # Errors
/// [`Error::Random`], [`Error::TooLarge`].
pub fn seal(key: &DataKey, account: &AccountId, purpose: &str, bytes: &[u8]) -> Result<Sealed, Error> {
    encrypt(key.secret(), &bound_to(account, purpose), bytes).map(Sealed::from_bytes)
}

/// Opens what [`seal`] made. The answer is wiped when dropped.
///
/// # Errors
/// [`Error::DoesNotOpen`].
pub fn open(
    key: &DataKey,
    account: &AccountId,
    purpose: &str,
    sealed: &Sealed,
) -> Result<Zeroizing<Vec<u8>>, Error> {
    decrypt(key.secret(), &bound_to(account, purpose), sealed.as_bytes())
}

/// What the cipher authenticates besides the text. An account id has no zero byte, so no two pairs give the same bytes.
fn bound_to(account: &AccountId, purpose: &str) -> Vec<u8> {
    [account.as_str().as_bytes(), b"\0", purpose.as_bytes()].concat()
}

/// Nonce and ciphertext of `bytes`.
pub(crate) fn encrypt(key: &Secret, aad: &[u8], bytes: &[u8]) -> Result<Vec<u8>, Error> {
    let mut nonce = [0; NONCE];
    getrandom::fill(&mut nonce).map_err(|_| Error::Random)?;
    let ciphertext = XChaCha20Poly1305::new(key.expose().into())
        .encrypt(&XNonce::from(nonce), Payload { msg: bytes, aad })
        .map_err(|_| Error::TooLarge)?;
    Ok([&nonce[..], &ciphertext].concat())
}

/// The bytes that [`encrypt`] was given.
pub(crate) fn decrypt(key: &Secret, aad: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
    let (nonce, msg) = sealed.split_first_chunk::<NONCE>().ok_or(Error::DoesNotOpen)?;
    XChaCha20Poly1305::new(key.expose().into())
        .decrypt(&XNonce::from(*nonce), Payload { msg, aad })
        .map(Zeroizing::new)
        .map_err(|_| Error::DoesNotOpen)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn account(name: &str) -> AccountId {
        AccountId::parse(name).unwrap()
    }

    fn key(n: u8) -> DataKey {
        DataKey::from_bytes([n; 32])
    }

    proptest! {
        #[test]
        fn what_was_sealed_opens_in_its_place_and_in_no_other(bytes: Vec<u8>, flip: prop::sample::Index) {
            let anna = account("anna");
            let sealed = seal(&key(1), &anna, "profile", &bytes).unwrap();
            prop_assert_eq!(&**open(&key(1), &anna, "profile", &sealed).unwrap(), &bytes[..]);
            for elsewhere in [
                open(&key(2), &anna, "profile", &sealed),
                open(&key(1), &account("berta"), "profile", &sealed),
                open(&key(1), &anna, "review", &sealed),
            ] {
                prop_assert_eq!(elsewhere.unwrap_err(), Error::DoesNotOpen);
            }
            let mut altered = sealed.as_bytes().to_vec();
            let at = flip.index(altered.len());
            altered[at] ^= 1;
            let altered = Sealed::from_bytes(altered);
            prop_assert_eq!(open(&key(1), &anna, "profile", &altered).unwrap_err(), Error::DoesNotOpen);
        }

        #[test]
        fn a_value_that_is_cut_off_does_not_open(cut in 0_usize..45) {
            let sealed = seal(&key(1), &account("anna"), "profile", b"hello").unwrap();
            let short = Sealed::from_bytes(sealed.as_bytes()[..cut.min(sealed.as_bytes().len() - 1)].to_vec());
            prop_assert!(open(&key(1), &account("anna"), "profile", &short).is_err());
        }
    }

    #[test]
    fn the_same_bytes_sealed_twice_have_nothing_in_common() {
        let one = seal(&key(1), &account("anna"), "profile", b"hello").unwrap();
        let two = seal(&key(1), &account("anna"), "profile", b"hello").unwrap();
        assert_ne!(one.as_bytes()[..NONCE], two.as_bytes()[..NONCE]);
        assert_ne!(one.as_bytes()[NONCE..], two.as_bytes()[NONCE..]);
        assert!(!one.as_bytes().windows(5).any(|w| w == b"hello"));
    }
}
