//! Plays locked accounts' stories against a running server, over HTTP and nothing else, and tells them to a person.
//! The small client and the load in here also serve the black-box tests and `./dev chaos`.

pub mod cast;
pub mod client;
mod error;
pub mod journey;
pub mod load;
pub mod outbox;
pub mod pictures;
pub mod resource;
pub mod stories;
pub mod teller;
pub mod timeline;

pub use cast::Person;
pub use client::{Answer, Body, Client, Part};
pub use error::Error;
pub use journey::Stage;
pub use outbox::Outbox;
pub use pictures::Pictures;
pub use stories::{Outcome, STORIES, Story};
pub use teller::Teller;
pub use ureq::http::Method;
