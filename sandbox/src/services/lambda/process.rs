//! One function process: its life between the orders it is given and what it asks of its Runtime API.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::ops::ControlFlow;
use std::os::unix::fs::FileExt;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::instances::{Order, Work};
use super::room::Room;
use super::runtime_api::{self, RuntimeCall, RuntimeCallKind, refusal};
use crate::answer::HttpReply;
use crate::engine::Message;

/// How long a process may take until it asks for its first invocation: Lambda gives 10 seconds.
const INIT_LASTS: Duration = Duration::from_secs(10);

/// As often the start is tried while the file is busy. A process that is being forked elsewhere in this program holds,
/// for a moment, whatever was open for writing here, and Linux does not execute such a file.
const START_TRIES: u32 = 100;

/// How an invocation ended.
#[derive(Debug)]
pub(crate) struct InvocationEnd {
    pub(super) ending: Ending,
    /// What the process wrote to its standard output and error meanwhile.
    pub(super) output: String,
    /// Whether the process can take another invocation.
    pub(super) process_lives: bool,
}

pub(super) enum Ending {
    /// With an answer.
    Answered(Vec<u8>),
    /// With an error that the function itself reported.
    Reported(Vec<u8>),
    /// With an error that Lambda reports: a crash, a timeout.
    Failed { kind: &'static str, message: String },
    /// The process had ended before it.
    NotBegun,
}

impl std::fmt::Debug for Ending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Answered(_) => "Answered",
            Self::Reported(_) => "Reported",
            Self::Failed { kind, .. } => kind,
            Self::NotBegun => "NotBegun",
        })
    }
}

/// Starts a process and keeps it until it ends, or until nobody gives orders any more.
pub(super) async fn live(
    room: Arc<Room>,
    environment: BTreeMap<String, String>,
    mut orders: mpsc::UnboundedReceiver<Order>,
    messages: mpsc::UnboundedSender<Message>,
) {
    let mut tasks = JoinSet::new();
    let (calls, mut asked) = mpsc::unbounded_channel();
    let started = async {
        let listener = TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?.to_string();
        tasks.spawn(runtime_api::serve(listener, calls));
        let log = tempfile::tempfile()?;
        let child = start(&room, &environment, &address, &log).await?;
        io::Result::Ok((child, log))
    };
    match started.await {
        Ok((child, log)) => {
            let mut instance = Instance { log, log_read: 0, ready: None, task: None, messages: messages.clone() };
            instance.work(child, &mut orders, &mut asked).await;
        }
        Err(error) => fail_to_start(&error, &mut orders, &messages).await,
    }
    orders.close();
    while let Ok(order) = orders.try_recv() {
        // It was sent here while the process was ending.
        if let Order::Invoke(work) = order {
            let end = InvocationEnd { ending: Ending::NotBegun, output: String::new(), process_lives: false };
            let _ = messages.send(Message::InvocationEnded { id: work.id, end });
        }
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

async fn start(
    room: &Room,
    environment: &BTreeMap<String, String>,
    runtime_api: &str,
    log: &File,
) -> io::Result<Child> {
    let mut command = Command::new(room.path().join("bootstrap"));
    command
        .env_clear()
        .envs(environment)
        .env("AWS_LAMBDA_RUNTIME_API", runtime_api)
        .env("LAMBDA_TASK_ROOT", room.path())
        .current_dir(room.path())
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let mut tries = 0;
    loop {
        // Standard output and error are one file: what was written before an answer was sent is in it by then.
        command.stdout(log.try_clone()?).stderr(log.try_clone()?);
        match command.spawn() {
            Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy && tries < START_TRIES => {
                tries += 1;
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            result => return result,
        }
    }
}

async fn fail_to_start(
    error: &io::Error,
    orders: &mut mpsc::UnboundedReceiver<Order>,
    messages: &mpsc::UnboundedSender<Message>,
) {
    let Some(Order::Invoke(work)) = orders.recv().await else { return };
    let message = format!("fork/exec /var/task/bootstrap: {error}");
    let ending = Ending::Failed { kind: "Runtime.InvalidEntrypoint", message };
    let end = InvocationEnd { ending, output: String::new(), process_lives: false };
    // Nobody is there any more when the sandbox ends.
    let _ = messages.send(Message::InvocationEnded { id: work.id, end });
}

/// A process that has started.
struct Instance {
    log: File,
    /// How much of the log has been handed out.
    log_read: u64,
    /// The process asks for its next invocation, and there is none yet.
    ready: Option<oneshot::Sender<HttpReply>>,
    task: Option<Task>,
    messages: mpsc::UnboundedSender<Message>,
}

/// The invocation that the process has, or will get when it asks.
struct Task {
    work: Work,
    handed_over: bool,
    deadline: Instant,
}

impl Instance {
    /// Does what it is told and asked, until the process has ended.
    async fn work(
        &mut self,
        mut child: Child,
        orders: &mut mpsc::UnboundedReceiver<Order>,
        asked: &mut mpsc::UnboundedReceiver<RuntimeCall>,
    ) {
        loop {
            let deadline = self.task.as_ref().map(|task| task.deadline);
            tokio::select! {
                // An answer that the process gave before it ended counts.
                biased;
                order = orders.recv() => match order {
                    Some(Order::Invoke(work)) => self.take(work),
                    Some(Order::Kill(connection)) => {
                        // An error means that it has ended already.
                        let _ = child.kill().await;
                        self.exited(child.wait().await.unwrap_or_default());
                        return drop(connection);
                    }
                    None => return,
                },
                Some(call) = asked.recv() => {
                    if self.answer(call).is_break() {
                        return drop(child.kill().await);
                    }
                }
                status = child.wait() => return self.exited(status.unwrap_or_default()),
                () = until(deadline) => {
                    let _ = child.kill().await;
                    return self.timed_out();
                }
            }
        }
    }

    fn take(&mut self, work: Work) {
        self.task = Some(Task { work, handed_over: false, deadline: Instant::now() + INIT_LASTS });
        if let Some(reply) = self.ready.take() {
            self.hand_over(reply);
        }
    }

    /// Takes what the process says. It is over with a process that could not start.
    fn answer(&mut self, call: RuntimeCall) -> ControlFlow<()> {
        let RuntimeCall { kind, reply } = call;
        let is_current =
            |id: &str| self.task.as_ref().is_some_and(|task| task.handed_over && task.work.request_id == id);
        let (ending, process_lives) = match kind {
            RuntimeCallKind::Next => {
                self.hand_over(reply);
                return ControlFlow::Continue(());
            }
            RuntimeCallKind::Response { request_id, payload } if is_current(&request_id) => {
                (Ending::Answered(payload), true)
            }
            RuntimeCallKind::Error { request_id, payload } if is_current(&request_id) => {
                (Ending::Reported(payload), true)
            }
            RuntimeCallKind::InitError { payload } => (Ending::Reported(payload), false),
            RuntimeCallKind::Response { .. } | RuntimeCallKind::Error { .. } => {
                // A process that has hung up needs no answer, here and below.
                let _ = reply.send(refusal(400, "InvalidRequestID", "Invalid request ID"));
                return ControlFlow::Continue(());
            }
        };
        self.end(ending, process_lives);
        let _ = reply.send(accepted());
        if process_lives { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    }

    /// Answers the process that asks for its next invocation, at once or when there is one.
    fn hand_over(&mut self, reply: oneshot::Sender<HttpReply>) {
        match &mut self.task {
            None => self.ready = Some(reply),
            Some(task) if task.handed_over => {
                let message = "Transition from Running to Ready is not allowed";
                drop(reply.send(refusal(403, "InvalidStateTransition", message)));
            }
            Some(task) => {
                task.handed_over = true;
                task.deadline = Instant::now() + task.work.timeout;
                drop(reply.send(invitation(&task.work)));
            }
        }
    }

    fn exited(&mut self, status: ExitStatus) {
        let message = match (status.code(), status.signal()) {
            (_, Some(9)) => "Runtime exited with error: signal: killed".to_owned(),
            (_, Some(signal)) => format!("Runtime exited with error: signal: {signal}"),
            (Some(0), _) => "Runtime exited without providing a reason".to_owned(),
            (code, _) => format!("Runtime exited with error: exit status {}", code.unwrap_or_default()),
        };
        self.end(Ending::Failed { kind: "Runtime.ExitError", message }, false);
    }

    fn timed_out(&mut self) {
        let Some(task) = &self.task else { return };
        let limit = if task.handed_over { task.work.timeout } else { INIT_LASTS };
        let message = format!("Task timed out after {:.2} seconds", limit.as_secs_f64());
        self.end(Ending::Failed { kind: "Sandbox.Timedout", message }, false);
    }

    fn end(&mut self, ending: Ending, process_lives: bool) {
        let output = self.new_output();
        let Some(Task { work: Work { id, .. }, .. }) = self.task.take() else { return };
        let end = InvocationEnd { ending, output, process_lives };
        // Nobody is there any more when the sandbox ends.
        let _ = self.messages.send(Message::InvocationEnded { id, end });
    }

    /// What has been written since the last time.
    fn new_output(&mut self) -> String {
        let length = self.log.metadata().map_or(0, |metadata| metadata.len());
        let mut bytes = vec![0; usize::try_from(length.saturating_sub(self.log_read)).unwrap_or(0)];
        if self.log.read_exact_at(&mut bytes, self.log_read).is_err() {
            return String::new();
        }
        self.log_read = length;
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// The answer to a process that asks for an invocation.
///
/// The deadline is of the real clock: the process is real, and compares it with its own.
fn invitation(work: &Work) -> HttpReply {
    #[expect(clippy::disallowed_methods, reason = "a process on a real clock is told a deadline on that clock")]
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let headers = vec![
        ("content-type", "application/json".to_owned()),
        ("lambda-runtime-aws-request-id", work.request_id.clone()),
        ("lambda-runtime-deadline-ms", (now + work.timeout).as_millis().to_string()),
        ("lambda-runtime-invoked-function-arn", work.function_arn.clone()),
        ("lambda-runtime-trace-id", "Root=1-00000000-000000000000000000000000;Sampled=0".to_owned()),
    ];
    HttpReply { status: 200, headers, body: work.payload.clone() }
}

fn accepted() -> HttpReply {
    let headers = vec![("content-type", "application/json".to_owned())];
    HttpReply { status: 202, headers, body: br#"{"status":"OK"}"#.to_vec() }
}
