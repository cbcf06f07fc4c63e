//! What a revocation comes to in each state of a user: a table of worlds.

use std::collections::BTreeMap;
use std::time::Duration;

use super::*;
use crate::worlds::{DAY, World, ago, key, token};

/// `P` was superseded by `C` three days ago, and no rotation is under way.
fn rotated() -> World {
    let world = World::new().at_rest().current_since(&key('C'), 3).rotated(3).key(&key('C'), 3);
    world.previous(&key('P')).mark(&key('P'), 3, None)
}

/// `P` was revoked, and `C` was made a moment ago.
fn reissued() -> World {
    World::new().at_rest().current_since(&key('C'), 0).key(&key('C'), 0).revoked(&key('P'))
}

fn decided(world: World, leaked: &Leaked) -> Revocation {
    let observed = world.observed();
    let versions = [Some(&observed.current), observed.pending.as_ref(), observed.previous.as_ref()];
    let stored: Vec<AccessKeyId> =
        versions.into_iter().flatten().filter_map(|version| version.key().cloned()).collect();
    decide(&observed, &stored, leaked)
}

fn all(world: World) -> Revocation {
    decided(world, &Leaked::All)
}

fn named(world: World, keys: &[char]) -> Revocation {
    decided(world, &Leaked::Named(keys.iter().map(|letter| key(*letter)).collect()))
}

fn keys(letters: &str) -> Vec<AccessKeyId> {
    letters.chars().map(key).collect()
}

fn revoke_tags(letters: &str) -> Vec<(String, String)> {
    letters.chars().map(|letter| (tag_keys::give_up_of(&key(letter)), "revoke".to_owned())).collect()
}

/// All of these are revoked, work, and have no tag yet.
fn fresh(letters: &str, left: &str, reissue: bool) -> Plan {
    let (deactivate, tags) = (keys(letters), revoke_tags(letters));
    Plan { keys: keys(letters), tags, deactivate, drop_pending: None, reissue, left: keys(left) }
}

#[test]
fn every_key_of_ours_is_revoked_the_current_one_first() {
    assert_eq!(all(rotated().key(&key('P'), 33)), Revocation::Revoke(fresh("CP", "", true)));
    let inactive = Plan { deactivate: keys("C"), ..fresh("CP", "", true) };
    assert_eq!(all(rotated().inactive(&key('P'), 33)), Revocation::Revoke(inactive));
    // Known by its mark alone, or by an old version alone.
    let marked =
        World::new().at_rest().current(&key('C')).key(&key('C'), 3).mark(&key('Q'), 9, None).key(&key('Q'), 90);
    assert_eq!(all(marked), Revocation::Revoke(fresh("CQ", "", true)));
    let observed = World::new().at_rest().current(&key('C')).key(&key('C'), 3).key(&key('Q'), 90).observed();
    assert_eq!(decide(&observed, &[key('Q')], &Leaked::All), Revocation::Revoke(fresh("CQ", "", true)));
}

#[test]
fn keys_that_are_not_ours_are_told_and_left_alone() {
    let world = || World::new().at_rest().current(&key('C')).key(&key('C'), 3);
    assert_eq!(all(world().key(&key('F'), 900)), Revocation::Revoke(fresh("C", "F", true)));
    assert_eq!(all(world().inactive(&key('F'), 900)), Revocation::Revoke(fresh("C", "", true)));
    assert_eq!(all(World::new().at_rest().key(&key('F'), 900)), Revocation::NoKeys);
    assert_eq!(named(world().key(&key('F'), 900), &['F']), Revocation::Unknown { key: key('F') });
    assert_eq!(named(world(), &['C', 'X']), Revocation::Unknown { key: key('X') });
}

#[test]
fn a_current_key_that_is_gone_is_replaced_all_the_same() {
    let world = World::new().at_rest().current(&key('C')).key(&key('F'), 900);
    // Nobody can say whether it is gone or so new that IAM does not list it.
    assert_eq!(all(world), Revocation::Revoke(fresh("C", "F", true)));
}

#[test]
fn a_rotation_under_way_loses_its_key_too() {
    let world = || World::new().current(&key('C')).key(&key('C'), 30).pending(&key('N')).key(&key('N'), 0);
    let plan = Plan { drop_pending: Some(token('n')), ..fresh("CN", "", true) };
    assert_eq!(all(world()), Revocation::Revoke(plan));
    let alone = Plan { drop_pending: Some(token('n')), ..fresh("N", "C", true) };
    assert_eq!(named(world(), &['N']), Revocation::Revoke(alone));
    // It has no key yet: the one that it makes is made after the order.
    let empty = World::new().current(&key('C')).key(&key('C'), 30);
    assert_eq!(all(empty), Revocation::Revoke(fresh("C", "", true)));
}

#[test]
fn a_rotation_that_has_ended_meanwhile_is_not_asked_for_again() {
    let then = || World::new().current(&key('C')).previous(&key('P')).observed().secret;
    let now = |letter: char| {
        let mut now = then();
        now.labels = BTreeMap::from([(token(letter), vec![CURRENT.into()])]);
        now
    };
    let spared = fresh("CP", "", true);
    let covered = Plan { drop_pending: Some(token('n')), ..fresh("CPN", "", true) };
    for (letter, plan, expected) in [
        // As it was; back at the key before, which is revoked too.
        ('c', &spared, false),
        ('p', &spared, false),
        // The rotation that was under way has ended, with a key that is not revoked, or is.
        ('n', &spared, true),
        ('n', &covered, false),
        // One that began later has.
        ('x', &spared, true),
        ('x', &covered, true),
    ] {
        assert_eq!(is_replaced(plan, &then(), &now(letter)), expected, "{letter}, {plan:?}");
    }
}

#[test]
fn only_the_named_keys_are_revoked() {
    let world = || rotated().key(&key('P'), 33);
    assert_eq!(named(world(), &['P']), Revocation::Revoke(fresh("P", "C", false)));
    assert_eq!(named(world(), &['C']), Revocation::Revoke(fresh("C", "P", true)));
    assert_eq!(named(world(), &['P', 'C', 'P']), Revocation::Revoke(fresh("CP", "", true)));
    // Done before.
    let done = Revocation::Done { current: Some(key('C')) };
    assert_eq!(named(rotated().inactive(&key('P'), 33).revoked(&key('P')), &['P']), done);
    // Activated again, and named again.
    let again = Plan { tags: vec![], ..fresh("P", "C", false) };
    assert_eq!(named(world().revoked(&key('P')), &['P']), Revocation::Revoke(again));
}

#[test]
fn an_order_that_died_goes_on_where_it_stopped() {
    let tagged = || rotated().revoked(&key('C')).revoked(&key('P'));
    let plan = |deactivate: &str| {
        Revocation::Revoke(Plan { tags: vec![], deactivate: keys(deactivate), ..fresh("CP", "", true) })
    };
    let world = || World::new().at_rest().current(&key('C')).previous(&key('P')).revoked(&key('C')).revoked(&key('P'));
    assert_eq!(all(tagged().key(&key('P'), 33)), plan("CP"));
    assert_eq!(all(world().inactive(&key('C'), 3).key(&key('P'), 33)), plan("P"));
    assert_eq!(all(world().inactive(&key('C'), 3).inactive(&key('P'), 33)), plan(""));
    // The pending key has lost its status, and not yet its label.
    let pending = || World::new().current(&key('C')).inactive(&key('C'), 30).revoked(&key('C')).pending(&key('N'));
    let plan = Plan { tags: vec![], deactivate: vec![], drop_pending: Some(token('n')), ..fresh("CN", "", true) };
    assert_eq!(all(pending().inactive(&key('N'), 0).revoked(&key('N'))), Revocation::Revoke(plan));
    let named = named(pending().inactive(&key('N'), 0).revoked(&key('N')), &['N']);
    assert!(matches!(named, Revocation::Revoke(Plan { drop_pending: Some(_), .. })), "{named:?}");
}

#[test]
fn what_was_made_after_the_order_is_what_it_was_given_for() {
    // It is on its way to become current.
    let world = World::new().current(&key('C')).inactive(&key('C'), 30).revoked(&key('C'));
    let plan = Plan { tags: vec![], deactivate: vec![], ..fresh("C", "N", true) };
    assert_eq!(all(world.pending(&key('N')).key(&key('N'), 0)), Revocation::Revoke(plan));
    // It is current.
    let done = Revocation::Done { current: Some(key('C')) };
    assert_eq!(all(reissued().inactive(&key('P'), 33)), done);
    // It has leaked as well.
    assert_eq!(named(reissued().inactive(&key('P'), 33), &['C']), Revocation::Revoke(fresh("C", "", true)));
    // An older key is current: nothing was made since.
    let older = World::new().at_rest().current(&key('C')).key(&key('C'), 30).inactive(&key('N'), 1).revoked(&key('N'));
    let plan = Plan { tags: revoke_tags("C"), deactivate: keys("C"), ..fresh("CN", "", true) };
    assert_eq!(all(older), Revocation::Revoke(plan));
}

#[test]
fn long_after_an_order_the_same_order_is_about_another_leak() {
    let created = |age| {
        let world = World::new().at_rest().current(&key('C')).with_key(&key('C'), ago(age), KeyStatus::Active);
        all(world.inactive(&key('P'), 33).revoked(&key('P')))
    };
    assert_eq!(created(SAME_REVOCATION - Duration::from_secs(1)), Revocation::Done { current: Some(key('C')) });
    let plan = Plan { tags: revoke_tags("C"), deactivate: keys("C"), ..fresh("CP", "", true) };
    assert_eq!(created(SAME_REVOCATION), Revocation::Revoke(plan));
}

#[test]
fn a_key_that_was_revoked_and_still_works_is_deactivated_unless_somebody_has_brought_it_back() {
    let world = |mark| reissued().key(&key('P'), 33).mark(&key('P'), 3, mark);
    let plan = Plan { tags: vec![], ..fresh("P", "C", false) };
    assert_eq!(all(world(None)), Revocation::Revoke(plan));
    assert_eq!(all(world(Some(1))), Revocation::Done { current: Some(key('C')) });
}

#[test]
fn a_mark_from_before_a_key_was_brought_back_does_not_survive_the_order() {
    let world = rotated().key(&key('P'), 33).mark(&key('P'), 20, Some(10));
    let mark = KeyMark { superseded: ago(20 * DAY), deactivated: None };
    let mut tags = revoke_tags("CP");
    tags.push((tag_keys::mark_of(&key('P')), mark.to_tag()));
    assert_eq!(all(world), Revocation::Revoke(Plan { tags, ..fresh("CP", "", true) }));
    // Of a key that is Inactive it is true, and its grace goes on.
    let world = rotated().inactive(&key('P'), 33).mark(&key('P'), 20, Some(10));
    let plan = Plan { deactivate: keys("C"), ..fresh("CP", "", true) };
    assert_eq!(all(world), Revocation::Revoke(plan));
}
