//! Reads what a rehearsal needs of the accounts: the users whom the fleet is about, with their groups, tags and keys.

use std::collections::BTreeSet;
use std::sync::Arc;

use contract::AccountId;
use tokio::task::JoinSet;

use super::super::Entrance;
use crate::aws::users::{self, AccessKey, LastUse, Person};
use crate::aws::{CallError, Clients};
use crate::concurrent::{self, Pace};
use crate::fleet::Wanted;
use crate::fleet::targets::{LeftOut, Target, Why};

/// How the keys of the users of an account are read.
const PACE: Pace = Pace { at_once: 8, apart: std::time::Duration::from_millis(20) };

/// What was read.
#[derive(Debug)]
pub(super) struct Original {
    /// The account of the caller, which manages the copy.
    pub(super) caller: AccountId,
    /// The partition of all of them.
    pub(super) partition: String,
    /// The accounts of the fleet.
    pub(super) members: Vec<Member>,
    /// The accounts that it leaves out because they are not in use.
    pub(super) unused: Vec<LeftOut>,
}

/// An account of the fleet.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) account: AccountId,
    pub(super) name: String,
    /// Whether AWS may still be making it ready.
    pub(super) is_new: bool,
    /// Its users; none when the account could not be entered, or does not tell.
    pub(super) users: Option<Vec<User>>,
}

/// A user with the keys.
#[derive(Debug)]
pub(super) struct User {
    pub(super) person: Person,
    pub(super) keys: Vec<(AccessKey, Option<LastUse>)>,
}

impl Original {
    pub(super) fn accounts(&self) -> Vec<AccountId> {
        self.members.iter().map(|member| member.account.clone()).collect()
    }

    /// How many users there are.
    pub(super) fn users(&self) -> usize {
        self.members.iter().filter_map(|member| member.users.as_ref()).map(Vec::len).sum()
    }
}

/// Reads the accounts, so many at the same time. One that cannot be entered cannot be in the copy either.
pub(super) async fn read(entrance: Entrance, targets: Vec<Target>, left_out: Vec<LeftOut>, at_once: usize) -> Original {
    let (entrance, mut members, mut under_way) = (Arc::new(entrance), Vec::new(), JoinSet::new());
    let (caller, partition) = (entrance.caller.account.clone(), entrance.caller.partition.clone());
    let mut queue = targets.into_iter();
    loop {
        while under_way.len() < at_once {
            let Some(target) = queue.next() else { break };
            let entrance = entrance.clone();
            under_way.spawn(async move {
                let users = of_account(&entrance.enter(&target).session.clients, &target.wanted).await;
                if let Err(error) = &users {
                    entrance.session.printer.say(format!("  {}: cannot be copied: {error}", target.account));
                }
                Member { account: target.account, name: target.name, is_new: target.is_new, users: users.ok() }
            });
        }
        match under_way.join_next().await {
            Some(Ok(member)) => members.push(member),
            // Nobody cancels these tasks, so one that did not finish has panicked: that is passed on.
            Some(Err(error)) => std::panic::resume_unwind(error.into_panic()),
            None => break,
        }
    }
    members.sort_by(|one: &Member, other: &Member| one.account.cmp(&other.account));
    let unused = left_out.into_iter().filter(|left| matches!(left.why, Why::NotInUse { .. })).collect();
    Original { caller, partition, members, unused }
}

async fn of_account(clients: &Clients, wanted: &Wanted) -> Result<Vec<User>, CallError> {
    let mut people = users::population(clients).await?;
    let concerned: BTreeSet<_> = match &wanted.selection {
        Some(selection) => {
            let selected = selection.among(&people);
            selected.users.into_iter().chain(selected.exempted.into_iter().map(|exempted| exempted.user)).collect()
        }
        None => wanted.config.users.iter().map(|user| user.name.clone()).collect(),
    };
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
