//! What a stack's events tell: what is under way, what to say about it, how it ended, and why it failed.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use crate::aws::stacks::{Event, Rest, Status, is_cancellation};
use crate::ui;

/// What is being done with a stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// It is created, and deleted when that fails.
    Create,
    /// It is created, and what was made stays when that fails.
    CreateAndKeep,
    /// It is updated.
    Update,
    /// Resources that exist join it.
    Import,
    /// An update is taken back to the end, after that had failed.
    Rollback,
    /// It is deleted.
    Delete,
}

/// How an operation ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    /// The status that the stack came to rest in.
    pub status: Status,
    /// Why it failed, as far as that was told.
    pub cause: Option<Cause>,
    /// The resources that were given up and still exist.
    pub kept: Vec<String>,
}

/// The first thing that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// The resource, in the template's words; the stack itself when no resource failed.
    pub resource: String,
    /// Why, in CloudFormation's words.
    pub reason: String,
}

impl Operation {
    /// Whether the operation did what it was meant to.
    pub fn has_succeeded(self, status: Status) -> bool {
        match self {
            Self::Create | Self::CreateAndKeep => status == Status::CreateComplete,
            Self::Update => status == Status::UpdateComplete,
            Self::Import => status == Status::ImportComplete,
            Self::Rollback => status == Status::UpdateRollbackComplete,
            Self::Delete => status == Status::DeleteComplete,
        }
    }
}

/// A resource that CloudFormation works on.
#[derive(Debug, Clone, Copy)]
struct UnderWay {
    began: Option<Timestamp>,
    usually_takes: SignedDuration,
}

/// The events of one operation so far.
#[derive(Debug)]
pub struct History {
    stack_id: String,
    operation: Operation,
    under_way: BTreeMap<String, UnderWay>,
    done: usize,
    cause: Option<Cause>,
    kept: Vec<String>,
    status: Option<Status>,
}

impl History {
    /// No event has come yet.
    pub fn new(stack_id: &str, operation: Operation) -> Self {
        let (stack_id, under_way, kept) = (stack_id.to_owned(), BTreeMap::new(), Vec::new());
        Self { stack_id, operation, under_way, done: 0, cause: None, kept, status: None }
    }

    /// Takes the next event, and gives what there is to say about it.
    pub fn take(&mut self, event: &Event) -> Option<String> {
        if event.physical_id == self.stack_id {
            return self.take_own(event);
        }
        let Event { logical_id, kind, status, at, .. } = event;
        if status.ends_with("_IN_PROGRESS") {
            let it = UnderWay { began: *at, usually_takes: usually_takes(kind, status) };
            self.under_way.entry(logical_id.clone()).or_insert(it);
            return None;
        }
        self.done += 1;
        let began = self.under_way.remove(logical_id).and_then(|it| it.began);
        let took = began.zip(*at).map(|(began, ended)| format!(" ({})", ui::age(began, ended))).unwrap_or_default();
        let line = format!("  {status} {logical_id} ({kind}){took}");
        if status == "DELETE_SKIPPED" {
            self.kept.push(format!("{logical_id} ({kind})"));
        }
        let Some(reason) = event.reason.as_deref().filter(|_| status.ends_with("_FAILED")) else { return Some(line) };
        let reason = handlers_own(reason);
        if is_cancellation(reason) {
            // It was stopped because something else failed, which has been said.
            return None;
        }
        self.cause
            .get_or_insert_with(|| Cause { resource: format!("{logical_id} ({kind})"), reason: reason.to_owned() });
        Some(format!("{line}: {reason}"))
    }

    fn take_own(&mut self, event: &Event) -> Option<String> {
        self.status = event.status.parse().ok();
        if event.status.ends_with("_FAILED")
            && let Some(reason) = &event.reason
        {
            self.own_cause(reason);
        }
        let is_taken_back = match self.status? {
            Status::RollbackInProgress | Status::UpdateRollbackInProgress | Status::ImportRollbackInProgress => true,
            Status::DeleteInProgress => matches!(self.operation, Operation::Create | Operation::CreateAndKeep),
            _ => false,
        };
        is_taken_back.then(|| "  taking back what was done".to_owned())
    }

    /// The stack's own reason only repeats which resources failed, but it is better than none.
    fn own_cause(&mut self, reason: &str) {
        self.cause.get_or_insert_with(|| Cause { resource: "the stack".to_owned(), reason: reason.to_owned() });
    }

    /// How much is done, and what is under way.
    pub fn under_way(&self) -> String {
        let names: Vec<&str> = self.under_way.keys().map(String::as_str).collect();
        format!("{} done, {} under way: {}", self.done, names.len(), names.join(", "))
    }

    /// How long each resource that is under way will still take, as far as that can be told; less than nothing for one
    /// that takes longer than usual.
    pub fn due_in(&self, now: Timestamp) -> impl Iterator<Item = SignedDuration> {
        let due = self.under_way.values().filter_map(|it| it.began?.checked_add(it.usually_takes).ok());
        due.map(move |due| due.duration_since(now))
    }

    /// How it ended, if it has, by the stack's own event.
    pub fn end(&self) -> Option<End> {
        let status = self.status?;
        match status.rest() {
            Rest::Busy | Rest::Review => None,
            // A stack that could not be created is deleted next.
            Rest::HalfMade if self.operation == Operation::Create && status == Status::CreateFailed => None,
            Rest::Usable | Rest::Shell | Rest::HalfMade | Rest::Stuck | Rest::Gone => Some(self.ended(status)),
        }
    }

    /// The end with a status that was learned in another way than from an event.
    pub fn ended(&self, status: Status) -> End {
        End { status, cause: self.cause.clone(), kept: self.kept.clone() }
    }
}

/// How long CloudFormation takes for a resource as a rule, as measured on AWS. Nothing but the moment of the next look
/// depends on it.
fn usually_takes(kind: &str, status: &str) -> SignedDuration {
    let seconds = match kind {
        // Seldom longer than the shortest pause.
        _ if status.starts_with("DELETE") => 0,
        "AWS::IAM::Role" => 17,
        "AWS::IAM::ManagedPolicy" | "AWS::IAM::Policy" => 10,
        "AWS::Lambda::Function" => 7,
        "AWS::Lambda::Permission" => 1,
        "AWS::S3::Bucket" => 20,
        _ => 2,
    };
    SignedDuration::from_secs(seconds)
}

/// What the handler of a resource said, without what CloudFormation puts around it.
fn handlers_own(reason: &str) -> &str {
    let inner = reason.strip_prefix("Resource handler returned message: \"");
    inner.and_then(|inner| inner.rsplit_once("\" (RequestToken:")).map_or(reason, |(inner, _)| inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STACK: &str = "arn:aws:cloudformation:eu-central-1:111122223333:stack/keyturn/1";

    fn event(second: i64, id: &str, status: &str, reason: Option<&str>) -> Event {
        let is_stack = id == "keyturn";
        Event {
            id: format!("{second}"),
            at: Timestamp::from_second(second).ok(),
            logical_id: id.to_owned(),
            physical_id: if is_stack { STACK.to_owned() } else { format!("{id}-1") },
            kind: if is_stack { "AWS::CloudFormation::Stack" } else { "AWS::Lambda::Function" }.to_owned(),
            status: status.to_owned(),
            reason: reason.map(str::to_owned),
        }
    }

    fn told(operation: Operation, events: &[Event]) -> (Vec<String>, Option<End>) {
        let mut history = History::new(STACK, operation);
        let lines = events.iter().filter_map(|event| history.take(event)).collect();
        (lines, history.end())
    }

    #[test]
    fn a_creation_ends_with_the_stacks_own_event() {
        let mut events = vec![
            event(0, "keyturn", "CREATE_IN_PROGRESS", None),
            event(1, "Function", "CREATE_IN_PROGRESS", None),
            event(2, "Function", "CREATE_IN_PROGRESS", Some("Resource creation Initiated")),
            event(8, "Function", "CREATE_COMPLETE", None),
        ];
        let (lines, end) = told(Operation::Create, &events);
        assert_eq!(
            (lines, end),
            (vec!["  CREATE_COMPLETE Function (AWS::Lambda::Function) (7 seconds)".to_owned()], None)
        );
        events.push(event(9, "keyturn", "CREATE_COMPLETE", None));
        let end = told(Operation::Create, &events).1;
        assert_eq!(end, Some(End { status: Status::CreateComplete, cause: None, kept: Vec::new() }));
    }

    #[test]
    fn a_creation_that_is_kept_ends_with_its_failure() {
        let events = [
            event(0, "keyturn", "CREATE_IN_PROGRESS", None),
            event(1, "Function", "CREATE_FAILED", Some("not today")),
            event(2, "keyturn", "CREATE_FAILED", Some("The following resource(s) failed to create: [Function]")),
        ];
        assert_eq!(told(Operation::Create, &events).1, None, "it is deleted next");
        let end = told(Operation::CreateAndKeep, &events).1.unwrap();
        assert_eq!((end.status, end.cause.unwrap().reason.as_str()), (Status::CreateFailed, "not today"));
        assert!(!Operation::CreateAndKeep.has_succeeded(Status::CreateFailed));
    }

    #[test]
    fn what_is_under_way_is_due_after_its_usual_time() {
        let mut history = History::new(STACK, Operation::Create);
        let mut role = event(1, "Role", "CREATE_IN_PROGRESS", None);
        "AWS::IAM::Role".clone_into(&mut role.kind);
        let function = event(10, "Function", "CREATE_IN_PROGRESS", None);
        for event in [&role, &function] {
            assert_eq!(history.take(event), None);
        }
        let due_in = |history: &History| {
            let due = history.due_in(Timestamp::constant(12, 0));
            due.map(|due| due.as_secs()).collect::<Vec<_>>()
        };
        assert_eq!(due_in(&history), [5, 6]);
        // The second event of a creation says nothing new.
        history.take(&event(12, "Function", "CREATE_IN_PROGRESS", Some("Resource creation Initiated")));
        assert_eq!(due_in(&history), [5, 6]);
        history.take(&event(12, "Function", "CREATE_COMPLETE", None));
        assert_eq!(due_in(&history), [6]);
    }

    #[test]
    fn the_cause_is_what_failed_first_and_not_what_was_cancelled_for_it() {
        let events = [
            event(1, "Role", "CREATE_FAILED", Some("Resource creation cancelled")),
            event(1, "Function", "CREATE_FAILED", Some("no such bucket")),
            event(2, "Policy", "CREATE_FAILED", Some("Resource creation cancelled")),
            event(3, "keyturn", "CREATE_FAILED", Some("The following resource(s) failed to create: [Function]")),
            event(4, "keyturn", "DELETE_IN_PROGRESS", None),
            event(5, "Role", "DELETE_COMPLETE", None),
            event(5, "Secret", "DELETE_SKIPPED", None),
            event(6, "keyturn", "DELETE_COMPLETE", None),
        ];
        let (lines, end) = told(Operation::Create, &events);
        assert_eq!(lines.get(1).map(String::as_str), Some("  taking back what was done"));
        let kept = vec!["Secret (AWS::Lambda::Function)".to_owned()];
        assert_eq!(lines.first().unwrap(), "  CREATE_FAILED Function (AWS::Lambda::Function): no such bucket");
        let cause =
            Cause { resource: "Function (AWS::Lambda::Function)".to_owned(), reason: "no such bucket".to_owned() };
        assert_eq!(end, Some(End { status: Status::DeleteComplete, cause: Some(cause), kept }));
        assert_eq!(told(Operation::Create, &events[..4]).1, None, "its deletion is still to come");
    }

    #[test]
    fn the_cause_is_told_without_its_wrapping() {
        let wrapped = "Resource handler returned message: \"User is \"not\" authorized\" (RequestToken: 1, HandlerErrorCode: AccessDenied)";
        assert_eq!(handlers_own(wrapped), "User is \"not\" authorized");
        assert_eq!(handlers_own("no such bucket"), "no such bucket");
    }

    #[test]
    fn a_stack_that_fails_on_its_own_gives_its_own_reason() {
        let events = [event(1, "keyturn", "DELETE_FAILED", Some("not allowed"))];
        let cause = Cause { resource: "the stack".to_owned(), reason: "not allowed".to_owned() };
        let expected = Some(End { status: Status::DeleteFailed, cause: Some(cause), kept: Vec::new() });
        assert_eq!(told(Operation::Delete, &events).1, expected);
    }

    #[test]
    fn an_update_is_not_over_while_it_cleans_up() {
        let events = [event(1, "keyturn", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", None)];
        assert_eq!(told(Operation::Update, &events).1, None);
        assert!(Operation::Update.has_succeeded(Status::UpdateComplete));
        assert!(!Operation::Update.has_succeeded(Status::UpdateRollbackComplete));
    }
}
