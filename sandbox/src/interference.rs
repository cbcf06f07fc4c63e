//! What a person does in the middle of things: a test has it done right before a call.

use crate::World;

/// Something that happens once, right before the call it waits for.
struct Interference {
    operation: String,
    principal: String,
    after: usize,
    act: Act,
}

type Act = Box<dyn FnOnce(&mut World) + Send>;

/// What has not happened yet.
#[derive(Default)]
pub(crate) struct Interferences(Vec<Interference>);

impl World {
    /// Has `act` change the world once, right before a call of `operation`, such as `iam:CreateAccessKey`, by a caller
    /// whose ARN contains `principal`; `after` such calls pass first. The caller has been authenticated by then, and
    /// nothing of the call has been done or checked.
    pub fn interfere(
        &mut self,
        operation: &str,
        principal: &str,
        after: usize,
        act: impl FnOnce(&mut Self) + Send + 'static,
    ) {
        let (operation, principal) = (operation.to_owned(), principal.to_owned());
        self.interferences.0.push(Interference { operation, principal, after, act: Box::new(act) });
    }

    /// How many interferences have not happened yet.
    pub fn pending_interferences(&self) -> usize {
        self.interferences.0.len()
    }

    pub(crate) fn suffer_interference(&mut self, principal: &str, operation: &str) {
        for act in self.interferences.due(principal, operation) {
            act(self);
        }
    }
}

impl Interferences {
    /// Counts a call, and gives what is to happen before it.
    fn due(&mut self, principal: &str, operation: &str) -> Vec<Act> {
        let mut due = Vec::new();
        for mut interference in std::mem::take(&mut self.0) {
            let hits = interference.operation == operation && principal.contains(&interference.principal);
            if hits && interference.after == 0 {
                due.push(interference.act);
                continue;
            }
            interference.after -= usize::from(hits);
            self.0.push(interference);
        }
        due
    }
}
