//! R7: whatever has happened, passes of the sweeper and scheduled rotations lead to a working key, or to a reason that
//! is true.

use std::collections::HashSet;

use contract::ForeignPolicy;

use super::aws::{Aws, DAY, HOUR, Maker, NOW, Time, Value, age};
use super::calls::{End, Outcome};
use super::decide::Program;
use super::fingerprint::{Fast, fingerprint};
use super::invariants::{Violation, r3_one_key_per_attempt};
use super::process::{Model, Process, seconds};

/// How long until the sweeper comes, and whether Secrets Manager rotates by its schedule before. Real passes come every
/// hour; fewer of them make it harder.
const ROUNDS: [(Time, bool); 7] = [
    (HOUR, false),
    (DAY, false),
    (8 * DAY, false),
    (8 * DAY, false),
    (14 * DAY, true),
    (8 * DAY, false),
    (8 * DAY, false),
];

/// The worlds that were seen to settle, and in which round they were seen.
pub(super) type Settled = HashSet<u128, Fast>;

/// Lets time go by without any further fault. Every run that was under way has died.
pub(super) fn settle(model: &Model, mut aws: Aws, deaths: u8, settled: &mut Settled) -> Result<(), Violation> {
    let mut reasons = [End::Done; 2];
    for (round, (time, scheduled)) in ROUNDS.into_iter().enumerate() {
        aws.rest(None);
        if !settled.insert(fingerprint(&(aws, deaths, round, reasons))) {
            return Ok(());
        }
        aws.advance(time);
        if scheduled && aws.secret.rotation_on && !aws.secret.deleted {
            reasons[0] = rotate(model, &mut aws)?;
        }
        let (end, asked) = run(model, &mut aws, Program::Sweep, 0)?;
        reasons[1] = end;
        if asked {
            reasons[0] = rotate(model, &mut aws)?;
        }
        r3_one_key_per_attempt(&aws, 0, deaths)?;
    }
    if is_well(&aws) || aws.secret.deleted || reasons.iter().any(|end| is_true(model, &aws, *end)) {
        return Ok(());
    }
    let text = format!("it came to {reasons:?} with {aws:?}");
    Err(Violation { invariant: "r7_progress_or_a_named_reason", text })
}

/// A whole rotation, from its first step; Secrets Manager goes on with one that is not complete.
fn rotate(model: &Model, aws: &mut Aws) -> Result<End, Violation> {
    let token = aws.secret.unfinished().unwrap_or_else(|| aws.stage());
    let mut program = Some(Program::Create);
    while let Some(step) = program {
        let (end, _) = run(model, aws, step, token)?;
        if end != End::Done {
            return Ok(end);
        }
        program = step.next();
    }
    aws.secret.rotated = Some(NOW);
    Ok(End::Done)
}

fn run(model: &Model, aws: &mut Aws, program: Program, token: u8) -> Result<(End, bool), Violation> {
    let mut process = Process::new(program, token);
    let mut asked = false;
    loop {
        let ran = process.run(model, aws, Outcome::Fine, 0)?;
        asked |= ran.asked;
        if let Some(end) = ran.end {
            return Ok((end, asked));
        }
    }
}

/// AWSCURRENT names a key that works, nothing is under way, and nothing of ours is left over.
fn is_well(aws: &Aws) -> bool {
    let current = aws.secret.current_key().and_then(|key| aws.key(key));
    let works = current.is_some_and(|key| key.active && (key.truth.proven || key.truth.maker == Maker::Person));
    let is_left_over = |number| {
        Some(number) != aws.secret.current_key()
            && aws.key(number).is_some_and(|key| {
                let ours = key.truth.ours || matches!(key.truth.maker, Maker::Rotation(_));
                ours && key.truth.superseded.is_none_or(|superseded| age(superseded) > 15 * DAY)
            })
    };
    let left_over = aws.alive().any(|(number, _)| aws.is_stray(number) || is_left_over(number));
    works && !left_over && aws.secret.unfinished().is_none()
}

/// Whether a run has ended for a reason that only a person can remove, and that is really there.
fn is_true(model: &Model, aws: &Aws, end: End) -> bool {
    let current = aws.secret.current_key();
    let others = || aws.alive().filter(|(number, _)| Some(*number) != current);
    let foreign = others().filter(|(_, key)| key.truth.maker == Maker::Person && !key.truth.ours);
    match end {
        End::Blocked("held") => aws.secret.hold,
        End::Blocked("rotation_off") => !aws.secret.rotation_on,
        End::Blocked("unbound") => !aws.secret.bound,
        End::Blocked("other_user") => aws.secret.value(aws.secret.current) == Value::Stranger,
        End::Blocked("user_replaced") => aws.replaced,
        End::Blocked("foreign") => model.settings.foreign == ForeignPolicy::Refuse && foreign.count() > 0,
        End::Blocked("two_foreign") => current.is_none() && foreign.count() >= 2,
        End::Blocked("no_successor") => current.is_none() && others().count() > 0,
        End::Blocked("current_missing") => current.is_some_and(|key| aws.key(key).is_none()),
        End::Blocked("current_disabled") => current.is_some_and(|key| aws.key(key).is_some() && !aws.is_active(key)),
        End::Blocked("in_use") => {
            others().any(|(_, key)| key.used.is_some_and(|used| age(used) < seconds(model.settings.quiet)))
        }
        End::Blocked("unreadable_value") => aws.secret.value(aws.secret.current) == Value::Garbage,
        _ => false,
    }
}
