//! Security answers: kept as Argon2id of the normalised text, compared all at once with one verdict.

use std::collections::BTreeMap;

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use reinstate_domain::identity::Question;
use unicode_normalization::UnicodeNormalization as _;

/// What two spellings of an answer have in common: compatibility forms, case and spaces do not count.
fn normalise(answer: &str) -> String {
    let folded = answer.nfkc().collect::<String>().to_lowercase();
    folded.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The Argon2id PHC string of an answer, with the crate's default parameters (OWASP: 19 MiB, 2 passes, 1 lane) and a fresh salt.
///
/// # Errors
/// When the system has no randomness or memory for it.
pub(crate) fn hash(answer: &str) -> Result<String, argon2::password_hash::Error> {
    let hash = Argon2::default().hash_password(normalise(answer).as_bytes())?;
    Ok(hash.to_string())
}

/// Whether every question has its right answer and there is none besides. Looks at all of them, whatever the first says.
pub(crate) fn all_right(questions: &[Question], answers: &BTreeMap<String, String>) -> bool {
    let known = answers.keys().all(|id| questions.iter().any(|q| q.id == *id));
    let right = questions.iter().map(|question| {
        let answer = answers.get(&question.id).map(|a| normalise(a)).unwrap_or_default();
        let stored = PasswordHash::new(&question.answer);
        stored.is_ok_and(|hash| Argon2::default().verify_password(answer.as_bytes(), &hash).is_ok())
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
            answer: hash(answer).unwrap(),
        };
        vec![question("q1", "Grüner  Baum"), question("q2", "Rex")]
    }

    fn given(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(id, answer)| ((*id).to_owned(), (*answer).to_owned())).collect()
    }

    #[test]
    fn case_spaces_and_compatibility_forms_do_not_count() {
        assert!(all_right(&questions(), &given(&[("q1", " grüner baum "), ("q2", "ＲＥＸ")])));
    }

    #[test]
    fn one_wrong_missing_or_additional_answer_is_wrong() {
        for answers in [
            given(&[("q1", "grüner baum"), ("q2", "max")]),
            given(&[("q1", "grüner baum")]),
            given(&[("q1", "grüner baum"), ("q2", "rex"), ("q3", "x")]),
            given(&[]),
        ] {
            assert!(!all_right(&questions(), &answers));
        }
        assert!(!all_right(&[], &given(&[])), "no questions are no proof");
    }

    #[test]
    fn the_same_answer_is_stored_differently_each_time() {
        assert_ne!(hash("x").unwrap(), hash("x").unwrap());
    }
}
