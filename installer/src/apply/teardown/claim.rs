//! Which of the secrets that bear a stack's tag are ours to take away. A tag is easily written, and whoever tears down may
//! do more than whoever has written it: it must not have the keys of others deleted.

use std::collections::BTreeMap;
use std::fmt;

use contract::{UserId, UserName, tag_keys};

use crate::aws::secrets::Secret;
use crate::names::{SecretName, UserResources};

/// What a cell says of secrets, as it was before anything was taken away.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Witness {
    /// The resources of the stack: logical ids, and what stands for them in AWS; none when it is gone.
    pub(super) resources: BTreeMap<String, String>,
    /// Whether all secrets of the cell are among them. A function that enrols users makes them itself, and nobody knows any
    /// more what a stack had that is gone, or was half deleted.
    pub(super) is_complete: bool,
}

/// What else is known of a secret, when its keys are to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Evidence {
    /// The id of the user whom its tags name; `None` when there is none of that name, and so no key that could go.
    pub(super) user: Option<UserId>,
    /// Whom its value names.
    pub(super) value: Option<UserName>,
}

/// Why a secret that claims to be ours is left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doubt {
    /// The stack is there, and has no such secret.
    NotOfStack,
    /// The user's secret would have another name.
    OtherName,
    /// Its tags do not mean the user who has the name now.
    OtherUser,
    /// Its value names somebody else, or nobody.
    OtherValue,
}

/// Says whether a secret is this user's. `own` is the name that the configuration gives it.
///
/// # Errors
/// [`Doubt`].
pub(super) fn check(
    secret: &Secret,
    user: &UserName,
    witness: &Witness,
    own: &SecretName,
    evidence: Option<&Evidence>,
) -> Result<(), Doubt> {
    // The logical id depends on the user, so this binds both.
    if witness.resources.get(&UserResources::of(user).secret).is_some_and(|arn| arn == secret.arn.as_str()) {
        return Ok(());
    }
    if witness.is_complete {
        return Err(Doubt::NotOfStack);
    }
    if secret.name != own.as_str() && secret.name != user.secret_name() {
        return Err(Doubt::OtherName);
    }
    let Some(Evidence { user: id, value }) = evidence else { return Ok(()) };
    if id.as_ref().is_some_and(|id| secret.tag(tag_keys::USER_ID) != Some(id.as_str())) {
        return Err(Doubt::OtherUser);
    }
    if value.as_ref().is_some_and(|value| value.is_same_user(user)) { Ok(()) } else { Err(Doubt::OtherValue) }
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotOfStack => "it is none of the stack's resources",
            Self::OtherName => "the user's secret would have another name",
            Self::OtherUser => "the user of that name is another one than it was made for",
            Self::OtherValue => "its value does not name the user",
        })
    }
}

#[cfg(test)]
mod tests {
    use contract::SecretArn;

    use super::*;

    fn user(name: &str) -> UserName {
        UserName::new(name).unwrap()
    }

    fn id(letter: &str) -> UserId {
        UserId::new(format!("AIDA{}", letter.repeat(17))).unwrap()
    }

    /// A secret of this name whose tags say that it is alice's.
    fn secret(name: &str) -> Secret {
        let arn = SecretArn::new(format!("arn:aws:secretsmanager:eu-central-1:111122223333:secret:{name}-AbCdEf"));
        Secret {
            arn: arn.unwrap(),
            name: name.to_owned(),
            tags: [(tag_keys::USER_ID.to_owned(), id("A").to_string())].into(),
            created: None,
            deleted: None,
            last_rotated: None,
            next_rotation: None,
            stages: BTreeMap::new(),
            rotator: None,
            kms_key: None,
            replicas: Vec::new(),
        }
    }

    fn checked(name: &str, witness: &Witness, evidence: Option<Evidence>) -> Result<(), Doubt> {
        let own = SecretName::new("prod/alice").unwrap();
        check(&secret(name), &user("alice"), witness, &own, evidence.as_ref())
    }

    #[test]
    fn while_the_stack_is_there_its_resources_decide() {
        let ids = UserResources::of(&user("alice"));
        let resources = [(ids.secret, secret("any/name").arn.to_string())].into();
        let witness = Witness { resources, is_complete: true };
        assert_eq!(checked("any/name", &witness, None), Ok(()));
        for other in ["keyturn/alice", "prod/alice"] {
            assert_eq!(checked(other, &witness, None), Err(Doubt::NotOfStack), "{other}");
        }
        // The secret of bob, with the tags of alice.
        let bobs = [(UserResources::of(&user("bob")).secret, secret("keyturn/bob").arn.to_string())].into();
        let witness = Witness { resources: bobs, is_complete: true };
        assert_eq!(checked("keyturn/bob", &witness, None), Err(Doubt::NotOfStack));
    }

    #[test]
    fn without_it_name_and_user_and_value_do_together() {
        let evidence = |id: Option<UserId>, value: Option<&str>| Evidence { user: id, value: value.map(user) };
        let right = || evidence(Some(id("A")), Some("alice"));
        let table = [
            ("keyturn/alice", right(), Ok(())),
            ("prod/alice", right(), Ok(())),
            ("keyturn/bob", right(), Err(Doubt::OtherName)),
            ("keyturn/Alice", right(), Err(Doubt::OtherName)),
            ("keyturn/alice", evidence(Some(id("B")), Some("alice")), Err(Doubt::OtherUser)),
            ("keyturn/alice", evidence(Some(id("A")), Some("bob")), Err(Doubt::OtherValue)),
            ("keyturn/alice", evidence(Some(id("A")), None), Err(Doubt::OtherValue)),
            // Nobody is there whose keys could go.
            ("keyturn/alice", evidence(None, Some("alice")), Ok(())),
        ];
        for (name, evidence, expected) in table {
            assert_eq!(checked(name, &Witness::default(), Some(evidence.clone())), expected, "{name}, {evidence:?}");
        }
        assert_eq!(checked("keyturn/alice", &Witness::default(), None), Ok(()), "nothing of it goes");
    }
}
