//! RemoveRegionsFromReplication, and what can be asked for as a replica.

use std::collections::BTreeSet;

use serde_json::Value;

use super::super::error::{invalid_parameter, not_found};
use super::super::lookup::permitted;
use super::super::secret::Replica;
use super::{describe, object};
use crate::input::JsonInput;
use crate::request::Caller;
use crate::{ApiError, World, partition};

/// Replicas go at once, without a recovery window.
pub(in super::super) fn remove_regions_from_replication(
    world: &mut World,
    caller: &Caller,
    region: &str,
    mut input: JsonInput,
) -> Result<Value, ApiError> {
    let (id, regions) = (input.required("SecretId")?, input.texts("RemoveReplicaRegions")?);
    input.finish()?;
    if regions.is_empty() {
        return Err(invalid_parameter("RemoveReplicaRegions must name a region."));
    }
    let arn = permitted(world, caller, region, &id, "RemoveRegionsFromReplication")?;
    let now = world.now();
    let secret = world.secrets_manager.secrets.get_mut(&arn).ok_or_else(not_found)?;
    let is_replicated = |region: &String| secret.replicas.iter().any(|replica| replica.region == *region);
    if let Some(other) = regions.iter().find(|region| !is_replicated(region)) {
        return Err(invalid_parameter(format!("The secret has no replica in {other}.")));
    }
    secret.replicas.retain(|replica| !regions.contains(&replica.region));
    secret.changed = now;
    Ok(object([("ARN", Some(arn.into())), ("ReplicationStatus", describe::replication(secret))]))
}

/// The replicas that a list asks for, of a secret in `home`: each in another region of the same partition (user guide,
/// "Replicate AWS Secrets Manager secrets across Regions").
pub(in super::super) fn take(items: Vec<JsonInput>, home: &str) -> Result<Vec<Replica>, ApiError> {
    let mut regions = BTreeSet::from([home.to_owned()]);
    let replica = |mut item: JsonInput| {
        let replica = Replica { region: item.required("Region")?, kms_key_id: item.text("KmsKeyId")? };
        item.finish()?;
        if partition::of(&replica.region) != partition::of(home) {
            return Err(invalid_parameter(format!("{} is in another partition than {home}.", replica.region)));
        }
        match regions.insert(replica.region.clone()) {
            true => Ok(replica),
            false => Err(invalid_parameter(format!("Invalid replica region: {}.", replica.region))),
        }
    };
    items.into_iter().map(replica).collect()
}
