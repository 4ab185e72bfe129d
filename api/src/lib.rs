//! The REST interface: parse → authorise → one call → render. What may happen is decided in the domain.

mod answers;
mod auth;
mod error;
mod find;
mod held;
mod idempotency;
mod json;
mod openapi;
mod owners;
mod permission;
mod resource;
mod routes;
mod service;
mod settings;
mod startup;
mod upload;

pub use auth::{KeySettings, Keys, KeysError};
pub use service::{Clock, Ports, Service, SystemClock};
pub use settings::Settings;
pub use startup::{Application, Error};

/// What the fuzz target calls. Only there in its builds.
#[cfg(fuzzing)]
pub mod fuzz {
    /// A form whose boundary is `b` is read or refused, and no image of it that the door would refuse gets in.
    pub async fn form(body: &[u8]) {
        crate::upload::fuzz(body).await;
    }
}
