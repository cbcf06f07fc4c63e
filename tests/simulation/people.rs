//! What people do to keys and secrets on some days, and put right on others.

use sandbox::{KeyStatus, World};

use crate::chance::Chance;
use crate::ledger::{Ledger, Trouble, TroubleKind, User};
use crate::stage::{ACCOUNT, REGION};

/// So many of a thousand users have somebody who interferes.
const MEDDLERS_PER_THOUSAND: u32 = 400;

/// An act is put right so many days later.
const RIGHTED_AFTER: std::ops::Range<u32> = 3..45;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    DisableCurrent,
    DeleteCurrent,
    /// A key for something else, in the second slot if it is free.
    AddKey,
    /// A field more in the secret's value.
    Edit,
    CancelRotation,
    Hold,
    DeleteSuperseded,
    /// A key that is on its way out is brought back.
    Reactivate,
    /// A rotation that has not come to its end is called off.
    DropPending,
}

const ACTS: [Act; 9] = [
    Act::DisableCurrent,
    Act::DeleteCurrent,
    Act::AddKey,
    Act::Edit,
    Act::CancelRotation,
    Act::Hold,
    Act::DeleteSuperseded,
    Act::Reactivate,
    Act::DropPending,
];

/// What is done through Secrets Manager's own API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Errand {
    Hold(String),
    Release(String),
    Rotate(String),
}

/// Has people do what they do on this day; `last` is the last one on which they begin anything.
pub(crate) fn act(world: &mut World, ledger: &mut Ledger, chance: Chance, day: u32, last: u32) -> Vec<Errand> {
    let mut errands = Vec::new();
    let names: Vec<String> = ledger.users.keys().cloned().collect();
    for name in names {
        let mut random = chance.about(&["person", &name]);
        if random.u32(0..1000) >= MEDDLERS_PER_THOUSAND {
            continue;
        }
        let (act, begin) = (ACTS[random.usize(0..ACTS.len())], random.u32(last / 10..last - RIGHTED_AFTER.end));
        let end = begin + random.u32(RIGHTED_AFTER);
        if ledger.users[&name].current.is_none() || (day != begin && day != end) {
            continue;
        }
        if day == begin {
            ledger.count(&format!("{act:?}"));
        }
        let user = ledger.user(&name);
        user.note(world.now(), format!("a person: {act:?} {}", if day == begin { "begins" } else { "ends" }));
        errands.extend(if day == begin {
            begin_act(world, user, &name, act)
        } else {
            end_act(world, user, &name, act)
        });
        user.sync(world, &name, true);
    }
    errands
}

fn begin_act(world: &mut World, user: &mut User, name: &str, act: Act) -> Option<Errand> {
    let secret = format!("keyturn/{name}");
    let now = world.now();
    let trouble = |kind| Some(Trouble { kind, since: now });
    let current = user.current.clone()?;
    let superseded = user.keys.iter().find(|(id, key)| **id != current && key.was_current && key.status.is_some());
    let superseded = superseded.map(|(id, _)| id.clone());
    match act {
        Act::DisableCurrent => {
            user.trouble = trouble(TroubleKind::CurrentDisabled);
            world.set_access_key_status(&current, KeyStatus::Inactive).unwrap();
        }
        Act::DeleteCurrent => {
            user.trouble = trouble(TroubleKind::CurrentMissing);
            world.delete_access_key(&current).unwrap();
        }
        Act::AddKey => {
            // The quota may be used up.
            if world.create_access_key(ACCOUNT, name).is_ok() {
                user.trouble = trouble(TroubleKind::Foreign);
            }
        }
        Act::Edit => {
            let value = world.secret_value(ACCOUNT, REGION, &secret, "AWSCURRENT").unwrap();
            let mut value: serde_json::Value = serde_json::from_str(value).unwrap();
            value["Note"] = "kept".into();
            world.put_secret_value(ACCOUNT, REGION, &secret, &value.to_string()).unwrap();
        }
        Act::CancelRotation => {
            user.trouble = trouble(TroubleKind::RotationOff);
            world.cancel_rotation(ACCOUNT, REGION, &secret).unwrap();
        }
        Act::Hold => {
            user.trouble = trouble(TroubleKind::Held);
            return Some(Errand::Hold(name.to_owned()));
        }
        Act::DeleteSuperseded => {
            superseded.into_iter().for_each(|id| world.delete_access_key(&id).unwrap());
        }
        Act::Reactivate => {
            superseded.into_iter().for_each(|id| world.set_access_key_status(&id, KeyStatus::Active).unwrap());
        }
        Act::DropPending => {
            let pending = world.secret(ACCOUNT, REGION, &secret)?.labelled("AWSPENDING").is_some();
            if pending {
                world.move_label(ACCOUNT, REGION, &secret, "AWSPENDING", None).unwrap();
            }
        }
    }
    None
}

fn end_act(world: &mut World, user: &mut User, name: &str, act: Act) -> Option<Errand> {
    let is_in = |user: &User, kind| user.trouble.is_some_and(|trouble| trouble.kind == kind);
    match act {
        Act::DisableCurrent if is_in(user, TroubleKind::CurrentDisabled) => {
            world.set_access_key_status(user.current.as_ref()?, KeyStatus::Active).unwrap();
        }
        // A rotation makes up for it, by itself or now.
        Act::DeleteCurrent if is_in(user, TroubleKind::CurrentMissing) => {
            return Some(Errand::Rotate(name.to_owned()));
        }
        Act::AddKey if is_in(user, TroubleKind::Foreign) => {
            let foreign = user.keys.iter().filter(|(_, key)| key.is_foreign && key.status.is_some());
            foreign.for_each(|(id, _)| world.delete_access_key(id).unwrap());
            user.trouble = None;
        }
        Act::CancelRotation => {
            user.trouble = None;
            return Some(Errand::Rotate(name.to_owned()));
        }
        Act::Hold => {
            user.trouble = None;
            return Some(Errand::Release(name.to_owned()));
        }
        _ => {}
    }
    None
}
