//! The `users` part of the configuration.

use contract::UserName;

use super::ConfiguredUser;
use super::error::Problem;
use super::fields::{Fault, Field, Place};
use super::line::Step;
use super::render;
use crate::names::SecretName;

/// A stack holds 500 resources (CloudFormation quotas), two of them for each user; the rest is for what comes later.
const USERS_PER_STACK: usize = 200;

/// Reads `users`.
pub(super) fn read(field: Field) -> Result<Vec<ConfiguredUser>, Fault> {
    let users = field.list()?.into_iter().map(user).collect::<Result<Vec<_>, _>>()?;
    check(&users).map(|()| users)
}

fn user(field: Field) -> Result<ConfiguredUser, Fault> {
    if !field.is_mapping() {
        return field.parse().map(ConfiguredUser::named);
    }
    let mut fields = field.fields(&["name", "secret", "render"])?;
    let name = fields.required("name")?.parse()?;
    let secret = fields.optional("secret").map(Field::parse).transpose()?;
    Ok(ConfiguredUser { name, secret, render: fields.optional("render").map(render::read).transpose()? })
}

/// Checks that a stack can hold the users, and that no two of them are the same or share a secret.
pub(super) fn check(users: &[ConfiguredUser]) -> Result<(), Fault> {
    let place = |index| Place(vec![Step::Key("users".to_owned()), Step::Index(index)]);
    if users.len() > USERS_PER_STACK {
        return Err(Place::of(&["users"]).fault(Problem::TooManyUsers(users.len())));
    }
    for (index, user) in users.iter().enumerate() {
        let before = || users.iter().take(index);
        if let Some(first) = before().position(|other| other.name.is_same_user(&user.name)) {
            let (name, first) = (user.name.to_string(), place(first).to_string());
            return Err(place(index).fault(Problem::SameUser { name, first }));
        }
        let secret = secret_name(user);
        if let Some(first) = before().position(|other| secret_name(other) == secret) {
            let (name, first) = (secret.to_string(), place(first).to_string());
            return Err(place(index).fault(Problem::Twice { name, first }));
        }
    }
    Ok(())
}

fn secret_name(user: &ConfiguredUser) -> SecretName {
    user.secret.clone().unwrap_or_else(|| SecretName::of_user(&user.name))
}

impl ConfiguredUser {
    /// A user about whom nothing else is said.
    pub fn named(name: UserName) -> Self {
        Self { name, secret: None, render: None }
    }
}
