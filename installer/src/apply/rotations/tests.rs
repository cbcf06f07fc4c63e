//! What stands still is told as what it is: a wait with the day on which it ends, or something for a person.

use std::collections::BTreeMap;

use super::*;

const DAY: u64 = 86_400;

fn day(number: u64) -> Timestamp {
    Timestamp::UNIX_EPOCH + Duration::from_secs(number * DAY)
}

fn key(letter: &str) -> AccessKeyId {
    AccessKeyId::new(format!("AKIA{}", letter.repeat(16))).unwrap()
}

/// A secret whose superseded key has this mark.
fn secret(mark: KeyMark) -> Secret {
    Secret {
        arn: SecretArn::new("arn:aws:secretsmanager:eu-central-1:111122223333:secret:keyturn/alice-AbCdEf").unwrap(),
        name: "keyturn/alice".to_owned(),
        tags: BTreeMap::from([(tag_keys::mark_of(&key("P")), mark.to_tag())]),
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

/// The key that is waited for and the day on which the rotation goes on, or nothing when it does not wait.
fn told(reason: &str, mark: KeyMark) -> Option<(AccessKeyId, Option<Timestamp>)> {
    match stands_still(&secret(mark), reason) {
        Failure::Waits { key, mark, reason } => {
            let pauses = (Duration::from_secs(7 * DAY), Duration::from_secs(5 * DAY));
            Some((key, goes_on(&reason, mark, pauses)))
        }
        _ => None,
    }
}

#[test]
fn what_time_alone_brings_on_is_a_wait_with_its_day() {
    let active = KeyMark { superseded: day(10), deactivated: None };
    let inactive = KeyMark { superseded: day(10), deactivated: Some(day(20)) };
    assert_eq!(told("overlap", active), Some((key("P"), Some(day(22)))), "deactivated first, and then deleted");
    assert_eq!(told("in_use", active), Some((key("P"), None)));
    assert_eq!(told("recovery", inactive), Some((key("P"), Some(day(25)))));
    assert_eq!(told("grace", inactive), Some((key("P"), Some(day(25)))));
    // Whose key it is cannot be told, or a person has to look.
    assert_eq!((told("overlap", inactive), told("grace", active)), (None, None));
    assert_eq!((told("held", active), told("foreign", active)), (None, None));
}

#[test]
fn the_log_is_named_only_where_it_says_more() {
    let held = Failure::Blocked("held".to_owned());
    let waits = stands_still(&secret(KeyMark { superseded: day(1), deactivated: None }), "overlap");
    assert!(!held.is_in_the_log() && !waits.is_in_the_log() && !Failure::NoSecret.is_in_the_log());
    assert!(Failure::TooSlow.is_in_the_log() && Failure::Blocked("foreign".to_owned()).is_in_the_log());
}
