//! What every command has at hand: the clients, the way to whoever watches, and Ctrl-C.

use crate::aws::Clients;
use crate::ui::{Interrupts, Printer};

/// One run of the program.
#[derive(Debug, Clone)]
pub struct Session {
    /// The clients of AWS.
    pub clients: Clients,
    /// The way to stdout and stderr.
    pub printer: Printer,
    /// Ctrl-C.
    pub interrupts: Interrupts,
    /// The seed of what must differ between two runs: names of change sets, and when to ask again.
    pub seed: u64,
}
