//! Users as they are found, and the state that is shown for each.

use std::collections::{BTreeMap, BTreeSet};

use contract::{SecretArn, UserId, UserName};
use jiff::Timestamp;

use super::*;
use crate::aws::secrets::Secret;
use crate::template::BoundUser;

const USER_ID: &str = "AIDAAAAAAAAAAAAAAAAAA";
const KEYS: [&str; 2] = ["AKIAAAAAAAAAAAAAAAA1", "AKIAAAAAAAAAAAAAAAA2"];

fn time(day: i64) -> Timestamp {
    Timestamp::from_second(1_767_225_600 + day * 86_400).unwrap()
}

/// A user who was rotated on day 30, and whose first key is on its way out.
fn rotated() -> ObservedUser {
    let name = UserName::new("alice").unwrap();
    let key =
        |id: &str, day| AccessKey { id: AccessKeyId::new(id).unwrap(), status: KeyStatus::Active, created: time(day) };
    let tags = [(tag_keys::USER, "alice"), (tag_keys::USER_ID, USER_ID), ("keyturn:key/AKIAAAAAAAAAAAAAAAA1", "…")];
    ObservedUser {
        secret_name: SecretName::of_user(&name),
        bound: Some(BoundUser {
            name: name.clone(),
            id: UserId::new(USER_ID).unwrap(),
            arn: "arn:aws:iam::111122223333:user/alice".to_owned(),
        }),
        keys: vec![key(KEYS[0], 0), key(KEYS[1], 30)],
        last_uses: BTreeMap::new(),
        secret: Some(Secret {
            arn: SecretArn::new("arn:aws:secretsmanager:eu-central-1:111122223333:secret:keyturn/alice-AbCdEf")
                .unwrap(),
            name: "keyturn/alice".to_owned(),
            tags: tags.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
            created: Some(time(0)),
            deleted: None,
            last_rotated: Some(time(30)),
            next_rotation: Some(time(60)),
            stages: BTreeMap::new(),
            rotator: None,
            kms_key: None,
            replicas: Vec::new(),
        }),
        contents: None,
        key_owner: None,
        other_stack: None,
        rotated_by: None,
        name,
    }
}

fn state_with(change: impl FnOnce(&mut ObservedUser, &mut BTreeSet<String>)) -> UserState {
    let (mut user, mut drifted) = (rotated(), BTreeSet::new());
    change(&mut user, &mut drifted);
    user_state(&user, &drifted)
}

fn secret(user: &mut ObservedUser) -> &mut Secret {
    user.secret.as_mut().unwrap()
}

#[test]
fn every_state_of_a_user_is_told() {
    assert_eq!(state_with(|_, _| {}), UserState::InSync);
    assert_eq!(state_with(|user, _| user.bound = None), UserState::NoUser);
    assert_eq!(state_with(|user, _| user.secret = None), UserState::Absent);
    assert_eq!(state_with(|user, _| secret(user).last_rotated = None), UserState::Unrotated);
    let until = time(90);
    assert_eq!(state_with(|user, _| secret(user).deleted = Some(until)), UserState::Deleted { until });
    let stranger = |user: &mut ObservedUser, _: &mut _| drop(secret(user).tags.remove(tag_keys::USER_ID));
    assert_eq!(state_with(stranger), UserState::Foreign);
    let blocked = |user: &mut ObservedUser, _: &mut _| {
        secret(user).tags.insert(tag_keys::BLOCKED.to_owned(), "in_use".to_owned());
    };
    assert_eq!(state_with(blocked), UserState::Blocked { reason: "in_use".to_owned() });
    let held = |user: &mut ObservedUser, _: &mut _| {
        secret(user).tags.insert(tag_keys::BLOCKED.to_owned(), "held".to_owned());
        secret(user).tags.insert(tag_keys::HOLD.to_owned(), "audit".to_owned());
    };
    assert_eq!(state_with(held), UserState::Held { reason: "audit".to_owned() });
    let drifted = |_: &mut _, drifted: &mut BTreeSet<String>| {
        drifted.insert(UserResources::of(&UserName::new("alice").unwrap()).rotation);
    };
    assert_eq!(state_with(drifted), UserState::Drifted);
}

#[test]
fn a_current_key_that_does_not_work_is_told_at_once() {
    let reading = |current: &str| {
        let current = Some(AccessKeyId::new(current).unwrap());
        let user = UserName::new("alice").unwrap();
        Some(Ok(crate::aws::secrets::Contents { user, current, pending: None, previous: None }))
    };
    let inactive = |user: &mut ObservedUser, _: &mut _| {
        user.keys[1].status = KeyStatus::Inactive;
        user.contents = reading(KEYS[1]);
    };
    assert_eq!(state_with(inactive), UserState::KeyInactive);
    let gone = |user: &mut ObservedUser, _: &mut _| {
        user.keys.pop();
        user.contents = reading(KEYS[1]);
    };
    assert_eq!(state_with(gone), UserState::KeyGone);
    let held = |user: &mut ObservedUser, drifted: &mut _| {
        inactive(user, drifted);
        secret(user).tags.insert(tag_keys::HOLD.to_owned(), "audit".to_owned());
    };
    assert_eq!(state_with(held), UserState::KeyInactive, "a hold does not hide it");
    let swept = |user: &mut ObservedUser, drifted: &mut _| {
        inactive(user, drifted);
        secret(user).tags.insert(tag_keys::BLOCKED.to_owned(), "current_disabled".to_owned());
    };
    assert_eq!(state_with(swept), UserState::Blocked { reason: "current_disabled".to_owned() });
    let mut user = rotated();
    inactive(&mut user, &mut BTreeSet::new());
    let told = to_do(&user, &UserState::KeyInactive, None).unwrap();
    assert!(told.contains("is Inactive") && told.contains("--status Active") && told.contains("keyturn revoke alice"));
}

#[test]
fn without_a_configuration_a_template_counts_as_unknown_and_drift_does_not() {
    let row = |state, drift| StackRow { stack: "keyturn".to_owned(), state, status: None, drift, function: None };
    let state = |state, drift| uncompared(row(state, drift)).state;
    let clean = || Some(StackDrift { resources: Vec::new(), unchecked: Vec::new() });
    assert_eq!(state(StackState::Drifted, None), StackState::Unknown);
    assert_eq!(state(StackState::InSync, clean()), StackState::Unknown);
    assert_eq!(state(StackState::Absent, None), StackState::Absent);
    assert_eq!(state(StackState::Broken, clean()), StackState::Broken);
    let exchanged = StackRow { function: Some(plan::FunctionFault::OtherCode), ..row(StackState::Drifted, None) };
    assert_eq!(uncompared(exchanged).state, StackState::Drifted);
}

#[test]
fn the_key_in_use_is_the_newest_active_one_that_is_not_on_its_way_out() {
    let key = |user: &ObservedUser| current_key(user).map(|key| key.id.to_string());
    let mut user = rotated();
    assert_eq!(key(&user).as_deref(), Some(KEYS[1]));
    user.keys[1].status = KeyStatus::Inactive;
    assert_eq!(key(&user), None, "the other one is on its way out");
    let mut user = rotated();
    secret(&mut user).last_rotated = None;
    assert_eq!(key(&user), None, "none of the keys is managed");
}

#[test]
fn what_a_user_wants_is_told_beside_the_table() {
    let (user, day) = (rotated(), Duration::from_hours(24));
    let told = |state: UserState, too_old| to_do(&user, &state, too_old).unwrap_or_default();
    let blocked = |reason: &str| UserState::Blocked { reason: reason.to_owned() };
    assert_eq!(
        told(blocked("in_use"), None),
        "blocked (in_use): the superseded key is still in use; let its users fetch the new one"
    );
    assert_eq!(told(blocked("odd"), None), "blocked (odd): the function's log says why");
    let old = Some((95 * day, 90 * day));
    let expected = "the current key is 95 days old, and `retire.max_key_age` is 90 days: `keyturn rotate alice`";
    assert_eq!(told(UserState::InSync, old), expected);
    assert!(told(UserState::Held { reason: String::new() }, old).contains("`keyturn release alice`"));
    assert!(told(blocked("in_use"), old).contains("one; the current key is 95 days old"), "both are told");
    for state in [UserState::InSync, UserState::Drifted, UserState::Absent, UserState::Unrotated] {
        assert_eq!(told(state, None), "");
    }
}

#[test]
fn monitoring_hears_of_what_does_not_right_itself() {
    let row = |state: UserState, too_old| UserRow {
        user: UserName::new("alice").unwrap(),
        secret: "keyturn/alice".to_owned(),
        state,
        key: None,
        key_age_seconds: None,
        last_use: None,
        too_old,
        last_rotation: None,
        next_rotation: None,
        to_do: None,
    };
    let stack = |state| StackRow { stack: "keyturn".to_owned(), state, status: None, drift: None, function: None };
    let wants = |stack_state, user| {
        Report { stacks: vec![stack(stack_state)], users: vec![user], now: time(0) }.wants_a_person()
    };
    let held = || UserState::Held { reason: String::new() };
    for (state, too_old, expected) in [
        (UserState::InSync, false, false),
        (UserState::InSync, true, true),
        (held(), false, false),
        (held(), true, true),
        (UserState::Blocked { reason: "grace".to_owned() }, false, true),
        (UserState::Drifted, false, true),
        (UserState::Unrotated, false, true),
        (UserState::KeyInactive, false, true),
        (UserState::KeyGone, false, true),
        (UserState::Deleted { until: time(1) }, false, true),
        (UserState::NoUser, false, true),
    ] {
        let told = format!("{state:?} {too_old}");
        assert_eq!(wants(StackState::InSync, row(state, too_old)), expected, "{told}");
    }
    for (state, expected) in [
        (StackState::Busy, false),
        (StackState::Unknown, false),
        (StackState::Drifted, true),
        (StackState::Absent, true),
        (StackState::Broken, true),
    ] {
        assert_eq!(wants(state, row(UserState::InSync, false)), expected, "{state:?}");
    }
}
