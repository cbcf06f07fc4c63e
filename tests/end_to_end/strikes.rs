//! Ways to strike a run of `keyturn` at one of the calls that change something.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use sandbox::{ApiError, Fault, FaultEffect};

use crate::stage::{Run, Stage, function};

/// Whose calls are struck.
const WHO: &str = "user/administrator";

/// A call that changes something, by its operation and how many of the same kind came before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Written {
    pub(crate) operation: String,
    pub(crate) after: usize,
}

impl Written {
    /// Whether it was a call to this service, such as `secretsmanager`.
    pub(crate) fn is_to(&self, service: &str) -> bool {
        self.operation.split(':').next() == Some(service)
    }
}

/// What happens to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Strike {
    /// It is refused, and the run ends in its own way.
    Refuse,
    /// It is done and then refused.
    DoAndRefuse,
    /// It is done, and the answer lost; the SDK tries again.
    LoseAnswer,
    /// It gets lost; the SDK tries again.
    LoseRequest,
    /// It is done, and `keyturn` is killed before the answer arrives.
    Kill,
}

/// All of them.
pub(crate) const STRIKES: [Strike; 5] =
    [Strike::Refuse, Strike::DoAndRefuse, Strike::LoseAnswer, Strike::LoseRequest, Strike::Kill];

impl Strike {
    /// Whether the run does not even notice.
    fn is_retried(self) -> bool {
        matches!(self, Self::LoseAnswer | Self::LoseRequest)
    }

    /// Runs `keyturn --yes …`, strikes, and checks that the run ended as such a strike lets it end. How often a
    /// rotation is asked for depends on how busy the machine is, so the call may not come this time.
    pub(crate) async fn run(self, stage: &Stage, written: &Written, arguments: &[&str]) -> Run {
        let (run, has_struck) = self.strike(stage, written, arguments).await;
        let fails = has_struck && !self.is_retried();
        assert_eq!(run.code != 0, fails, "{self:?} at {written:?}: {run}");
        run
    }

    /// Runs `keyturn --yes …` and strikes; says whether the call came at all.
    pub(crate) async fn strike(self, stage: &Stage, written: &Written, arguments: &[&str]) -> (Run, bool) {
        let refusal = || ApiError::new("SimulatedRefusal", "a test has ordered this");
        let effect = match self {
            Self::Refuse => FaultEffect::FailBefore(refusal()),
            Self::DoAndRefuse => FaultEffect::FailAfter(refusal()),
            Self::LoseAnswer => FaultEffect::LoseAnswer,
            Self::LoseRequest => FaultEffect::LoseRequest,
            Self::Kill => return killed(stage, written, arguments).await,
        };
        let Written { operation, after } = written.clone();
        let fault = Fault { operation: Some(operation), principal: Some(WHO.to_owned()), after, effect };
        stage.sandbox.visit(|world| world.inject(fault)).await;
        let run = stage.keyturn(&command(arguments)).await;
        let missed = stage.sandbox.visit(|world| world.clear_faults()).await;
        (run, missed == 0)
    }
}

/// The calls of the administrator that changed something, and forgets them.
pub(crate) async fn writes(stage: &Stage) -> Vec<Written> {
    let taken = stage.sandbox.visit(|world| {
        let calls = world.calls().iter().filter(|call| call.is_write() && call.principal.contains(WHO));
        // What CloudFormation does on behalf of the caller has the name of a resource in it.
        let operations: Vec<_> = calls.map(|call| call.operation.clone()).filter(|name| !name.contains(' ')).collect();
        world.clear_calls();
        operations
    });
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let number = |operation: String| {
        let count = seen.entry(operation.clone()).or_default();
        *count += 1;
        Written { operation, after: *count - 1 }
    };
    taken.await.into_iter().map(number).collect()
}

/// Does all of this at once.
pub(crate) async fn all<F: Future<Output = ()>>(histories: impl IntoIterator<Item = F>) {
    let mut histories: Vec<_> = histories.into_iter().map(Box::pin).collect();
    std::future::poll_fn(|context| {
        histories.retain_mut(|history| history.as_mut().poll(context).is_pending());
        if histories.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
}

/// Runs `keyturn --yes …` and kills it right after the call was done.
async fn killed(stage: &Stage, written: &Written, arguments: &[&str]) -> (Run, bool) {
    let process = Arc::new(AtomicU32::new(0));
    let (victim, Written { operation, mut after }) = (process.clone(), written.clone());
    let strike = move |_: &sandbox::World, call: &sandbox::Call| {
        if call.operation == operation && call.principal.contains(WHO) {
            match after.checked_sub(1) {
                Some(rest) => after = rest,
                // Once only: the next run has another process.
                None => kill(victim.swap(0, Ordering::SeqCst)),
            }
        }
        Vec::new()
    };
    stage.sandbox.visit(move |world| world.observe(strike)).await;
    let run = stage.keyturn_noted(&process, &command(arguments)).await;
    stage.sandbox.visit(|world| world.observe(|_, _| Vec::new())).await;
    let is_killed = run.code == -1;
    (run, is_killed)
}

fn kill(process: u32) {
    if process != 0 {
        assert!(Command::new("kill").args(["-KILL", &process.to_string()]).status().unwrap().success());
    }
}

fn command<'a>(arguments: &[&'a str]) -> Vec<&'a str> {
    let bootstraps = arguments.first() == Some(&"bootstrap");
    let artifact = if bootstraps { vec!["--artifact", function().to_str().unwrap()] } else { Vec::new() };
    [&["--yes"], arguments, &artifact].concat()
}
