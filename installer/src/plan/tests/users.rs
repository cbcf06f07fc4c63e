//! Users as they are found: what is said of each, what is refused, and which keys may be given up.

use contract::{Attempt, GiveUp, KeyMark, Rendering, Renderings};

use super::*;
use crate::aws::secrets::Contents;

const ACTIVE: KeyStatus = KeyStatus::Active;
const INACTIVE: KeyStatus = KeyStatus::Inactive;

/// A configuration for `alice` that gives these keys up.
fn giving_up(keys: &[(u8, GiveUp)]) -> Config {
    let given_up = keys.iter().map(|(number, how)| (key(*number, ACTIVE, 0).id, *how)).collect();
    Config { given_up, ..config(&["alice"]) }
}

/// An account in which `alice` has these keys, made on different days.
fn with_keys(config: &Config, keys: &[(u8, KeyStatus)]) -> Observed {
    let mut observed = untouched(config);
    let keys = keys.iter().zip(0..).map(|((number, status), day)| key(*number, *status, 100 * day));
    observed.users[0].keys = keys.collect();
    observed
}

/// A secret of `alice` that nobody has bound, with the key of this number in it.
fn handmade(observed: &mut Observed, number: u8) -> &mut ObservedUser {
    let user = &mut observed.users[0];
    let secret = Secret { tags: BTreeMap::new(), last_rotated: None, ..secret_of(user) };
    let current = Some(key(number, ACTIVE, 0).id);
    let contents = Contents { user: user.name.clone(), current, pending: None, previous: None };
    (user.secret, user.contents) = (Some(secret), Some(Ok(contents)));
    user.key_owner = user.current_key().is_none().then_some(KeyOwner::Nobody);
    user
}

/// The kind of user that was found, and whether there is a first rotation.
fn kind(config: &Config, observed: &Observed) -> Result<(Kind, bool), String> {
    let plan = decide(config, observed).map_err(|error| error.to_string())?;
    let rotates = plan.steps.iter().any(|step| matches!(step, Step::RotateFirst { .. }));
    let [found] = plan.users.as_slice() else { panic!("{:?}", plan.users) };
    Ok((found.kind, rotates))
}

#[test]
fn every_user_without_a_secret_has_a_row() {
    let (reclaim, retire) = (|number| (number, GiveUp::Reclaim), |number| (number, GiveUp::Retire));
    type Row<'a> = (&'a [(u8, KeyStatus)], &'a [(u8, GiveUp)], Option<Kind>);
    let table: [Row<'_>; 11] = [
        (&[], &[], Some(Kind::NoKey)),
        (&[(1, ACTIVE)], &[], Some(Kind::OneActiveKey)),
        (&[(1, INACTIVE)], &[], Some(Kind::OneInactiveKey)),
        (&[(1, ACTIVE)], &[retire(1)], Some(Kind::OneActiveKey)),
        (&[(1, INACTIVE), (2, ACTIVE)], &[], None),
        (&[(1, INACTIVE), (2, ACTIVE)], &[reclaim(1)], Some(Kind::TwoKeysWithRoom)),
        (&[(1, INACTIVE), (2, ACTIVE)], &[reclaim(2)], None),
        (&[(1, INACTIVE), (2, INACTIVE)], &[reclaim(2)], Some(Kind::TwoKeysWithRoom)),
        (&[(1, ACTIVE), (2, ACTIVE)], &[], None),
        (&[(1, ACTIVE), (2, ACTIVE)], &[retire(2)], Some(Kind::TwoKeysWaiting)),
        (&[(1, ACTIVE), (2, ACTIVE)], &[reclaim(1)], None),
    ];
    for (keys, given_up, expected) in table {
        let config = giving_up(given_up);
        let kind = kind(&config, &with_keys(&config, keys));
        let row = format!("{keys:?} {given_up:?}: {kind:?}");
        assert_eq!(kind.ok(), expected.map(|kind| (kind, true)), "{row}");
    }
}

#[test]
fn the_policy_waits_for_an_inactive_key_and_does_not_choose_between_two_active_ones() {
    let mut config = config(&["alice"]);
    config.settings.foreign = contract::ForeignPolicy::Retire;
    let one_inactive = with_keys(&config, &[(1, INACTIVE), (2, ACTIVE)]);
    assert_eq!(kind(&config, &one_inactive), Ok((Kind::TwoKeysWaiting, true)));
    assert!(kind(&config, &with_keys(&config, &[(1, ACTIVE), (2, ACTIVE)])).is_err());
}

#[test]
fn where_one_key_is_meant_to_be_active_a_second_one_is_told() {
    let mut config = config(&["alice"]);
    let observed = with_keys(&config, &[(1, ACTIVE)]);
    let text = |config: &Config| decide(config, &observed).unwrap().users[0].text.clone();
    assert!(!text(&config).contains("two keys are Active"), "{}", text(&config));
    config.settings.deactivate_after = std::time::Duration::ZERO;
    assert!(text(&config).ends_with("; until then two keys are Active"), "{}", text(&config));
}

#[test]
fn every_secret_that_is_not_ours_has_a_row() {
    type Row<'a> = (&'a [(u8, KeyStatus)], &'a [(u8, GiveUp)], Option<(Kind, bool)>);
    let (taken, renewed) = (Some((Kind::AdoptedSecret, false)), Some((Kind::AdoptedSecretWithoutKey, true)));
    let reclaim = (2, GiveUp::Reclaim);
    // The secret holds the first key.
    let table: [Row<'_>; 10] = [
        (&[(1, ACTIVE)], &[], taken),
        (&[(1, ACTIVE), (2, ACTIVE)], &[], taken),
        (&[(1, ACTIVE), (2, INACTIVE)], &[reclaim], taken),
        (&[(1, INACTIVE)], &[], renewed),
        (&[(1, INACTIVE), (2, INACTIVE)], &[], None),
        (&[(1, INACTIVE), (2, INACTIVE)], &[reclaim], renewed),
        (&[(1, INACTIVE), (2, ACTIVE)], &[], None),
        (&[(2, ACTIVE)], &[], renewed),
        (&[(2, ACTIVE), (3, INACTIVE)], &[], None),
        (&[(2, INACTIVE), (3, ACTIVE)], &[reclaim], renewed),
    ];
    for (keys, given_up, expected) in table {
        let config = giving_up(given_up);
        let mut observed = with_keys(&config, keys);
        handmade(&mut observed, 1);
        let kind = kind(&config, &observed);
        let row = format!("{keys:?} {given_up:?}: {kind:?}");
        assert_eq!(kind.ok(), expected, "{row}");
    }
}

#[test]
fn a_secret_with_a_key_that_may_be_somebodys_is_not_taken_over() {
    let config = config(&["alice"]);
    let bob = UserName::new("bob").unwrap();
    let account = AccountId::new("444455556666").unwrap();
    for (owner, expected) in [
        (Some(KeyOwner::Nobody), None),
        (Some(KeyOwner::User(bob)), Some("is one of the user `bob`")),
        (Some(KeyOwner::Account(account)), Some("is one of the account 444455556666")),
        (Some(KeyOwner::Unknown), Some("AWS does not tell whose it is")),
        (None, Some("AWS does not tell whose it is")),
    ] {
        let mut observed = with_keys(&config, &[(2, ACTIVE)]);
        handmade(&mut observed, 1).key_owner = owner;
        let error = kind(&config, &observed).err();
        let fits = error.as_ref().zip(expected).map_or(error.is_none() && expected.is_none(), |(e, t)| e.contains(t));
        assert!(fits, "{expected:?}: {error:?}");
    }
}

#[test]
fn a_secret_that_joins_another_stack_gets_its_tags() {
    let render = Renderings::Exactly([Rendering::Smtp].into());
    let config = Config { render, ..config(&["alice"]) };
    let mut observed = bootstrapped(&config);
    let template = observed.cells.remove(&1);
    let secret = observed.users[0].secret.as_mut().unwrap();
    secret.tags.insert(tag_keys::STACK.to_owned(), "keyturn-2".to_owned());
    let adopted = |observed: &Observed| {
        let steps = decide(&config, observed).unwrap().steps;
        let adoption =
            |step: &Step| if let Step::Adopt { secrets, .. } = step { Some(secrets[0].tags.clone()) } else { None };
        steps.iter().find_map(adoption).unwrap_or_default()
    };
    let tag = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    let stack = tag(tag_keys::STACK, "keyturn");
    assert_eq!(adopted(&observed), BTreeMap::from([stack.clone(), tag(tag_keys::RENDER, "smtp")]));
    // A member whose tag somebody has changed is found again too.
    observed.cells.extend(template.map(|template| (1, template)));
    assert_eq!(adopted(&observed), BTreeMap::from([stack.clone()]));
    let secret = observed.users[0].secret.as_mut().unwrap();
    secret.tags.extend([stack]);
    assert_eq!(adopted(&observed), BTreeMap::new());
}

#[test]
fn whoever_another_deployment_rotates_is_refused() {
    let config = config(&["alice"]);
    let refusal = |change: fn(&mut ObservedUser)| {
        let mut observed = bootstrapped(&config);
        observed.cells.clear();
        change(&mut observed.users[0]);
        kind(&config, &observed).map_err(|error| error.to_string())
    };
    assert_eq!(refusal(|_| {}), Ok((Kind::JoiningSecret, false)));
    let secret = refusal(|user| user.other_stack = Some("their-keys".to_owned())).unwrap_err();
    assert!(secret.contains("belongs to the stack `their-keys`"), "{secret}");
    let elsewhere = |user: &mut ObservedUser| {
        user.rotated_by = Some(Elsewhere { stack: "keyturn".to_owned(), region: Region::new("eu-west-1").unwrap() });
    };
    let user = refusal(elsewhere).unwrap_err();
    assert_eq!(user, "`alice` is rotated already, by the stack `keyturn` in eu-west-1");
}

#[test]
fn a_secret_is_bound_before_it_joins_the_stack() {
    let config = config(&["alice"]);
    let mut observed = with_keys(&config, &[(1, ACTIVE), (2, ACTIVE)]);
    let user = handmade(&mut observed, 2);
    user.secret.as_mut().unwrap().rotator = Some("arn:aws:lambda:eu-central-1:111122223333:function:ours".to_owned());
    let contents = user.contents.as_mut().unwrap().as_mut().unwrap();
    contents.previous = Some(key(1, ACTIVE, 0).id);
    let plan = decide(&config, &observed).unwrap();
    let adopted = plan.steps.iter().position(|step| matches!(step, Step::Adopt { .. })).unwrap();
    let deployed = plan.steps.iter().position(|step| matches!(step, Step::DeployCell(_))).unwrap();
    assert!(adopted < deployed);
    let Step::Adopt { secrets, .. } = &plan.steps[adopted] else { panic!("{plan:?}") };
    insta::assert_debug_snapshot!(secrets[0].tags);
    insta::assert_snapshot!(plan.users[0]);

    // The next run, after the tags were set and before anything else was done.
    observed.users[0].secret.as_mut().unwrap().tags = secrets[0].tags.clone();
    assert_eq!(kind(&config, &observed), Ok((Kind::JoiningSecret, false)));
    let plan = decide(&config, &observed).unwrap();
    let deployment = plan.steps.iter().find_map(|step| match step {
        Step::DeployCell(deployment) => Some(deployment),
        _ => None,
    });
    assert!(deployment.unwrap().joins.is_some());
}

#[test]
fn a_rotation_by_somebody_else_is_none_of_ours() {
    let config = config(&["alice"]);
    let mut observed = bootstrapped(&config);
    let user = &mut observed.users[0];
    let secret = user.secret.as_mut().unwrap();
    secret.tags.insert(tag_keys::ADOPTED.to_owned(), day(401).to_string());
    assert_eq!(kind(&config, &observed), Ok((Kind::ManagedWithoutKey, true)), "rotated on day 400");
    observed.users[0].secret.as_mut().unwrap().last_rotated = Some(day(402));
    assert_eq!(decide(&config, &observed).unwrap().steps, []);
}

#[test]
fn the_keys_of_a_rotation_that_died_are_left_to_the_function() {
    let config = config(&["alice"]);
    let mut observed = bootstrapped(&config);
    let user = &mut observed.users[0];
    user.keys = vec![key(1, ACTIVE, 0), key(2, ACTIVE, 399)];
    let secret = user.secret.as_mut().unwrap();
    secret.last_rotated = None;
    assert!(kind(&config, &observed).is_err(), "a person has to choose");
    let token = VersionToken::new("t".repeat(32)).unwrap();
    let attempt = Attempt { token, since: day(399), at: day(399) };
    let secret = observed.users[0].secret.as_mut().unwrap();
    secret.tags.insert(tag_keys::ATTEMPT.to_owned(), attempt.to_tag());
    assert_eq!(kind(&config, &observed), Ok((Kind::ManagedWithoutKey, true)));
}

#[test]
fn a_key_on_its_way_out_is_told_with_its_day() {
    let config = giving_up(&[(1, GiveUp::Retire)]);
    let mut observed = bootstrapped(&config);
    let user = &mut observed.users[0];
    user.keys = vec![key(1, INACTIVE, 0), key(2, ACTIVE, 100)];
    let secret = user.secret.as_mut().unwrap();
    secret.last_rotated = None;
    let mark = KeyMark { superseded: day(399), deactivated: Some(day(399)) };
    secret.tags.insert(tag_keys::mark_of(&key(1, ACTIVE, 0).id), mark.to_tag());
    secret.tags.insert(tag_keys::give_up_of(&key(1, ACTIVE, 0).id), "retire".to_owned());
    let plan = decide(&config, &observed).unwrap();
    assert!(!plan.steps.iter().any(|step| matches!(step, Step::GiveUp { .. })), "that was done");
    insta::assert_snapshot!(plan.users[0]);
}

#[test]
fn a_retired_key_that_somebody_brought_back_can_be_retired_again() {
    let config = giving_up(&[(1, GiveUp::Retire)]);
    let mut observed = bootstrapped(&config);
    observed.users[0].keys.insert(0, key(1, ACTIVE, 0));
    let mark = KeyMark { superseded: day(399), deactivated: Some(day(399)) };
    let tags = &mut observed.users[0].secret.as_mut().unwrap().tags;
    tags.insert(tag_keys::mark_of(&key(1, ACTIVE, 0).id), mark.to_tag());
    tags.insert(tag_keys::give_up_of(&key(1, ACTIVE, 0).id), "retire".to_owned());
    let steps = decide(&config, &observed).unwrap().steps;
    let [Step::GiveUp { keys, .. }] = steps.as_slice() else { panic!("{steps:?}") };
    assert_eq!(keys[0].mark, Some(KeyMark { superseded: day(399), deactivated: None }));
}

#[test]
fn a_key_that_nobody_has_is_refused_only_while_another_one_may_be_meant() {
    let config = giving_up(&[(7, GiveUp::Reclaim)]);
    let plan = decide(&config, &bootstrapped(&config)).unwrap();
    assert_eq!(plan.steps, []);
    let [remark] = plan.remarks.as_slice() else { panic!("{:?}", plan.remarks) };
    assert!(remark.ends_with("nobody here has this key, so there is nothing to give up"), "{remark}");
    let error = kind(&config, &with_keys(&config, &[(1, INACTIVE)])).unwrap_err();
    assert!(error.contains("none of the users has this key"), "{error}");
}

#[test]
fn a_foreign_key_beside_a_managed_one_is_told() {
    let config = config(&["alice"]);
    let mut observed = bootstrapped(&config);
    let user = &mut observed.users[0];
    user.keys.insert(0, key(1, INACTIVE, 0));
    let current = Some(key(9, ACTIVE, 0).id);
    user.contents = Some(Ok(Contents { user: user.name.clone(), current, pending: None, previous: None }));
    let plan = decide(&config, &observed).unwrap();
    assert_eq!((plan.steps.len(), plan.users[0].kind), (0, Kind::ManagedWithForeignKey));
    insta::assert_snapshot!(plan.users[0]);
    let contents = observed.users[0].contents.as_mut().unwrap().as_mut().unwrap();
    contents.previous = Some(key(1, ACTIVE, 0).id);
    assert_eq!(decide(&config, &observed).unwrap().users, [], "it is the one before");
}
