//! Reads what a rehearsal needs of the accounts: what is deployed there, and the users whom the fleet is about, with their
//! groups, tags and keys.

use std::collections::BTreeSet;

use contract::{AccountId, Region, UserName};

use super::super::Entrance;
use super::deployed::{self, Deployed, Kept, StackSet};
use super::tree::Tree;
use crate::aws::users::{self, AccessKey, LastUse, Person};
use crate::aws::{CallError, Clients};
use crate::concurrent::{self, Pace};
use crate::fleet::Wanted;
use crate::fleet::engine::Engine;
use crate::fleet::targets::{LeftOut, Target};

/// How the keys of the users of an account are read.
const PACE: Pace = Pace { at_once: 8, apart: std::time::Duration::from_millis(20) };

/// What was read.
#[derive(Debug)]
pub(super) struct Original {
    /// Who is to bring stacks into the accounts.
    pub(super) engine: Engine,
    /// The account of the caller.
    pub(super) caller: AccountId,
    /// The partition of all of them.
    pub(super) partition: String,
    /// Where they are.
    pub(super) tree: Tree,
    /// The accounts of the fleet.
    pub(super) members: Vec<Member>,
    /// The accounts that it leaves out.
    pub(super) left_out: Vec<LeftOut>,
    /// What belongs to all of the fleet: stacks of the caller's account, in the region of the fleet.
    pub(super) shared: Deployed,
    /// Its stack set, when there is one.
    pub(super) set: Option<StackSet>,
}

/// An account of the fleet.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) account: AccountId,
    pub(super) name: String,
    /// Whether AWS may still be making it ready.
    pub(super) is_new: bool,
    pub(super) region: Region,
    /// Its users; none when the account could not be entered, or does not tell.
    pub(super) users: Option<Vec<User>>,
    pub(super) deployed: Deployed,
}

/// A user with the keys.
#[derive(Debug)]
pub(super) struct User {
    pub(super) person: Person,
    pub(super) keys: Vec<(AccessKey, Option<LastUse>)>,
}

impl Original {
    /// What the organization calls an account, if the fleet is about it.
    pub(super) fn name_of(&self, account: &AccountId) -> &str {
        let accounts = self.tree.units.iter().flat_map(|unit| &unit.accounts);
        accounts.filter(|found| found.id == *account).map(|found| found.name.as_str()).next().unwrap_or_default()
    }

    /// What the copy calls the user who may do everything: as nobody in the accounts is called.
    pub(super) fn administrator(&self) -> String {
        let users = self.members.iter().flat_map(|member| member.users.iter().flatten());
        let taken: Vec<&UserName> = users.map(|user| &user.person.name).collect();
        let mut name = "rehearsal".to_owned();
        while taken.iter().any(|taken| taken.as_str().eq_ignore_ascii_case(&name)) {
            name.push('-');
        }
        name
    }

    /// How many users there are.
    pub(super) fn users(&self) -> usize {
        self.members.iter().filter_map(|member| member.users.as_ref()).map(Vec::len).sum()
    }

    /// How many accounts have something deployed.
    pub(super) fn deployed(&self) -> usize {
        let instances = self.set.iter().flat_map(|set| set.instances.values().flatten());
        let instances: BTreeSet<&AccountId> = instances.collect();
        let has_any = |member: &&Member| !member.deployed.stacks.is_empty() || instances.contains(&member.account);
        self.members.iter().filter(has_any).count()
    }

    /// Whether anything is deployed.
    pub(super) fn has_any(&self) -> bool {
        self.deployed() > 0 || self.set.is_some() || !self.shared.stacks.is_empty()
    }

    /// What is there and not copied, for whoever watches.
    pub(super) fn not_copied(&self) -> BTreeSet<String> {
        let told = |account: &AccountId, what: &str| format!("{account}: {what}");
        // What belongs to the fleet may be found in an account of it once more.
        let mut all: BTreeSet<String> = self.shared.not_copied.iter().map(|what| told(&self.caller, what)).collect();
        for Member { account, deployed, .. } in &self.members {
            all.extend(deployed.not_copied.iter().map(|what| told(account, what)));
        }
        let instances = self.set.iter().flat_map(|set| &set.not_copied);
        all.extend(
            instances.map(|(account, status)| told(account, &format!("its stack of the set, which is {status}"))),
        );
        all
    }

    /// The secrets that stand to be copied: account, region, and what is known of each.
    pub(super) fn secrets(&self) -> Vec<(AccountId, Region, Kept)> {
        let mut secrets = Vec::new();
        for Member { account, region, users, deployed, .. } in &self.members {
            for secret in &deployed.secrets {
                let whose = secret.user();
                let user = users.iter().flatten().find(|user| whose.as_ref().is_some_and(|name| user.is(name)));
                let keys = user.into_iter().flat_map(|user| user.keys.iter().map(|(key, _)| key));
                secrets.extend(Kept::of(secret, keys).map(|kept| (account.clone(), region.clone(), kept)));
            }
        }
        secrets
    }
}

impl User {
    fn is(&self, name: &UserName) -> bool {
        self.person.name.is_same_user(name)
    }
}

/// Reads the accounts, so many at the same time. One that cannot be entered cannot be in the copy either.
pub(super) async fn members(entrance: &Entrance, targets: Vec<Target>, at_once: usize) -> Vec<Member> {
    let read = |target: Target| {
        let (entered, printer) = (entrance.enter(&target), entrance.session.printer.clone());
        async move {
            let (clients, Target { account, name, is_new, wanted }) = (entered.session.clients, target);
            let deployed = deployed::of_account(&clients, &wanted.config).await;
            let users = of_account(&clients, &wanted, deployed.as_ref().ok()).await;
            // Whoever cannot enter an account hears it once.
            let error = users.as_ref().err().or(deployed.as_ref().err());
            if let Some(error) = error {
                let what = if users.is_ok() { "what is deployed there cannot be copied" } else { "cannot be copied" };
                printer.say(format!("  {account}: {what}: {error}"));
            }
            let deployed = deployed.ok().filter(|_| users.is_ok()).unwrap_or_default();
            Member { account, name, is_new, region: wanted.config.region, users: users.ok(), deployed }
        }
    };
    let pace = Pace { at_once, apart: std::time::Duration::ZERO };
    let mut members = concurrent::for_each(targets, pace, read).await;
    members.sort_by(|one, other| one.account.cmp(&other.account));
    members
}

/// The users whom the fleet is about, and those who have a secret from before.
async fn of_account(clients: &Clients, wanted: &Wanted, deployed: Option<&Deployed>) -> Result<Vec<User>, CallError> {
    let mut people = users::population(clients).await?;
    let mut concerned: BTreeSet<_> = match &wanted.selection {
        Some(selection) => {
            let selected = selection.among(&people);
            selected.users.into_iter().chain(selected.exempted.into_iter().map(|exempted| exempted.user)).collect()
        }
        None => wanted.config.users.iter().map(|user| user.name.clone()).collect(),
    };
    concerned.extend(deployed.into_iter().flat_map(Deployed::users));
    people.retain(|person| concerned.iter().any(|name| name.is_same_user(&person.name)));
    let read = |person: Person| {
        let clients = clients.clone();
        async move {
            let mut keys = Vec::new();
            for key in users::access_keys(&clients, &person.name).await? {
                let used = users::last_use(&clients, &key.id).await?;
                keys.push((key, used));
            }
            Ok(User { person, keys })
        }
    };
    concurrent::for_each(people, PACE, read).await.into_iter().collect()
}
