//! Which parts of a principal's policies were needed: what nothing has needed could be taken away.

use std::collections::{BTreeMap, BTreeSet};

use super::State;
use super::account::Permissions;
use super::decision::{context_of, permissions_of};
use super::names::account_of;
use super::policy::{Policy, Question};
use crate::request::Caller;
use crate::{ApiError, World};

/// What allows a request: an action and a resource of a statement, as they are written there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Grant {
    pub(crate) statement: String,
    pub(crate) action: String,
    pub(crate) resource: String,
}

/// The grants without which a request would have been refused, by whom they were needed.
pub(crate) type Needed = BTreeMap<String, BTreeSet<Grant>>;

/// The one grant that allows a request, and whose principal it is; `None` when there is none, or more than one.
pub(crate) fn sole_grant(
    world: &World,
    caller: &Caller,
    action: &str,
    resource: &str,
    context: &BTreeMap<String, String>,
) -> Result<Option<(String, Grant)>, ApiError> {
    let (permissions, principal_arn, tags) = permissions_of(&world.iam, caller)?;
    let context = context_of(world, caller, resource, context, (&principal_arn, tags));
    let question = Question { action, resource, context: &context };
    let mut grants = policies(&world.iam, permissions).flat_map(|policy| policy.grants(&question));
    let sole = grants.next().filter(|_| grants.next().is_none());
    Ok(sole.map(|grant| (principal_arn, grant)))
}

fn policies<'a>(iam: &'a State, permissions: &'a Permissions) -> impl Iterator<Item = &'a Policy> {
    permissions.inline.values().chain(permissions.attached.iter().filter_map(|arn| iam.managed_policy(arn)))
}

impl World {
    /// From now on, it is noted what the policies of all callers are needed for.
    pub fn note_needs(&mut self) {
        self.needed = Some(Needed::new());
    }

    /// The actions and resources in the policies of a role or user that no request has needed since [`World::note_needs`]: for
    /// each request there is another that allows it too, or none was made.
    ///
    /// # Errors
    /// `NoSuchEntity`.
    pub fn unneeded(&self, principal_arn: &str) -> Result<Vec<String>, ApiError> {
        let needed = self.needed.as_ref().and_then(|needed| needed.get(principal_arn));
        let is_needed = |what: &dyn Fn(&Grant) -> bool| needed.is_some_and(|grants| grants.iter().any(what));
        let permissions = match principal_arn.split_once(":user/") {
            Some((_, name)) => &self.iam.user(account_of(principal_arn), name)?.permissions,
            None => &self.iam.role_by_arn(principal_arn)?.permissions,
        };
        let statements = policies(&self.iam, permissions).flat_map(Policy::allowing);
        let mut unneeded = Vec::new();
        for (statement, actions, resources) in statements {
            let actions = actions
                .iter()
                .filter(|action| !is_needed(&|grant| grant.statement == statement && grant.action == **action));
            unneeded.extend(actions.map(|action| format!("{statement}: {action}")));
            let resources = resources
                .iter()
                .filter(|resource| !is_needed(&|grant| grant.statement == statement && grant.resource == **resource));
            unneeded.extend(resources.map(|resource| format!("{statement}: {resource}")));
        }
        Ok(unneeded)
    }
}
