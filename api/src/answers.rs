//! Security answers: kept as Argon2id of the normalised text, compared all at once with one verdict.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::thread::available_parallelism;

use actix_web::web;
use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use reinstate_domain::identity::Question;
use tokio::sync::Semaphore;
use unicode_normalization::UnicodeNormalization as _;

use crate::error::Problem;

/// How many hash at the same time.
static PLACES: LazyLock<Semaphore> =
    LazyLock::new(|| Semaphore::new(available_parallelism().map_or(1, NonZero::get)));

/// What is free of the memory that they hash in, at most one for each place.
static AT_REST: Mutex<Vec<Memory>> = Mutex::new(Vec::new());

/// The memory of one hash after the other: 19 MiB. Taken from the allocator by whichever thread is free, it stayed behind in
/// each thread's arena and came to a gigabyte.
#[derive(Default)]
pub(crate) struct Memory(Vec<Block>);

impl Memory {
    fn hash(
        &mut self,
        argon: &Argon2<'_>,
        answer: &str,
        salt: &[u8],
        length: usize,
    ) -> Result<Output, Error> {
        let needed = argon.params().block_count();
        if self.0.len() < needed {
            self.0.resize(needed, Block::new());
        }
        let mut out = [0; Output::MAX_LENGTH];
        let out = out.get_mut(..length).ok_or(Error::Length)?;
        argon
            .hash_password_into_with_memory(answer.as_bytes(), salt, out, &mut self.0[..needed])
            .map_err(Error::Argon)?;
        Output::new(out).map_err(|_| Error::Length)
    }
}

/// An answer can't be hashed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("Argon2 refused")]
    Argon(#[source] argon2::Error),
    #[error("a hash of a length that Argon2 does not have")]
    Length,
    #[error("the parameters can't be written down")]
    Parameters,
}

fn at_rest() -> MutexGuard<'static, Vec<Memory>> {
    AT_REST.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Hashes off the threads that serve requests, as many at a time as there are processors.
pub(crate) async fn apart<T: Send + 'static>(
    work: impl FnOnce(&mut Memory) -> T + Send + 'static,
) -> Result<T, Problem> {
    let place = PLACES.acquire().await.map_err(|_| Problem::internal())?;
    let done = web::block(move || {
        // Kept to the end, also when nobody waits for the answer any more.
        let _place = place;
        let mut memory = at_rest().pop().unwrap_or_default();
        let done = work(&mut memory);
        at_rest().push(memory);
        done
    });
    done.await.map_err(|_| Problem::internal())
}

/// What two spellings of an answer have in common: compatibility forms, case and spaces do not count.
fn normalise(answer: &str) -> String {
    let folded = answer.nfkc().collect::<String>().to_lowercase();
    folded.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The Argon2id PHC string of an answer, with the crate's default parameters (OWASP: 19 MiB, 2 passes, 1 lane) and a fresh salt.
///
/// # Errors
/// When Argon2 refuses, as it does with an answer of gigabytes.
pub(crate) fn hash(answer: &str, memory: &mut Memory) -> Result<String, Error> {
    let (argon, salt) = (Argon2::default(), Salt::generate());
    let output = memory.hash(&argon, &normalise(answer), &salt, Params::DEFAULT_OUTPUT_LEN)?;
    let hash = PasswordHash {
        algorithm: Algorithm::default().ident(),
        version: Some(Version::default().into()),
        params: ParamsString::try_from(argon.params()).map_err(|_| Error::Parameters)?,
        salt: Some(salt),
        hash: Some(output),
    };
    Ok(hash.to_string())
}

/// Whether an answer is the one of which this is the PHC string. Compares in constant time.
fn matches(stored: &str, answer: &str, memory: &mut Memory) -> bool {
    let Ok(stored) = PasswordHash::new(stored) else { return false };
    let algorithm = Algorithm::try_from(stored.algorithm.as_str());
    let version = stored.version.map_or(Ok(Version::default()), Version::try_from);
    let (Ok(algorithm), Ok(version), Ok(params)) = (algorithm, version, Params::try_from(&stored)) else {
        return false;
    };
    let (Some(salt), Some(known)) = (stored.salt, stored.hash) else { return false };
    let argon = Argon2::new(algorithm, version, params);
    memory.hash(&argon, answer, &salt, known.len()).is_ok_and(|output| output == known)
}

/// Whether every question has its right answer and there is none besides. Looks at all of them, whatever the first says.
pub(crate) fn all_right(
    questions: &[Question],
    answers: &BTreeMap<String, String>,
    memory: &mut Memory,
) -> bool {
    let known = answers.keys().all(|id| questions.iter().any(|q| q.id == *id));
    let right = questions.iter().map(|question| {
        let answer = answers.get(&question.id).map(|a| normalise(a)).unwrap_or_default();
        matches(&question.answer, &answer, memory)
    });
    let right: Vec<bool> = right.collect();
    !questions.is_empty() && known && right.into_iter().all(|r| r)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn questions() -> Vec<Question> {
        let question = |id: &str, answer: &str| Question {
            id: id.into(),
            prompt: "?".into(),
            answer: hash(answer, &mut Memory::default()).unwrap(),
        };
        vec![question("q1", "Grüner  Baum"), question("q2", "Rex")]
    }

    fn given(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(id, answer)| ((*id).to_owned(), (*answer).to_owned())).collect()
    }

    fn right(questions: &[Question], answers: &BTreeMap<String, String>) -> bool {
        all_right(questions, answers, &mut Memory::default())
    }

    #[test]
    fn what_the_library_hashed_is_known_and_the_library_knows_what_was_hashed_here() {
        use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
        let mut memory = Memory::default();
        let theirs = Argon2::default().hash_password(b"rex").unwrap().to_string();
        assert!(matches(&theirs, "rex", &mut memory) && !matches(&theirs, "max", &mut memory));
        let ours = PasswordHash::new(&hash(" Rex ", &mut memory).unwrap()).unwrap();
        assert!(Argon2::default().verify_password(b"rex", &ours).is_ok());
        assert!(Argon2::default().verify_password(b"max", &ours).is_err());
        for broken in ["", "rex", "$argon2id$v=19$m=19456,t=2,p=1", "$pbkdf2$i=1$c2FsdHNhbHQ$c2FsdHNhbHQ"] {
            assert!(!matches(broken, "rex", &mut memory), "{broken}");
        }
    }

    #[actix_web::test]
    async fn however_many_hash_at_once_there_is_memory_for_as_many_as_there_are_processors() {
        let hashing: Vec<_> = (0..20)
            .map(|n| actix_web::rt::spawn(apart(move |memory| hash(&n.to_string(), memory).unwrap())))
            .collect();
        for hashed in hashing {
            hashed.await.unwrap().ok().unwrap();
        }
        let kept = at_rest().len();
        assert!((1..=available_parallelism().unwrap().get()).contains(&kept), "{kept}");
    }

    #[test]
    fn case_spaces_and_compatibility_forms_do_not_count() {
        assert!(right(&questions(), &given(&[("q1", " grüner baum "), ("q2", "ＲＥＸ")])));
    }

    #[test]
    fn one_wrong_missing_or_additional_answer_is_wrong() {
        for answers in [
            given(&[("q1", "grüner baum"), ("q2", "max")]),
            given(&[("q1", "grüner baum")]),
            given(&[("q1", "grüner baum"), ("q2", "rex"), ("q3", "x")]),
            given(&[]),
        ] {
            assert!(!right(&questions(), &answers));
        }
        assert!(!right(&[], &given(&[])), "no questions are no proof");
    }

    #[test]
    fn the_same_answer_is_stored_differently_each_time() {
        let mut memory = Memory::default();
        assert_ne!(hash("x", &mut memory).unwrap(), hash("x", &mut memory).unwrap());
    }
}
