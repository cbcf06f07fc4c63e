//! Whose secrets the function looks after, as its environment says: the stack, the names, and whom it enrols.

use contract::{Enrolment, OwnSecrets, SettingsError, UserName, tag_keys, variables};

use crate::enroller::Place;
use crate::observed::Description;

/// Whose secrets the function looks after.
#[derive(Debug, Clone)]
pub(crate) struct Scope {
    /// The stack.
    pub(crate) stack: String,
    /// The users whose secret is not called after them.
    pub(crate) own_secrets: OwnSecrets,
    /// The names of the only secrets that a direct invocation reaches.
    pub(crate) secrets: Option<Vec<String>>,
    /// Whom the function enrols by itself.
    pub(crate) enrolment: Option<Enrolment>,
}

impl Scope {
    /// Reads the environment; `variable` looks one variable up.
    pub(crate) fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, SettingsError> {
        let names =
            |text: String| text.split(';').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect();
        let secrets = variable(variables::SECRETS).map(names).filter(|names: &Vec<String>| !names.is_empty());
        let stack = variable(variables::STACK).unwrap_or_default();
        let own_secrets = OwnSecrets::read(&variable)?;
        Ok(Self { stack, own_secrets, secrets, enrolment: Enrolment::read(variable)? })
    }

    /// What a pass over the users works with; `function` is the ARN that the function was called by.
    pub(crate) fn place(&self, function: &str) -> Option<Place> {
        // Behind the name may stand a version or an alias, with which this was called and Secrets Manager need not.
        let function = function.splitn(8, ':').take(7).collect::<Vec<_>>().join(":");
        let enrolment = self.enrolment.clone()?;
        Some(Place { stack: self.stack.clone(), function, enrolment })
    }

    /// Whether a direct invocation reaches the secret of this name.
    pub(crate) fn contains(&self, name: &str) -> bool {
        self.secrets.as_ref().is_none_or(|names| names.iter().any(|known| known == name))
    }

    /// Whether the function keeps the keys of this user in the secret.
    pub(crate) fn keeps(&self, secret: &Description, user: &UserName) -> bool {
        let is_of_stack = secret.tags.get(tag_keys::STACK).is_some_and(|stack| *stack == self.stack);
        is_of_stack && self.own_secrets.belongs(user, &secret.name)
    }
}
