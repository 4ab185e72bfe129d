//! Has pictures examined by contained workers, as many side by side as there are threads. Callers are asynchronous and never
//! blocked.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use std::{io, thread};

use jiff::civil::Date;
use reinstate_domain::document::DocumentObservation;
use reinstate_domain::evidence::MAX_IMAGE_BYTES;
use reinstate_domain::face::{Action, FaceObservation, FrameObservation, Reference, Similarity};
use reinstate_domain::reason::ReasonCode;
use tokio::sync::{mpsc, oneshot};

use crate::Settings;
use crate::contain::{self, Answer, Keeper, Lost, Program, Task, Worker};
pub use crate::examiner::ExaminedDocument;
use crate::examiner::Need;
use crate::face::FaceExamination;
use crate::models::{self, Bundle};
use crate::timing::Timings;

/// Why there was no examination. What is wrong with a picture is no error: the observation says it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("a thread could not be started")]
    Thread(#[source] io::Error),
    #[error("the models are not usable")]
    Models(#[from] models::Error),
    #[error("pictures can't be examined here")]
    Contain(#[from] contain::Error),
    /// The engine survives it; the same pictures would do it again.
    #[error("the examination came to no end")]
    Lost(#[from] Lost),
    #[error("the engine is gone")]
    Gone,
}

impl Error {
    /// What may be told to whoever asks for readiness.
    #[must_use]
    pub fn in_public(&self) -> String {
        match self {
            Self::Models(error) => error.in_public(),
            Self::Contain(contain::Error::Models { public, .. }) => public.clone(),
            Self::Contain(error @ contain::Error::NotStrict { .. }) => error.to_string(),
            _ => "the engine could not be started".to_owned(),
        }
    }
}

/// The pictures of a document, as they were sent.
#[derive(Clone)]
pub struct DocumentJob {
    pub front: Vec<u8>,
    pub back: Option<Vec<u8>>,
    /// Settles the century of two-digit years.
    pub today: Date,
}

/// The frames of a face challenge in order, and the faces to compare them with, as image files.
#[derive(Clone)]
pub struct FaceJob {
    pub frames: Vec<(Action, Vec<u8>)>,
    pub references: Vec<(Reference, Vec<u8>)>,
}

enum Job {
    Document(DocumentJob, oneshot::Sender<Result<ExaminedDocument, Error>>),
    Face(FaceJob, oneshot::Sender<Result<FaceExamination, Error>>),
}

/// The engine. Clones share it; its threads and processes end with the last of them, after the work that was begun.
#[derive(Clone)]
pub struct Engine {
    bundle: Arc<Bundle>,
    jobs: mpsc::Sender<Job>,
}

impl Engine {
    /// Starts the process that holds the networks of the bundle in `folder` (the default one without), and
    /// `settings.threads` threads that have workers examine. Blocks for some hundred milliseconds. Calls beyond the threads
    /// wait; beyond twice that, they wait before their pictures are taken over.
    ///
    /// # Errors
    /// A model is missing, altered or of a kind that is not known, or workers can't be contained here.
    pub fn start(program: &Program, folder: Option<&Path>, settings: &Settings) -> Result<Self, Error> {
        let bundle = Arc::new(Bundle::open(folder)?);
        let keeper = Keeper::start(program, folder.map(Path::to_owned), &bundle, settings)?;
        keeper.load(Need::All)?;
        let threads = settings.threads.max(1);
        let (jobs, waiting) = mpsc::channel(threads);
        let waiting = Arc::new(Mutex::new(waiting));
        for number in 0..threads {
            let worker = keeper.worker()?;
            if number == 0 {
                announce(&worker);
            }
            let mut examinations =
                Examinations { keeper: Arc::clone(&keeper), next: Some(worker), within: within(settings) };
            let waiting = Arc::clone(&waiting);
            thread::Builder::new()
                .name(format!("examiner-{number}"))
                .spawn(move || examinations.work(&waiting))
                .map_err(Error::Thread)?;
        }
        Ok(Self { bundle, jobs })
    }

    /// The bundle whose networks run: thresholds and provenance.
    #[must_use]
    pub fn bundle(&self) -> &Bundle {
        &self.bundle
    }

    /// Reads a document.
    ///
    /// # Errors
    /// [`Error::Lost`] when these pictures bring down whoever looks at them.
    pub async fn examine_document(&self, job: DocumentJob) -> Result<ExaminedDocument, Error> {
        self.ask(|answer| Job::Document(job, answer)).await
    }

    /// Looks at the frames of a challenge and compares them with the references.
    ///
    /// # Errors
    /// [`Error::Lost`] when these pictures bring down whoever looks at them.
    pub async fn examine_face(&self, job: FaceJob) -> Result<FaceExamination, Error> {
        self.ask(|answer| Job::Face(job, answer)).await
    }

    async fn ask<T>(&self, job: impl FnOnce(oneshot::Sender<Result<T, Error>>) -> Job) -> Result<T, Error> {
        let (answer, answered) = oneshot::channel();
        self.jobs.send(job(answer)).await.map_err(|_| Error::Gone)?;
        answered.await.map_err(|_| Error::Gone)?
    }
}

/// One examination at a time, for a command line: the networks are made when a picture turns out to be one.
pub struct Single {
    bundle: Bundle,
    examinations: Examinations,
}

impl Single {
    /// Starts the process that examines, without networks.
    ///
    /// # Errors
    /// The manifest is not valid, or the process can't be started.
    pub fn start(program: &Program, folder: Option<&Path>, settings: &Settings) -> Result<Self, Error> {
        let bundle = Bundle::open(folder)?;
        let keeper = Keeper::start(program, folder.map(Path::to_owned), &bundle, settings)?;
        Ok(Self { bundle, examinations: Examinations { keeper, next: None, within: within(settings) } })
    }

    #[must_use]
    pub fn bundle(&self) -> &Bundle {
        &self.bundle
    }

    /// Reads a document. One of whose pictures something is wrong with is an observation without any network.
    ///
    /// # Errors
    /// As [`Engine::start`] and [`Engine::examine_document`].
    pub fn examine_document(&mut self, job: &DocumentJob) -> Result<ExaminedDocument, Error> {
        let faults = self.faults(std::iter::once(&job.front).chain(&job.back))?;
        if let Some(fault) = faults.into_iter().flatten().next() {
            let observation = DocumentObservation { fault: Some(fault), ..DocumentObservation::default() };
            return Ok(ExaminedDocument { observation, portrait: None, timings: Timings::default() });
        }
        self.examinations.keeper.load(Need::Documents)?;
        self.examinations.document(job).map(|(examined, _)| examined)
    }

    /// Looks at the frames and compares them with the references. The networks are made unless something is wrong with all of
    /// the frames.
    ///
    /// # Errors
    /// As [`Engine::start`] and [`Engine::examine_face`].
    pub fn examine_face(&mut self, job: &FaceJob) -> Result<FaceExamination, Error> {
        let faults = self.faults(job.frames.iter().map(|(_, image)| image))?;
        if faults.iter().any(Option::is_none) {
            self.examinations.keeper.load(Need::Faces)?;
            return self.examinations.face(job).map(|(examined, _)| examined);
        }
        let frames = job.frames.iter().zip(faults);
        let frames = frames.map(|((action, _), fault)| FrameObservation {
            action: *action,
            fault,
            faces: Vec::new(),
            measures: None,
            movement: None,
        });
        let similarities = job.references.iter();
        let similarities = similarities.map(|(reference, _)| Similarity {
            reference: *reference,
            fault: None,
            cosine: None,
        });
        let observation = FaceObservation {
            frames: frames.collect(),
            similarities: similarities.collect(),
            liveness: None,
            consistency: None,
        };
        Ok(FaceExamination { observation, timings: Timings::default() })
    }

    fn faults<'a>(
        &mut self,
        pictures: impl Iterator<Item = &'a Vec<u8>>,
    ) -> Result<Vec<Option<ReasonCode>>, Error> {
        let pictures: Vec<&[u8]> = pictures.map(Vec::as_slice).collect();
        match self.examinations.examine(&Task::Decode, &pictures)? {
            (Answer::Decoded { faults }, ..) if faults.len() == pictures.len() => Ok(faults),
            _ => Err(Lost::NoAnswer.into()),
        }
    }
}

/// Says once which guards are on.
fn announce(worker: &Worker) {
    let landlock = worker.landlock().as_str();
    tracing::info!(landlock, "pictures are examined with system calls filtered and resources limited");
    metrics::gauge!("reinstate_verifier_landlock", "state" => landlock).set(1.0);
}

fn within(settings: &Settings) -> Duration {
    Duration::from_secs(settings.timeout_seconds)
}

/// One examination after the other, each in a worker of its own that was forked before its job came.
struct Examinations {
    keeper: Arc<Keeper>,
    next: Option<Worker>,
    within: Duration,
}

impl Examinations {
    /// Takes jobs until nobody can send any more.
    fn work(&mut self, waiting: &Mutex<mpsc::Receiver<Job>>) {
        loop {
            // One idle thread waits for a job, the others for the lock.
            let job = waiting.lock().unwrap_or_else(PoisonError::into_inner).blocking_recv();
            match job {
                Some(Job::Document(job, answer)) => self.reply(answer, |this| this.document(&job)),
                Some(Job::Face(job, answer)) => self.reply(answer, |this| this.face(&job)),
                None => return,
            }
        }
    }

    /// Does one job and answers, unless nobody waits for it any more; then has the next worker forked.
    fn reply<T>(
        &mut self,
        answer: oneshot::Sender<Result<T, Error>>,
        examine: impl FnOnce(&mut Self) -> Result<(T, Worker), Error>,
    ) {
        if answer.is_closed() {
            return;
        }
        let (result, spent) = match examine(self) {
            Ok((found, worker)) => (Ok(found), Some(worker)),
            Err(error) => (Err(error), None),
        };
        if let Err(Error::Lost(lost)) = &result {
            metrics::counter!("reinstate_verifier_workers_lost_total", "cause" => lost.cause()).increment(1);
        }
        // The caller may have gone meanwhile; what was found is then nobody's.
        let _ = answer.send(result);
        drop(spent);
        if self.next.is_none() {
            self.next = self.keeper.worker().inspect_err(complain).ok();
        }
    }

    fn document(&mut self, job: &DocumentJob) -> Result<(ExaminedDocument, Worker), Error> {
        let pictures: Vec<&[u8]> = std::iter::once(&job.front).chain(&job.back).map(Vec::as_slice).collect();
        let (answer, blobs, worker) = self.examine(&Task::Document { today: job.today }, &pictures)?;
        let Answer::Document { observation, timings } = answer else { return Err(Lost::NoAnswer.into()) };
        Ok((ExaminedDocument { observation: *observation, portrait: portrait(blobs)?, timings }, worker))
    }

    fn face(&mut self, job: &FaceJob) -> Result<(FaceExamination, Worker), Error> {
        let frames = job.frames.iter().map(|(_, image)| image.as_slice());
        let pictures: Vec<&[u8]> =
            frames.chain(job.references.iter().map(|(_, image)| image.as_slice())).collect();
        let task = Task::Face {
            frames: job.frames.iter().map(|(action, _)| *action).collect(),
            references: job.references.iter().map(|(reference, _)| *reference).collect(),
        };
        let (answer, _, worker) = self.examine(&task, &pictures)?;
        let Answer::Face { observation, timings } = answer else { return Err(Lost::NoAnswer.into()) };
        Ok((FaceExamination { observation: *observation, timings }, worker))
    }

    fn examine(&mut self, task: &Task, pictures: &[&[u8]]) -> Result<(Answer, Vec<Vec<u8>>, Worker), Error> {
        // Of a picture that is too large, no more than shows it.
        let pictures: Vec<&[u8]> =
            pictures.iter().map(|picture| &picture[..picture.len().min(MAX_IMAGE_BYTES + 1)]).collect();
        let mut worker = self.next.take().map_or_else(|| self.keeper.worker(), Ok)?;
        if worker.send(task, &pictures, self.within).is_err() {
            // It died while it waited, and has seen nothing of these pictures.
            worker = self.keeper.worker()?;
            worker.send(task, &pictures, self.within).map_err(|_| Lost::NoAnswer)?;
        }
        let (answer, blobs) = worker.receive(self.within)?;
        Ok((answer, blobs, worker))
    }
}

fn complain(error: &contain::Error) {
    tracing::error!(error = error as &dyn std::error::Error, "there is no worker for the next examination");
}

/// The portrait that a worker cut out: one PNG file, or none.
fn portrait(blobs: Vec<Vec<u8>>) -> Result<Option<Vec<u8>>, Lost> {
    match <[Vec<u8>; 1]>::try_from(blobs) {
        Ok([png]) if png.starts_with(b"\x89PNG\r\n\x1a\n") => Ok(Some(png)),
        Err(none) if none.is_empty() => Ok(None),
        _ => Err(Lost::NoAnswer),
    }
}
