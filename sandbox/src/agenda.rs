//! The virtual clock and what is due on it.
//!
//! Two kinds of things are due. **Work** is what AWS is doing right now and takes seconds for (a stack's next
//! resource): it pulls the clock forward by itself. **Appointments** are far away (the next rotation, the end of a
//! recovery window): they come due only when somebody advances the clock.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

/// Something that is due at a moment; the service that put it on the agenda knows what it means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Due {
    /// A stack, change set or function goes on with its work.
    CloudFormation(crate::services::cloudformation::Due),
    /// CloudWatch evaluates an alarm.
    CloudWatch(crate::services::cloudwatch::Due),
    /// A rule of EventBridge fires.
    Events(crate::services::events::Due),
    /// An asynchronous invocation is tried, or tried again.
    Lambda(crate::services::lambda::Due),
    /// A rotation is due, or due again, or a deleted secret's recovery window ends.
    SecretsManager(crate::services::secrets_manager::Due),
}

/// The virtual clock with its two lists.
#[derive(Debug)]
pub(crate) struct Agenda {
    now: Timestamp,
    entries: u64,
    work: BTreeMap<(Timestamp, u64), Due>,
    appointments: BTreeMap<(Timestamp, u64), Due>,
}

/// What passes on the clock with every request, so that no two of them happen at the same moment.
const REQUEST_TAKES: Duration = Duration::from_millis(1);

impl Agenda {
    pub(crate) fn new(start: Timestamp) -> Self {
        Self { now: start, entries: 0, work: BTreeMap::new(), appointments: BTreeMap::new() }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.now
    }

    /// What the clock will show after `pause`.
    pub(crate) fn after(&self, pause: Duration) -> Timestamp {
        self.now.saturating_add(pause).unwrap_or(Timestamp::MAX)
    }

    /// Lets a moment pass.
    pub(crate) fn pass(&mut self, pause: Duration) {
        self.now = self.after(pause);
    }

    /// Lets the moment pass that a request takes.
    pub(crate) fn pass_a_request(&mut self) {
        self.pass(REQUEST_TAKES);
    }

    /// Enters work that is done after `pause`.
    pub(crate) fn work_after(&mut self, pause: Duration, due: Due) {
        let at = self.after(pause);
        self.entries += 1;
        self.work.insert((at, self.entries), due);
    }

    /// Enters an appointment.
    pub(crate) fn appoint(&mut self, at: Timestamp, due: Due) {
        self.entries += 1;
        self.appointments.insert((at, self.entries), due);
    }

    /// Strikes every appointment that `matches`.
    pub(crate) fn cancel(&mut self, matches: impl Fn(&Due) -> bool) {
        self.appointments.retain(|_, due| !matches(due));
    }

    /// When the next work is done.
    pub(crate) fn next_work(&self) -> Option<Timestamp> {
        self.work.keys().next().map(|(at, _)| *at)
    }

    /// Takes the next thing that is due at `until` or before, and sets the clock to its moment. Work comes first.
    pub(crate) fn take(&mut self, until: Timestamp) -> Option<Due> {
        let first_work = self.work.keys().next().copied();
        let first_appointment = self.appointments.keys().next().copied();
        let (list, key) = match (first_work, first_appointment) {
            (Some(work), Some(appointment)) if appointment.0 < work.0 => (&mut self.appointments, appointment),
            (Some(work), _) => (&mut self.work, work),
            (None, Some(appointment)) => (&mut self.appointments, appointment),
            (None, None) => return None,
        };
        if key.0 > until {
            return None;
        }
        self.now = self.now.max(key.0);
        list.remove(&key)
    }

    /// Sets the clock forward to `to`; it never goes back.
    pub(crate) fn reach(&mut self, to: Timestamp) {
        self.now = self.now.max(to);
    }
}
