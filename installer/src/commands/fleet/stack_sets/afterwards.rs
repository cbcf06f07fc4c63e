//! What a rehearsal shows behind the rollout: the functions look for their users, which a real rollout does not wait for.

use std::collections::BTreeSet;

use contract::AccountId;

use super::{AccountRow, Outcome, Plan, Scene, Stage};
use crate::commands::status::look_at_enrolled;
use crate::fleet::stack_sets::Change;
use crate::fleet::targets::Target;
use crate::plan;
use crate::ui::span;

/// The accounts in which a function looks for its users for the first time, when all goes well.
pub(super) fn beginners(plan: &Plan, direct: Option<(&Target, &plan::Plan)>) -> BTreeSet<AccountId> {
    let added = plan.accounts.iter().filter(|(_, change)| **change == Change::Add);
    let creates = |plan: &plan::Plan| {
        plan.steps.iter().filter_map(plan::Step::as_deployment).any(|deployment| deployment.action.creates())
    };
    let direct = direct.filter(|(_, plan)| creates(plan)).map(|(target, _)| target.account.clone());
    added.map(|(account, _)| account.clone()).chain(direct).collect()
}

impl Scene {
    /// Lets the time of a pass go by, and looks at the users. Who wants a person by then makes the account count as failed, as
    /// after `soak`. An account that nobody can enter shows nothing.
    pub(super) async fn look_afterwards(
        &self,
        stage: &Stage,
        beginners: &BTreeSet<AccountId>,
        rows: &mut [AccountRow],
    ) {
        let (printer, config) = (&self.session.printer, &self.fleet.defaults.config);
        let is_begun =
            |row: &&mut AccountRow| matches!(row.outcome, Outcome::Deployed { .. }) && beginners.contains(&row.account);
        let mut begun = rows.iter_mut().filter(is_begun).peekable();
        if begun.peek().is_none() {
            return;
        }
        // Twice the time of a pass: one that has begun late is over by then, and so are the rotations that it has begun.
        let while_looking = 2 * config.settings.sweep_every;
        printer.say(format!("{} later, when the functions have looked for their users:", span(while_looking)));
        stage.pass(while_looking).await;
        let targets: Vec<Target> = self.looked.targets.chosen.iter().chain(&self.looked.direct).cloned().collect();
        for row in begun {
            let Some(target) = targets.iter().find(|target| target.account == row.account) else { continue };
            let inside = self.entrance().enter(target).session;
            let Ok(status) = Box::pin(look_at_enrolled(&inside, config.clone(), None)).await else { continue };
            let cause = status.in_short();
            if status.wants_a_person() {
                row.outcome = Outcome::Unsound { cause };
                row.tell(printer);
            } else {
                printer.say(format!("  {} {}: {cause}", row.account, row.name));
            }
        }
    }
}
