//! What can go wrong while a story is played.

use crate::{client, outbox, pictures};

/// A story broke off.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the server")]
    Server(#[from] client::Error),
    #[error("the outbox")]
    Outbox(#[from] outbox::Error),
    #[error("a picture")]
    Picture(#[from] pictures::Error),
    #[error("the telling")]
    Told(#[from] std::io::Error),
    #[error("expected {expected}, found {found}")]
    Surprise { expected: &'static str, found: String },
}
