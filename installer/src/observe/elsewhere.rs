//! What else there is around users who are not in this deployment yet: stacks that manage their secrets, and functions of
//! other deployments that make keys for them, in whatever region. See `docs/decisions/2026-11-28-one-region.md`.

use std::collections::{BTreeMap, BTreeSet};

use contract::{Region, tag_keys};
use serde_json::Value as Json;

use super::{ObservedStack, ObservedUser};
use crate::aws::policies::{self, Policy};
use crate::aws::secrets::Secret;
use crate::aws::{CallError, Clients, stacks};
use crate::config::Config;
use crate::names::{STACK_TAG, USER_POLICY, UserResources};

/// A deployment that makes keys for a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Elsewhere {
    /// The stack of its function.
    pub stack: String,
    /// Where it is.
    pub region: Region,
}

/// Looks around whoever is in none of these cells. Where everybody is, there is nothing to look at.
///
/// # Errors
/// [`CallError`]: what cannot be read may stand for anything.
pub async fn look_around(
    clients: &Clients,
    config: &Config,
    cells: &BTreeMap<usize, ObservedStack>,
    users: &mut [ObservedUser],
) -> Result<(), CallError> {
    let mut newcomers: Vec<&mut ObservedUser> = users.iter_mut().filter(|user| is_newcomer(user, cells)).collect();
    if newcomers.is_empty() {
        return Ok(());
    }
    let mut held: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for user in &mut newcomers {
        let Some(secret) = user.secret.clone().filter(|secret| secret.deleted.is_none()) else { continue };
        for name in stacks_of(config, &secret) {
            if !held.contains_key(&name) {
                held.insert(name.clone(), stacks::members(clients, &name).await?);
            }
            if held.get(&name).is_some_and(|members| members.contains(secret.arn.as_str())) {
                user.other_stack = Some(name);
            }
        }
    }
    let policies = policies::attached(clients, |name| name.contains(&format!("-{USER_POLICY}"))).await?;
    let others: Vec<Deployment> = policies.iter().filter_map(Deployment::read).collect();
    let is_ours =
        |other: &Deployment| other.at.region == config.region && config.stack.cell_number(&other.at.stack).is_some();
    for user in newcomers {
        let Some(bound) = &user.bound else { continue };
        let name = bound.name.as_str().to_ascii_lowercase();
        let other = others.iter().find(|other| !is_ours(other) && other.users.contains(&name));
        user.rotated_by = other.map(|other| other.at.clone());
    }
    Ok(())
}

/// Whether a user is in none of the cells.
fn is_newcomer(user: &ObservedUser, cells: &BTreeMap<usize, ObservedStack>) -> bool {
    let Some(bound) = &user.bound else { return false };
    let id = UserResources::of(&bound.name).secret;
    !cells.values().any(|cell| cell.template.as_ref().is_some_and(|template| template.contains(&id)))
}

/// The stacks that may manage a secret: the one that CloudFormation's tag names, and that of keyturn's. Both outlive the
/// stack, and also outlive it when a stack lets go of the secret. Of our own cells the templates tell, unless nobody has
/// bound the secret.
fn stacks_of(config: &Config, secret: &Secret) -> BTreeSet<String> {
    let named = [STACK_TAG, tag_keys::STACK].into_iter().filter_map(|key| secret.tag(key));
    // Anything may stand in a tag.
    let is_name = |name: &&str| name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') && !name.is_empty();
    let is_foreign = |name: &&str| secret.user().is_none() || config.stack.cell_number(name).is_none();
    named.filter(is_name).filter(is_foreign).map(str::to_owned).collect()
}

/// What the policy of a function says of its deployment.
#[derive(Debug, PartialEq, Eq)]
struct Deployment {
    at: Elsewhere,
    /// The names of users, in lower case.
    users: BTreeSet<String>,
}

impl Deployment {
    /// Reads the policy of a function's role: it names the users, and their secrets with the region. `None` for a policy
    /// of somebody else's with a name like that.
    fn read(policy: &Policy) -> Option<Self> {
        let (stack, _) = policy.name.rsplit_once(&format!("-{USER_POLICY}"))?;
        let document: Json = serde_json::from_str(&policy.document).ok()?;
        let mut arns = Vec::new();
        collect(&document, &mut arns);
        let fields = |arn: &str| arn.splitn(6, ':').map(str::to_owned).collect::<Vec<_>>();
        let (mut users, mut region) = (BTreeSet::new(), None);
        for arn in arns {
            match fields(arn).as_slice() {
                [_, _, service, _, _, resource] if service == "iam" && resource.starts_with("user/") => {
                    users.extend(resource.rsplit('/').next().map(str::to_ascii_lowercase));
                }
                [_, _, service, of_secret, ..] if service == "secretsmanager" => region = Region::new(of_secret).ok(),
                _ => {}
            }
        }
        Some(Self { at: Elsewhere { stack: stack.to_owned(), region: region? }, users })
    }
}

/// Every text in a document.
fn collect<'a>(value: &'a Json, texts: &mut Vec<&'a str>) {
    match value {
        Json::String(text) => texts.push(text),
        Json::Array(items) => items.iter().for_each(|item| collect(item, texts)),
        Json::Object(fields) => fields.values().for_each(|field| collect(field, texts)),
        Json::Null | Json::Bool(_) | Json::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_of_a_function_tells_its_stack_its_region_and_its_users() {
        let document = r#"{"Version": "2012-10-17", "Statement": [
            {"Sid": "Keys", "Effect": "Allow", "Action": ["iam:GetUser"], "Resource": [
                "arn:aws:iam::111122223333:user/Alice", "arn:aws:iam::111122223333:user/team/bob"]},
            {"Sid": "Secrets", "Effect": "Allow", "Action": ["secretsmanager:GetSecretValue"],
             "Resource": ["arn:aws:secretsmanager:eu-west-1:111122223333:secret:keyturn/Alice-??????"]}]}"#;
        let policy = |name: &str, document: &str| Policy { name: name.to_owned(), document: document.to_owned() };
        let found = Deployment::read(&policy("my-keys-UserPolicy12-1A2B3C4D5E6F", document)).unwrap();
        assert_eq!((found.at.stack.as_str(), found.at.region.as_str()), ("my-keys", "eu-west-1"));
        assert_eq!(found.users, BTreeSet::from(["alice".to_owned(), "bob".to_owned()]));
        let others = [("UserPolicy1", document), ("x-UserPolicy1-y", "{}"), ("x-UserPolicy1-y", "no JSON")];
        for (name, document) in others {
            assert_eq!(Deployment::read(&policy(name, document)), None, "{name} {document}");
        }
    }
}
