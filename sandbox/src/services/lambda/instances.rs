//! The function processes, as the engine holds them: started, given work, ended.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use super::launch::Launch;
use super::process::{self, Ending, InvocationEnd};
use super::room::{self, Room};
use super::{InstanceId, InvocationId};
use crate::answer::HttpReply;
use crate::engine::Message;

/// What the world orders and the engine does, because it happens outside of the world.
#[derive(Debug)]
pub(crate) enum Effect {
    /// Gives an instance an invocation, and launches it first if it is new.
    Invoke { instance: InstanceId, launch: Option<Box<Launch>>, work: Work },
    /// Ends a function's process, as `kill -9` does.
    Kill(InstanceId),
}

/// An invocation as its process sees it.
pub(crate) struct Work {
    pub(super) id: InvocationId,
    pub(super) request_id: String,
    pub(super) function_arn: String,
    pub(super) payload: Vec<u8>,
    pub(super) timeout: Duration,
}

impl std::fmt::Debug for Work {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // A payload may hold a RotationToken.
        f.debug_struct("Work").field("request_id", &self.request_id).finish_non_exhaustive()
    }
}

/// What the task of an instance is told.
pub(super) enum Order {
    Invoke(Work),
    /// The process is killed; a connection of its own is closed when it is dead, so that it never sees that.
    Kill(Option<oneshot::Sender<HttpReply>>),
}

/// The running function processes. Dropping this ends them all.
#[derive(Debug)]
pub(crate) struct Instances {
    endpoint: String,
    messages: mpsc::UnboundedSender<Message>,
    orders: BTreeMap<InstanceId, mpsc::UnboundedSender<Order>>,
    /// The unpacked zips, by the hash of the zip.
    rooms: BTreeMap<String, Arc<Room>>,
    tasks: JoinSet<()>,
}

impl Instances {
    pub(crate) fn new(endpoint: String, messages: mpsc::UnboundedSender<Message>) -> Self {
        Self { endpoint, messages, orders: BTreeMap::new(), rooms: BTreeMap::new(), tasks: JoinSet::new() }
    }

    pub(crate) fn start(&mut self, effect: Effect) {
        // Take leave of the tasks that have ended.
        while self.tasks.try_join_next().is_some() {}
        self.orders.retain(|_, orders| !orders.is_closed());
        match effect {
            Effect::Invoke { instance, launch, work } => self.invoke(instance, launch, work),
            Effect::Kill(instance) => self.order(instance, Order::Kill(None)),
        }
    }

    /// Ends every process, and removes what was unpacked for them.
    pub(crate) async fn stop(&mut self) {
        self.tasks.shutdown().await;
        self.rooms.clear();
    }

    /// Kills a process in the middle of a call, and drops the call's connection when it is dead.
    pub(crate) fn kill_in_call(&mut self, instance: InstanceId, connection: oneshot::Sender<HttpReply>) {
        self.order(instance, Order::Kill(Some(connection)));
    }

    fn invoke(&mut self, instance: InstanceId, launch: Option<Box<Launch>>, work: Work) {
        if let Some(launch) = launch {
            let room = match self.room(&launch) {
                Ok(room) => room,
                Err(error) => {
                    let message = format!("the zip cannot be unpacked: {error}");
                    let ending = Ending::Failed { kind: "Runtime.InvalidEntrypoint", message };
                    return self.report(work.id, InvocationEnd { ending, output: String::new(), process_lives: false });
                }
            };
            let (orders, inbox) = mpsc::unbounded_channel();
            let mut environment = launch.environment;
            environment.insert("AWS_ENDPOINT_URL".into(), self.endpoint.clone());
            self.tasks.spawn(process::live(room, environment, inbox, self.messages.clone()));
            self.orders.insert(instance, orders);
        }
        let id = work.id;
        let undelivered = match self.orders.get(&instance) {
            Some(orders) => orders.send(Order::Invoke(work)).is_err(),
            None => true,
        };
        if undelivered {
            let end = InvocationEnd { ending: Ending::NotBegun, output: String::new(), process_lives: false };
            self.report(id, end);
        }
    }

    fn order(&mut self, instance: InstanceId, order: Order) {
        if let Some(orders) = self.orders.get(&instance) {
            // A process that has ended already needs no killing.
            let _ = orders.send(order);
        }
    }

    fn report(&self, id: InvocationId, end: InvocationEnd) {
        // The receiver is the loop that owns this value.
        let _ = self.messages.send(Message::InvocationEnded { id, end });
    }

    fn room(&mut self, launch: &Launch) -> std::io::Result<Arc<Room>> {
        if let Some(room) = self.rooms.get(&launch.code_sha256) {
            return Ok(room.clone());
        }
        let room = Arc::new(room::unpack(&launch.zip)?);
        self.rooms.insert(launch.code_sha256.clone(), room.clone());
        Ok(room)
    }
}
