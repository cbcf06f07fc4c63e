//! The templates of the stacks, as values: the files of `templates/`, and the resources of each user.

mod environment;
mod json;
mod member;
mod parameters;
mod policy;
mod resource;
mod rollout_role;
mod subscription;
#[cfg(test)]
mod tests;
mod user;
mod yaml;

use std::collections::BTreeMap;

use contract::{OwnSecrets, UserId, UserName};
use serde::Serialize;
use serde_json::Value as Json;
use serde_yaml::{Mapping, Value};

use crate::config::Config;
use crate::fleet::Central;
use crate::names::{FUNCTION, SecretName, USER_POLICY, UserResources, subscription_id};
use policy::Grant;

pub use environment::room_for_own_secrets;
pub use member::member;
pub use policy::Filling;
pub use rollout_role::{boundaries, rollout_role};

/// The stack of the artifact bucket, as it stands in the repository.
const ARTIFACTS: &str = include_str!("../../templates/artifacts.yaml");

/// The stack of the function, without users.
const CELL: &str = include_str!("../../templates/keyturn.yaml");

/// The stack in which the events and alarms of all accounts come together.
const CENTRAL: &str = include_str!("../../templates/central.yaml");

/// What a function may do that finds its users by itself, by its logical id.
const ENROLMENT_POLICY: &str = "EnrolmentPolicy";

/// A stack holds 500 resources (CloudFormation quotas), two of them for each user; the rest is the function's.
pub const USERS_PER_CELL: usize = 200;

/// A user as IAM knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoundUser {
    /// The name as IAM spells it.
    pub name: UserName,
    /// The unique id.
    pub id: UserId,
    /// The ARN, with the user's path.
    pub arn: String,
}

/// Where the function's zip is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodeLocation {
    /// The bucket.
    pub bucket: String,
    /// The key in it.
    pub key: String,
}

/// A CloudFormation template without parameters: what it says is what is deployed.
#[derive(Debug, Clone, PartialEq)]
pub struct Template(Mapping);

/// One resource of a template, its intrinsics in the long form (`{"Ref": …}`).
#[derive(Debug, Clone, PartialEq)]
pub struct Resource {
    /// The type, such as `AWS::IAM::Role`.
    pub kind: String,
    /// The properties, an empty object when there are none.
    pub properties: Json,
}

/// A template that cannot be made or read.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// It is not YAML or JSON, or not an object.
    #[error("the template cannot be read")]
    Unreadable(#[source] serde_yaml::Error),
    /// A resource cannot be written as YAML.
    #[error("the template cannot be written")]
    Unwritable(#[source] serde_yaml::Error),
    /// A parameter or a choice in the template has no value.
    #[error("`{0}` of the template cannot be filled in")]
    Unfillable(String),
    /// IAM would not take the policies.
    #[error("the permissions for {asked} users do not fit into a role, those for the first {fitting} do")]
    TooManyUsers {
        /// How many users fit.
        fitting: usize,
        /// How many there are.
        asked: usize,
    },
    /// No policy could name this user alone.
    #[error("the ARN of the user `{user}` cannot stand in a policy: `{arn}`")]
    UserArn {
        /// The user.
        user: UserName,
        /// The ARN.
        arn: String,
    },
    /// Lambda would not take the function.
    #[error(
        "the environment of the function takes {bytes} bytes and may take {most}; {own_secrets} users of the cell have a `secret` of their own"
    )]
    Environment {
        /// How much it takes.
        bytes: usize,
        /// How much Lambda lets it take.
        most: usize,
        /// How many users have a secret with a name of its own, each of which takes some of it.
        own_secrets: usize,
    },
    /// Two users would share a secret, or one has the name that the other's would have by itself.
    #[error("the secret `{secret}` of the user `{user}` is another user's too")]
    SharedSecret {
        /// The secret.
        secret: SecretName,
        /// The second of the users.
        user: UserName,
    },
}

impl TemplateError {
    /// What to do now.
    pub fn hint(&self) -> String {
        match self {
            Self::Unreadable(_) => "look at what is deployed; keyturn writes a new template with `bootstrap`",
            Self::Unwritable(_) | Self::Unfillable(_) => "this is a fault of keyturn; report it with the configuration",
            Self::TooManyUsers { .. } => {
                "their names or paths have become longer than their cell has room for: take some users out of the configuration, deploy, and add them again"
            }
            Self::Environment { .. } => {
                "name fewer secrets in `function.secrets`, or let some of the users have the secret that is called after them"
            }
            Self::UserArn { .. } => "move the user to a path without `*`, `?` and `$`, or leave it out",
            Self::SharedSecret { .. } => "give one of the users another `secret` in the configuration",
        }
        .to_owned()
    }
}

impl Template {
    /// Reads a template, such as the one that a stack has now.
    ///
    /// # Errors
    /// [`TemplateError::Unreadable`].
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        serde_yaml::from_str(text).map(Self).map_err(TemplateError::Unreadable)
    }

    /// The text, always the same for the same template.
    pub fn to_text(&self) -> String {
        yaml::write(&self.0)
    }

    /// The resources by logical id.
    pub fn resources(&self) -> BTreeMap<String, Resource> {
        let resource = |(id, resource): (String, Json)| {
            let kind = resource.get("Type").and_then(Json::as_str).unwrap_or_default().to_owned();
            let properties = resource.get("Properties").cloned().unwrap_or_else(|| Json::Object(Default::default()));
            (id, Resource { kind, properties })
        };
        match self.0.get("Resources").map(json::of) {
            Some(Json::Object(resources)) => resources.into_iter().map(resource).collect(),
            _ => BTreeMap::new(),
        }
    }

    /// The organization whose accounts may read what is in the bucket, when this is the stack of one.
    pub fn organization(&self) -> Option<String> {
        let resources = self.resources();
        let statements = resources.get("BucketPolicy")?.properties.pointer("/PolicyDocument/Statement")?.as_array()?;
        let condition = |statement: &Json| {
            Some(statement.pointer("/Condition/StringEquals/aws:PrincipalOrgID")?.as_str()?.to_owned())
        };
        statements.iter().find_map(condition)
    }

    /// Where the zip of its function is, when it has one.
    pub fn code(&self) -> Option<CodeLocation> {
        let function = self.resources().remove(FUNCTION)?;
        let code = function.properties.get("Code")?;
        let text = |name| code.get(name).and_then(Json::as_str).map(str::to_owned);
        Some(CodeLocation { bucket: text("S3Bucket")?, key: text("S3Key")? })
    }

    /// Whether its function finds the users by itself, so that the template names none.
    pub fn enrols(&self) -> bool {
        self.resources().contains_key(ENROLMENT_POLICY)
    }

    fn add(&mut self, id: &str, resource: &impl Serialize) -> Result<(), TemplateError> {
        let resource = serde_yaml::to_value(resource).map_err(TemplateError::Unwritable)?;
        match self.0.get_mut("Resources") {
            Some(Value::Mapping(resources)) => resources.insert(id.into(), resource),
            _ => return Err(TemplateError::Unfillable("Resources".to_owned())),
        };
        Ok(())
    }
}

/// The stack of the artifact bucket. The accounts of an organization may read what is in it, when one is named.
///
/// # Errors
/// [`TemplateError::Unreadable`].
pub fn artifacts(organization: Option<&str>) -> Result<Template, TemplateError> {
    let values = BTreeMap::from([("Organization", organization.unwrap_or_default().to_owned())]);
    Ok(Template(parameters::fill(Template::parse(ARTIFACTS)?.0, &values)?))
}

/// The stack of the function and the users, in the order in which they are given.
///
/// # Errors
/// [`TemplateError`] when the users do not fit, or cannot be named in a policy.
pub fn cell(config: &Config, users: &[BoundUser], code: &CodeLocation) -> Result<Template, TemplateError> {
    numbered_cell(config, 1, users, code)
}

/// The same of the cell with this number. The first one forwards the rotations of all: an event does not tell which cell
/// a secret is in.
///
/// # Errors
/// As of [`cell`].
pub fn numbered_cell(
    config: &Config,
    number: usize,
    users: &[BoundUser],
    code: &CodeLocation,
) -> Result<Template, TemplateError> {
    let secrets = secret_names(config, users)?;
    let own_secrets = users.iter().zip(&secrets).map(|(user, secret)| (&user.name, secret.as_str()));
    let mut values = parameters::of(config, code);
    values.insert("ForwardsRotations", (number <= 1).to_string());
    values.insert("OwnSecrets", OwnSecrets::of(own_secrets).to_string());
    let mut template = filled(config, &values)?;
    let is_own = |(user, secret): &(&BoundUser, &SecretName)| **secret != SecretName::of_user(&user.name);
    environment::check(&template, users.iter().zip(&secrets).filter(is_own).count())?;
    let grants =
        users.iter().zip(&secrets).map(|(user, secret)| Grant::new(user, secret)).collect::<Result<Vec<_>, _>>()?;

    let mut needed = vec!["FunctionPermission".to_owned(), "FunctionPolicy".to_owned()];
    let path = config.role_path.as_deref().unwrap_or("/");
    for (number, policy) in policy::policies(&grants, &config.region, path)?.iter().enumerate() {
        let id = format!("{USER_POLICY}{}", number + 1);
        template.add(&id, policy)?;
        needed.push(id);
    }
    for (user, secret) in users.iter().zip(&secrets) {
        let ids = UserResources::of(&user.name);
        template.add(&ids.secret, &user::secret(config, user, secret))?;
        template.add(&ids.rotation, &user::rotation(&config.schedule, ids.secret.clone(), needed.clone()))?;
    }
    Ok(template)
}

/// The stack in which the events and alarms of all accounts of an organization come together.
///
/// # Errors
/// [`TemplateError`] when the template cannot be filled in.
pub fn central(organization: &str, central: &Central) -> Result<Template, TemplateError> {
    let values = parameters::of_central(organization, central);
    let mut template = Template(parameters::fill(Template::parse(CENTRAL)?.0, &values)?);
    for address in &central.emails {
        template.add(&subscription_id(address), &subscription::of(address))?;
    }
    Ok(template)
}

/// The stack of the function, with these values for its parameters.
fn filled(config: &Config, values: &BTreeMap<&'static str, String>) -> Result<Template, TemplateError> {
    let mut template = Template(parameters::fill(Template::parse(CELL)?.0, values)?);
    for address in &config.alerts.email {
        template.add(&subscription_id(address), &subscription::of(address))?;
    }
    Ok(template)
}

/// The template that a stack has, if it has one, with further resources as `wanted` describes them.
///
/// # Errors
/// [`TemplateError`] when either is no template.
pub fn with<'a>(
    before: Option<&Template>,
    wanted: &Template,
    ids: impl Iterator<Item = &'a String>,
) -> Result<Template, TemplateError> {
    let empty = || Template::parse("AWSTemplateFormatVersion: '2010-09-09'\nResources: {}\n");
    let mut template = before.cloned().map_or_else(empty, Ok)?;
    for id in ids {
        let resource = wanted.0.get("Resources").and_then(|resources| resources.get(id.as_str()));
        template.add(id, resource.ok_or_else(|| TemplateError::Unfillable(id.clone()))?)?;
    }
    Ok(template)
}

/// The name of each user's secret, no two the same. The function takes a secret that is called after a user for that
/// user's, so nobody else can have it.
fn secret_names(config: &Config, users: &[BoundUser]) -> Result<Vec<SecretName>, TemplateError> {
    let mut names: Vec<SecretName> = Vec::with_capacity(users.len());
    for user in users {
        let secret = config.secret_name(&user.name);
        let is_anothers = |other: &BoundUser| other.name != user.name && SecretName::of_user(&other.name) == secret;
        if names.contains(&secret) || users.iter().any(is_anothers) {
            return Err(TemplateError::SharedSecret { secret, user: user.name.clone() });
        }
        names.push(secret);
    }
    Ok(names)
}
