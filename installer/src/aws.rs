//! The edge: clients of AWS, and thin functions over them that take and return our own types.
//!
//! What AWS reports as "not found" is `None` here. Nothing in here decides anything.

mod answers;
pub mod bucket;
pub mod change_sets;
mod clients;
mod clock;
mod credentials;
pub mod drift;
mod error;
pub mod functions;
pub mod identity;
mod network;
pub mod organizations;
mod pages;
pub mod policies;
mod profile;
pub mod roles;
pub mod secrets;
pub mod simulation;
pub mod stack_sets;
pub mod stacks;
pub mod users;

pub use clients::{Clients, ConnectError, Connection, Source};
pub use clock::Clock;
pub use credentials::{CredentialError, ProfileError};
pub use error::CallError;
pub use network::NetworkError;
pub use profile::is_served_by_keyturn;

use error::reduce;
use jiff::Timestamp;

/// A moment as the SDK has it, as a moment as we have it.
fn moment(time: &aws_smithy_types::DateTime) -> Option<Timestamp> {
    Timestamp::new(time.secs(), i32::try_from(time.subsec_nanos()).ok()?).ok()
}
