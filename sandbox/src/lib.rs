//! AWS in miniature, on loopback, for the demo and the tests: small, strict, and only what keyturn's programs use.
//!
//! [`Sandbox::start`] opens an HTTP endpoint that real SDK clients talk to. Behind it stands one [`World`]: plain data,
//! owned by one loop, on a virtual clock. Functions run for real: their uploaded zip is unpacked and its `bootstrap`
//! started behind a Lambda Runtime API.
//!
//! Where AWS is vague the sandbox is stricter than AWS: an unknown operation, parameter, resource type, intrinsic or
//! policy condition is an error that names it, never a silent success.

mod agenda;
mod answer;
mod call_log;
mod engine;
mod error;
mod fault;
mod input;
mod interference;
mod inventory;
mod limit;
mod model;
mod partition;
mod request;
mod server;
mod services;
mod world;

use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot};

pub use call_log::{Call, Check, Outcome};
pub use error::ApiError;
pub use fault::{Effect as FaultEffect, Fault, Upcoming};
pub use inventory::Forbidden;
pub use services::cloudformation::{ResourceView, StackAction, StackInstanceView, StackSetView, StackView};
pub use services::cloudwatch::{AlarmState, AlarmView, Notification};
pub use services::events::RuleView;
pub use services::iam::{AccessKey, Credentials, KeyStatus, LastUse};
pub use services::organizations::AccountState;
pub use services::s3::{BucketView, ObjectView};
pub use services::secrets_manager::{SecretValue, SecretView, VersionView};
pub use services::sns::{MessageView, SubscriptionView, TopicView};
pub use world::World;

use engine::{Engine, Message};

/// How a sandbox is set up.
#[derive(Debug, Clone)]
pub struct Options {
    /// What the virtual clock shows first.
    pub start: Timestamp,
    /// The seed of everything random: ids, keys, tokens. Whoever knows it knows the administrator's key, and may have
    /// this machine run code as a function: outside tests nobody must.
    pub seed: u64,
    /// Real seconds that pass for each virtual second of work that AWS takes its time for, such as the creation of
    /// a stack. With 0 such work is done at once.
    pub pace: f64,
    /// Whether the virtual clock also goes on, at the same pace, while nothing is at work. Otherwise it stands still then.
    pub clock_runs: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { start: Timestamp::constant(1_767_225_600, 0), seed: 0, pace: 0.0, clock_runs: false }
    }
}

/// A running sandbox. Dropping it ends it, and every function process it started.
#[derive(Debug)]
pub struct Sandbox {
    endpoint: String,
    messages: mpsc::UnboundedSender<Message>,
    /// The loop and the server; dropping them ends them.
    _tasks: tokio::task::JoinSet<()>,
}

impl Sandbox {
    /// Starts a sandbox on a free port of 127.0.0.1.
    ///
    /// # Errors
    /// When no port can be opened.
    pub async fn start(options: Options) -> std::io::Result<Self> {
        let listener = tokio::net::TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).await?;
        let endpoint = format!("http://{}", listener.local_addr()?);
        let (messages, inbox) = mpsc::unbounded_channel();
        let mut tasks = tokio::task::JoinSet::new();
        tasks.spawn(Engine::new(&options, endpoint.clone(), messages.clone(), inbox).run());
        tasks.spawn(server::serve(listener, messages.clone()));
        Ok(Self { endpoint, messages, _tasks: tasks })
    }

    /// The URL that clients use for every service.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Looks at the world, or changes it, between two requests.
    pub async fn visit<T: Send + 'static>(&self, visit: impl FnOnce(&mut World) -> T + Send + 'static) -> T {
        let (answer, answered) = oneshot::channel();
        let visit = Box::new(move |world: &mut World| {
            // The asker may have given up; then nobody needs the answer.
            let _ = answer.send(visit(world));
        });
        self.ask(Message::Visit(visit), answered).await
    }

    /// Moves the virtual clock, and does on the way whatever falls due: schedules, retries, recovery windows.
    /// Waits for the function invocations that this starts, and for those under way.
    pub async fn advance(&self, by: Duration) {
        let (done, is_done) = oneshot::channel();
        self.ask(Message::Advance { by, done }, is_done).await;
    }

    /// Waits until no function invocation and no stack operation is under way.
    pub async fn settle(&self) {
        self.advance(Duration::ZERO).await;
    }

    /// Ends the sandbox and waits until its functions' processes and directories are gone. Dropping it does the same,
    /// but some time later: a program that ends right after should stop it.
    pub async fn stop(self) {
        let (stopped, has_stopped) = oneshot::channel();
        self.ask(Message::Stop { stopped }, has_stopped).await;
    }

    async fn ask<T>(&self, message: Message, answer: oneshot::Receiver<T>) -> T {
        let sent = self.messages.send(message);
        let answer = answer.await;
        #[expect(
            clippy::expect_used,
            reason = "the loop ends only when this value is dropped, or by a panic of its own"
        )]
        let answer = sent.ok().and(answer.ok()).expect("the sandbox's loop has ended");
        answer
    }
}
