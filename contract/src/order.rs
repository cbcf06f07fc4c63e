//! What the function answers to an order that a person gives for named users: `{"rollback": […]}`, `{"revoke": […]}`.
//!
//! Texts are for people: they name keys and users, and never hold secret material.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{AccessKeyId, UserName};

/// For so long after a key was made to take the place of revoked ones, the same order again is the same order, and not
/// about that key: somebody was interrupted, or wants to be sure. Later it is about another leak.
pub const SAME_REVOCATION: Duration = Duration::from_secs(3_600);

/// What came of an order, for each user who was named.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderAnswer {
    /// By the name as it was given.
    pub users: BTreeMap<UserName, Outcome>,
    /// The names of other secrets that claim by their tags to be the user's, and that were left out.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub left_out: BTreeMap<UserName, Vec<String>>,
}

/// What came of an order for one user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum Outcome {
    /// The key from before the last rotation is current again.
    RolledBack {
        /// That key.
        key: AccessKeyId,
        /// The key that was current until then. It stays Active, and is retired like any superseded key.
        superseded: AccessKeyId,
    },
    /// The keys are Inactive, and a new one is on its way where one is needed.
    Revoked {
        /// The keys that this order covers, also those that were Inactive before.
        keys: Vec<AccessKeyId>,
        /// The user's other Active keys: those that are not keyturn's, were not named, or were made after the order.
        left: Vec<AccessKeyId>,
        /// What becomes of the key that is to take their place.
        reissue: Reissue,
    },
    /// There is nothing to do.
    Nothing {
        /// Why not.
        why: String,
    },
    /// The state of the user or of the secret forbids it; nothing was changed.
    Blocked {
        /// One of [`blocked::REASONS`](crate::blocked::REASONS).
        reason: String,
        /// The same in words, with the keys that it is about.
        text: String,
    },
    /// The order cannot be followed as it was given; nothing was changed.
    Refused {
        /// Why not.
        text: String,
    },
    /// It went wrong on the way. The same order again goes on where this one stopped.
    Failed {
        /// What went wrong.
        text: String,
    },
}

/// What becomes of the key that takes the place of revoked ones.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reissue {
    /// The current key was not revoked, and no rotation under way has lost its key.
    NotNeeded,
    /// Secrets Manager was asked to rotate, by this order or by another one that was faster.
    Asked,
    /// The secret has the tag `keyturn:hold`: no key is made until somebody takes it off.
    Held,
    /// Secrets Manager did not take the rotation; the sweeper asks again.
    Refused {
        /// Why not.
        text: String,
    },
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn key(letter: &str) -> AccessKeyId {
        AccessKeyId::new(format!("AKIA{}", letter.repeat(16))).unwrap()
    }

    /// The text is what an installer of another version reads, so it is spelled out here.
    #[test]
    fn outcomes_have_these_names() {
        let (c, p) = (key("C"), key("P"));
        let revoked = |reissue| Outcome::Revoked { keys: vec![c.clone()], left: vec![p.clone()], reissue };
        let table = [
            (
                Outcome::RolledBack { key: p.clone(), superseded: c.clone() },
                json!({"outcome": "rolled-back", "key": p, "superseded": c}),
            ),
            (revoked(Reissue::Asked), json!({"outcome": "revoked", "keys": [c], "left": [p], "reissue": "asked"})),
            (
                revoked(Reissue::NotNeeded),
                json!({"outcome": "revoked", "keys": [c], "left": [p], "reissue": "not-needed"}),
            ),
            (revoked(Reissue::Held), json!({"outcome": "revoked", "keys": [c], "left": [p], "reissue": "held"})),
            (
                revoked(Reissue::Refused { text: "x".into() }),
                json!({"outcome": "revoked", "keys": [c], "left": [p], "reissue": {"refused": {"text": "x"}}}),
            ),
            (Outcome::Nothing { why: "x".into() }, json!({"outcome": "nothing", "why": "x"})),
            (
                Outcome::Blocked { reason: "held".into(), text: "x".into() },
                json!({"outcome": "blocked", "reason": "held", "text": "x"}),
            ),
            (Outcome::Refused { text: "x".into() }, json!({"outcome": "refused", "text": "x"})),
            (Outcome::Failed { text: "x".into() }, json!({"outcome": "failed", "text": "x"})),
        ];
        for (outcome, expected) in table {
            let users = BTreeMap::from([(UserName::new("alice").unwrap(), outcome)]);
            let answer = OrderAnswer { users, ..OrderAnswer::default() };
            let json = json!({"users": {"alice": expected}});
            assert_eq!(serde_json::to_value(&answer).unwrap(), json);
            assert_eq!(serde_json::from_value::<OrderAnswer>(json).unwrap(), answer);
        }
        let left_out = BTreeMap::from([(UserName::new("alice").unwrap(), vec!["x".to_owned()])]);
        let json = serde_json::to_value(OrderAnswer { left_out, ..OrderAnswer::default() }).unwrap();
        assert_eq!(json, json!({"users": {}, "left_out": {"alice": ["x"]}}));
    }
}
