//! Documents from pictures to a verdict, through the real models: specimens whose truth is known, and labelled photos.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

mod beside;
mod covered;
mod forged;
mod reading;
mod story;
