//! A small pool of threads that examine pictures. Each owns its networks, so that none waits for another's; callers are
//! asynchronous and never blocked.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::{io, thread};

use jiff::civil::Date;
use reinstate_domain::document::DocumentObservation;
use reinstate_domain::face::{Action, Reference};
use tokio::sync::{mpsc, oneshot};

use crate::document::{self, DocumentReader};
use crate::face::{FaceExamination, FaceMatcher, Frame};
use crate::image::{self, Picture};
use crate::models::{self, Bundle};
use crate::timing::Timings;

/// Why there was no examination. What is wrong with a picture is no error: the observation says it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("a worker thread could not be started")]
    Thread(#[source] io::Error),
    #[error("the models are not usable")]
    Models(#[from] models::Error),
    #[error("the document could not be examined")]
    Document(#[from] document::Error),
    #[error("the portrait could not be written")]
    Portrait(#[from] image::EncodeError),
    /// The pool survives it; the same pictures would do it again.
    #[error("the examination panicked")]
    Panicked,
    #[error("the pool is gone")]
    Gone,
}

/// The pictures of a document, as they were sent.
#[derive(Clone)]
pub struct DocumentJob {
    pub front: Vec<u8>,
    pub back: Option<Vec<u8>>,
    /// Settles the century of two-digit years.
    pub today: Date,
}

/// What was read on a document.
#[derive(Debug)]
pub struct ExaminedDocument {
    pub observation: DocumentObservation,
    /// The portrait on it, as a PNG file.
    pub portrait: Option<Vec<u8>>,
    pub timings: Timings,
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

/// The pool. Clones share it; its threads end with the last of them, after the work that was begun.
#[derive(Clone)]
pub struct Engine {
    bundle: Arc<Bundle>,
    jobs: mpsc::Sender<Job>,
}

impl Engine {
    /// Starts `threads` threads with networks of their own. Blocks for some hundred milliseconds a thread. Calls beyond
    /// `threads` wait; beyond twice that, they wait before their pictures are taken over.
    ///
    /// # Errors
    /// A model is missing, altered or of a kind that is not known, or a thread can't be started.
    pub fn start(bundle: Bundle, threads: usize) -> Result<Self, Error> {
        let threads = threads.max(1);
        let bundle = Arc::new(bundle);
        let (jobs, waiting) = mpsc::channel(threads);
        let waiting = Arc::new(Mutex::new(waiting));
        for number in 0..threads {
            let examiner = Examiner::new(&bundle)?;
            let (bundle, waiting) = (Arc::clone(&bundle), Arc::clone(&waiting));
            thread::Builder::new()
                .name(format!("examiner-{number}"))
                .spawn(move || work(&bundle, examiner, &waiting))
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
    /// A network failed, or the examination panicked.
    pub async fn examine_document(&self, job: DocumentJob) -> Result<ExaminedDocument, Error> {
        self.ask(|answer| Job::Document(job, answer)).await
    }

    /// Looks at the frames of a challenge and compares them with the references.
    ///
    /// # Errors
    /// A network failed, or the examination panicked.
    pub async fn examine_face(&self, job: FaceJob) -> Result<FaceExamination, Error> {
        self.ask(|answer| Job::Face(job, answer)).await
    }

    async fn ask<T>(&self, job: impl FnOnce(oneshot::Sender<Result<T, Error>>) -> Job) -> Result<T, Error> {
        let (answer, answered) = oneshot::channel();
        self.jobs.send(job(answer)).await.map_err(|_| Error::Gone)?;
        answered.await.map_err(|_| Error::Gone)?
    }
}

/// The networks of one thread.
struct Examiner {
    documents: DocumentReader,
    faces: FaceMatcher,
}

impl Examiner {
    fn new(bundle: &Bundle) -> Result<Self, Error> {
        Ok(Self { documents: DocumentReader::new(bundle)?, faces: FaceMatcher::new(bundle)? })
    }

    fn document(&mut self, job: &DocumentJob) -> Result<ExaminedDocument, Error> {
        let found = self.documents.examine(&job.front, job.back.as_deref(), job.today)?;
        let portrait = found.portrait.as_ref().map(Picture::png).transpose()?;
        Ok(ExaminedDocument { observation: found.observation, portrait, timings: found.timings })
    }

    fn face(&mut self, job: &FaceJob) -> Result<FaceExamination, Error> {
        let frames: Vec<_> =
            job.frames.iter().map(|(action, image)| Frame { action: *action, image }).collect();
        let references: Vec<_> =
            job.references.iter().map(|(reference, image)| (*reference, image.as_slice())).collect();
        Ok(self.faces.examine(&frames, &references)?)
    }
}

/// Takes jobs until nobody can send any more.
fn work(bundle: &Bundle, examiner: Examiner, waiting: &Mutex<mpsc::Receiver<Job>>) {
    let mut examiner = Some(examiner);
    loop {
        // One idle thread waits for a job, the others for the lock.
        let job = waiting.lock().unwrap_or_else(PoisonError::into_inner).blocking_recv();
        match job {
            Some(Job::Document(job, answer)) => {
                reply(bundle, &mut examiner, answer, |examiner| examiner.document(&job));
            }
            Some(Job::Face(job, answer)) => {
                reply(bundle, &mut examiner, answer, |examiner| examiner.face(&job));
            }
            None => return,
        }
    }
}

/// Does one job and answers, unless nobody waits for it any more. Networks that saw a panic are not used again.
fn reply<T>(
    bundle: &Bundle,
    examiner: &mut Option<Examiner>,
    answer: oneshot::Sender<Result<T, Error>>,
    examine: impl FnOnce(&mut Examiner) -> Result<T, Error>,
) {
    if answer.is_closed() {
        return;
    }
    let usable = examiner.take().map_or_else(|| Examiner::new(bundle), Ok);
    let result = usable.and_then(|mut usable| {
        let result = catch_unwind(AssertUnwindSafe(|| examine(&mut usable))).map_err(|_| Error::Panicked)?;
        *examiner = Some(usable);
        result
    });
    // The caller may have gone meanwhile; what was found is then nobody's.
    let _ = answer.send(result);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::cache_dir;

    fn photo(name: &str) -> Vec<u8> {
        std::fs::read(cache_dir().join("photos").join(name)).unwrap()
    }

    fn face_job() -> FaceJob {
        FaceJob {
            frames: vec![(Action::LookAhead, photo("obama.jpg"))],
            references: vec![(Reference::OnFile, photo("obama2.jpg"))],
        }
    }

    fn examiner(bundle: &Bundle) -> Option<Examiner> {
        Some(Examiner::new(bundle).unwrap())
    }

    #[tokio::test(flavor = "current_thread")]
    async fn more_callers_than_threads_all_get_the_same_answer() {
        let engine = Engine::start(Bundle::open(None).unwrap(), 2).unwrap();
        let calls: Vec<_> = (0..6)
            .map(|_| {
                let engine = engine.clone();
                tokio::spawn(async move { engine.examine_face(face_job()).await })
            })
            .collect();
        let mut similarities = Vec::new();
        for call in calls {
            similarities.push(call.await.unwrap().unwrap().observation.similarity());
        }
        assert!(similarities[0].is_some() && similarities.iter().all(|s| *s == similarities[0]));
    }

    #[tokio::test]
    async fn a_document_that_is_no_image_is_an_observation() {
        let engine = Engine::start(Bundle::open(None).unwrap(), 1).unwrap();
        let today = Date::constant(2026, 1, 1);
        let job = DocumentJob { front: b"no image".to_vec(), back: None, today };
        let examined = engine.examine_document(job).await.unwrap();
        assert!(examined.observation.fault.is_some() && examined.portrait.is_none());
    }

    #[test]
    fn a_panic_is_an_error_of_its_job_and_the_next_job_is_done() {
        let bundle = Bundle::open(None).unwrap();
        let mut examiner = examiner(&bundle);
        let (answer, mut answered) = oneshot::channel();
        reply::<()>(&bundle, &mut examiner, answer, |_| panic!("on purpose"));
        assert!(matches!(answered.try_recv().unwrap(), Err(Error::Panicked)));
        let (answer, mut answered) = oneshot::channel();
        reply(&bundle, &mut examiner, answer, |examiner| examiner.face(&face_job()));
        assert!(answered.try_recv().unwrap().unwrap().observation.similarity().is_some());
    }

    #[test]
    fn what_nobody_waits_for_is_not_done() {
        let bundle = Bundle::open(None).unwrap();
        let mut examiner = examiner(&bundle);
        let (answer, answered) = oneshot::channel();
        drop(answered);
        reply::<()>(&bundle, &mut examiner, answer, |_| panic!("nobody waits"));
        assert!(examiner.is_some());
    }

    #[test]
    fn a_bundle_without_its_files_does_not_start() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/default");
        let error = Engine::start(Bundle::open(Some(&folder)).unwrap(), 1).err().unwrap();
        assert!(matches!(error, Error::Models(models::Error::FileUnreadable { .. })));
    }
}
