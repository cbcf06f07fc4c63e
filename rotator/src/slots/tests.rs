//! Every row of the table "free a slot", and the states in which a careless rotation would lose a key.

use contract::{ForeignPolicy, InUsePolicy};

use super::*;
use crate::worlds::{DAY, World, ago, key, now, settings, token};
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

fn retire() -> Settings {
    Settings { foreign: ForeignPolicy::Retire, ..settings() }
}

/// The current key and one more.
fn two(other: World) -> World {
    other.current(&key('C')).key(&key('C'), 30)
}

fn room(world: World) -> Room {
    make_room(&token('n'), &world.observed(), &settings())
}

fn room_retiring(world: World) -> Room {
    make_room(&token('n'), &world.observed(), &retire())
}

/// There is room once these Inactive keys are deleted.
fn after(delete: &[AccessKeyId]) -> Room {
    let delete = delete.iter().cloned().map(Doomed::Inactive).collect();
    Room::After { delete, attempt: Attempt { token: token('n'), since: now(), at: now() } }
}

fn deactivate(key: AccessKeyId, superseded: u32) -> Room {
    Room::Deactivate { key, mark: KeyMark { superseded: ago(superseded * DAY), deactivated: Some(now()) } }
}

#[test]
fn a_free_slot_is_taken_as_it_is() {
    assert_eq!(room(World::new()), after(&[]));
    assert_eq!(room(World::new().key(&key('F'), 900)), after(&[]));
    assert_eq!(room(World::new().current(&key('C')).key(&key('C'), 30)), after(&[]));
    // Somebody disabled or deleted the current key: with room for another one, a new key is what helps.
    assert_eq!(room(World::new().current(&key('C')).inactive(&key('C'), 30)), after(&[]));
    assert_eq!(room(World::new().current(&key('C'))), after(&[]));
}

#[test]
fn an_orphan_is_left_alone_until_its_lease_ends() {
    let created = ago(2 * MINUTE);
    let world = two(World::new().attempt(2 * MINUTE).with_key(&key('O'), created, KeyStatus::Active));
    assert_eq!(room(world), Room::Blocked(Blocked::InFlight { key: key('O') }));
    let created = ago(3 * MINUTE);
    let world = two(World::new().attempt(3 * MINUTE).with_key(&key('O'), created, KeyStatus::Active));
    assert!(matches!(room(world), Room::After { delete, .. } if delete == [Doomed::Orphan(key('O'))]));
}

#[test]
fn an_orphan_goes_also_when_it_is_in_nobodys_way() {
    let orphan = |age| World::new().attempt(age).with_key(&key('O'), ago(age), KeyStatus::Active);
    assert!(matches!(room(orphan(3 * MINUTE)), Room::After { delete, .. } if delete == [Doomed::Orphan(key('O'))]));
    assert!(matches!(room(orphan(2 * MINUTE)), Room::After { delete, .. } if delete.is_empty()));
    assert_eq!(needs_evidence(&orphan(MINUTE).observed(), &settings()), Ok(true));
    assert_eq!(needs_evidence(&World::new().key(&key('F'), 900).observed(), &settings()), Ok(false));
}

#[test]
fn a_key_is_no_orphan_when_anything_speaks_against_it() {
    let foreign = || Room::Blocked(Blocked::Foreign { key: key('O') });
    let other = |created| two(World::new().attempt(60 * MINUTE).with_key(&key('O'), created, KeyStatus::Active));
    // Older than the attempt; younger than any attempt can be; used; no attempt on record.
    assert_eq!(room(other(ago(61 * MINUTE))), foreign());
    assert_eq!(room(other(ago(56 * MINUTE))), foreign());
    assert_eq!(room(other(ago(60 * MINUTE)).used(&key('O'), MINUTE)), foreign());
    assert_eq!(room(two(World::new().key(&key('O'), 0))), foreign());
    // In a version that has lost its label: it was current once, or is about to be.
    let stored = room(other(ago(60 * MINUTE)).in_a_version(&key('O')));
    assert_eq!(stored, Room::Blocked(Blocked::Overlap { key: key('O') }));
}

#[test]
fn an_attempt_keeps_its_time_while_it_may_have_left_a_key_behind() {
    let attempt = |world: World| match room(world) {
        Room::After { attempt, .. } => (attempt.since, attempt.at),
        other => panic!("{other:?}"),
    };
    let left_over = |age| World::new().attempt(age).with_key(&key('O'), ago(age), KeyStatus::Active);
    assert_eq!(attempt(left_over(2 * MINUTE)), (ago(2 * MINUTE), now()));
    // Nobody can say whether it is one: it was used.
    assert_eq!(attempt(left_over(10 * MINUTE).used(&key('O'), MINUTE)), (ago(10 * MINUTE), now()));
    assert_eq!(attempt(left_over(2_880 * MINUTE).used(&key('O'), MINUTE)), (ago(1_440 * MINUTE), now()));
    // It is deleted now.
    assert_eq!(attempt(left_over(10 * MINUTE)), (now(), now()));
    // Also where a person has made room beside a current key that is gone.
    let reclaimed = |world: World| {
        let world = world.current(&key('C')).inactive(&key('R'), 90);
        room(world.tag(&contract::tag_keys::give_up_of(&key('R')), contract::GiveUp::Reclaim.to_tag()))
    };
    let both = vec![Doomed::Inactive(key('R')), Doomed::Orphan(key('O'))];
    let fresh = Attempt { token: token('n'), since: now(), at: now() };
    assert_eq!(reclaimed(left_over(2_880 * MINUTE)), Room::After { delete: both, attempt: fresh });
    // IAM may not list yet what was created a moment ago.
    assert_eq!(attempt(World::new().attempt(2 * MINUTE)), (ago(2 * MINUTE), now()));
    assert_eq!(attempt(World::new().attempt(3 * MINUTE)), (now(), now()));
    let stored = World::new().attempt(10 * MINUTE).current(&key('C'));
    assert_eq!(attempt(stored.with_key(&key('C'), ago(9 * MINUTE), KeyStatus::Active)), (now(), now()));
    let before = World::new().attempt(10 * MINUTE).key(&key('F'), 1);
    assert_eq!(attempt(before), (now(), now()));
}

#[test]
fn the_clocks_of_two_services_may_differ_by_seconds() {
    let second = Duration::from_secs(1);
    let earlier =
        |by| two(World::new().attempt(9 * MINUTE).with_key(&key('O'), ago(9 * MINUTE + by), KeyStatus::Active));
    assert!(matches!(room(earlier(5 * second)), Room::After { delete, .. } if delete == [Doomed::Orphan(key('O'))]));
    assert_eq!(room(earlier(6 * second)), Room::Blocked(Blocked::Foreign { key: key('O') }));
}

#[test]
fn an_inactive_superseded_key_goes_after_its_grace() {
    let world = |deactivated| two(World::new().inactive(&key('P'), 60).mark(&key('P'), 20, deactivated));
    assert_eq!(room(world(Some(7))), after(&[key('P')]));
    assert_eq!(room(world(Some(6))), Room::Blocked(Blocked::Grace { key: key('P') }));
    // Nobody remembers when it was deactivated: its grace begins now.
    let mark = KeyMark { superseded: ago(20 * DAY), deactivated: Some(now()) };
    assert_eq!(room(world(None)), Room::Mark { key: key('P'), mark });
}

#[test]
fn an_active_superseded_key_is_deactivated_when_its_time_has_come_and_nobody_uses_it() {
    let world = |days| two(World::new().previous(&key('P')).key(&key('P'), 60)).current_since(&key('C'), days);
    assert_eq!(room(world(6)), Room::Blocked(Blocked::Overlap { key: key('P') }));
    assert_eq!(room(world(7)), deactivate(key('P'), 7));
    assert_eq!(room(world(7).used(&key('P'), DAY)), deactivate(key('P'), 7));
    // A key that was made a moment ago cannot have been superseded long since: it may be that of another attempt of
    // this very rotation.
    let twin = || two(World::new().with_key(&key('N'), ago(MINUTE), KeyStatus::Active).in_a_version(&key('N')));
    assert_eq!(room(twin()), Room::Blocked(Blocked::InFlight { key: key('N') }));
    let (zero, in_use) = (Duration::ZERO, InUsePolicy::Deactivate);
    let single = Settings { deactivate_after: zero, quiet: zero, in_use, ..settings() };
    let in_flight = Room::Blocked(Blocked::InFlight { key: key('N') });
    assert_eq!(make_room(&token('n'), &twin().observed(), &single), in_flight, "also when no overlap is wanted");
    // Nor can a key have been superseded before the one was made that is current now.
    let late = World::new().previous(&key('P')).key(&key('P'), 60).current_since(&key('C'), 9).key(&key('C'), 6);
    assert_eq!(room(late), Room::Blocked(Blocked::Overlap { key: key('P') }));
    // The version is older than the moment in which it became current.
    assert_eq!(room(world(9).rotated(6)), Room::Blocked(Blocked::Overlap { key: key('P') }));
}

#[test]
fn a_superseded_key_in_use_is_waited_for_unless_told_otherwise() {
    let world = || two(World::new().previous(&key('P')).key(&key('P'), 60)).used(&key('P'), 23 * 60 * MINUTE);
    let (when, service, region) = (ago(23 * 60 * MINUTE), "s3".to_owned(), "eu-central-1".to_owned());
    assert_eq!(room(world()), Room::Blocked(Blocked::InUse { key: key('P'), when, service, region }));
    let told = Settings { in_use: InUsePolicy::Deactivate, ..settings() };
    assert_eq!(make_room(&token('n'), &world().observed(), &told), deactivate(key('P'), 30));
}

#[test]
fn a_foreign_key_is_touched_only_under_the_policy_retire() {
    let active = || two(World::new().key(&key('F'), 900));
    assert_eq!(room(active()), Room::Blocked(Blocked::Foreign { key: key('F') }));
    assert_eq!(room_retiring(active()), deactivate(key('F'), 30));
    // It is retired as carefully as our own: not while it is used, not right after the adoption.
    assert!(matches!(room_retiring(active().used(&key('F'), MINUTE)), Room::Blocked(Blocked::InUse { .. })));
    let fresh = active().current_since(&key('C'), 1);
    assert_eq!(room_retiring(fresh), Room::Blocked(Blocked::Overlap { key: key('F') }));
}

#[test]
fn an_inactive_foreign_key_gets_its_grace_too() {
    let inactive = || two(World::new().inactive(&key('F'), 900));
    assert_eq!(room(inactive()), Room::Blocked(Blocked::Foreign { key: key('F') }));
    // Nobody knows since when it is Inactive: perhaps somebody has just tried out who misses it.
    let mark = KeyMark { superseded: ago(30 * DAY), deactivated: Some(now()) };
    assert_eq!(room_retiring(inactive()), Room::Mark { key: key('F'), mark });
    assert_eq!(room_retiring(inactive().mark(&key('F'), 8, Some(7))), after(&[key('F')]));
}

#[test]
fn a_mark_from_before_a_key_was_brought_back_is_not_believed() {
    let world = |used| two(World::new().inactive(&key('P'), 90)).mark(&key('P'), 40, Some(20)).used(&key('P'), used);
    assert_eq!(room(world(21 * DAY)), after(&[key('P')]));
    let mark = KeyMark { superseded: ago(40 * DAY), deactivated: Some(now()) };
    assert_eq!(room(world(19 * DAY)), Room::Mark { key: key('P'), mark });
}

#[test]
fn two_foreign_keys_are_for_a_person_to_decide() {
    let world = || World::new().key(&key('F'), 900).key(&key('G'), 800);
    assert_eq!(room(world()), Room::Blocked(Blocked::TwoForeign));
    assert_eq!(room_retiring(world()), Room::Blocked(Blocked::TwoForeign));
}

#[test]
fn no_active_key_is_deactivated_while_none_is_current() {
    // The Active one is what applications use.
    let world = || World::new().key(&key('F'), 900).inactive(&key('G'), 800);
    assert_eq!(
        room_retiring(world().mark(&key('G'), 9, Some(1))),
        Room::Blocked(Blocked::NoSuccessor { key: key('F') })
    );
    assert_eq!(room_retiring(world().mark(&key('G'), 9, Some(7))), after(&[key('G')]));
}

#[test]
fn nothing_moves_around_a_current_key_that_is_gone_or_disabled() {
    let others = || World::new().current(&key('C')).previous(&key('P')).inactive(&key('P'), 60);
    let others = || others().mark(&key('P'), 20, Some(10));
    let gone = others().key(&key('F'), 900);
    assert_eq!(room_retiring(gone), Room::Blocked(Blocked::CurrentMissing { key: key('C') }));
    let disabled = others().inactive(&key('C'), 30);
    assert_eq!(room_retiring(disabled), Room::Blocked(Blocked::CurrentDisabled { key: key('C') }));
    let expired = others().with_key(&key('C'), ago(30 * DAY), KeyStatus::Other("Expired".into()));
    assert_eq!(room_retiring(expired), Room::Blocked(Blocked::CurrentDisabled { key: key('C') }));
}

#[test]
fn with_three_keys_the_rows_apply_to_each() {
    let world = |young: u32| {
        two(World::new().inactive(&key('P'), 90).mark(&key('P'), 40, Some(30))).inactive(&key('Q'), 60).mark(
            &key('Q'),
            20,
            Some(young),
        )
    };
    assert_eq!(room(world(10)), after(&[key('P'), key('Q')]));
    assert_eq!(room(world(1)), Room::Blocked(Blocked::Grace { key: key('Q') }));
}

#[test]
fn what_cannot_be_read_or_is_not_known_stops() {
    let broken_mark = two(World::new().key(&key('P'), 60)).tag(&contract::tag_keys::mark_of(&key('P')), "soon");
    assert_eq!(room(broken_mark), Room::Blocked(Blocked::UnreadableMark));
    let broken_attempt = World::new().tag(contract::tag_keys::ATTEMPT, "soon");
    assert_eq!(room(broken_attempt), Room::Blocked(Blocked::UnreadableMark));
    let status = KeyStatus::Other("Expired".into());
    let expired = two(World::new().previous(&key('P')).with_key(&key('P'), ago(60 * DAY), status));
    assert_eq!(room(expired), Room::Blocked(Blocked::UnknownStatus { key: key('P') }));
    let mut unknown = two(World::new().previous(&key('P')).key(&key('P'), 60)).observed();
    unknown.evidence.clear();
    assert!(matches!(make_room(&token('n'), &unknown, &settings()), Room::Blocked(Blocked::InUse { .. })));
}

#[test]
fn times_that_lie_ahead_count_as_just_now() {
    let ahead = two(World::new().inactive(&key('P'), 60)).tag(
        &contract::tag_keys::mark_of(&key('P')),
        "superseded=2026-05-01T00:00:00Z deactivated=2027-01-01T00:00:00Z",
    );
    assert_eq!(room(ahead), Room::Blocked(Blocked::Grace { key: key('P') }));
}

#[test]
fn a_key_that_was_given_up_makes_room() {
    let tag = |how: &str, world: World| world.tag(&contract::tag_keys::give_up_of(&key('F')), how);
    let inactive = || tag("reclaim", World::new().inactive(&key('F'), 900));
    assert_eq!(room(two(inactive())), after(&[key('F')]));
    assert_eq!(room(inactive().key(&key('G'), 900)), after(&[key('F')]));
    // Also beside a current key that somebody has disabled: that is what it was given up for.
    assert_eq!(room(inactive().current(&key('C')).inactive(&key('C'), 30)), after(&[key('F')]));
    let plain = World::new().inactive(&key('F'), 900).current(&key('C')).inactive(&key('C'), 30);
    assert_eq!(room(plain), Room::Blocked(Blocked::CurrentDisabled { key: key('C') }));
    // Active again, it was not given up by whoever did that.
    let active = two(tag("reclaim", World::new().key(&key('F'), 900)));
    assert_eq!(room(active), Room::Blocked(Blocked::Foreign { key: key('F') }));
    // Two foreign keys, one of them named: there need not be a successor.
    let named = tag("retire", World::new().key(&key('F'), 900)).key(&key('G'), 900).used(&key('F'), MINUTE);
    assert_eq!(room(named), deactivate(key('F'), 0));
}

/// The current key is revoked and Inactive, and AWSCURRENT waits for another one.
fn beside_revoked(other: World) -> World {
    other.current(&key('C')).inactive(&key('C'), 30).revoked(&key('C'))
}

fn after_current() -> Room {
    let attempt = Attempt { token: token('n'), since: now(), at: now() };
    Room::After { delete: vec![Doomed::RevokedCurrent(key('C'))], attempt }
}

#[test]
fn a_revoked_current_key_is_in_nobodys_way() {
    assert_eq!(room(beside_revoked(World::new())), after(&[]));
    // Another revoked key goes first, and one whose grace is over before that.
    assert_eq!(room(beside_revoked(World::new().inactive(&key('P'), 60).revoked(&key('P')))), after(&[key('P')]));
    let marked = World::new().inactive(&key('P'), 60).mark(&key('P'), 9, Some(1)).revoked(&key('P'));
    assert_eq!(room(beside_revoked(marked)), after(&[key('P')]));
    let old = World::new().inactive(&key('P'), 60).mark(&key('P'), 20, Some(7));
    assert_eq!(room(beside_revoked(old)), after(&[key('P')]));
    // Whatever else takes the other slot stays: it may be all that still works, or somebody may want it back.
    let superseded = || World::new().previous(&key('P')).key(&key('P'), 60);
    assert_eq!(room(beside_revoked(superseded())), after_current());
    assert_eq!(room(beside_revoked(superseded().used(&key('P'), MINUTE))), after_current());
    let grace = World::new().inactive(&key('P'), 60).mark(&key('P'), 9, Some(6));
    assert_eq!(room(beside_revoked(grace)), after_current());
    assert_eq!(room(beside_revoked(World::new().previous(&key('P')).inactive(&key('P'), 60))), after_current());
    for room in [room, room_retiring] {
        assert_eq!(room(beside_revoked(World::new().key(&key('F'), 900))), after_current());
        assert_eq!(room(beside_revoked(World::new().inactive(&key('F'), 900))), after_current());
    }
    // It was deleted by somebody.
    let gone = World::new().current(&key('C')).revoked(&key('C')).key(&key('F'), 900);
    assert_eq!(room(gone), after(&[]));
}

#[test]
fn a_revoked_key_that_works_is_deactivated_before_it_makes_room() {
    let active = || World::new().previous(&key('P')).key(&key('P'), 60).revoked(&key('P')).used(&key('P'), MINUTE);
    assert_eq!(room(beside_revoked(active())), deactivate(key('P'), 0));
    assert_eq!(room(two(active())), deactivate(key('P'), 0));
    // Somebody has brought it back after it was deactivated.
    let back = || active().mark(&key('P'), 3, Some(2));
    assert_eq!(room(two(back())), Room::Blocked(Blocked::Overlap { key: key('P') }));
    assert_eq!(room(beside_revoked(back())), after_current());
}

#[test]
fn a_revoked_key_has_no_grace_when_its_slot_is_needed() {
    let inactive = World::new().inactive(&key('P'), 60).mark(&key('P'), 3, Some(2)).revoked(&key('P'));
    assert_eq!(room(two(inactive)), after(&[key('P')]));
}

#[test]
fn a_revoked_current_key_makes_room_only_when_it_is_dead_and_nobody_is_at_work() {
    let in_flight = World::new().attempt(MINUTE).with_key(&key('O'), ago(MINUTE), KeyStatus::Active);
    assert_eq!(room(beside_revoked(in_flight)), Room::Blocked(Blocked::InFlight { key: key('O') }));
    // The order died before it came to deactivate the key: the rows apply as to any current key.
    let working = World::new().key(&key('F'), 900).current(&key('C')).key(&key('C'), 30).revoked(&key('C'));
    assert_eq!(room(working), Room::Blocked(Blocked::Foreign { key: key('F') }));
    let expired = World::new().key(&key('F'), 900).current(&key('C')).revoked(&key('C'));
    let expired = expired.with_key(&key('C'), ago(30 * DAY), KeyStatus::Other("Expired".into()));
    assert_eq!(room(expired), Room::Blocked(Blocked::Foreign { key: key('F') }));
    // Without the tag somebody else has disabled it.
    let disabled = World::new().key(&key('F'), 900).current(&key('C')).inactive(&key('C'), 30);
    let disabled = disabled.tag(&contract::tag_keys::give_up_of(&key('C')), "retire");
    assert_eq!(room(disabled), Room::Blocked(Blocked::CurrentDisabled { key: key('C') }));
}

#[test]
fn a_newer_key_is_not_superseded_since_the_older_one_was_made() {
    // After a rollback by hand nobody knows since when: the older key became current long before the newer one.
    let world = World::new().current(&key('P')).key(&key('P'), 60).previous(&key('C')).key(&key('C'), 20);
    assert_eq!(room(world.rotated(20)), Room::Blocked(Blocked::Overlap { key: key('C') }));
}
