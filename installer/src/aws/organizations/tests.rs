//! Organizations as the sandbox has them: trees, pages, and who may look.

use sandbox::{AccountState, Options, Sandbox, World};

use super::*;
use crate::sandboxed::{ACCOUNT, Sandboxed};

/// An organization with units two deep; gives the ids of the root and of a unit.
async fn organized(sandbox: &Sandbox, accounts: usize) -> (String, String) {
    let build = move |world: &mut World| {
        let root = world.create_organization(ACCOUNT)?;
        let workloads = world.create_organizational_unit(&root, "workloads")?;
        let production = world.create_organizational_unit(&workloads, "production")?;
        let elsewhere = world.create_organizational_unit(&root, "elsewhere")?;
        for number in 0..accounts {
            let parent = [&workloads, &production, &elsewhere][number % 3];
            world.create_member_account(parent, &format!("{:012}", 1000 + number), &format!("account-{number}"))?;
        }
        Ok::<_, sandbox::ApiError>((root, workloads))
    };
    sandbox.visit(build).await.unwrap()
}

#[tokio::test]
async fn accounts_are_found_in_all_units_below_on_all_pages() {
    let Sandboxed { sandbox, session, .. } = Sandboxed::start(Options::default(), true).await;
    let (root, workloads) = organized(&sandbox, 150).await;
    let below = accounts_below(&session.clients, &workloads).await.unwrap();
    let numbers: Vec<&str> = below.iter().map(|account| account.id.as_str()).collect();
    let expected: Vec<String> = (0..150).filter(|n| n % 3 != 2).map(|n| format!("{:012}", 1000 + n)).collect();
    assert_eq!(numbers, expected);
    assert_eq!((below[0].name.as_str(), &below[0].status), ("account-0", &AccountStatus::Active));
    let all = accounts_below(&session.clients, &root).await.unwrap();
    assert_eq!(all.len(), 151, "and the management account");
    let none = accounts_below(&session.clients, "ou-abcd-12345678").await.unwrap_err();
    assert_eq!(none.code(), Some("ParentNotFoundException"));
}

#[tokio::test]
async fn what_is_not_there_is_none() {
    let Sandboxed { sandbox, session, .. } = Sandboxed::start(Options::default(), true).await;
    assert_eq!(organization(&session.clients).await, Ok(None));
    organized(&sandbox, 1).await;
    let found = organization(&session.clients).await.unwrap().unwrap();
    assert_eq!((found.management.as_str(), found.id.get(..2)), (ACCOUNT, Some("o-")));
    let there = AccountId::new("000000001000").unwrap();
    assert_eq!(account(&session.clients, &there).await.unwrap().map(|account| account.id), Some(there));
    let nowhere = AccountId::new("999999999999").unwrap();
    assert_eq!(account(&session.clients, &nowhere).await, Ok(None));
}

#[tokio::test]
async fn every_state_is_told_also_after_the_status_has_retired() {
    let Sandboxed { sandbox, session, .. } = Sandboxed::start(Options::default(), true).await;
    organized(&sandbox, 1).await;
    let id = AccountId::new("000000001000").unwrap();
    let states = [
        (AccountState::PendingActivation, AccountStatus::PendingActivation),
        (AccountState::Active, AccountStatus::Active),
        (AccountState::Suspended, AccountStatus::Suspended),
        (AccountState::PendingClosure, AccountStatus::PendingClosure),
        (AccountState::Closed, AccountStatus::Closed),
    ];
    for _ in 0..2 {
        for (state, status) in &states {
            let state = *state;
            sandbox.visit(move |world| world.set_account_state("000000001000", state)).await.unwrap();
            let found = account(&session.clients, &id).await.unwrap().unwrap();
            assert_eq!(found.status, *status);
        }
        sandbox.advance(std::time::Duration::from_hours(24 * 365)).await;
    }
}

#[test]
fn states_that_are_not_known_yet_keep_their_words() {
    let shown = |state: Option<&str>, status: Option<&str>| {
        let account = types::Account::builder().id("111122223333");
        let account =
            account.set_state(state.map(types::AccountState::from)).set_status(status.map(Into::into)).build();
        read("organizations:DescribeAccount", account).map(|account| account.status)
    };
    assert_eq!(shown(Some("FROZEN"), Some("ACTIVE")), Ok(AccountStatus::Unknown("FROZEN".to_owned())));
    assert_eq!(shown(None, Some("SUSPENDED")), Ok(AccountStatus::Suspended));
    assert_eq!(shown(None, Some("FROZEN")), Ok(AccountStatus::Unknown("FROZEN".to_owned())));
    assert!(shown(None, None).is_err());
}
