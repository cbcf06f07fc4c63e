//! The real programs against the sandbox: `keyturn` as a user runs it, and the function as Lambda runs it.
//!
//! Every run has a cleared environment, fixed credentials of the sandbox, and an endpoint on loopback.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod adoption;
mod alerts;
mod bad_input;
mod bootstrap;
mod cells;
mod crash;
mod credentials;
mod direct;
mod disturbed;
mod doctor;
mod drift;
mod emergencies;
mod enrolment;
mod express;
mod fleet;
mod function;
mod help;
mod holds;
mod hostile;
mod hostile_answers;
mod invariants;
mod least_privilege;
mod meddling;
mod newcomer;
mod orders;
mod partitions;
mod playground;
mod renderings;
mod replicas;
mod signing_in;
mod single_key;
mod stage;
mod strikes;
mod sweeper;
mod teardown;
mod turbulence;
