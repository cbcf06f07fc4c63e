//! What a pass does in each state of a user: a table of worlds.

use contract::{InUsePolicy, tag_keys};

use super::*;
use crate::worlds::{DAY, World, ago, key, now, settings, token};

const HOUR: Duration = Duration::from_secs(3_600);

/// A user whose rotation ended `days` ago, and who is not being rotated now.
fn rotated(days: u32) -> World {
    World::new().at_rest().current_since(&key('C'), days).rotated(days).key(&key('C'), days)
}

fn swept(world: World) -> Sweep {
    sweep(&world.observed(), &settings())
}

fn mark(key: AccessKeyId, superseded: u32, deactivated: Option<Timestamp>) -> Verdict {
    Verdict::Mark { key, mark: KeyMark { superseded: ago(superseded * DAY), deactivated } }
}

fn deactivate(key: AccessKeyId, superseded: u32) -> SweepStep {
    let mark = KeyMark { superseded: ago(superseded * DAY), deactivated: Some(now()) };
    SweepStep::Retire(Verdict::Deactivate { key, mark })
}

fn delete(key: AccessKeyId) -> SweepStep {
    SweepStep::Retire(Verdict::Delete(Doomed::Inactive(key)))
}

fn forget(tags: &[String]) -> SweepStep {
    SweepStep::Forget(tags.to_vec())
}

#[test]
fn a_healthy_user_with_one_key_needs_nothing() {
    assert_eq!(swept(rotated(3)), Sweep::default());
    assert!(!needs_evidence(&rotated(3).observed()));
}

#[test]
fn a_rotation_that_nobody_asks_for_any_more_is_asked_for_before_the_key_gets_too_old() {
    // 90 days, less 7 of overlap and the hour until the sweeper comes.
    assert_eq!(settings().longest_current(), 83 * DAY - HOUR);
    assert_eq!(swept(rotated(82)), Sweep::default());
    assert_eq!(swept(rotated(83)).steps, [SweepStep::Rotate]);
    // It was taken over as it is, or brought back by a rollback.
    assert_eq!(swept(World::new().at_rest().current_since(&key('C'), 83).key(&key('C'), 83)).steps, []);
    assert_eq!(swept(rotated(83).rotated(1)).steps, []);
    // It is being rotated, or a person wants it as it is.
    let under_way = World::new().current_since(&key('C'), 83).rotated(83).key(&key('C'), 83).attempt_of('n', HOUR / 2);
    assert_eq!(swept(under_way).steps, []);
    let disabled = World::new().at_rest().current_since(&key('C'), 83).rotated(83).inactive(&key('C'), 83);
    assert_eq!(swept(disabled).steps, []);
}

#[test]
fn a_superseded_key_is_marked_then_deactivated_then_deleted() {
    let world = |days| rotated(days).previous(&key('P')).key(&key('P'), 40);
    let fresh = swept(world(0));
    assert_eq!(fresh.steps, [SweepStep::Retire(mark(key('P'), 0, None))]);
    assert_eq!(fresh.findings, [Blocked::Overlap { key: key('P') }]);
    assert_eq!(fresh.next, now().checked_add(7 * DAY).ok());

    let marked = swept(world(6).mark(&key('P'), 6, None));
    assert_eq!((marked.steps, marked.next), (vec![], now().checked_add(DAY).ok()));
    assert_eq!(swept(world(7).mark(&key('P'), 7, None)).steps, [deactivate(key('P'), 7)]);

    let inactive = |since| rotated(20).previous(&key('P')).inactive(&key('P'), 50).mark(&key('P'), 14, since);
    assert_eq!(swept(inactive(Some(6))).findings, [Blocked::Grace { key: key('P') }]);
    let mark_of = tag_keys::mark_of(&key('P'));
    assert_eq!(swept(inactive(Some(7))).steps, [delete(key('P')), forget(std::slice::from_ref(&mark_of))]);
    // Nobody remembers since when it is Inactive.
    assert_eq!(swept(inactive(None)).steps, [SweepStep::Retire(mark(key('P'), 14, Some(now())))]);
}

#[test]
fn a_superseded_key_in_use_is_told_and_kept() {
    let world = rotated(9).previous(&key('P')).key(&key('P'), 40).used(&key('P'), HOUR).mark(&key('P'), 9, None);
    let sweep = swept(world);
    assert_eq!(sweep.steps, []);
    assert!(matches!(sweep.findings.as_slice(), [Blocked::InUse { key: used, .. }] if *used == key('P')));
}

#[test]
fn without_evidence_a_key_counts_as_in_use() {
    let mut observed = rotated(9).previous(&key('P')).key(&key('P'), 40).mark(&key('P'), 9, None).observed();
    assert!(needs_evidence(&observed));
    observed.evidence.clear();
    let sweep = sweep(&observed, &settings());
    assert_eq!(sweep.steps, []);
    assert!(matches!(sweep.findings.as_slice(), [Blocked::InUse { .. }]));
}

#[test]
fn nothing_is_retired_beside_a_current_key_that_does_not_work() {
    let previous = |world: World| world.previous(&key('P')).key(&key('P'), 90).mark(&key('P'), 60, None);
    let at_rest = || World::new().at_rest().current_since(&key('C'), 60);
    let disabled = swept(previous(at_rest().inactive(&key('C'), 60)));
    assert_eq!(disabled, Sweep { findings: vec![Blocked::CurrentDisabled { key: key('C') }], ..Sweep::default() });
    let missing = swept(previous(at_rest()));
    assert_eq!(missing, Sweep { findings: vec![Blocked::CurrentMissing { key: key('C') }], ..Sweep::default() });
}

#[test]
fn an_orphan_goes_when_its_lease_is_over_and_a_foreign_key_stays() {
    let world = |age| {
        let world = rotated(9).attempt(age);
        world.with_key(&key('O'), ago(age), KeyStatus::Active)
    };
    assert_eq!(swept(world(2 * HOUR)).steps, [SweepStep::Retire(Verdict::Delete(Doomed::Orphan(key('O'))))]);
    let young = Duration::from_secs(60);
    assert_eq!(swept(world(young)).findings, [Blocked::InFlight { key: key('O') }]);
    let foreign = swept(rotated(9).key(&key('F'), 900));
    assert_eq!((foreign.steps, foreign.findings), (vec![], vec![Blocked::Foreign { key: key('F') }]));
    let told = contract::Settings { foreign: ForeignPolicy::Retire, ..settings() };
    let foreign = sweep(&rotated(9).key(&key('F'), 900).observed(), &told);
    assert_eq!(foreign.steps, [deactivate(key('F'), 9)]);
}

#[test]
fn a_key_that_was_given_up_goes_sooner() {
    let given_up = |how: &str| rotated(1).tag(&tag_keys::give_up_of(&key('F')), how);
    let gone = forget(&[tag_keys::give_up_of(&key('F'))]);
    assert_eq!(swept(given_up("reclaim").inactive(&key('F'), 900)).steps, [delete(key('F')), gone]);
    assert_eq!(swept(given_up("reclaim").key(&key('F'), 900)).findings, [Blocked::Foreign { key: key('F') }]);
    let used = given_up("retire").key(&key('F'), 900).used(&key('F'), HOUR);
    assert_eq!(swept(used).steps, [deactivate(key('F'), 0)]);
    let inactive = |since| given_up("retire").inactive(&key('F'), 900).mark(&key('F'), 8, Some(since));
    assert_eq!(swept(inactive(6)).findings, [Blocked::Grace { key: key('F') }]);
    assert_eq!(swept(inactive(7)).steps.first(), Some(&delete(key('F'))));
    // Somebody has thought better of it and activated the key again.
    let back = given_up("retire").key(&key('F'), 900).used(&key('F'), HOUR).mark(&key('F'), 3, Some(3));
    assert_eq!(swept(back).findings, [Blocked::Overlap { key: key('F') }]);
    assert_eq!(swept(given_up("hunter2").key(&key('F'), 900)).findings, [Blocked::UnreadableMark]);
}

#[test]
fn what_was_noted_of_keys_that_are_gone_is_forgotten() {
    let world = rotated(9).mark(&key('G'), 30, Some(20)).tag(&tag_keys::give_up_of(&key('H')), "reclaim");
    let gone = [tag_keys::give_up_of(&key('H')), tag_keys::mark_of(&key('G'))];
    assert_eq!(swept(world).steps, [forget(&gone)]);
    // A mark from before a rollback would hasten the end of the key when it is superseded again.
    let back = rotated(9).mark(&key('C'), 30, Some(20));
    assert_eq!(swept(back).steps, [forget(&[tag_keys::mark_of(&key('C'))])]);
}

#[test]
fn a_rotation_that_stands_still_is_asked_for_again() {
    let rotating = || World::new().current_since(&key('C'), 30).key(&key('C'), 30);
    // Nothing was stored: no attempt came near to it, or the last one is long ago.
    assert_eq!(swept(rotating()).steps, [SweepStep::Rotate]);
    let tried = |ago| rotating().attempt_of('n', ago);
    assert_eq!(swept(tried(HOUR - Duration::from_secs(1))).steps, []);
    assert_eq!(swept(tried(HOUR)).steps, [SweepStep::Rotate]);
    // It would only be stopped again.
    let full = swept(rotating().key(&key('F'), 900));
    assert_eq!((full.steps, full.findings), (vec![], vec![Blocked::Foreign { key: key('F') }]));

    let stored = |age| rotating().pending_since(&key('N'), age).with_key(&key('N'), ago(age), KeyStatus::Active);
    assert_eq!(swept(stored(HOUR / 2)), Sweep::default());
    assert_eq!(swept(stored(HOUR)).steps, [SweepStep::Rotate]);
    let mark = KeyMark { superseded: now(), deactivated: None };
    let drop = |mark| SweepStep::DropPending { token: token('n'), mark };
    assert_eq!(swept(stored(DAY)).steps, [drop(Some((key('N'), mark))), SweepStep::Rotate]);
    let dead = |age| rotating().pending_since(&key('N'), age).with_key(&key('N'), ago(age), KeyStatus::Inactive);
    assert_eq!(swept(dead(HOUR / 2)), Sweep::default());
    assert_eq!(swept(dead(HOUR)).steps, [drop(None), SweepStep::Rotate]);
    // The rotation was blocked for long, and its key is only as old as the attempt that made it.
    assert_eq!(swept(stored(9 * DAY).attempt_of('n', HOUR / 2)), Sweep::default());
    assert_eq!(swept(stored(9 * DAY).attempt_of('n', HOUR)).steps, [SweepStep::Rotate]);
    assert_eq!(swept(stored(9 * DAY).attempt_of('n', DAY)).steps.len(), 2);
    assert_eq!(swept(stored(DAY).attempt_of('o', HOUR / 2)).steps.len(), 2, "the attempt of another rotation");
    // A copy of the current value is what a test of the schedule has left behind.
    assert_eq!(swept(rotating().pending_since(&key('C'), HOUR)).steps, [drop(None)]);
}

#[test]
fn without_an_overlap_the_old_key_goes_at_once() {
    let single = contract::Settings {
        deactivate_after: Duration::ZERO,
        quiet: Duration::ZERO,
        in_use: InUsePolicy::Deactivate,
        ..settings()
    };
    let world = rotated(0).previous(&key('P')).key(&key('P'), 30).used(&key('P'), Duration::ZERO);
    assert_eq!(sweep(&world.observed(), &single).steps, [deactivate(key('P'), 0)]);
}

#[test]
fn the_gate_names_what_is_left_alone() {
    let gate = |change: fn(&mut Description)| {
        let mut secret = rotated(1).observed().secret;
        change(&mut secret);
        super::gate(&secret, &crate::worlds::scope()).map(drop)
    };
    assert_eq!(gate(|_| {}), Ok(()));
    assert_eq!(gate(|secret| drop(secret.tags.insert(tag_keys::HOLD.into(), "x".into()))), Err(Blocked::Held));
    assert_eq!(gate(|secret| secret.rotation_enabled = Some(false)), Err(Blocked::RotationOff));
    assert_eq!(gate(|secret| secret.rotation_enabled = None), Err(Blocked::RotationOff));
    let left = |secret: &mut Description| drop(secret.tags.insert(tag_keys::LEFT.into(), "x".into()));
    assert_eq!(gate(left), Ok(()), "it is rotated as long as it is on");
    let gone = |secret: &mut Description| {
        secret.tags.insert(tag_keys::LEFT.into(), "x".into());
        secret.rotation_enabled = Some(false);
    };
    assert_eq!(gate(gone), Err(Blocked::Left));
    assert_eq!(gate(|secret| drop(secret.tags.remove(tag_keys::USER))), Err(Blocked::Unbound));
    let forged = |secret: &mut Description| drop(secret.tags.insert(tag_keys::USER.into(), "bob".into()));
    assert_eq!(gate(forged), Err(Blocked::OtherSecret));
}

/// The current key is revoked and Inactive, and no rotation is under way.
fn revoked() -> World {
    World::new().at_rest().current_since(&key('C'), 9).rotated(9).inactive(&key('C'), 9).revoked(&key('C'))
}

#[test]
fn a_revoked_current_key_is_replaced_and_not_complained_of() {
    assert_eq!(swept(revoked()), Sweep { steps: vec![SweepStep::Rotate], ..Sweep::default() });
    // The order died before it came to deactivate it. Only the order does that.
    assert_eq!(swept(rotated(9).revoked(&key('C'))).steps, [SweepStep::Rotate]);
    let gone = World::new().at_rest().current_since(&key('C'), 9).revoked(&key('C'));
    assert_eq!(swept(gone), Sweep { steps: vec![SweepStep::Rotate], ..Sweep::default() });
    // One that is under way is left to Secrets Manager, until it stands still.
    let rotating = |ago| {
        let world = World::new().current_since(&key('C'), 9).inactive(&key('C'), 9).revoked(&key('C'));
        world.attempt_of('n', ago)
    };
    assert_eq!(swept(rotating(HOUR / 2)), Sweep::default());
    assert_eq!(swept(rotating(HOUR)).steps, [SweepStep::Rotate]);
    assert_eq!(swept(rotating(HOUR).key(&key('F'), 900)).steps, [SweepStep::Rotate]);
    // Replaced, it goes like any other.
    let replaced = |world: World| world.previous(&key('P')).inactive(&key('P'), 40).revoked(&key('P'));
    let since_now = KeyMark { superseded: now(), deactivated: Some(now()) };
    let first = SweepStep::Retire(Verdict::Mark { key: key('P'), mark: since_now });
    assert_eq!(swept(replaced(rotated(1))).steps, [first]);
    let grace = swept(replaced(rotated(1)).mark(&key('P'), 6, Some(6)));
    assert_eq!((grace.steps, grace.findings), (vec![], vec![Blocked::Grace { key: key('P') }]));
    assert_eq!(grace.next, now().checked_add(DAY).ok());
    let tags = [tag_keys::give_up_of(&key('P')), tag_keys::mark_of(&key('P'))];
    let over = replaced(rotated(8)).mark(&key('P'), 8, Some(7));
    assert_eq!(swept(over).steps, [delete(key('P')), forget(&tags)]);
}

#[test]
fn beside_a_revoked_current_key_only_revoked_ones_move() {
    let superseded = || revoked().previous(&key('P')).key(&key('P'), 40).mark(&key('P'), 9, None);
    assert_eq!(swept(superseded()).steps, [SweepStep::Rotate]);
    assert_eq!(swept(revoked().inactive(&key('P'), 40).mark(&key('P'), 20, Some(9))).steps, [SweepStep::Rotate]);
    let leaked = swept(superseded().revoked(&key('P')).used(&key('P'), HOUR));
    assert_eq!(leaked.steps, [deactivate(key('P'), 9), SweepStep::Rotate]);
    // Somebody has brought it back.
    let back = superseded().revoked(&key('P')).mark(&key('P'), 9, Some(2));
    assert_eq!(swept(back).steps, [SweepStep::Rotate]);
}

#[test]
fn a_revoked_pending_key_is_not_waited_for() {
    let rotating = World::new().current_since(&key('C'), 30).key(&key('C'), 30);
    let world = rotating.pending_since(&key('N'), HOUR / 2).inactive(&key('N'), 0).revoked(&key('N'));
    assert_eq!(swept(world).steps, [SweepStep::DropPending { token: token('n'), mark: None }, SweepStep::Rotate]);
}

#[test]
fn a_revoked_current_key_that_is_gone_stays_revoked() {
    let mut observed = revoked().mark(&key('C'), 3, Some(3)).observed();
    assert_eq!(stale_tags(&observed, &[Doomed::RevokedCurrent(key('C'))]), [tag_keys::mark_of(&key('C'))]);
    observed.keys.clear();
    assert_eq!(stale_tags(&observed, &[]), [tag_keys::mark_of(&key('C'))]);
}

#[test]
fn after_a_rollback_by_hand_the_newer_key_gets_its_whole_overlap() {
    // The older key became current long before the newer one was left.
    let world = World::new().at_rest().current_since(&key('P'), 40).rotated(20).key(&key('P'), 40);
    let sweep = swept(world.previous(&key('C')).key(&key('C'), 20));
    assert_eq!(sweep.findings, [Blocked::Overlap { key: key('C') }]);
    assert_eq!(sweep.steps, [SweepStep::Retire(mark(key('C'), 0, None))]);
}
