//! What the applications do with the keys: each user has one, which reads the secret now and then, uses the key on most
//! days, and must never find it refused.

use sandbox::{KeyStatus, World};

use crate::chance::Chance;
use crate::ledger::{Ledger, User};
use crate::stage::{ACCOUNT, REGION};

/// Applications read the secret once in so many days: at most two days less than a superseded key stays Active.
const LAZIEST: u32 = 5;

/// Some do not notice a new key for so long, and use the old one every day. They are what a quiet period is for.
const STUBBORN: u32 = 45;
const STUBBORN_PER_THOUSAND: u32 = 30;

/// On so many of a thousand days a key is used.
const BUSY_PER_THOUSAND: u32 = 900;

/// Has every application do its day's work. Says who found a key refused.
pub(crate) fn work(world: &mut World, ledger: &mut Ledger, chance: Chance, day: u32) -> Vec<String> {
    let mut findings = Vec::new();
    for (name, user) in &mut ledger.users {
        let stubborn = chance.happens(STUBBORN_PER_THOUSAND, &["stubborn", name]) && !ledger.is_quiet;
        let between = if stubborn { STUBBORN } else { 1 + chance.about(&["lazy", name]).u32(0..LAZIEST) };
        if user.held.is_none() || (day + chance.about(&["offset", name]).u32(0..between)).is_multiple_of(between) {
            user.held = user.current.clone();
        }
        // Who holds on to an old key without using it every day is not waited for, and the documentation says so.
        if stubborn || chance.happens(BUSY_PER_THOUSAND, &["busy", name, &day.to_string()]) {
            findings.extend(use_key(world, user, name));
        }
    }
    findings
}

fn use_key(world: &mut World, user: &mut User, name: &str) -> Option<String> {
    let held = user.held.clone()?;
    let works = |world: &World, id: &str| {
        world.access_keys(ACCOUNT, name).iter().any(|key| key.id() == id && key.status == KeyStatus::Active)
    };
    let mut finding = None;
    if !works(world, &held) {
        let is_excused = user.trouble.is_some() || user.keys[&held].is_disturbed;
        finding = (!is_excused).then(|| format!("{name}'s application finds {held} refused\n{}", user.trail()));
        // It reads the secret anew, as the documentation says.
        user.held = user.current.clone();
    }
    let held = user.held.clone().filter(|held| works(world, held))?;
    world.record_use(&held, "s3", REGION).unwrap();
    user.keys.get_mut(&held)?.last_use = Some(world.now());
    finding
}
