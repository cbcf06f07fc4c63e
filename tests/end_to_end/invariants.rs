//! R1, R2 and R4 of the rotation, checked by looking at the world after every single call, and R3, which can be seen only
//! once a rotation has come to rest: until then a key may be on its way into the secret.

use std::collections::BTreeMap;

use sandbox::{Call, KeyStatus, SecretView, World};
use serde_json::Value;

use crate::stage::{ACCOUNT, REGION, Stage};

/// What was seen after the last call.
#[derive(Default)]
pub(crate) struct Watch {
    users: BTreeMap<String, Seen>,
}

/// What was seen of one user.
#[derive(Default)]
struct Seen {
    /// The name of the secret.
    secret: String,
    statuses: BTreeMap<String, KeyStatus>,
    current: Option<String>,
}

impl Watch {
    /// Says what is wrong with the world after `call`. The function's calls change one user at a time; all others may
    /// change anybody.
    pub(crate) fn look(&mut self, world: &World, call: &Call) -> Vec<String> {
        let known = |subject: &str| self.users.values().map(|seen| &seen.secret).find(|name| is_meant(subject, name));
        let by_function = call.principal.contains("assumed-role/keyturn");
        let subject = call.checks.first().map(|check| check.resource.as_str()).filter(|_| by_function);
        let secrets = match subject.and_then(known) {
            Some(name) => world.secret(ACCOUNT, REGION, name).into_iter().collect(),
            None => world.secrets(ACCOUNT, REGION),
        };
        let managed = secrets.iter().filter(|secret| secret.tags.contains_key("keyturn:user"));
        managed.flat_map(|secret| self.look_at(world, secret, call)).collect()
    }

    fn look_at(&mut self, world: &World, secret: &SecretView, call: &Call) -> Vec<String> {
        let user = secret.tags.get("keyturn:user").unwrap();
        let before = self.users.remove(user);
        let keys = world.access_keys(ACCOUNT, user);
        let mut findings = Vec::new();
        let current = key_in(secret, "AWSCURRENT");
        if let Some(id) = &current {
            let key = keys.iter().find(|key| key.id() == id);
            // The one exception: a person has revoked it, and the order is on record.
            let is_revoked = secret.tags.get(&format!("keyturn:give-up/{id}")).is_some_and(|how| how == "revoke");
            if !is_revoked && key.is_none_or(|key| key.status != KeyStatus::Active) {
                findings.push(format!("R1: {user}'s AWSCURRENT names {id}, which is not Active, after {call:?}"));
            }
            let moved = before.as_ref().is_some_and(|before| before.current.as_ref() != Some(id));
            let proven = key.and_then(|key| key.last_used.as_ref()).is_some_and(|used| used.service == "sts");
            if moved && !proven {
                findings.push(format!("R2: {user}'s AWSCURRENT names {id}, which was never proven, after {call:?}"));
            }
        }
        let statuses: BTreeMap<String, KeyStatus> = keys.iter().map(|key| (key.id().to_owned(), key.status)).collect();
        for (id, status) in before.iter().flat_map(|before| &before.statuses) {
            if !statuses.contains_key(id) && *status == KeyStatus::Active {
                findings.push(format!("R4: {id} was deleted while Active by {call:?}"));
            }
        }
        self.users.insert(user.clone(), Seen { secret: secret.name.clone(), statuses, current });
        findings
    }
}

/// Whether the ARN of a secret, or of a user, means the secret of this name.
fn is_meant(subject: &str, name: &str) -> bool {
    // Behind the name stand a hyphen and six random characters.
    let of_secret = subject.split_once(":secret:").map(|(_, rest)| rest.get(..rest.len() - 7).unwrap_or(rest));
    let of_user = subject.split_once(":user/").map(|(_, user)| user);
    of_secret == Some(name) || of_user.is_some_and(|user| name.strip_prefix("keyturn/") == Some(user))
}

/// Has the invariants watched after every call, and the sweeper come only when it is called.
pub(crate) async fn watch(stage: &Stage) {
    let mut watch = Watch::default();
    let prepare = move |world: &mut World| {
        world.pause_rules(true);
        world.observe(move |world, call| watch.look(world, call));
    };
    stage.sandbox.visit(prepare).await;
}

/// The id of the key in the version with this label.
pub(crate) fn key_in(secret: &SecretView, label: &str) -> Option<String> {
    let value = secret.labelled(label)?.value.as_ref()?;
    // A person may have put anything there.
    let document: Value = serde_json::from_str(value.expose()).ok()?;
    document.get("AccessKeyId").map(|id| id.as_str().unwrap().to_owned())
}

/// What must hold once a user's rotation has come to rest: AWSCURRENT names an Active key, and every key of the user is
/// known to the secret (R3). An unknown key would be an orphan for ever.
pub(crate) fn assert_at_rest(world: &World, user: &str) {
    let secret = world.secret(ACCOUNT, REGION, &format!("keyturn/{user}")).unwrap();
    let current = key_in(&secret, "AWSCURRENT").unwrap();
    let previous = key_in(&secret, "AWSPREVIOUS");
    let keys = world.access_keys(ACCOUNT, user);
    assert!(keys.iter().any(|key| key.id() == current && key.status == KeyStatus::Active), "{user}: {keys:?}");
    for key in &keys {
        let marked = secret.tags.contains_key(&format!("keyturn:key/{}", key.id()));
        let known = key.id() == current || Some(key.id()) == previous.as_deref() || marked;
        assert!(known, "R3: {user} has an orphan: {}", key.id());
    }
    let pending = secret.labelled("AWSPENDING").map(|version| &version.id);
    let current = secret.labelled("AWSCURRENT").map(|version| &version.id);
    assert!(pending.is_none() || pending == current, "{user}: a rotation is still under way");
}
