//! How the stacks of a set are doing, and the users in their accounts: StackSets tells of the former, the accounts of the
//! latter.

use std::sync::Arc;

use contract::Enrolment;

use super::{AccountRow, CentralOutcome, Outcome, Scene, Work, Worked, central};
use crate::aws::stack_sets::{self, InstanceStatus};
use crate::commands::fleet::report::Unread;
use crate::commands::status::{look_at_enrolled, look_at_enrolling};
use crate::concurrent::{self, Pace};
use crate::error::Error;
use crate::fleet::targets::Target;
use crate::template::Template;

impl Scene {
    /// Looks. An account that cannot be entered is told with what StackSets says of its stack, and wants a person: nobody
    /// knows whether its users do.
    pub(super) async fn status(&self, enrolment: &Enrolment) -> Result<Worked, Error> {
        let (session, entrance) = (&self.session, self.entrance());
        let instances = session.interrupts.unless_pressed(self.instances()).await??;
        let describing = stack_sets::describe(&session.clients, &self.name);
        let set = session.interrupts.unless_pressed(describing).await??;
        let template = set.map(|set| Template::parse(&set.template)).transpose()?.map(Arc::new);
        let progress = session.printer.progress("looking at the users");
        let look = |target: Target| {
            let inside = entrance.enter(&target).session;
            let config = self.fleet.defaults.config.clone();
            let instance = instances.get(&target.account).cloned();
            let template = template.clone();
            async move {
                let has_stack = instance.as_ref().is_some_and(|instance| instance.stack.is_some());
                // One that is behind the set runs what the set had before.
                let is_current = instance.as_ref().is_some_and(|instance| instance.status == InstanceStatus::Current);
                let template = template.filter(|_| is_current);
                let (status, unread) = match has_stack {
                    false => (None, None),
                    true => match Box::pin(look_at_enrolled(&inside, config, template.as_deref())).await {
                        Ok(report) => (Some(Box::new(report)), None),
                        Err(error) => (None, Some(Unread::of(&error))),
                    },
                };
                AccountRow::of(&target, Outcome::Instance { instance, status, unread })
            }
        };
        let pace = Pace { at_once: self.fleet.at_once, apart: super::APART };
        let looking = concurrent::for_each(self.looked.targets.chosen.clone(), pace, look);
        let mut rows = session.interrupts.unless_pressed(looking).await?;
        if let Some(target) = &self.looked.direct {
            let config = self.fleet.defaults.config.clone();
            let outcome = match Box::pin(look_at_enrolling(session, config, enrolment)).await {
                Ok(report) => Outcome::Looked { status: Box::new(report) },
                Err(error @ Error::Interrupted(_)) => return Err(error),
                Err(error) => Outcome::failed(&error),
            };
            rows.push(AccountRow::of(target, outcome));
        }
        drop(progress);
        let central: Option<CentralOutcome> = central::begin(self.central.as_ref(), Work::Status).await?;
        Ok(Worked { rows, central, ..Worked::default() })
    }
}
