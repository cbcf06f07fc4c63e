//! Tables of users and secrets, and what is decided about them.

use contract::{Exempt, Renderings, SecretArn, UserId};

use super::*;
use crate::observed::{CURRENT, PENDING};
use crate::worlds::{DAY, ago, now, token};

const STACK: &str = "keyturn";

fn enrolment() -> Enrolment {
    Enrolment {
        path: "/service/".to_owned(),
        tags: BTreeMap::new(),
        exempt: Exempt::default(),
        schedule: "rate(30 days)".to_owned(),
        window: None,
        kms_key: None,
        render: Renderings::AsFound,
    }
}

fn schedule() -> String {
    enrolment().schedule_tag()
}

fn user(name: &str, number: usize) -> User {
    let id = UserId::new(format!("AIDA{number:016}")).unwrap();
    User { name: UserName::new(name).unwrap(), id, path: "/service/".to_owned() }
}

/// A secret of the stack as the listing shows it, in order.
fn listed(name: &str, number: usize) -> Listed {
    let User { name, id, .. } = user(name, number);
    let secret = name.secret_name();
    let arn = SecretArn::new(format!("arn:aws:secretsmanager:eu-central-1:111122223333:secret:{secret}-AbCdEf"));
    let known = Listed::rotated(secret, arn.unwrap());
    Listed { user: Some(name), user_id: Some(id), schedule: Some(schedule()), ..known }
}

/// The secret of ci, whose rotation is on and in order.
fn found(change: impl FnOnce(&mut Description)) -> Found {
    let User { name, id, .. } = user("ci", 1);
    let tags = [
        (tag_keys::USER, name.to_tag()),
        (tag_keys::USER_ID, id.to_string()),
        (tag_keys::STACK, STACK.to_owned()),
        (tag_keys::SCHEDULE, schedule()),
    ];
    let mut description = Description {
        now: now(),
        name: name.secret_name(),
        deleted: false,
        rotation_enabled: Some(true),
        last_rotated: None,
        next_rotation: None,
        labels: [(token('c'), vec![CURRENT.to_owned()])].into(),
        tags: tags.into_iter().map(|(key, value)| (key.to_owned(), value)).collect(),
    };
    change(&mut description);
    Found { description, holds_key: true }
}

fn left(secret: &mut Description, ago_days: u32) {
    secret.tags.insert(tag_keys::LEFT.to_owned(), ago(ago_days * DAY).to_string());
}

fn off(secret: &mut Description) {
    secret.rotation_enabled = Some(false);
}

fn unfinished(secret: &mut Description) {
    secret.labels.insert(token('n'), vec![PENDING.to_owned()]);
}

fn decided(standing: Standing, found: &Found) -> Result<Vec<EnrolStep>, NotEnrolled> {
    decide(Some(&user("ci", 1)), standing, Some(found), STACK, &schedule())
}

const FIRST: EnrolStep = EnrolStep::Start { first: true, at_once: true };
const AGAIN: EnrolStep = EnrolStep::Start { first: false, at_once: false };

#[test]
fn whoever_is_meant_gets_a_secret_and_nobody_else() {
    let decided = |standing| decide(Some(&user("ci", 1)), standing, None, STACK, &schedule());
    assert_eq!(decided(Standing::Meant), Ok(vec![EnrolStep::Create, FIRST]));
    assert_eq!(decided(Standing::NotMeant), Ok(vec![]));
    assert_eq!(decided(Standing::Unknown), Ok(vec![]));
}

#[test]
fn whoever_is_meant_is_rotated_again_from_wherever_it_stopped() {
    let placeholder = |found: Found| Found { holds_key: false, ..found };
    let never = |secret: &mut Description| secret.rotation_enabled = None;
    let table = [
        ("in order", found(|_| {}), vec![]),
        ("died behind the secret", placeholder(found(never)), vec![FIRST]),
        ("a key was put there by hand", found(never), vec![EnrolStep::Start { first: true, at_once: false }]),
        (
            "back",
            found(|secret| {
                off(secret);
                left(secret, 3);
            }),
            vec![AGAIN, EnrolStep::Unmark],
        ),
        (
            "back, and had left before there was a key",
            placeholder(found(|secret| {
                off(secret);
                left(secret, 3);
            })),
            vec![EnrolStep::Start { first: false, at_once: true }, EnrolStep::Unmark],
        ),
        (
            "back, and a rotation has been left unfinished",
            found(|secret| {
                off(secret);
                left(secret, 3);
                unfinished(secret);
            }),
            vec![EnrolStep::Drop(token('n')), AGAIN, EnrolStep::Unmark],
        ),
        ("back before the rotation was turned off", found(|secret| left(secret, 0)), vec![EnrolStep::Unmark]),
        (
            "another schedule by now",
            found(|secret| drop(secret.tags.insert(tag_keys::SCHEDULE.to_owned(), "x".to_owned()))),
            vec![AGAIN, EnrolStep::Note],
        ),
        (
            "another schedule, and a rotation under way",
            found(|secret| {
                secret.tags.remove(tag_keys::SCHEDULE);
                unfinished(secret);
            }),
            vec![],
        ),
        (
            "back, and another schedule",
            found(|secret| {
                off(secret);
                left(secret, 3);
                secret.tags.remove(tag_keys::SCHEDULE);
            }),
            vec![AGAIN, EnrolStep::Note, EnrolStep::Unmark],
        ),
    ];
    for (what, found, steps) in table {
        assert_eq!(decided(Standing::Meant, &found), Ok(steps), "{what}");
        assert_eq!(decided(Standing::Unknown, &found), Ok(vec![]), "{what}");
    }
}

#[test]
fn whoever_leaves_is_let_go_when_no_rotation_is_under_way_or_after_a_day() {
    let (mark, cancel) = (EnrolStep::Mark, EnrolStep::Cancel);
    let table = [
        ("at rest", found(|_| {}), vec![mark.clone(), cancel.clone(), mark.clone()]),
        ("under way", found(unfinished), vec![mark.clone()]),
        (
            "under way, told before",
            found(|secret| {
                unfinished(secret);
                left(secret, 0);
            }),
            vec![],
        ),
        (
            "under way for a day",
            found(|secret| {
                unfinished(secret);
                left(secret, 1);
            }),
            vec![cancel.clone(), mark.clone(), EnrolStep::Drop(token('n'))],
        ),
        (
            "under way, and nobody can read since when",
            found(|secret| {
                unfinished(secret);
                secret.tags.insert(tag_keys::LEFT.to_owned(), "hunter2".to_owned());
            }),
            vec![cancel.clone(), mark.clone(), EnrolStep::Drop(token('n'))],
        ),
        ("died behind the note", found(|secret| left(secret, 0)), vec![cancel, mark.clone()]),
        ("never rotated", found(|secret| secret.rotation_enabled = None), vec![mark]),
        (
            "gone already",
            found(|secret| {
                off(secret);
                left(secret, 9);
            }),
            vec![],
        ),
        ("turned off by a person", found(off), vec![]),
    ];
    for (what, found, steps) in table {
        assert_eq!(decided(Standing::NotMeant, &found), Ok(steps.clone()), "{what}");
        assert_eq!(decide(None, Standing::NotMeant, Some(&found), STACK, &schedule()), Ok(steps), "{what}: no user");
        assert_eq!(decided(Standing::Unknown, &found), Ok(vec![]), "{what}");
    }
}

#[test]
fn what_is_none_of_ours_or_a_persons_decision_is_told_and_not_touched() {
    let tag = |key: &'static str, value: &str| {
        let value = value.to_owned();
        found(move |secret| drop(secret.tags.insert(key.to_owned(), value)))
    };
    let table = [
        ("another stack's", tag(tag_keys::STACK, "keyturn-eu"), Err(NotEnrolled::NameTaken)),
        ("nobody's", found(|secret| secret.tags.clear()), Err(NotEnrolled::NameTaken)),
        (
            "another user's",
            {
                let mut found = tag(tag_keys::USER, "mail");
                found.description.tags.insert(tag_keys::USER_ID.to_owned(), user("mail", 2).id.to_string());
                found
            },
            Err(NotEnrolled::NameTaken),
        ),
        ("waiting for its deletion", found(|secret| secret.deleted = true), Err(NotEnrolled::NameInDeletion)),
        (
            "the user's in other letters",
            found(|secret| secret.name = "keyturn/Ci".to_owned()),
            Err(NotEnrolled::Renamed),
        ),
        ("the user's under another name", tag(tag_keys::USER, "ci-old"), Err(NotEnrolled::Renamed)),
        ("turned off by a person", found(off), Err(NotEnrolled::TurnedOff)),
        (
            "of a user who was made again",
            tag(tag_keys::USER_ID, "AIDA0000000000000009"),
            Err(NotEnrolled::UserReplaced),
        ),
        ("unbound", found(|secret| drop(secret.tags.remove(tag_keys::USER))), Ok(vec![])),
        (
            "held",
            found(|secret| {
                secret.tags.insert(tag_keys::HOLD.to_owned(), String::new());
                secret.rotation_enabled = None;
            }),
            Ok(vec![]),
        ),
    ];
    for (what, found, expected) in table {
        assert_eq!(decided(Standing::Meant, &found), expected, "{what}");
        assert_eq!(decided(Standing::NotMeant, &found), Ok(vec![]), "{what}");
    }
}

#[test]
fn users_and_secrets_are_brought_together_by_name_and_then_by_id() {
    let people = vec![user("ci", 1), user("Mail", 2), user("new-name", 3), user("nobody", 4)];
    // Somebody has given these the tags of users.
    let forged = |name: &str, number| Listed { name: format!("own/{name}"), ..listed(name, number) };
    let secrets = vec![
        forged("ci", 1),
        forged("nobody", 4),
        forged("stranger", 7),
        listed("ci", 1),
        listed("mail", 2),
        listed("old-name", 3),
        listed("gone", 9),
    ];
    let all = candidates(people, secrets);
    let told: Vec<_> = all
        .iter()
        .map(|candidate| {
            let secret = candidate.secret.as_ref().map_or("-", |secret| secret.name.as_str());
            (candidate.name().unwrap().as_str(), candidate.person.is_some(), secret)
        })
        .collect();
    let expected = [
        ("ci", true, "keyturn/ci"),
        ("Mail", true, "keyturn/mail"),
        ("new-name", true, "keyturn/old-name"),
        ("nobody", true, "-"),
        ("gone", false, "keyturn/gone"),
    ];
    assert_eq!(told, expected);
}

#[test]
fn nobody_leaves_because_iam_did_not_tell_all() {
    let gone = Candidate { person: None, secret: Some(listed("ci", 1)) };
    assert_eq!(gone.standing(&enrolment(), true), Some(Standing::NotMeant));
    assert_eq!(gone.standing(&enrolment(), false), Some(Standing::Unknown));
    let there = Candidate { person: Some(user("ci", 1)), secret: None };
    let tagged = Enrolment { tags: [("rotate".to_owned(), "*".to_owned())].into(), ..enrolment() };
    let exempt = Exempt { names: [UserName::new("CI").unwrap()].into(), ..Exempt::default() };
    for all_told in [true, false] {
        assert_eq!(there.standing(&enrolment(), all_told), Some(Standing::Meant));
        assert_eq!(there.standing(&tagged, all_told), None, "the tags decide");
        let exempted = Enrolment { exempt: exempt.clone(), ..tagged.clone() };
        assert_eq!(there.standing(&exempted, all_told), Some(Standing::NotMeant), "whatever the tags");
    }
}

#[test]
fn what_the_listing_shows_in_order_is_not_looked_at_more_closely() {
    let settled = |change: fn(&mut Listed), standing| {
        let mut secret = listed("ci", 1);
        change(&mut secret);
        Candidate { person: Some(user("ci", 1)), secret: Some(secret) }.is_settled(standing, &schedule())
    };
    let left = |secret: &mut Listed| secret.left = Some(now().to_string());
    let gone: fn(&mut Listed) = |secret| {
        secret.left = Some("2026-01-01T00:00:00Z".to_owned());
        secret.is_rotated = false;
    };
    assert!(settled(|_| {}, Standing::Meant) && !settled(|_| {}, Standing::NotMeant));
    assert!(!settled(left, Standing::Meant) && !settled(left, Standing::NotMeant));
    assert!(!settled(gone, Standing::Meant) && settled(gone, Standing::NotMeant));
    assert!(!settled(|secret| secret.schedule = None, Standing::Meant));
    assert!(!settled(|secret| secret.user_id = None, Standing::Meant));
    assert!(settled(left, Standing::Unknown));
    let none = Candidate { person: Some(user("ci", 1)), secret: None };
    assert!(!none.is_settled(Standing::Meant, &schedule()) && none.is_settled(Standing::NotMeant, &schedule()));
}

#[test]
fn passes_that_do_not_get_to_everybody_get_there_one_after_the_other() {
    let names = |pass, reach| {
        let all = (0..7).map(|number| Candidate { person: Some(user(&format!("u{number}"), number)), secret: None });
        let queue = queue(all.collect(), pass, reach);
        queue.iter().map(|candidate| candidate.name().unwrap().to_string()).collect::<Vec<_>>()
    };
    assert_eq!(names(5, 7)[0], "u0");
    for reach in 1..7 {
        let passes = 7_usize.div_ceil(reach);
        let mut seen: Vec<String> =
            (11..11 + passes).flat_map(|pass| names(pass, reach).into_iter().take(reach)).collect();
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), 7, "{reach} in each of {passes} passes");
    }
    assert_eq!(names(usize::MAX, 3).len(), 7, "no overflow");
}
