//! What befalls the function's calls, by user, operation, and how many such calls there have been about that user.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use sandbox::{ApiError, FaultEffect, Upcoming, World};
use serde_json::json;

use crate::chance::Chance;
use crate::ledger::{Ledger, user_of};

/// So many of a thousand calls are struck: every fourth rotation or so, with its thirty calls.
const PER_THOUSAND: u32 = 9;

/// How a call can be struck, and how often compared with the others.
const KINDS: [(Kind, u32); 8] = [
    (Kind::KillBefore, 3),
    (Kind::KillAfter, 4),
    (Kind::LoseRequest, 1),
    (Kind::LoseAnswer, 1),
    (Kind::Throttle, 1),
    (Kind::FailAfter, 2),
    (Kind::Again, 2),
    (Kind::Sweep, 3),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    KillBefore,
    KillAfter,
    LoseRequest,
    LoseAnswer,
    Throttle,
    FailAfter,
    /// The same event is dealt with by another instance first.
    Again,
    /// The user is swept first.
    Sweep,
}

/// Strikes calls until the ledger says that all is quiet.
pub(crate) fn strike(world: &mut World, chance: Chance, ledger: Arc<Mutex<Ledger>>) {
    let mut calls: BTreeMap<(String, String), u32> = BTreeMap::new();
    world.sabotage(move |world, upcoming| {
        let is_proof = upcoming.operation == "sts:GetCallerIdentity";
        let is_meant = is_proof || upcoming.principal.contains("assumed-role/cell-");
        let user = upcoming.subject.as_deref().and_then(user_of).filter(|_| is_meant)?.to_owned();
        let mut ledger = ledger.lock().unwrap();
        if ledger.is_quiet {
            return None;
        }
        let nth = calls.entry((user.clone(), upcoming.operation.clone())).or_default();
        *nth += 1;
        let nth = nth.to_string();
        if !chance.happens(PER_THOUSAND, &["fault", &user, &upcoming.operation, &nth]) {
            return None;
        }
        let kind = match draw(&mut chance.about(&["kind", &user, &upcoming.operation, &nth])) {
            // Others are swept by the same invocation, and their year must not depend on this one's.
            Kind::KillBefore | Kind::KillAfter if ledger.is_swept_with_others(&user) => Kind::FailAfter,
            Kind::Again if ledger.is_swept_with_others(&user) => Kind::Sweep,
            kind => kind,
        };
        ledger.user(&user).note(world.now(), format!("{kind:?} strikes {}", upcoming.operation));
        ledger.count(&format!("{kind:?}"));
        Some(effect(kind, upcoming, &user))
    });
}

fn draw(random: &mut fastrand::Rng) -> Kind {
    let mut ticket = random.u32(0..KINDS.iter().map(|(_, weight)| weight).sum());
    for (kind, weight) in KINDS {
        match ticket.checked_sub(weight) {
            Some(rest) => ticket = rest,
            None => return kind,
        }
    }
    unreachable!("every ticket wins")
}

fn effect(kind: Kind, upcoming: &Upcoming, user: &str) -> FaultEffect {
    let is_json = upcoming.operation.starts_with("secretsmanager:");
    let throttled = if is_json { "ThrottlingException" } else { "Throttling" };
    let failed = if is_json { "InternalServiceError" } else { "ServiceFailure" };
    match kind {
        Kind::KillBefore => FaultEffect::KillBefore,
        Kind::KillAfter => FaultEffect::KillAfter,
        Kind::LoseRequest => FaultEffect::LoseRequest,
        Kind::LoseAnswer => FaultEffect::LoseAnswer,
        Kind::Throttle => FaultEffect::FailBefore(ApiError::new(throttled, "as ordered")),
        Kind::FailAfter => FaultEffect::FailAfter(ApiError::new(failed, "as ordered").with_status(500)),
        // The proof is made with the user's own key: no function stands behind that call.
        Kind::Again | Kind::Sweep if upcoming.operation == "sts:GetCallerIdentity" => FaultEffect::LoseAnswer,
        Kind::Again => FaultEffect::Again,
        Kind::Sweep => FaultEffect::Meanwhile(json!({ "sweep": [user] }).to_string().into_bytes()),
    }
}
