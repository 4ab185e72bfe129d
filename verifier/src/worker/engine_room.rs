//! The engine, which may not be there: a model file can be missing or altered while the rest of the system answers.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use reinstate_process::in_one_line;
use reinstate_process::settings::given;

use crate::Settings;
use crate::contain::Program;
use crate::engine::Engine;

/// How long to wait before the models are looked at again.
const AGAIN: Duration = Duration::from_secs(5);

/// Whether pictures can be examined.
#[derive(Clone)]
pub enum State {
    Starting,
    Ready(Engine),
    /// Names the file within its bundle and what is wrong with it. Anybody may read this.
    Unusable(String),
}

/// Where the engine stands. Clones share it.
#[derive(Clone)]
pub struct EngineRoom(Arc<RwLock<State>>);

impl Default for EngineRoom {
    fn default() -> Self {
        Self(Arc::new(RwLock::new(State::Starting)))
    }
}

impl EngineRoom {
    /// The engine, when it runs.
    #[must_use]
    pub fn get(&self) -> Option<Engine> {
        match self.state() {
            State::Ready(engine) => Some(engine),
            State::Starting | State::Unusable(_) => None,
        }
    }

    #[must_use]
    pub fn state(&self) -> State {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// For `readyz`: what keeps the engine from working.
    #[must_use]
    pub fn unready(&self) -> Option<String> {
        match self.state() {
            State::Ready(_) => None,
            State::Starting => Some("the models are being loaded".to_owned()),
            State::Unusable(why) => Some(why),
        }
    }

    fn set(&self, state: State) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = state;
    }

    /// Starts the engine; until it can be started says why not and looks again, so that a file which is put in its place is
    /// taken up without a restart.
    pub async fn start(&self, program: &Program, settings: &Settings) {
        loop {
            let (program, settings) = (program.clone(), settings.clone());
            let started = tokio::task::spawn_blocking(move || {
                let folder = given(&settings.models).map(PathBuf::from);
                Engine::start(&program, folder.as_deref(), &settings)
            });
            let unusable = match started.await {
                Ok(Ok(engine)) => {
                    tracing::info!(
                        bundle = engine.bundle().name(),
                        version = engine.bundle().version(),
                        "the models are ready"
                    );
                    self.set(State::Ready(engine));
                    return;
                }
                Ok(Err(error)) => {
                    tracing::error!(error = in_one_line(&error), "documents and faces wait for the models");
                    error.in_public()
                }
                Err(_) => {
                    tracing::error!("starting the models panicked");
                    "starting the models panicked".to_owned()
                }
            };
            self.set(State::Unusable(unusable));
            tokio::time::sleep(AGAIN).await;
        }
    }
}
