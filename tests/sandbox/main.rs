//! The contracts of the sandbox: what AWS does, asked through AWS's own SDK clients. One module per service.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "what the tests share fails like a test"
)]

mod alarms;
mod asynchronous;
mod cell;
mod clients;
mod clock;
mod cloudformation;
mod conditions;
mod disturbance;
mod events;
mod federation;
mod identity;
mod interference;
mod lambda;
mod limits;
mod listing;
mod organizations;
mod owners;
mod policy;
mod population;
mod rotation;
mod s3;
mod secrets_manager;
mod sessions;
mod simulation;
