//! The decisions of the four steps: pure functions from what was observed to what is to be done.
//!
//! What `createSecret` does about keys that are in the way stands in [`crate::slots`].

use contract::{Settings, UserId, UserName, VersionToken, tag_keys};

use crate::blocked::Blocked;
use crate::error::Refusal;
use crate::event::RotationEvent;
use crate::observed::{CURRENT, Description, KeyStatus, Observed, PENDING};
use crate::scope::Scope;
use crate::slots::{self, Room};

/// What the secret's description alone says about an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Gate {
    /// The rotation is complete: every step of it is answered with success, nothing is left to do (R6).
    Complete,
    /// The step may go on, for the user whom the secret is bound to.
    Open(Binding),
    Refused(Refusal),
    Blocked(Blocked),
}

/// Which user a secret belongs to, as the stack has pinned it (R8).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Binding {
    pub(crate) user: UserName,
    pub(crate) id: UserId,
}

/// Checks that hold for every step, before anything else is read.
pub(crate) fn gate(event: &RotationEvent, secret: &Description, scope: &Scope) -> Gate {
    if secret.deleted {
        return Gate::Refused(Refusal::Deleted);
    }
    if secret.rotation_enabled == Some(false) {
        return Gate::Refused(Refusal::RotationDisabled);
    }
    if !secret.labels.contains_key(&event.token) {
        return Gate::Refused(Refusal::UnknownToken);
    }
    match secret.labelled(CURRENT) {
        None => return Gate::Refused(Refusal::NoCurrent),
        Some(current) if current == &event.token => return Gate::Complete,
        Some(_) => {}
    }
    if secret.labelled(PENDING) != Some(&event.token) {
        return Gate::Refused(Refusal::NotPending);
    }
    if secret.tags.contains_key(tag_keys::HOLD) {
        return Gate::Blocked(Blocked::Held);
    }
    match binding(secret, scope) {
        Ok(binding) => Gate::Open(binding),
        Err(blocked) => Gate::Blocked(blocked),
    }
}

/// Which user the secret belongs to (R8): the one whom its tags name, when by its name and stack it is that user's. Whoever
/// may tag one secret can write any user into the tags.
pub(crate) fn binding(secret: &Description, scope: &Scope) -> Result<Binding, Blocked> {
    let binding = claimed(secret)?;
    if scope.keeps(secret, &binding.user) { Ok(binding) } else { Err(Blocked::OtherSecret) }
}

/// Which user the secret's tags name.
pub(crate) fn claimed(secret: &Description) -> Result<Binding, Blocked> {
    let user = secret.tags.get(tag_keys::USER).and_then(|user| UserName::of_tag(user).ok());
    let id = secret.tags.get(tag_keys::USER_ID).and_then(|id| UserId::new(id).ok());
    user.zip(id).map(|(user, id)| Binding { user, id }).ok_or(Blocked::Unbound)
}

/// Checks that secret, tags and IAM mean the same user (R8). The pending version is checked where it is used.
pub(crate) fn check_binding(binding: &Binding, observed: &Observed, scope: &Scope) -> Result<(), Blocked> {
    if observed.user.id != binding.id || !observed.user.name.is_same_user(&binding.user) {
        return Err(Blocked::UserReplaced);
    }
    // The tags may name the user in other letters than IAM does, and then so may the secret.
    if !scope.keeps(&observed.secret, &observed.user.name) {
        return Err(Blocked::OtherSecret);
    }
    if observed.current.document.user.is_same_user(&binding.user) { Ok(()) } else { Err(Blocked::OtherUser) }
}

/// What `createSecret` does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Create {
    /// An earlier attempt has stored a key that works: nothing to do.
    Stored,
    /// The version has a value that must not become current. It cannot be replaced, so the rotation is given up.
    GiveUp,
    /// Frees a slot where needed, and creates a key if there is room then.
    Proceed(Room),
}

/// Decides `createSecret`.
pub(crate) fn create(token: &VersionToken, observed: &Observed, settings: &Settings) -> Create {
    let Some(version) = observed.pending.as_ref() else {
        if observed.secret.renderings().is_err() {
            return Create::Proceed(Room::Blocked(Blocked::UnreadableMark));
        }
        return Create::Proceed(slots::make_room(token, observed, settings));
    };
    // A copy of the current value would make a rotation that rotates nothing.
    let is_copy = version.key() == observed.current.key();
    match pending(observed, settings) {
        Ok(Pending::Key) if !is_copy => Create::Stored,
        _ => Create::GiveUp,
    }
}

/// What the later steps need to know of the pending version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Pending {
    /// It holds a key of the user that is Active, or so new that IAM may not list it yet. The proof will tell.
    Key,
    /// It has no value. No rotation gets as far as `testSecret` with that, but AWS does not say with what value Secrets
    /// Manager tries it out when a schedule is set, and a stack must not fail by it.
    Empty,
    /// It holds no key: Secrets Manager tries out `testSecret` with a copy of the placeholder when a schedule is set.
    Placeholder,
}

/// Checks the pending version: its key is the bound user's, and Active.
pub(crate) fn pending(observed: &Observed, settings: &Settings) -> Result<Pending, Refusal> {
    let Some(version) = observed.pending.as_ref() else { return Ok(Pending::Empty) };
    if !version.document.user.is_same_user(&observed.user.name) {
        return Err(Refusal::PendingOfOtherUser);
    }
    let Some(id) = version.key() else { return Ok(Pending::Placeholder) };
    if observed.secret.is_revoked(id) {
        return Err(Refusal::PendingKeyUnusable);
    }
    match observed.key(id) {
        Some(key) if key.status == KeyStatus::Active => Ok(Pending::Key),
        // A copy of the current value, with which Secrets Manager tries out `testSecret`, is new; its key is not.
        None if observed.current.key() == Some(id) => Err(Refusal::PendingKeyUnusable),
        None if observed.age_of(version) < settings.lease => Ok(Pending::Key),
        Some(_) | None => Err(Refusal::PendingKeyUnusable),
    }
}

#[cfg(test)]
mod tests {
    use contract::{Attempt, SecretArn, SecretText};

    use super::*;
    use crate::event::Step;
    use crate::observed::PREVIOUS;
    use crate::worlds::{self, World, key, token};

    fn event() -> RotationEvent {
        RotationEvent {
            step: Step::Create,
            secret: SecretArn::new("arn:aws:secretsmanager:eu-central-1:111122223333:secret:keyturn/a-AbCdEf").unwrap(),
            token: token('n'),
            rotation_token: Some(SecretText::new("credential")),
        }
    }

    fn gate_after(change: impl FnOnce(&mut Description)) -> Gate {
        let mut secret = World::new().current(&key('C')).observed().secret;
        change(&mut secret);
        gate(&event(), &secret, &worlds::scope())
    }

    #[test]
    fn the_gate_is_open_for_a_rotation_under_way() {
        let binding = Binding { user: worlds::user().name, id: worlds::user().id };
        assert_eq!(gate_after(|_| {}), Gate::Open(binding.clone()));
        assert_eq!(gate_after(|secret| secret.rotation_enabled = None), Gate::Open(binding));
    }

    #[test]
    fn the_gate_names_why_it_is_shut() {
        type Change = fn(&mut Description);
        let table: [(Change, Gate); 13] = [
            (|secret| secret.deleted = true, Gate::Refused(Refusal::Deleted)),
            (|secret| secret.rotation_enabled = Some(false), Gate::Refused(Refusal::RotationDisabled)),
            (|secret| drop(secret.labels.remove(&token('n'))), Gate::Refused(Refusal::UnknownToken)),
            (|secret| drop(secret.labels.remove(&token('c'))), Gate::Refused(Refusal::NoCurrent)),
            (
                |secret| drop(secret.labels.insert(token('n'), vec![CURRENT.into(), PENDING.into()])),
                // The old version loses the label at the same moment.
                Gate::Complete,
            ),
            (
                |secret| drop(secret.labels.insert(token('n'), vec![PREVIOUS.into()])),
                Gate::Refused(Refusal::NotPending),
            ),
            (|secret| drop(secret.tags.insert(tag_keys::HOLD.into(), String::new())), Gate::Blocked(Blocked::Held)),
            (|secret| drop(secret.tags.remove(tag_keys::USER)), Gate::Blocked(Blocked::Unbound)),
            (|secret| drop(secret.tags.insert(tag_keys::USER_ID.into(), "?".into())), Gate::Blocked(Blocked::Unbound)),
            // Whoever may tag alice's secret points it at bob.
            (
                |secret| drop(secret.tags.insert(tag_keys::USER.into(), "bob".into())),
                Gate::Blocked(Blocked::OtherSecret),
            ),
            (|secret| secret.name = "keyturn/Alice".into(), Gate::Blocked(Blocked::OtherSecret)),
            (
                |secret| drop(secret.tags.insert(tag_keys::STACK.into(), "x".into())),
                Gate::Blocked(Blocked::OtherSecret),
            ),
            (|secret| drop(secret.tags.remove(tag_keys::STACK)), Gate::Blocked(Blocked::OtherSecret)),
        ];
        for (index, (change, expected)) in table.into_iter().enumerate() {
            let gate = gate_after(|secret| {
                change(secret);
                if expected == Gate::Complete {
                    secret.labels.remove(&token('c'));
                }
            });
            assert_eq!(gate, expected, "row {index}");
        }
    }

    #[test]
    fn a_secret_with_a_name_of_its_own_is_its_users_and_nobody_elses() {
        let gate_of = |user: &str, name: &str| {
            gate_after(|secret| {
                secret.tags.insert(tag_keys::USER.into(), user.into());
                secret.name = name.into();
            })
        };
        assert!(matches!(gate_of("bob", "prod/bob"), Gate::Open(binding) if binding.user.as_str() == "bob"));
        for (user, name) in
            [("alice", "prod/bob"), ("bob", "prod/alice"), ("carol", "prod/bob"), ("bob", "keyturn/alice")]
        {
            assert_eq!(gate_of(user, name), Gate::Blocked(Blocked::OtherSecret), "{user}: {name}");
        }
    }

    #[test]
    fn pending_on_another_version_is_refused() {
        let gate = gate_after(|secret| {
            secret.labels.insert(token('n'), vec!["mine".into()]);
            secret.labels.insert(token('x'), vec![PENDING.into()]);
        });
        assert_eq!(gate, Gate::Refused(Refusal::NotPending));
    }

    #[test]
    fn the_binding_is_mutual() {
        let binding = Binding { user: worlds::user().name, id: worlds::user().id };
        let observed = World::new().current(&key('C')).pending(&key('N')).observed();
        assert_eq!(check_binding(&binding, &observed, &worlds::scope()), Ok(()));

        let mut recreated = observed.clone();
        recreated.user.id = UserId::new("AIDAZZZZZZZZZZZZZZZZZ").unwrap();
        assert_eq!(check_binding(&binding, &recreated, &worlds::scope()), Err(Blocked::UserReplaced));

        let mut spelled_otherwise = observed.clone();
        spelled_otherwise.user.name = UserName::new("Alice").unwrap();
        let checked = check_binding(&binding, &spelled_otherwise, &worlds::scope());
        assert_eq!(checked, Err(Blocked::OtherSecret));

        let mut other = observed.clone();
        other.current.document = contract::SecretDocument::placeholder(UserName::new("mallory").unwrap());
        assert_eq!(check_binding(&binding, &other, &worlds::scope()), Err(Blocked::OtherUser));

        let mut other = observed;
        other.pending = Some(crate::observed::Version {
            document: contract::SecretDocument::placeholder(UserName::new("mallory").unwrap()),
            ..other.current.clone()
        });
        assert_eq!(pending(&other, &worlds::settings()), Err(Refusal::PendingOfOtherUser));
        assert_eq!(create(&token('n'), &other, &worlds::settings()), Create::GiveUp);
    }

    #[test]
    fn a_stored_key_is_kept_only_while_it_works() {
        let settings = worlds::settings();
        let world = || World::new().current(&key('C')).pending(&key('N')).key(&key('C'), 30);
        let active = world().key(&key('N'), 0).observed();
        assert_eq!(create(&token('n'), &active, &settings), Create::Stored);
        let inactive = world().inactive(&key('N'), 0).observed();
        assert_eq!(create(&token('n'), &inactive, &settings), Create::GiveUp);
        assert_eq!(create(&token('n'), &world().observed(), &settings), Create::GiveUp);
    }

    #[test]
    fn a_new_key_may_be_missing_from_the_list_for_a_while() {
        let mut observed = World::new().current(&key('C')).pending(&key('N')).key(&key('C'), 30).observed();
        observed.pending.as_mut().unwrap().created = worlds::ago(worlds::settings().lease);
        assert_eq!(pending(&observed, &worlds::settings()), Err(Refusal::PendingKeyUnusable));
        observed.pending.as_mut().unwrap().created = worlds::now();
        assert_eq!(pending(&observed, &worlds::settings()), Ok(Pending::Key));
        assert_eq!(create(&token('n'), &observed, &worlds::settings()), Create::Stored);
        // Its rotation was blocked for a month before there was a key to store.
        observed.pending.as_mut().unwrap().created = worlds::ago(30 * worlds::DAY);
        let attempt = |of| Attempt { token: token(of), since: worlds::now(), at: worlds::now() }.to_tag();
        observed.secret.tags.insert(tag_keys::ATTEMPT.into(), attempt('n'));
        assert_eq!(pending(&observed, &worlds::settings()), Ok(Pending::Key));
        // That attempt was another rotation's.
        observed.secret.tags.insert(tag_keys::ATTEMPT.into(), attempt('x'));
        assert_eq!(pending(&observed, &worlds::settings()), Err(Refusal::PendingKeyUnusable));
    }

    #[test]
    fn a_revoked_key_never_becomes_current() {
        let revoked = World::new().current(&key('C')).pending(&key('N')).key(&key('C'), 30).key(&key('N'), 0);
        let observed = revoked.revoked(&key('N')).observed();
        assert_eq!(pending(&observed, &worlds::settings()), Err(Refusal::PendingKeyUnusable));
        assert_eq!(create(&token('n'), &observed, &worlds::settings()), Create::GiveUp);
    }

    #[test]
    fn a_copy_of_the_current_value_is_no_new_key() {
        let copy = World::new().current(&key('C')).pending(&key('C')).key(&key('C'), 30).observed();
        assert_eq!(create(&token('n'), &copy, &worlds::settings()), Create::GiveUp);
        let mut without_its_key = World::new().current(&key('C')).pending(&key('C')).observed();
        without_its_key.pending.as_mut().unwrap().created = worlds::now();
        assert_eq!(pending(&without_its_key, &worlds::settings()), Err(Refusal::PendingKeyUnusable));
        let placeholder = World::new().pending_placeholder().observed();
        assert_eq!(create(&token('n'), &placeholder, &worlds::settings()), Create::GiveUp);
    }

    #[test]
    fn without_knowing_what_to_store_no_key_is_made() {
        let after = |tag: &str, value: &str| {
            let world = World::new().current(&key('C')).key(&key('C'), 30).tag(tag, value);
            create(&token('n'), &world.observed(), &worlds::settings())
        };
        let blocked = Create::Proceed(Room::Blocked(Blocked::UnreadableMark));
        assert_eq!(after(tag_keys::RENDER, "sendmail"), blocked);
        assert!(matches!(after(tag_keys::RENDER, "smtp environment"), Create::Proceed(Room::After { .. })));
        let stored = World::new().current(&key('C')).pending(&key('N')).key(&key('N'), 0).tag(tag_keys::RENDER, "?");
        assert_eq!(create(&token('n'), &stored.observed(), &worlds::settings()), Create::Stored);
    }

    #[test]
    fn later_steps_want_a_pending_key_that_is_active() {
        let world = || World::new().current(&key('C')).key(&key('C'), 30);
        assert_eq!(pending(&world().observed(), &worlds::settings()), Ok(Pending::Empty));
        assert_eq!(pending(&world().pending_placeholder().observed(), &worlds::settings()), Ok(Pending::Placeholder));
        let with_key = || world().pending(&key('N'));
        assert_eq!(pending(&with_key().key(&key('N'), 0).observed(), &worlds::settings()), Ok(Pending::Key));
        assert_eq!(
            pending(&with_key().inactive(&key('N'), 0).observed(), &worlds::settings()),
            Err(Refusal::PendingKeyUnusable)
        );
        assert_eq!(pending(&with_key().observed(), &worlds::settings()), Err(Refusal::PendingKeyUnusable));
    }
}
