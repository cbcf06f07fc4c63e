//! keyturn's installer: from a configuration to stacks in an AWS account.
//!
//! What stands here is what the binary, the tests and the build of the templates share.

pub mod apply;
pub mod artifact;
pub mod aws;
pub mod cli;
pub mod commands;
pub mod concurrent;
pub mod config;
pub mod environment;
pub mod error;
pub mod fleet;
pub mod names;
pub mod observe;
pub mod permissions;
pub mod plan;
pub mod regions;
#[cfg(test)]
mod sandboxed;
pub mod session;
pub mod template;
pub mod ui;
