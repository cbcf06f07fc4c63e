//! Reads what is deployed already, so that a rehearsal begins with it. The value of no secret is read.

use std::collections::BTreeMap;

use contract::{AccessKeyId, AccountId, UserName, tag_keys, variables};
use jiff::Timestamp;
use serde_json::Value as Json;

use crate::aws::secrets::{self, Secret};
use crate::aws::stack_sets::{self, InstanceStatus, Name, Set};
use crate::aws::stacks::Rest;
use crate::aws::users::{AccessKey, KeyStatus};
use crate::aws::{CallError, Clients};
use crate::concurrent::{self, Pace};
use crate::config::Config;
use crate::names::ARTIFACTS_STACK;
use crate::observe::{self, ObservedStack};
use crate::template::Template;

/// How secrets are looked at; as for users.
const PACE: Pace = Pace { at_once: 8, apart: std::time::Duration::from_millis(20) };

/// What the variables of a function begin with that keyturn sets.
const OUR_VARIABLES: &str = "KEYTURN_";

/// What is deployed in an account.
#[derive(Debug, Default)]
pub(super) struct Deployed {
    pub(super) stacks: Vec<Stack>,
    pub(super) secrets: Vec<Secret>,
    /// What is there and cannot be copied.
    pub(super) not_copied: Vec<String>,
}

/// A stack that stands to be copied.
#[derive(Debug, Clone)]
pub(super) struct Stack {
    pub(super) name: String,
    pub(super) template: String,
    pub(super) tags: BTreeMap<String, String>,
}

/// A secret that stands to be copied, without its value.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    pub(super) name: String,
    pub(super) user: UserName,
    pub(super) tags: BTreeMap<String, String>,
    pub(super) rotated: Option<Timestamp>,
    /// The key that is in it, as far as that can be told from outside.
    pub(super) current: Option<AccessKeyId>,
}

/// A stack set that stands to be copied.
#[derive(Debug)]
pub(super) struct StackSet {
    pub(super) name: Name,
    pub(super) set: Set,
    /// The accounts that have a stack of it, by the unit that they have it for.
    pub(super) instances: BTreeMap<Option<String>, Vec<AccountId>>,
    /// Those whose stack is not what the set is.
    pub(super) not_copied: BTreeMap<AccountId, InstanceStatus>,
}

/// Reads what is deployed in an account as `config` would have it.
pub(super) async fn of_account(clients: &Clients, config: &Config) -> Result<Deployed, CallError> {
    let mut deployed = Deployed::default();
    if config.artifact_bucket.is_none() {
        deployed.take(ARTIFACTS_STACK, observe::stack(clients, ARTIFACTS_STACK).await?);
    }
    let cells = observe::cells(clients, config, 1, observe::expected_cells(config)).await?;
    let has_cells = !cells.is_empty();
    for (number, found) in cells {
        deployed.take(&config.stack.cell(number), Some(found));
    }
    if has_cells {
        let listed = secrets::of_deployment(clients, &config.stack).await?;
        let look = |listed: secrets::Listed| {
            let clients = clients.clone();
            async move { secrets::describe(&clients, listed.arn.as_str()).await }
        };
        let there = listed.into_iter().filter(|secret| !secret.deleted).collect();
        let read = concurrent::for_each(there, PACE, look).await.into_iter().collect::<Result<Vec<_>, _>>()?;
        deployed.secrets = read.into_iter().flatten().collect();
    }
    Ok(deployed)
}

/// Reads the stack set of a fleet; `None` when there is none. The error is why it cannot be copied.
pub(super) async fn stack_set(
    clients: &Clients,
    name: Name,
    region: &str,
) -> Result<Result<Option<StackSet>, String>, CallError> {
    let Some(set) = stack_sets::describe(clients, &name).await? else { return Ok(Ok(None)) };
    if let Err(why) = check(&set.template) {
        return Ok(Err(format!("the stack set `{}`, {why}", name.name)));
    }
    let mut found = StackSet { name, set, instances: BTreeMap::new(), not_copied: BTreeMap::new() };
    for (account, instance) in stack_sets::instances(clients, &found.name, region).await? {
        match instance.status {
            InstanceStatus::Current => found.instances.entry(instance.unit).or_default().push(account),
            status => drop(found.not_copied.insert(account, status)),
        }
    }
    Ok(Ok(Some(found)))
}

/// Whether a template can be built here. Its functions run on this machine, and whoever rules over a single account may have
/// written it: what tells a process more than keyturn's settings is let alone.
fn check(template: &str) -> Result<(), String> {
    let template = Template::parse(template).map_err(|_| "whose template cannot be read".to_owned())?;
    let is_ours = |name: &String| name.starts_with(OUR_VARIABLES) || name == variables::SECRETS;
    for (id, resource) in template.resources() {
        if resource.kind != "AWS::Lambda::Function" {
            continue;
        }
        let environment = resource.properties.get("Environment");
        // What a function of CloudFormation's makes of it nobody has looked at.
        let is_plain = |environment: &Json| environment.as_object().is_some_and(|it| it.keys().eq(["Variables"]));
        if !environment.is_none_or(is_plain) {
            return Err(format!("whose function `{id}` has an environment that cannot be read"));
        }
        let variables = environment.and_then(|it| it.get("Variables")?.as_object());
        let strange = variables.into_iter().flat_map(|variables| variables.keys()).find(|name| !is_ours(name));
        if let Some(strange) = strange {
            return Err(format!("whose function `{id}` has the variable `{strange}`, which is none of keyturn's"));
        }
    }
    Ok(())
}

impl Deployed {
    /// Takes a stack as it was found. One that holds nothing is made anew by a rollout, as if it were not there.
    pub(super) fn take(&mut self, name: &str, found: Option<ObservedStack>) {
        let Some(ObservedStack { stack, template, .. }) = found else { return };
        match (stack.status.rest(), template) {
            (Rest::Gone | Rest::Shell | Rest::Review, _) => {}
            (Rest::Usable, Some(template)) => match check(&template) {
                Ok(()) => self.stacks.push(Stack { name: name.to_owned(), template, tags: stack.tags }),
                Err(why) => self.not_copied.push(format!("the stack `{name}`, {why}")),
            },
            _ => self.not_copied.push(format!("the stack `{name}`, which is in {}", stack.status)),
        }
    }

    /// The users whose secrets are there.
    pub(super) fn users(&self) -> impl Iterator<Item = UserName> {
        self.secrets.iter().filter_map(Secret::user)
    }
}

impl Kept {
    /// A secret of a user who has these keys; `None` for one that is nobody's.
    pub(super) fn of<'a>(secret: &Secret, keys: impl Iterator<Item = &'a AccessKey>) -> Option<Self> {
        let user = secret.user()?;
        let rotated = secret.last_own_rotation();
        let mut current = None;
        // Before the first rotation a secret holds no key, unless it was taken over with one.
        if rotated.is_some() || secret.tag(tag_keys::ADOPTED).is_some() {
            let known = keys.filter(|key| secret.mark(&key.id).is_none());
            current = known.max_by_key(|key| (key.status == KeyStatus::Active, key.created)).map(|key| key.id.clone());
        }
        // Those of AWS's own name stacks of there.
        let tags = secret.tags.iter().filter(|(key, _)| !key.starts_with("aws:"));
        let tags = tags.map(|(key, value)| (key.clone(), value.clone())).collect();
        Some(Self { name: secret.name.clone(), user, tags, rotated, current })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_that_would_be_told_more_than_settings_is_not_run_here() {
        let template = |variables: &str| {
            let properties = format!("{{ Environment: {{ Variables: {variables} }} }}");
            format!("Resources: {{ It: {{ Type: 'AWS::Lambda::Function', Properties: {properties} }} }}")
        };
        assert_eq!(check(&template("{ KEYTURN_STACK: !Ref AWS::StackName, secrets: a }")), Ok(()));
        for variables in ["{ LD_PRELOAD: /x.so }", "{ AWS_ENDPOINT_URL: 'http://elsewhere' }", "!If [A, {}, {}]"] {
            assert!(check(&template(variables)).is_err(), "{variables}");
        }
        assert!(check("[").is_err());
        let hidden = "Resources: { It: { Type: 'AWS::Lambda::Function', Properties: { Environment: !If [Yes, { Variables: { LD_PRELOAD: /x.so } }, {}] } } }";
        assert!(check(hidden).is_err());
        assert_eq!(check(crate::template::artifacts(None).unwrap().to_text().as_str()), Ok(()));
    }

    #[test]
    fn the_newest_key_that_works_and_is_not_on_its_way_out_is_the_current_one() {
        let key = |id: &str, status, created: i64| AccessKey {
            id: AccessKeyId::new(id).unwrap(),
            status,
            created: Timestamp::from_second(created).unwrap(),
        };
        let (old, new) = ("AKIAAAAAAAAAAAAAAAAA", "AKIABBBBBBBBBBBBBBBB");
        let keys = [key(old, KeyStatus::Active, 1), key(new, KeyStatus::Active, 2)];
        let secret = |tags: &[(&str, &str)], rotated: Option<i64>| Secret {
            arn: "arn:aws:secretsmanager:eu-central-1:111122223333:secret:keyturn/ci-abcdef".parse().unwrap(),
            name: "keyturn/ci".to_owned(),
            tags: tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
            created: None,
            deleted: None,
            last_rotated: rotated.map(|at| Timestamp::from_second(at).unwrap()),
            next_rotation: None,
            stages: BTreeMap::new(),
            rotator: None,
            kms_key: None,
            replicas: Vec::new(),
        };
        let user = (tag_keys::USER, "ci");
        let current = |secret: &Secret, keys: &[AccessKey]| {
            Kept::of(secret, keys.iter()).unwrap().current.map(|id| id.as_str().to_owned())
        };
        assert_eq!(current(&secret(&[user], Some(3)), &keys), Some(new.to_owned()));
        let spoilt = [keys[0].clone(), key(new, KeyStatus::Inactive, 2)];
        assert_eq!(current(&secret(&[user], Some(3)), &spoilt), Some(old.to_owned()));
        assert_eq!(current(&secret(&[user], None), &keys), None, "before the first rotation there is none");
        assert_eq!(current(&secret(&[user, (tag_keys::ADOPTED, "x")], None), &keys), Some(new.to_owned()));
        let kept = Kept::of(&secret(&[user, ("aws:cloudformation:stack-name", "keyturn")], None), [].iter()).unwrap();
        assert_eq!(kept.tags.len(), 1);
        assert!(Kept::of(&secret(&[], None), keys.iter()).is_none());
    }
}
