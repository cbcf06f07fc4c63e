//! Faults that a test orders: what goes wrong, at which call.

use crate::{ApiError, World};

/// One thing that goes wrong once.
#[derive(Debug, Clone)]
pub struct Fault {
    /// The operation it strikes, such as `iam:CreateAccessKey`; `None` strikes any.
    pub operation: Option<String>,
    /// Strikes only callers whose ARN contains this text; `None` strikes any.
    pub principal: Option<String>,
    /// How many matching calls pass unharmed first.
    pub after: usize,
    /// What happens.
    pub effect: Effect,
}

/// What a fault does to the call it strikes.
#[derive(Debug, Clone)]
pub enum Effect {
    /// The call is answered with this error and not done.
    FailBefore(ApiError),
    /// The call is done and answered with this error.
    FailAfter(ApiError),
    /// The call is done and the connection closed without an answer.
    LoseAnswer,
    /// The connection is closed without the call being done.
    LoseRequest,
    /// The calling function's process is killed and the call not done.
    KillBefore,
    /// The call is done and the calling function's process killed before it gets the answer.
    KillAfter,
    /// The call is done, and what comes back has this body, whatever it should have been.
    Answer(Vec<u8>),
    /// The call is done, and the answer never comes.
    Silence,
    /// Another instance of the calling function is given the same event. The call is done when that has ended.
    Again,
    /// Another instance of the calling function is given this event. The call is done when that has ended.
    Meanwhile(Vec<u8>),
}

/// A call that is about to be done, as a saboteur sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upcoming {
    /// The ARN of the caller.
    pub principal: String,
    /// Service and operation, such as `iam:CreateAccessKey`.
    pub operation: String,
    /// Whom or what it is about: the name of a user, or of a secret, or its ARN.
    pub subject: Option<String>,
}

/// Says what befalls a call. It may change the world, too: that happens right before the call.
pub(crate) type Saboteur = Box<dyn FnMut(&mut World, &Upcoming) -> Option<Effect> + Send>;

/// The faults that have not struck yet.
#[derive(Debug, Default)]
pub(crate) struct Faults(Vec<Fault>);

impl Faults {
    pub(crate) fn add(&mut self, fault: Fault) {
        self.0.push(fault);
    }

    pub(crate) fn clear(&mut self) -> usize {
        self.0.drain(..).count()
    }

    /// Counts a call, and gives the effect of the fault that strikes it.
    pub(crate) fn strike(&mut self, principal: &str, operation: &str) -> Option<Effect> {
        let mut struck = None;
        for (index, fault) in self.0.iter_mut().enumerate() {
            let hits = fault.operation.as_deref().is_none_or(|wanted| wanted == operation)
                && fault.principal.as_deref().is_none_or(|wanted| principal.contains(wanted));
            if hits && fault.after > 0 {
                fault.after -= 1;
            } else if hits && struck.is_none() {
                struck = Some(index);
            }
        }
        struck.map(|index| self.0.remove(index).effect)
    }
}
