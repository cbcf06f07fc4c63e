//! Which secret a SecretId means, and whether the caller may do something with it.

use std::collections::BTreeMap;

use super::error::{invalid_request, marked_for_deletion, not_found};
use super::secret::Secret;
use crate::request::Caller;
use crate::{ApiError, World, partition};

/// The ARN of every secret of an account and region begins with this.
pub(super) fn arn_prefix(account: &str, region: &str) -> String {
    format!("arn:{}:secretsmanager:{region}:{account}:secret:", partition::of(region))
}

/// The secret with this name.
pub(super) fn by_name<'a>(world: &'a World, account: &str, region: &str, name: &str) -> Option<&'a Secret> {
    // Behind the name stand a hyphen and six random characters; a longer name may begin like this one.
    let prefix = format!("{}{name}-", arn_prefix(account, region));
    let alike = world.secrets_manager.secrets.range(prefix.clone()..).take_while(|(arn, _)| arn.starts_with(&prefix));
    alike.map(|(_, secret)| secret).find(|secret| secret.name == name)
}

/// Finds the secret that `id` means (a name, a whole ARN, or an ARN without its random end) and checks the
/// permission for `action` on it. Gives its ARN.
pub(super) fn permitted(
    world: &mut World,
    caller: &Caller,
    region: &str,
    id: &str,
    action: &str,
) -> Result<String, ApiError> {
    permitted_with(world, caller, region, id, action, BTreeMap::new())
}

/// The same for a request that brings condition keys of its own.
pub(super) fn permitted_with(
    world: &mut World,
    caller: &Caller,
    region: &str,
    id: &str,
    action: &str,
    mut context: BTreeMap<String, String>,
) -> Result<String, ApiError> {
    let prefix = arn_prefix(&caller.account, region);
    let found = match id.strip_prefix(&prefix) {
        Some(rest) => world.secrets_manager.secrets.get(id).or_else(|| by_name(world, &caller.account, region, rest)),
        None => by_name(world, &caller.account, region, id),
    };
    let arn = found.map(|secret| secret.arn.clone());
    context.extend(found.map(tag_context).unwrap_or_default());
    let resource = match &arn {
        Some(arn) => arn.clone(),
        None if id.starts_with("arn:") => id.to_owned(),
        None => format!("{prefix}{id}"),
    };
    world.authorize(caller, &format!("secretsmanager:{action}"), &resource, &context)?;
    arn.ok_or_else(not_found)
}

/// The secret, if it is not on its way to deletion.
pub(super) fn alive<'a>(world: &'a mut World, arn: &str) -> Result<&'a mut Secret, ApiError> {
    let secret = world.secrets_manager.secrets.get_mut(arn).ok_or_else(not_found)?;
    if secret.deletion.is_some() { Err(marked_for_deletion()) } else { Ok(secret) }
}

/// Checks the permissions on the customer-managed key that encrypts a secret; AWS's own key needs none.
pub(super) fn permit_key(
    world: &mut World,
    caller: &Caller,
    region: &str,
    key: Option<&str>,
    actions: &[&str],
) -> Result<(), ApiError> {
    let Some(key) = key.filter(|key| *key != "alias/aws/secretsmanager") else { return Ok(()) };
    if key.contains("alias/") {
        return Err(ApiError::unknown("key alias", key));
    }
    let arn = match key.starts_with("arn:") {
        true => key.to_owned(),
        false => format!("arn:{}:kms:{region}:{}:key/{key}", caller.partition(), caller.account),
    };
    let via = [("kms:ViaService".to_owned(), format!("secretsmanager.{region}.{}", partition::domain(region)))];
    let context = BTreeMap::from(via);
    for action in actions {
        world.authorize(caller, action, &arn, &context).map_err(|_| invalid_request("Access to KMS is not allowed"))?;
    }
    Ok(())
}

/// The condition keys that tell the tags of a secret.
fn tag_context(secret: &Secret) -> BTreeMap<String, String> {
    let keys = |(key, value): (&String, &String)| {
        [
            (format!("aws:ResourceTag/{key}"), value.clone()),
            (format!("secretsmanager:ResourceTag/{key}"), value.clone()),
        ]
    };
    secret.tags.iter().flat_map(keys).collect()
}
