//! The REST interface: parse → authorise → one call → render. What may happen is decided in the domain.

mod answers;
mod auth;
mod error;
mod find;
mod held;
mod idempotency;
mod json;
mod openapi;
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
