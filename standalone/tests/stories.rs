//! The six stories of `./dev demo`, over HTTP, with real photos and real models, each as it is told.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use reinstate_demo::{Pictures, STORIES, Stage, Teller, stories};
use support::{photos, server};

#[track_caller]
fn comes_out_as_told(letter: char) {
    let server = server("stories");
    server.wait_until_ready();
    let stage = Stage {
        backend: server.backend(),
        reviewer: server.reviewer(),
        auditor: server.auditor(),
        outbox: server.outbox(),
        pictures: Pictures::load(&photos()).unwrap(),
    };
    let story = STORIES.iter().find(|story| story.letter == letter).unwrap();
    let mut told = Vec::new();
    let played = story.play(&stage, &mut Teller::new(&mut told));
    let told = String::from_utf8(told).unwrap();
    let outcome = played.unwrap_or_else(|error| panic!("{told}\nbroke off: {error:?}"));
    assert!(story.came_out(&outcome), "{told}\nexpected {}: {}", story.expected, stories::describe(&outcome));
}

#[test]
fn an_owner_who_gives_every_proof_gets_the_account_back() {
    comes_out_as_told('a');
}

#[test]
fn an_account_that_was_locked_just_now_is_told_when_it_opens() {
    comes_out_as_told('b');
}

#[test]
fn somebody_elses_face_is_denied_with_a_reason_that_is_safe_to_show() {
    comes_out_as_told('c');
}

#[test]
fn a_passport_whose_number_was_altered_is_denied() {
    comes_out_as_told('d');
}

#[test]
fn a_bad_photo_of_a_document_is_asked_for_again_and_a_good_one_suffices() {
    comes_out_as_told('e');
}

#[test]
fn a_face_that_could_be_the_owners_waits_for_a_person_who_approves() {
    comes_out_as_told('f');
}
