//! How tests, and rehearsals, describe the stacks that are there before anything is asked of the API.

use std::collections::BTreeMap;

use super::blueprint::{Blueprint, Draft, Identity};
use super::operation::{Operation, Pass};
use super::stack::Stack;
use super::{building, change_set, with_stack};
use crate::request::Caller;
use crate::services::{iam, organizations};
use crate::{ApiError, World};

/// The name of the session in which such a stack is built.
const SESSION: &str = "population";

impl World {
    /// Begins to build a stack from a template without parameters, without a permission being needed to ask for that.
    /// Whoever builds it may do everything: the administrator of the account, or else the role that Organizations has put
    /// there. What came of it, [`World::stacks`] tells.
    ///
    /// # Errors
    /// `AlreadyExistsException`; what is wrong with the template, or the name of what the sandbox does not know in it;
    /// `NoSuchEntity` when nobody could build anything in the account.
    pub fn build_stack(
        &mut self,
        (account, region): (&str, &str),
        name: &str,
        template: &str,
        tags: &BTreeMap<String, String>,
    ) -> Result<(), ApiError> {
        let caller = owner(self, account)?;
        let is_there = |stack: &Stack| {
            let Identity { account: of, region: at, name: called, .. } = &stack.identity;
            of == account && at == region && called == name && stack.deleted_at.is_none()
        };
        if self.cloudformation.stacks.values().any(is_there) {
            return Err(ApiError::new("AlreadyExistsException", format!("Stack [{name}] already exists")));
        }
        let (partition, unique) = (caller.partition().to_owned(), self.random_uuid());
        let id = format!("arn:{partition}:cloudformation:{region}:{account}:stack/{name}/{unique}");
        let (account, region, name) = (account.to_owned(), region.to_owned(), name.to_owned());
        let identity = Identity { partition, account, region, name, id: id.clone() };
        let draft = Draft {
            body: template.to_owned(),
            parameters: BTreeMap::new(),
            tags: tags.clone(),
            capabilities: vec!["CAPABILITY_NAMED_IAM".to_owned()],
        };
        let blueprint = Blueprint::draw(&identity, draft, None)?;
        let mut resources = blueprint.dependencies.keys().filter_map(|name| Some((name, blueprint.resource(name)?)));
        resources.try_for_each(|(name, described)| change_set::check_properties(name, described))?;
        let stack = Stack::new(identity, self.now());
        self.cloudformation.stacks.insert(id.clone(), stack);
        let operation = Operation::new(caller, None, Pass::Creating);
        with_stack(self, &id, |world, stack| building::begin(world, stack, blueprint, operation));
        Ok(())
    }

    /// Has GetTemplate show another text for a stack, as if it had been built from that by whoever knows more types.
    pub fn exchange_template(&mut self, account: &str, name: &str, template: &str) {
        let is_meant = |stack: &&mut Stack| stack.identity.account == account && stack.identity.name == name;
        let blueprints = self.cloudformation.stacks.values_mut().filter(is_meant);
        blueprints.filter_map(|stack| stack.blueprint.as_mut()).for_each(|it| template.clone_into(&mut it.body));
    }
}

/// Somebody who may do everything in an account.
pub(super) fn owner(world: &World, account: &str) -> Result<Caller, ApiError> {
    let partition = world.iam.accounts.get(account).map(|account| account.partition).unwrap_or_default();
    let role = format!("arn:{partition}:iam::{account}:role/{}", organizations::ACCESS_ROLE);
    iam::administrator(world, account).or_else(|_| iam::as_role(&world.iam, &role, SESSION))
}
