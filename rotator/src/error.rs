//! Every way in which an invocation ends without success, and how Lambda is told.

use contract::DocumentError;
use lambda_runtime::Diagnostic;

use crate::blocked::Blocked;
use crate::event::EventError;

/// A call to AWS that did not succeed.
///
/// It keeps the error's code and not its message: messages repeat what was sent, and what was sent may be secret
/// (R9). Only a refusal of permission keeps its message, which names caller, action and resource.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{operation} failed: {code}{message}{request}")]
pub(crate) struct CallError {
    /// Service prefix and operation, such as `iam:CreateAccessKey`.
    pub(crate) operation: &'static str,
    /// The error code, or what kind of failure it was when no answer came.
    pub(crate) code: String,
    /// Empty, or `: ` and the text of a refusal.
    pub(crate) message: String,
    /// Empty, or the id under which AWS knows the request, for CloudTrail and AWS Support.
    pub(crate) request: String,
    /// Whether it is certain that the call had no effect.
    pub(crate) definite: bool,
}

impl CallError {
    /// Whether a policy forbids it, in the words of IAM or of the other services.
    pub(crate) fn is_denied(&self) -> bool {
        self.code.starts_with("AccessDenied")
    }
}

/// A state of the secret in which this event must not be acted on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("the secret is scheduled for deletion")]
    Deleted,
    #[error("rotation is not enabled for the secret")]
    RotationDisabled,
    #[error("the event's ClientRequestToken is no version of the secret")]
    UnknownToken,
    #[error("the version of the event's ClientRequestToken is not AWSPENDING")]
    NotPending,
    #[error("the secret has no version AWSCURRENT")]
    NoCurrent,
    #[error("the pending version has no value yet")]
    NoPendingValue,
    #[error("the pending version names another user")]
    PendingOfOtherUser,
    #[error("the pending version holds no access key")]
    NoPendingKey,
    #[error("the pending key is gone, not Active, or revoked")]
    PendingKeyUnusable,
}

/// How an invocation fails.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RotationError {
    #[error("the function has no answer to this event")]
    Event(#[from] EventError),
    #[error("the step is refused: {0}")]
    Refused(Refusal),
    #[error("blocked: {0}")]
    Blocked(Blocked),
    #[error("the version {label} cannot be read")]
    Document { label: &'static str, source: DocumentError },
    #[error("an answer of AWS has no usable `{0}`")]
    Answer(&'static str),
    #[error(transparent)]
    Call(#[from] CallError),
    #[error("a key was about to be changed that is AWSCURRENT by now")]
    CurrentKeyProtected,
    #[error("a key was about to be deleted that somebody has activated meanwhile")]
    KeyReactivated,
    #[error("a key was about to be revoked, and somebody has taken its tag off meanwhile")]
    NotRevoked,
    #[error("the earlier key was revoked meanwhile")]
    RevokedMeanwhile,
    #[error("somebody has moved AWSCURRENT meanwhile")]
    CurrentMoved,
    #[error("the earlier key was deactivated or deleted meanwhile; AWSCURRENT was moved back")]
    EarlierKeyLost,
    #[error("the key could not be used within {seconds} s")]
    NotProven { seconds: u64, source: CallError },
    #[error("the key belongs to another identity than the bound user")]
    WrongIdentity,
    #[error("the pending version could not become current; its label was taken off, the next rotation starts anew")]
    PendingDropped,
    #[error("too little of the function's time is left to begin")]
    OutOfTime,
    #[error("{failed} of {swept} secrets could not be swept; the log says why, the next pass tries again")]
    SweepIncomplete { failed: usize, swept: usize },
    #[error("{failed} users could not be judged, enrolled or let go; the log says why, the next pass tries again")]
    EnrolmentIncomplete { failed: usize },
    #[error("the function enrols nobody: `{}` is not set", contract::variables::ENROL_PATH)]
    EnrolsNobody,
}

impl RotationError {
    /// The name that Lambda reports as `errorType`.
    fn name(&self) -> String {
        match self {
            Self::Event(_) => "Event".into(),
            Self::Refused(_) => "Refused".into(),
            Self::Blocked(reason) => format!("Blocked.{}", reason.name()),
            Self::Document { .. } => "Document".into(),
            Self::Answer(_) => "Answer".into(),
            Self::Call(_) => "Call".into(),
            Self::CurrentKeyProtected => "CurrentKeyProtected".into(),
            Self::KeyReactivated => "KeyReactivated".into(),
            Self::NotRevoked => "NotRevoked".into(),
            Self::RevokedMeanwhile => "RevokedMeanwhile".into(),
            Self::CurrentMoved => "CurrentMoved".into(),
            Self::EarlierKeyLost => "EarlierKeyLost".into(),
            Self::NotProven { .. } => "NotProven".into(),
            Self::WrongIdentity => "WrongIdentity".into(),
            Self::PendingDropped => "PendingDropped".into(),
            Self::OutOfTime => "OutOfTime".into(),
            Self::SweepIncomplete { .. } => "SweepIncomplete".into(),
            Self::EnrolmentIncomplete { .. } => "EnrolmentIncomplete".into(),
            Self::EnrolsNobody => "EnrolsNobody".into(),
        }
    }
}

/// An error's text with its causes.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        text.push_str(": ");
        text.push_str(&next.to_string());
        cause = next.source();
    }
    text
}

impl From<RotationError> for Diagnostic {
    fn from(error: RotationError) -> Self {
        Self { error_type: error.name(), error_message: chain(&error) }
    }
}
