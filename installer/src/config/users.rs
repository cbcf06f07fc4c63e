//! The `users` part of the configuration.

use std::collections::HashMap;

use contract::UserName;

use super::ConfiguredUser;
use super::error::Problem;
use super::fields::{Fault, Field, Place};
use super::line::Step;
use super::render;
use crate::names::SecretName;

/// An account has 5,000 IAM users at most (IAM quotas).
const USERS: usize = 5_000;

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

/// Checks that there are not too many users, and that no two of them are the same or share a secret.
pub(super) fn check(users: &[ConfiguredUser]) -> Result<(), Fault> {
    let place = |index| Place(vec![Step::Key("users".to_owned()), Step::Index(index)]);
    if users.len() > USERS {
        return Err(Place::of(&["users"]).fault(Problem::TooManyUsers(users.len())));
    }
    let (mut names, mut secrets) = (HashMap::new(), HashMap::new());
    for (index, user) in users.iter().enumerate() {
        if let Some(first) = names.insert(user.name.as_str().to_ascii_lowercase(), index) {
            let (name, first) = (user.name.to_string(), place(first).to_string());
            return Err(place(index).fault(Problem::SameUser { name, first }));
        }
        let secret = secret_name(user).to_string();
        if let Some(first) = secrets.insert(secret.clone(), index) {
            return Err(place(index).fault(Problem::Twice { name: secret, first: place(first).to_string() }));
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
