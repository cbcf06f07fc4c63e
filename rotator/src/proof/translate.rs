//! Between the model and the function: what was read in the model, as the function would have read it, and back.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use contract::{KeyPair, Region, Renderings, SecretArn, SecretDocument, SecretText, UserId, UserName, tag_keys};
use jiff::Timestamp;

use super::aws::{Attempt, GivenUp, KEYS, KeyNo, Mark, NOW, Secret, Time, Value, VersionNo};
use super::decide::{Known, Seen};
use super::initial;
use crate::observed::{self, CURRENT, Description, Evidence, KeyStatus, LastUse, Observed, PENDING, PREVIOUS};
use crate::scope::Scope;
use crate::worlds;

pub(super) fn observed(seen: &Seen) -> Observed {
    let Seen { secret, .. } = seen;
    let version = |number: VersionNo| {
        let version = secret.versions[usize::from(number)].unwrap();
        document(version.value).map(|document| observed::Version {
            token: version_id(number),
            created: timestamp(version.created),
            document,
        })
    };
    let pending = seen.pending.zip(secret.pending).and_then(|(pending, number)| {
        let document = document(pending.value)?;
        Some(observed::Version { token: version_id(number), created: timestamp(pending.created), document })
    });
    let mut user = worlds::user();
    if seen.replaced {
        user.id = UserId::new("AIDAZZZZZZZZZZZZZZZZZ").unwrap();
    }
    let status = |active| if active { KeyStatus::Active } else { KeyStatus::Inactive };
    let keys = (0..).zip(&seen.keys).filter_map(|(number, key)| {
        let (active, created) = (*key)?;
        Some(observed::Key { id: key_id(number), status: status(active), created: timestamp(created) })
    });
    let keys: Vec<observed::Key> = keys.collect();
    let current = version(secret.current).unwrap();
    let evidence = |known: Known| {
        let others = keys.iter().filter(|key| Some(&key.id) != current.key());
        others.map(move |key| (key.id.clone(), evidence(number_of(&key.id), known))).collect()
    };
    let evidence: BTreeMap<_, _> = seen.evidence.map(evidence).unwrap_or_default();
    let previous = secret.previous.and_then(version);
    Observed { secret: description(secret), current, pending, previous, user, keys, evidence }
}

fn evidence(key: KeyNo, known: Known) -> Evidence {
    let last_use = known.used[usize::from(key)].map_or(LastUse::Never, |used| LastUse::At {
        when: timestamp(used),
        service: "s3".into(),
        region: "eu-central-1".into(),
    });
    Evidence { last_use, in_a_version: known.in_a_version & 1 << key != 0 }
}

fn document(value: Value) -> Option<SecretDocument> {
    let placeholder = || SecretDocument::placeholder(worlds::user().name);
    match value {
        Value::Nothing | Value::Garbage => None,
        Value::Placeholder => Some(placeholder()),
        Value::Stranger => Some(SecretDocument::placeholder(UserName::new("mallory").unwrap())),
        Value::Key(key) => {
            let pair = KeyPair { id: key_id(key), secret: SecretText::new("secret") };
            Some(placeholder().with_key(pair, &Renderings::AsFound, &Region::new("eu-central-1").unwrap()))
        }
    }
}

pub(super) fn description(secret: &Secret) -> Description {
    let mut tags = BTreeMap::new();
    let mut tag = |key: &str, value: String| drop(tags.insert(key.to_owned(), value));
    if secret.bound {
        tag(tag_keys::USER, worlds::user().name.to_string());
        tag(tag_keys::USER_ID, worlds::user().id.to_string());
        tag(tag_keys::STACK, SCOPE.stack.clone());
    }
    if secret.hold {
        tag(tag_keys::HOLD, String::new());
    }
    for (number, mark) in (0..).zip(&secret.marks) {
        if let Some(Mark { superseded, deactivated }) = *mark {
            let (superseded, deactivated) = (timestamp(superseded), deactivated.map(timestamp));
            let mark = contract::KeyMark { superseded, deactivated };
            tag(&tag_keys::mark_of(&key_id(number)), mark.to_tag());
        }
    }
    for (number, given_up) in (0..).zip(&secret.given_up) {
        let how = match given_up {
            None => continue,
            Some(GivenUp::Reclaim) => contract::GiveUp::Reclaim,
            Some(GivenUp::Retire) => contract::GiveUp::Retire,
        };
        tag(&tag_keys::give_up_of(&key_id(number)), how.to_tag().to_owned());
    }
    if let Some(Attempt { token, since, at }) = secret.attempt {
        let attempt = contract::Attempt { token: version_id(token), since: timestamp(since), at: timestamp(at) };
        tag(tag_keys::ATTEMPT, attempt.to_tag());
    }
    let mut labels: BTreeMap<_, Vec<String>> = BTreeMap::new();
    let holders = [(Some(secret.current), CURRENT), (secret.pending, PENDING), (secret.previous, PREVIOUS)];
    for (version, label) in holders {
        if let Some(version) = version {
            labels.entry(version_id(version)).or_default().push(label.to_owned());
        }
    }
    Description {
        now: timestamp(NOW),
        name: NAMES.name.clone(),
        deleted: secret.deleted,
        rotation_enabled: Some(secret.rotation_on),
        last_rotated: secret.rotated.map(timestamp),
        next_rotation: None,
        labels,
        tags,
    }
}

fn timestamp(time: Time) -> Timestamp {
    Timestamp::from_second(i64::from(time)).unwrap()
}

pub(super) fn time(timestamp: Timestamp) -> Time {
    Time::try_from(timestamp.as_second()).unwrap()
}

pub(super) fn model_mark(mark: contract::KeyMark) -> Mark {
    Mark { superseded: time(mark.superseded), deactivated: mark.deactivated.map(time) }
}

/// The names of the keys and versions. Making one takes longer than most decisions.
pub(super) struct Names {
    keys: [contract::AccessKeyId; KEYS],
    versions: [contract::VersionToken; initial::LONG_AGO as usize + 1],
    pub(super) secret: SecretArn,
    name: String,
}

/// The function's own, which takes as long to make.
pub(super) static SCOPE: LazyLock<Scope> = LazyLock::new(worlds::scope);

pub(super) static NAMES: LazyLock<Names> = LazyLock::new(|| Names {
    keys: std::array::from_fn(|number| worlds::key(char::from(b'A' + number as u8))),
    versions: std::array::from_fn(|number| worlds::token(char::from(b'a' + number as u8))),
    secret: SecretArn::new("arn:aws:secretsmanager:eu-central-1:111122223333:secret:keyturn/alice-AbCdEf").unwrap(),
    name: worlds::user().name.secret_name(),
});

fn key_id(number: KeyNo) -> contract::AccessKeyId {
    NAMES.keys[usize::from(number)].clone()
}

pub(super) fn number_of(key: &contract::AccessKeyId) -> KeyNo {
    number_of_id(key.as_str())
}

pub(super) fn number_of_id(id: &str) -> KeyNo {
    id.as_bytes()[4] - b'A'
}

pub(super) fn version_id(number: VersionNo) -> contract::VersionToken {
    NAMES.versions[usize::from(number)].clone()
}

pub(super) fn version_no(token: &contract::VersionToken) -> VersionNo {
    token.as_str().as_bytes()[0] - b'a'
}
