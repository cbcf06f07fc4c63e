//! What a rollback comes to in each state of a user: a table of worlds.

use std::time::Duration;

use contract::{GiveUp, SecretDocument, UserName};

use super::*;
use crate::worlds::{self, DAY, World, ago, key, now, token};

/// `P` was superseded by `C` three days ago, and no rotation is under way.
fn rotated() -> World {
    World::new().at_rest().current_since(&key('C'), 3).rotated(3).key(&key('C'), 3).previous(&key('P'))
}

fn decided(world: World) -> Result<Rollback, Blocked> {
    let binding = Binding { user: worlds::user().name, id: worlds::user().id };
    decide(&binding, &world.observed())
}

fn back(activate: bool) -> Result<Rollback, Blocked> {
    let mark = KeyMark { superseded: now(), deactivated: None };
    let (from, to) = (token('c'), token('p'));
    Ok(Rollback::Back(Back { from, superseded: key('C'), to, key: key('P'), activate, mark }))
}

#[test]
fn the_earlier_key_comes_back_whoever_has_deactivated_it() {
    assert_eq!(decided(rotated().key(&key('P'), 33)), back(false));
    assert_eq!(decided(rotated().inactive(&key('P'), 33).mark(&key('P'), 3, Some(1))), back(true));
    assert_eq!(decided(rotated().inactive(&key('P'), 33)), back(true));
}

#[test]
fn a_hold_is_no_obstacle_and_neither_is_a_current_key_that_does_not_work() {
    assert_eq!(decided(rotated().key(&key('P'), 33).tag(tag_keys::HOLD, "audit")), back(false));
    let world = || World::new().at_rest().current_since(&key('C'), 3).previous(&key('P')).key(&key('P'), 33);
    assert_eq!(decided(world().inactive(&key('C'), 3)), back(false));
    // Only its version tells how old the key was.
    let mut gone = world().observed();
    gone.previous.as_mut().unwrap().created = ago(33 * DAY);
    let binding = Binding { user: worlds::user().name, id: worlds::user().id };
    assert_eq!(decide(&binding, &gone), back(false));
    // It was revoked by name: going back is the fastest way out.
    assert_eq!(decided(world().inactive(&key('C'), 3).revoked(&key('C'))), back(false));
}

#[test]
fn an_order_goes_back_in_time_only() {
    // After a rollback the older key `P` is current, and `C` before it.
    let world = || World::new().at_rest().current(&key('P')).previous(&key('C')).key(&key('P'), 33).key(&key('C'), 3);
    let already = |tidy| Ok(Rollback::AlreadyBack { key: key('P'), tidy });
    assert_eq!(decided(world().mark(&key('C'), 1, None)), already(Tidy::default()));
    // It died before the marks were right.
    let mark = KeyMark { superseded: now(), deactivated: None };
    let left = Tidy { mark: Some((key('C'), mark)), unmark: Some(key('P')) };
    assert_eq!(decided(world().mark(&key('P'), 1, None)), already(left));
    // The key that was left is gone by now. Its version is the younger one.
    let mut gone = World::new().at_rest().current(&key('P')).previous(&key('C')).key(&key('P'), 33).observed();
    gone.previous.as_mut().unwrap().created = ago(3 * DAY);
    let binding = Binding { user: worlds::user().name, id: worlds::user().id };
    assert_eq!(decide(&binding, &gone), already(Tidy::default()));
    // Nobody is told that all is well while the current key does not work.
    let disabled = World::new().at_rest().current(&key('P')).previous(&key('C'));
    let disabled = disabled.inactive(&key('P'), 33).key(&key('C'), 3);
    assert_eq!(decided(disabled), Err(Blocked::CurrentDisabled { key: key('P') }));
}

#[test]
fn keys_of_the_same_second_are_told_apart_by_their_versions() {
    let world = || rotated().key(&key('P'), 3);
    let decided = |previous: Duration| {
        let mut observed = world().observed();
        observed.previous.as_mut().unwrap().created = ago(previous);
        decide(&Binding { user: worlds::user().name, id: worlds::user().id }, &observed)
    };
    assert_eq!(decided(4 * DAY), back(false));
    assert!(matches!(decided(2 * DAY), Ok(Rollback::AlreadyBack { .. })));
}

#[test]
fn without_an_earlier_key_there_is_nothing_to_go_back_to() {
    let first = World::new().at_rest().current(&key('C')).key(&key('C'), 3).key(&key('F'), 900);
    assert_eq!(decided(first), Ok(Rollback::NoEarlierKey));
    // Somebody has edited another field of the secret.
    let edited = World::new().at_rest().current(&key('C')).previous(&key('C')).key(&key('C'), 3);
    assert_eq!(decided(edited), Ok(Rollback::NoEarlierKey));
    let emptied = World::new().at_rest().previous(&key('P')).key(&key('P'), 33);
    assert_eq!(decided(emptied), Ok(Rollback::NoEarlierKey));
}

#[test]
fn a_key_that_is_gone_or_given_up_does_not_come_back() {
    let mut gone = rotated().observed();
    gone.previous.as_mut().unwrap().created = ago(33 * DAY);
    let binding = Binding { user: worlds::user().name, id: worlds::user().id };
    assert_eq!(decide(&binding, &gone), Ok(Rollback::Gone { key: key('P') }));
    for how in [GiveUp::Reclaim, GiveUp::Retire, GiveUp::Revoke] {
        let given_up = rotated().inactive(&key('P'), 33).tag(&tag_keys::give_up_of(&key('P')), how.to_tag());
        assert_eq!(decided(given_up), Ok(Rollback::GivenUp { key: key('P') }), "{how:?}");
    }
}

#[test]
fn what_is_under_way_unknown_or_another_users_stops_it() {
    let rotating = World::new().current_since(&key('C'), 3).key(&key('C'), 3).previous(&key('P')).key(&key('P'), 33);
    assert_eq!(decided(rotating), Err(Blocked::RotationUnderWay));
    let unreadable = rotated().key(&key('P'), 33).tag(&tag_keys::give_up_of(&key('P')), "hunter2");
    assert_eq!(decided(unreadable), Err(Blocked::UnreadableMark));
    let expired = rotated().with_key(&key('P'), ago(33 * DAY), KeyStatus::Other("Expired".into()));
    assert_eq!(decided(expired), Err(Blocked::UnknownStatus { key: key('P') }));
    let mut other = rotated().key(&key('P'), 33).observed();
    let document = &mut other.previous.as_mut().unwrap().document;
    let pair = document.key.clone();
    *document = SecretDocument::placeholder(UserName::new("mallory").unwrap());
    document.key = pair;
    let binding = Binding { user: worlds::user().name, id: worlds::user().id };
    assert_eq!(decide(&binding, &other), Err(Blocked::OtherUser));
}
