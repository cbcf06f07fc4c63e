//! The loop that owns the world: takes messages one at a time, and does what is due in between.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::answer::HttpReply;
use crate::request::HttpRequest;
use crate::services::lambda::{Instances, InvocationEnd, InvocationId};
use crate::world::{Reaction, World};
use crate::{Options, agenda::Due, services};

/// What reaches the loop.
pub(crate) enum Message {
    Request { request: HttpRequest, reply: oneshot::Sender<HttpReply> },
    Visit(Box<dyn FnOnce(&mut World) + Send>),
    Advance { by: Duration, done: oneshot::Sender<()> },
    InvocationEnded { id: InvocationId, end: InvocationEnd },
    Stop { stopped: oneshot::Sender<()> },
}

/// The loop and what it owns.
pub(crate) struct Engine {
    world: World,
    inbox: mpsc::UnboundedReceiver<Message>,
    instances: Instances,
    /// Requests whose answer comes with the end of an invocation.
    waiting: BTreeMap<InvocationId, oneshot::Sender<HttpReply>>,
    /// Requests that are done when an invocation has ended.
    held: BTreeMap<InvocationId, (HttpRequest, oneshot::Sender<HttpReply>)>,
    /// Requests that a fault leaves without an answer; the connection stays open.
    unanswered: Vec<oneshot::Sender<HttpReply>>,
    /// The clock's journeys under way: where to, and whom to tell.
    journeys: Vec<(Timestamp, oneshot::Sender<()>)>,
    pace: f64,
    /// Where the clock runs from: a moment on it, and the same moment in real time. `None` when it does not run.
    runs_from: Option<(Timestamp, Instant)>,
    /// The next work, and when it is done in real time.
    under_way: Option<(Timestamp, Instant)>,
}

impl Engine {
    pub(crate) fn new(
        options: &Options,
        endpoint: String,
        messages: mpsc::UnboundedSender<Message>,
        inbox: mpsc::UnboundedReceiver<Message>,
    ) -> Self {
        Self {
            world: World::new(options),
            inbox,
            instances: Instances::new(endpoint, messages),
            waiting: BTreeMap::new(),
            held: BTreeMap::new(),
            unanswered: Vec::new(),
            journeys: Vec::new(),
            pace: options.pace.max(0.0),
            runs_from: (options.clock_runs && options.pace > 0.0).then(|| (options.start, Instant::now())),
            under_way: None,
        }
    }

    /// Runs until it is told to stop.
    pub(crate) async fn run(mut self) {
        loop {
            self.keep_time();
            self.do_what_is_due();
            let message = match self.end_of_next_work() {
                None => self.inbox.recv().await,
                Some(done) => tokio::select! {
                    message = self.inbox.recv() => message,
                    () = tokio::time::sleep_until(done) => {
                        self.keep_time();
                        if let Some(at) = self.world.agenda.next_work() {
                            self.fire_until(at);
                        }
                        continue;
                    }
                },
            };
            match message {
                None => return,
                Some(message) => {
                    self.keep_time();
                    if let ControlFlow::Break(stopped) = self.take(message) {
                        self.instances.stop().await;
                        // Whoever asked may have given up waiting.
                        let _ = stopped.send(());
                        return;
                    }
                }
            }
        }
    }

    /// Deals with a message; breaks off, with whom to tell when all is over.
    fn take(&mut self, message: Message) -> ControlFlow<oneshot::Sender<()>> {
        match message {
            Message::Request { request, reply } => {
                let reaction = self.world.react(&request);
                self.carry_out(reaction, request, reply);
            }
            Message::Visit(visit) => visit(&mut self.world),
            Message::Advance { by, done } => self.journeys.push((self.world.agenda.after(by), done)),
            Message::InvocationEnded { id, end } => {
                let answer = services::lambda::ended(&mut self.world, id, end);
                // It may have gone to another instance, and is under way still.
                if !self.world.lambda.is_under_way(id) {
                    self.tell_of_end(id, answer);
                }
            }
            Message::Stop { stopped } => return ControlFlow::Break(stopped),
        }
        ControlFlow::Continue(())
    }

    fn carry_out(&mut self, reaction: Reaction, request: HttpRequest, reply: oneshot::Sender<HttpReply>) {
        match reaction {
            // Whoever asked may have hung up by now.
            Reaction::Reply(answer) => drop(reply.send(answer)),
            Reaction::Close => drop(reply),
            Reaction::Silence => self.unanswered.push(reply),
            Reaction::Kill(instance) => self.instances.kill_in_call(instance, reply),
            Reaction::Later(id) => drop(self.waiting.insert(id, reply)),
            Reaction::Hold(id) => drop(self.held.insert(id, (request, reply))),
        }
    }

    /// An invocation has ended: answers who waits for it, and lets the call go on that it held up.
    fn tell_of_end(&mut self, id: InvocationId, answer: Option<HttpReply>) {
        if let (Some(reply), Some(answer)) = (self.waiting.remove(&id), answer) {
            drop(reply.send(answer));
        }
        if let Some((request, reply)) = self.held.remove(&id) {
            let reaction = self.world.resume(&request);
            self.carry_out(reaction, request, reply);
        }
    }

    /// Sets a clock that runs to what it shows now.
    fn keep_time(&mut self) {
        let Some((moment, real)) = self.runs_from else { return };
        let passed = real.elapsed().as_secs_f64() / self.pace;
        // A clock that went far beyond any date stands still.
        let now = Duration::try_from_secs_f64(passed).ok().and_then(|passed| moment.checked_add(passed).ok());
        self.world.agenda.reach(now.unwrap_or(Timestamp::MAX));
    }

    /// Does everything that needs no further message: past-due entries, work when the pace is 0, journeys.
    fn do_what_is_due(&mut self) {
        loop {
            self.fire_until(self.world.agenda.now());
            if self.pace == 0.0
                && let Some(at) = self.world.agenda.next_work()
            {
                self.fire_until(at);
                continue;
            }
            // A journey stands still while a function runs: what it does belongs to the moment it was called.
            if self.world.lambda.is_busy() || !self.travel() {
                return;
            }
        }
    }

    /// Goes one step further on the nearest journey; `false` when there is none that can go on.
    fn travel(&mut self) -> bool {
        let Some(nearest) = self.journeys.iter().map(|(to, _)| *to).min() else { return false };
        match self.world.agenda.take(nearest) {
            Some(due) => self.fire(due),
            None => {
                self.world.agenda.reach(nearest);
                // From here it runs on.
                self.runs_from = self.runs_from.map(|_| (self.world.now(), Instant::now()));
                for (to, done) in std::mem::take(&mut self.journeys) {
                    if to > nearest {
                        self.journeys.push((to, done));
                    } else {
                        // Whoever asked may have given up waiting.
                        let _ = done.send(());
                    }
                }
            }
        }
        true
    }

    fn fire_until(&mut self, until: Timestamp) {
        self.start_effects();
        while let Some(due) = self.world.agenda.take(until) {
            self.fire(due);
        }
    }

    fn fire(&mut self, due: Due) {
        match due {
            Due::CloudFormation(due) => services::cloudformation::fire(&mut self.world, due),
            Due::CloudWatch(due) => services::cloudwatch::evaluate(&mut self.world, due),
            Due::Events(due) => services::events::fire(&mut self.world, due),
            Due::Lambda(due) => services::lambda::attempt(&mut self.world, due),
            Due::SecretsManager(due) => services::secrets_manager::fire(&mut self.world, due),
        }
        self.start_effects();
    }

    fn start_effects(&mut self) {
        for effect in self.world.take_effects() {
            self.instances.start(effect);
        }
    }

    /// When, in real time, the next work is done. Requests that come meanwhile must not put it off.
    fn end_of_next_work(&mut self) -> Option<Instant> {
        let next = self.world.agenda.next_work()?;
        if let Some((work, done)) = self.under_way
            && work == next
        {
            return Some(done);
        }
        let virtual_seconds = next.duration_since(self.world.agenda.now()).as_secs_f64().max(0.0);
        let done = Instant::now() + Duration::from_secs_f64(virtual_seconds * self.pace);
        self.under_way = Some((next, done));
        Some(done)
    }
}
