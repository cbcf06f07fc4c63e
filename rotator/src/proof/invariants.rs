//! The reference model: R1 to R8 as a few plain sentences about the truth, none of them taken from the decisions.

use contract::{ForeignPolicy, InUsePolicy};

use super::aws::{Aws, GivenUp, Key, KeyNo, Maker, age};
use super::calls::{Call, parts};
use super::decide::Program;
use super::process::{Model, Process, seconds};

/// What an invariant says of a history that breaks it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Violation {
    pub(super) invariant: &'static str,
    pub(super) text: String,
}

type Verdict = Result<(), Violation>;

fn broken(invariant: &'static str, text: impl Into<String>) -> Verdict {
    Err(Violation { invariant, text: text.into() })
}

/// What must be true right before a run of the function makes this call.
pub(super) fn check_call(model: &Model, aws: &Aws, process: &Process, call: Call, held: u8) -> Verdict {
    r1_current_key_untouched(aws, process, call)?;
    r2_only_proven_keys_become_current(aws, process, call)?;
    r4_only_inactive_keys_are_deleted(aws, process, call)?;
    r5_nothing_goes_that_may_be_needed(model, aws, process, call, held)?;
    r6_nothing_after_the_label_move(process, call)?;
    r7_people_have_the_last_word(call)?;
    r8_only_the_bound_user(aws, process, call)
}

/// The key that applications read is neither deactivated nor deleted. IAM has no way to say "unless it is current", so
/// a person who makes it current between the last look and the change is beyond help.
fn r1_current_key_untouched(aws: &Aws, process: &Process, call: Call) -> Verdict {
    let (Call::Deactivate(key) | Call::Delete(key)) = call else { return Ok(()) };
    let unseen = process.cover.protect & parts::VERSIONS != 0;
    if aws.secret.current_key() == Some(key) && !unseen {
        return broken("r1_current_key_untouched", format!("key {key} is AWSCURRENT"));
    }
    Ok(())
}

/// AWSCURRENT moves to keys only that have authenticated as the user and are Active still.
fn r2_only_proven_keys_become_current(aws: &Aws, process: &Process, call: Call) -> Verdict {
    let Call::MoveCurrent { from } = call else { return Ok(()) };
    if aws.secret.current != from {
        return Ok(());
    }
    let key = aws.secret.value(process.token).key();
    let proven = key.and_then(|key| aws.key(key)).is_some_and(|key| key.truth.proven && key.active);
    let unseen = process.cover.proof & parts::KEYS != 0;
    if proven || unseen { Ok(()) } else { broken("r2_only_proven_keys_become_current", format!("{key:?} is not")) }
}

/// Every key that nobody has is the work of a run that died. `deaths` counts those, and the strays there were before.
pub(super) fn r3_one_key_per_attempt(aws: &Aws, held: u8, deaths: u8) -> Verdict {
    let strays = aws.alive().filter(|(number, _)| aws.is_stray(*number) && held & 1 << number == 0);
    let strays = strays.count();
    if strays <= usize::from(deaths) {
        return Ok(());
    }
    broken("r3_one_key_per_attempt", format!("{strays} keys are nobody's, and {deaths} attempts have died"))
}

/// Only Inactive keys are deleted; a person may have brought one back since the last look.
fn r4_only_inactive_keys_are_deleted(aws: &Aws, process: &Process, call: Call) -> Verdict {
    let Call::Delete(key) = call else { return Ok(()) };
    if aws.is_active(key) && process.cover.status & parts::KEYS == 0 {
        return broken("r4_only_inactive_keys_are_deleted", format!("key {key} is Active"));
    }
    Ok(())
}

/// A key goes only when its time has come, whatever could not be read or was not noted.
fn r5_nothing_goes_that_may_be_needed(model: &Model, aws: &Aws, process: &Process, call: Call, held: u8) -> Verdict {
    let (key, what, is_right) = match call {
        Call::Deactivate(key) => (key, "deactivated", may_be_deactivated(model, aws, key, held)),
        Call::Delete(key) => (key, "deleted", may_be_deleted(model, aws, key, held)),
        _ => return Ok(()),
    };
    let was_right = match call {
        Call::Deactivate(_) => process.cover.deactivate & 1 << key != 0,
        _ => process.cover.delete & 1 << key != 0,
    };
    if is_right || was_right || !aws.is_active(key) && what == "deactivated" {
        return Ok(());
    }
    broken("r5_nothing_goes_that_may_be_needed", format!("key {key} is {what}: {:?}", aws.key(key)))
}

/// Whoever has moved AWSCURRENT changes nothing more. (Where no overlap is wanted a pass of the sweeper follows, which
/// is another program.)
fn r6_nothing_after_the_label_move(process: &Process, call: Call) -> Verdict {
    if process.moved && process.program != Program::SweepAfterFinish && call.is_write() {
        return broken("r6_nothing_after_the_label_move", format!("{call:?} comes after it"));
    }
    Ok(())
}

/// What a person has disabled stays so.
fn r7_people_have_the_last_word(call: Call) -> Verdict {
    if let Call::Activate(key) = call {
        return broken("r7_people_have_the_last_word", format!("key {key} is activated"));
    }
    Ok(())
}

/// The keys of a user who has only the name of the bound one are not touched.
fn r8_only_the_bound_user(aws: &Aws, process: &Process, call: Call) -> Verdict {
    let unseen = process.cover.user != 0;
    let changes_keys = matches!(call, Call::Deactivate(_) | Call::Delete(_) | Call::CreateKey { .. });
    if aws.replaced && changes_keys && !unseen {
        return broken("r8_only_the_bound_user", format!("{call:?} of a stranger"));
    }
    Ok(())
}

/// Nobody has the secret half: it is in no version, and whoever created it runs no more.
fn is_nobodys(aws: &Aws, key: KeyNo, held: u8) -> bool {
    aws.is_stray(key) && held & 1 << key == 0
}

/// The price that is known (see `docs/decisions/`, "what an orphan is"): a key that a person makes within the lease of
/// an attempt, and that nobody has used, passes for an orphan.
fn passes_for_an_orphan(model: &Model, aws: &Aws, key: &Key) -> bool {
    let skew = 5;
    let within = |at: &u32| (at.saturating_sub(skew)..=at + model.lease()).contains(&key.created);
    key.used.is_none() && !key.truth.ours && aws.attempts.iter().flatten().any(within)
}

/// Whether keyturn may retire it at all: it is its own, or a person has said so.
fn may_be_retired(model: &Model, aws: &Aws, number: KeyNo, key: &Key) -> bool {
    let told = aws.secret.given_up[usize::from(number)] == Some(GivenUp::Retire);
    let ours = key.truth.ours || matches!(key.truth.maker, Maker::Rotation(_));
    ours || told || model.settings.foreign == ForeignPolicy::Retire
}

pub(super) fn may_be_deactivated(model: &Model, aws: &Aws, number: KeyNo, held: u8) -> bool {
    let Some(key) = aws.key(number) else { return true };
    if is_nobodys(aws, number, held) || passes_for_an_orphan(model, aws, key) {
        return true;
    }
    if aws.secret.given_up[usize::from(number)] == Some(GivenUp::Retire) {
        return true;
    }
    let settings = &model.settings;
    let overlapped =
        key.truth.superseded.is_some_and(|superseded| age(superseded) >= seconds(settings.deactivate_after));
    let quiet = key.used.is_none_or(|used| age(used) >= seconds(settings.quiet));
    // A key that a rotation is about to make current is needed, whatever its age.
    let is_pending = aws.secret.unfinished().is_some_and(|pending| aws.secret.value(pending).key() == Some(number));
    let overlapped = overlapped || !key.truth.served;
    let unneeded = overlapped && (quiet || settings.in_use == InUsePolicy::Deactivate) && !is_pending;
    unneeded && may_be_retired(model, aws, number, key)
}

pub(super) fn may_be_deleted(model: &Model, aws: &Aws, number: KeyNo, held: u8) -> bool {
    let Some(key) = aws.key(number) else { return true };
    if is_nobodys(aws, number, held) || passes_for_an_orphan(model, aws, key) {
        return true;
    }
    if aws.secret.given_up[usize::from(number)] == Some(GivenUp::Reclaim) {
        return !key.active;
    }
    let graced = key.truth.inactive_since.is_some_and(|since| age(since) >= seconds(model.settings.delete_after));
    // IAM does not tell since when a key is Inactive. A mark from before a person brought it back is believed while
    // nobody has used it since, and nobody has looked.
    let believed = key.truth.brought_back && !key.active && key.used.is_none();
    (graced || believed) && may_be_retired(model, aws, number, key)
}
