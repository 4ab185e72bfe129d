//! The concluder on a log in memory.
#![allow(clippy::unwrap_used, dead_code, unreachable_pub, reason = "tests, and not all of the shared world")]

use std::{sync::Arc, time::Duration};

use jiff::SignedDuration;
use reinstate_domain::{
    account::{CaseStatus, Command, Outcome},
    ids::{AccountId, CaseId},
    policy::{EXCHANGE, Policy},
};
use reinstate_projector::{
    commands::Commands,
    concluder::{Concluder, Looked},
};
use reinstate_store::{log::memory::Fault, read_models::ReadModels};
use tokio::time::timeout;
use world::{World, case, document, now};

#[path = "../../store/tests/support/world.rs"]
mod world;

const SOON: Duration = Duration::from_secs(20);

fn account(name: &str) -> AccountId {
    AccountId::parse(name).unwrap()
}

fn concluder(world: &World) -> Concluder {
    let policy = Arc::new(Policy::parse(EXCHANGE).unwrap());
    let commands = Commands { journal: world.journal.clone(), policy, code_key: world.code_key.clone() };
    Concluder::new(commands, world.models.clone())
}

async fn rows_have_everything_of(world: &World, who: &AccountId) {
    let position = world.journal.load(who).await.unwrap().position.unwrap();
    timeout(SOON, world.models.wait(position)).await.unwrap().unwrap();
}

/// A case that asks for a code only, handed in.
async fn handed_in(world: &World, who: &AccountId, id: CaseId) {
    world.up_to_the_code(who, id, "owner_request").await;
    let phone = Some(world.code(id, 1));
    world.must(who, [Command::Verify { case: id, phone, email: None }, Command::Submit { case: id }]).await;
    rows_have_everything_of(world, who).await;
}

#[tokio::test]
async fn a_case_that_waits_for_no_finding_is_concluded_once_and_without_a_verifier() {
    let world = World::new(2);
    let who = account("a");
    handed_in(&world, &who, case(1)).await;
    let later = now() + SignedDuration::from_secs(1);
    let concluder = concluder(&world);
    assert_eq!(concluder.step(later).await.unwrap(), Looked { concluded: 1, failed: 0 });
    // Again, whether or not the read model has it yet.
    assert_eq!(concluder.step(later).await.unwrap(), Looked::default());
    rows_have_everything_of(&world, &who).await;
    assert_eq!(concluder.step(later).await.unwrap(), Looked::default());
    let state = world.journal.load(&who).await.unwrap();
    assert_eq!(state.case.as_ref().unwrap().status, CaseStatus::Ended(Outcome::Reactivated));
}

#[tokio::test]
async fn a_case_whose_document_is_to_be_examined_waits() {
    let world = World::new(1);
    let who = account("a");
    world.up_to_the_code(&who, case(1), "suspicious_login").await;
    let phone = Some(world.code(case(1), 1));
    world.must(&who, [Command::Verify { case: case(1), phone, email: None }, document(case(1), 1)]).await;
    rows_have_everything_of(&world, &who).await;
    assert_eq!(concluder(&world).step(now()).await.unwrap(), Looked::default());
    let state = world.journal.load(&who).await.unwrap();
    assert_eq!(state.case.as_ref().unwrap().status, CaseStatus::Open);
}

#[tokio::test]
async fn a_case_that_can_not_be_concluded_now_holds_up_no_other_and_is_concluded_later() {
    let world = World::new(1);
    for n in 0..3_u128 {
        handed_in(&world, &account(&format!("a{n}")), case(n)).await;
    }
    world.log.fail(Fault::Full);
    let concluder = concluder(&world);
    assert_eq!(concluder.step(now()).await.unwrap(), Looked { concluded: 2, failed: 1 });
    assert_eq!(concluder.step(now()).await.unwrap(), Looked { concluded: 1, failed: 0 });
}
