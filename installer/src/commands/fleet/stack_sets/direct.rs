//! The management account, into which StackSets never brings a stack of an organization: it gets one directly, of the same
//! template, behind all others.

use super::{AccountRow, Outcome, Scene, Stopped, look};
use crate::apply;
use crate::apply::stack::{self, Doomed};
use crate::artifact::Artifact;
use crate::aws::stack_sets::Permissions;
use crate::aws::stacks::Status;
use crate::commands::pipeline;
use crate::error::{Error, Exit};
use crate::fleet::targets::Target;
use crate::observe::{self, ObservedStack};
use crate::plan::{self, Desired, Meeting, Refusal, Refusals, deployed};
use crate::template::Template;

impl Scene {
    /// Decides what is done there; `None` when the fleet does not want the account, or StackSets reaches it.
    ///
    /// # Errors
    /// [`Error`], also when a stack of the same name is in the way, of whatever kind the fleet's would be.
    pub(super) async fn plan_directly(
        &self,
        desired: &Desired<'_>,
        template: &Template,
        bucket: &str,
    ) -> Result<Option<plan::Plan>, Error> {
        let (looked, config) = (&self.looked, desired.config);
        let is_own = |target: &Target| target.account == looked.caller.account;
        if looked.direct.is_none() && !looked.targets.chosen.iter().any(is_own) {
            return Ok(None);
        }
        let found = look::at_rest(&self.session, config.stack.as_str()).await?;
        if looked.direct.is_none() {
            // A delegate's account StackSets reaches, and any with roles of one's own: it would make everything twice.
            let meeting = found.map(|_| Meeting::Direct(config.stack.to_string()));
            return meeting.map_or(Ok(None), |meeting| Err(Refusals(vec![meeting.into()]).into()));
        }
        pipeline::check_stack_sets(&self.session, config, found.is_some()).await?;
        let found = match found {
            Some(found) => {
                let looking = observe::with_function(&self.session.clients, config.stack.as_str(), found);
                Some(self.session.interrupts.unless_pressed(looking).await??)
            }
            None => None,
        };
        Ok(Some(plan::enrolling(desired, &looked.caller, bucket, template, found.as_ref())?))
    }

    /// Does it, unless something has stopped the rollout before. Where StackSets has failed in some accounts, one more may
    /// be too many.
    pub(super) async fn deploy_directly(
        &self,
        target: &Target,
        plan: &plan::Plan,
        artifact: &Artifact,
        (stopped, failed): (Option<&Stopped>, usize),
    ) -> (AccountRow, Option<Stopped>) {
        let halted = self.session.interrupts.check().is_err().then_some(Stopped::Interrupted);
        if plan.steps.is_empty() {
            return (AccountRow::of(target, Outcome::Unchanged), None);
        }
        if stopped.or(halted.as_ref()).is_some() {
            return (AccountRow::of(target, Outcome::NotReached), halted);
        }
        let (session, config) = (self.entrance().enter(target).session, &self.fleet.defaults.config);
        let (outcome, stopped) = match Box::pin(apply::apply(&session, config, plan, artifact)).await {
            Ok(applied) => (Outcome::Deployed { applied }, None),
            Err(error) => (Outcome::failed(&error), self.stopped_by(&error, failed + 1)),
        };
        let row = AccountRow::of(target, outcome);
        row.tell(&self.session.printer);
        (row, stopped)
    }

    /// Whether a failure there ends the rollout.
    fn stopped_by(&self, error: &Error, failed: usize) -> Option<Stopped> {
        match error.exit() {
            Exit::Interrupted => Some(Stopped::Interrupted),
            _ => self.too_many(failed),
        }
    }

    /// The account and the stack there, when a rollout has made one: also when the fleet does not want it any more, since
    /// all of the fleet's goes.
    pub(super) async fn found_directly(&self) -> Result<Option<(Target, Option<ObservedStack>)>, Error> {
        let looked = &self.looked;
        let is_service_managed = matches!(self.fleet.stack_sets.permissions, Permissions::ServiceManaged { .. });
        if !is_service_managed || self.name.is_delegate {
            return Ok(None);
        }
        let found = look::at_rest(&self.session, self.fleet.defaults.config.stack.as_str()).await?;
        let template = found.as_ref().map(deployed).transpose()?.flatten();
        // One that names its users is somebody else's business; one without a template holds nothing.
        let found = found.filter(|_| template.is_none_or(|template| template.enrols()));
        Ok(match (looked.direct.clone(), found) {
            (Some(target), found) => Some((target, found)),
            (None, Some(found)) => Some((self.stranger(looked.caller.account.clone()), Some(found))),
            (None, None) => None,
        })
    }

    /// Deletes that stack.
    pub(super) async fn remove_directly(&self, found: &ObservedStack, force: bool) -> Result<(), Error> {
        let name = self.fleet.defaults.config.stack.to_string();
        if found.stack.protected {
            return Err(Refusals(vec![Refusal::Protected(vec![name])]).into());
        }
        let force = force && found.stack.status == Status::DeleteFailed;
        let doomed = Doomed { name, id: found.stack.id.clone(), force };
        Box::pin(stack::delete_all(&self.session, vec![doomed])).await?;
        Ok(())
    }
}
