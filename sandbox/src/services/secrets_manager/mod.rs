//! Secrets Manager: secrets, versions, and rotation.

mod api;
mod check;
mod controls;
mod error;
mod lookup;
pub(crate) mod resources;
mod rotation;
mod schedule;
mod secret;
mod view;

use std::collections::{BTreeMap, VecDeque};

use crate::answer::Answer;
use crate::input::JsonInput;
use crate::request::Request;
use crate::{ApiError, World, agenda};

pub(crate) use rotation::{Run, step_ended};
pub use secret::SecretValue;
pub use view::{SecretView, VersionView};

/// What is due: see [`crate::agenda`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Due {
    /// The rotation window of this secret opens.
    Rotation(String),
    /// A rotation of this secret begins, or begins again after it failed.
    Attempt(String),
    /// The recovery window of this deleted secret ends.
    Deletion(String),
}

/// Every secret, by its ARN.
#[derive(Debug, Default)]
pub(crate) struct State {
    secrets: BTreeMap<String, secret::Secret>,
    /// How many rotations may have a step under way; `None` for any number.
    most_rotations: Option<usize>,
    /// The secrets whose rotation waits for another's end.
    waiting: VecDeque<String>,
}

impl State {
    /// The ARNs of the secrets, also of those that wait to be deleted.
    pub(crate) fn arns(&self) -> impl Iterator<Item = &String> {
        self.secrets.keys()
    }

    /// The ARNs of the replicas: that of the secret, but for the region.
    pub(crate) fn replica_arns(&self) -> impl Iterator<Item = String> {
        let replicas = self.secrets.values().flat_map(|secret| secret.replicas.iter().map(move |it| (secret, it)));
        replicas.map(|(secret, replica)| {
            let mut fields: Vec<&str> = secret.arn.splitn(5, ':').collect();
            if let Some(region) = fields.get_mut(3) {
                *region = &replica.region;
            }
            fields.join(":")
        })
    }

    /// The tags of every secret.
    pub(crate) fn tags(&self) -> impl Iterator<Item = &BTreeMap<String, String>> {
        self.secrets.values().map(|secret| &secret.tags)
    }
}

pub(crate) fn handle(world: &mut World, request: &Request) -> Result<Answer, ApiError> {
    let operation = match request.operation.as_str() {
        "CancelRotateSecret" => api::rotate::cancel_rotate_secret,
        "CreateSecret" => api::create::create_secret,
        "DeleteSecret" => api::delete::delete_secret,
        "DescribeSecret" => api::describe::describe_secret,
        "GetSecretValue" => api::value::get_secret_value,
        "ListSecretVersionIds" => api::versions::list_secret_version_ids,
        "ListSecrets" => api::list::list_secrets,
        "PutSecretValue" => api::value::put_secret_value,
        "RemoveRegionsFromReplication" => api::replicas::remove_regions_from_replication,
        "RestoreSecret" => api::delete::restore_secret,
        "RotateSecret" => api::rotate::rotate_secret,
        "TagResource" => api::tags::tag_resource,
        "UntagResource" => api::tags::untag_resource,
        "UpdateSecretVersionStage" => api::versions::update_secret_version_stage,
        other => return Err(ApiError::unknown("operation", other)),
    };
    let input = JsonInput::new(&request.http)?;
    operation(world, &request.caller, &request.region, input).map(Answer::Json)
}

pub(crate) fn fire(world: &mut World, due: Due) {
    match due {
        Due::Rotation(arn) => rotation::on_schedule(world, &arn),
        Due::Attempt(arn) => rotation::begun(world, &arn),
        Due::Deletion(arn) => drop(world.secrets_manager.secrets.remove(&arn)),
    }
}

/// Strikes an appointment.
fn cancel(world: &mut World, due: Due) {
    let due = agenda::Due::from(due);
    world.agenda.cancel(|present| *present == due);
}

impl From<Due> for agenda::Due {
    fn from(due: Due) -> Self {
        Self::SecretsManager(due)
    }
}
