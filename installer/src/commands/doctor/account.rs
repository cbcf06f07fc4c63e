//! What is found of the configuration and the account, as values become findings. No call is made here.

use std::collections::{BTreeMap, BTreeSet};

use contract::Region;

use super::report::{Check, Finding, with_causes};
use crate::aws::identity::Caller;
use crate::aws::stacks::Rest;
use crate::config::Config;
use crate::names::ARTIFACTS_STACK;
use crate::observe::{Observed, ObservedStack};
use crate::plan::{self, Found, Kind, PlanError, Refusal, Refusals};
use crate::regions;
use crate::template::{self, CodeLocation};

/// How many resources a stack may have (CloudFormation user guide, quotas).
const RESOURCES: usize = 500;

/// How many managed policies a role may have unless the quota is raised (IAM user guide, quotas).
const POLICIES: usize = 10;

pub(super) fn configuration(config: &Config) -> [Finding; 1] {
    let what = match config.users.len() {
        0 => {
            let to_do = "name users on the command line or in `keyturn.yaml`";
            return [Finding::warning(Check::Configuration, "no users are named: nobody would be rotated", to_do)];
        }
        1 => "1 user".to_owned(),
        several => format!("{several} users"),
    };
    let (region, stack) = (&config.region, &config.stack);
    let what = format!("the configuration is sound: {what} in {region}, in the stack `{stack}`");
    [Finding::ok(Check::Configuration, what)]
}

/// Who asks, whether the account is the one that is meant, and the region one of the caller's partition.
pub(super) fn caller(caller: &Caller, config: &Config) -> Vec<Finding> {
    let Caller { account, arn, partition } = caller;
    let region = &config.region;
    let who = format!("you are `{arn}` in the account {account}");
    let mut findings = vec![match &config.account {
        Some(wanted) if wanted != account => Finding::problem(
            Check::Credentials,
            format!("{who}, and the configuration is for the account {wanted}"),
            "choose another profile with `--profile`, or correct `account` in the configuration",
        ),
        Some(_) => Finding::ok(Check::Credentials, format!("{who}, for which the configuration is meant")),
        None => Finding::ok(Check::Credentials, who),
    }];
    findings.push(match partition_of(region) {
        expected if expected == partition => {
            Finding::ok(Check::Region, format!("the region {region} is in your partition, `{partition}`"))
        }
        expected => Finding::problem(
            Check::Region,
            format!("the region {region} is in the partition `{expected}`, and your credentials are of `{partition}`"),
            "set another `region`, or choose another profile with `--profile`",
        ),
    });
    findings.extend(regions::doubt(region).map(|doubt| Finding::warning(Check::Region, doubt.what, doubt.to_do)));
    findings
}

/// The partition that a region is in, by the beginning of its name (AWS General Reference, "Regional endpoints", and
/// the partitions file of the SDKs).
fn partition_of(region: &Region) -> &'static str {
    let prefixes = [
        ("cn-", "aws-cn"),
        ("us-gov-", "aws-us-gov"),
        ("us-isob-", "aws-iso-b"),
        ("us-isof-", "aws-iso-f"),
        ("us-iso-", "aws-iso"),
        ("eu-isoe-", "aws-iso-e"),
        ("eusc-", "aws-eusc"),
    ];
    let found = prefixes.iter().find(|(prefix, _)| region.as_str().starts_with(prefix));
    found.map_or("aws", |(_, partition)| partition)
}

/// The stacks, as far as a plan would not refuse them: those refusals come with the users'.
pub(super) fn stacks(
    config: &Config,
    cells: &BTreeMap<usize, ObservedStack>,
    artifacts: Option<&ObservedStack>,
) -> Vec<Finding> {
    let artifacts = config.artifact_bucket.is_none().then(|| stack(ARTIFACTS_STACK, artifacts)).flatten();
    // The first one is missed where it is not there.
    let numbers: BTreeSet<usize> = cells.keys().copied().chain([1]).collect();
    let cells = numbers.into_iter().filter_map(|number| stack(&config.stack.cell(number), cells.get(&number)));
    artifacts.into_iter().chain(cells).collect()
}

fn stack(name: &str, found: Option<&ObservedStack>) -> Option<Finding> {
    let status = found.map(|found| found.stack.status);
    let finding = match (found, status.map(|status| status.rest())) {
        (None, _) | (_, None | Some(Rest::Gone)) => {
            Finding::ok(Check::Stack, format!("the stack `{name}` is not there; `keyturn bootstrap` makes it"))
        }
        (Some(found), Some(Rest::Usable)) => {
            Finding::ok(Check::Stack, format!("the stack `{name}` is {}", found.stack.status))
        }
        (Some(found), Some(Rest::Review)) => {
            let what = format!("the stack `{name}` is {}: it was never deployed", found.stack.status);
            Finding::warning(Check::Stack, what, "`keyturn bootstrap` makes it anew")
        }
        (Some(found), Some(Rest::Shell)) => {
            let what = format!("the stack `{name}` is {}: its creation was taken back", found.stack.status);
            Finding::warning(Check::Stack, what, "`keyturn bootstrap` makes it anew, if it holds nothing")
        }
        (Some(found), Some(Rest::Busy)) => {
            let what = format!("the stack `{name}` is {}: somebody is working on it", found.stack.status);
            Finding::warning(Check::Stack, what, "`keyturn bootstrap` waits for the end of it")
        }
        (Some(_), Some(Rest::HalfMade | Rest::Stuck)) => return None,
    };
    Some(finding)
}

/// Each user as found, and everything that a plan would refuse.
pub(super) fn users(config: &Config, observed: &Observed) -> Vec<Finding> {
    let (mut findings, mut told) = (Vec::new(), Vec::new());
    for (user, judged) in plan::judge_each(config, observed) {
        match judged {
            Ok(found) => findings.push(user_found(&user.name, user.secret_name.as_str(), found)),
            Err(refusal) => {
                findings.push(refused(&refusal));
                told.push(refusal);
            }
        }
    }
    match plan::check(config, observed) {
        Ok(()) => {}
        Err(PlanError::Template(error)) => {
            findings.push(Finding::problem(Check::Stack, with_causes(&error), error.hint()));
        }
        Err(PlanError::Refused(Refusals(refusals))) => {
            let is_told = |refusal: &&Refusal| told.contains(refusal);
            // One that is busy has been told as a warning.
            let is_busy = |refusal: &&Refusal| matches!(refusal, Refusal::BusyStack { .. });
            findings.extend(refusals.iter().filter(|refusal| !is_told(refusal) && !is_busy(refusal)).map(refused));
        }
    }
    findings
}

fn user_found(name: &contract::UserName, secret: &str, found: Option<Found>) -> Finding {
    match found {
        None => Finding::ok(Check::User, format!("{name}: rotated by keyturn, with the secret `{secret}`")),
        Some(found) if matches!(found.kind, Kind::TwoKeysWaiting | Kind::ManagedWithForeignKey) => {
            let to_do =
                "give a key up that nobody needs: `--retire` while it is Active, `--reclaim` when it is Inactive";
            Finding::warning(Check::User, found.to_string(), to_do)
        }
        Some(found) => Finding::ok(Check::User, found.to_string()),
    }
}

fn refused(refusal: &Refusal) -> Finding {
    let check = match refusal {
        Refusal::HalfMadeStack { .. } | Refusal::StuckStack { .. } | Refusal::BusyStack { .. } => Check::Stack,
        Refusal::TwoKeys { .. } => Check::Quota,
        _ => Check::User,
    };
    Finding::problem(check, refusal.to_string(), refusal.hint())
}

/// What the stack and the role would hold with these users.
pub(super) fn quotas(config: &Config, observed: &Observed) -> Vec<Finding> {
    let bound: Vec<_> = observed.users.iter().filter_map(|user| user.bound.clone()).collect();
    let code = CodeLocation { bucket: observed.bucket(config), key: "keyturn/function.zip".to_owned() };
    let deployed = plan::deployed_cells(&observed.cells).unwrap_or_default();
    let cells = plan::assign(config, &bound, &deployed);
    let templates = cells.and_then(|cells| {
        cells.values().map(|cell| template::cell(config, &cell.users, &code)).collect::<Result<Vec<_>, _>>()
    });
    let templates: Vec<_> = match templates {
        Ok(templates) => templates.iter().map(template::Template::resources).collect(),
        Err(error) => return vec![Finding::problem(Check::Quota, with_causes(&error), error.hint())],
    };
    let is_policy = |resource: &&template::Resource| resource.kind == "AWS::IAM::ManagedPolicy";
    let policies = templates.iter().map(|resources| resources.values().filter(is_policy).count());
    let of = |used: Option<usize>, most: usize, what: &str| {
        let whose =
            if templates.len() > 1 { format!(", in the fullest of {} stacks", templates.len()) } else { String::new() };
        Finding::ok(Check::Quota, format!("{} of the {most} {what}{whose}", used.unwrap_or_default()))
    };
    vec![
        of(templates.iter().map(BTreeMap::len).max(), RESOURCES, "resources that a stack may have"),
        of(policies.max(), POLICIES, "managed policies that a role may have, each within 6144 characters"),
    ]
}

#[cfg(test)]
mod tests {
    use contract::{AccountId, Region};

    use super::super::report::State;
    use super::*;
    use crate::aws::stacks::{Stack, Status};

    fn config(region: &str) -> Config {
        Config::for_users(Region::new(region).unwrap(), Vec::new()).unwrap()
    }

    #[test]
    fn a_region_of_another_partition_is_a_problem() {
        let table = [
            ("eu-central-1", "aws", State::Ok),
            ("cn-north-1", "aws-cn", State::Ok),
            ("us-gov-west-1", "aws-us-gov", State::Ok),
            ("us-east-1", "aws", State::Ok),
            ("us-isob-east-1", "aws-iso-b", State::Ok),
            ("cn-north-1", "aws", State::Problem),
            ("us-gov-west-1", "aws", State::Problem),
            ("eu-central-1", "aws-cn", State::Problem),
        ];
        for (region, partition, expected) in table {
            let account = AccountId::new("111122223333").unwrap();
            let arn = format!("arn:{partition}:iam::111122223333:user/me");
            let who = Caller { account, partition: partition.to_owned(), arn };
            let findings = caller(&who, &config(region));
            assert_eq!(findings.last().unwrap().state, expected, "{region} {partition}");
        }
    }

    #[test]
    fn another_account_than_the_configurations_is_a_problem() {
        let account = |number: &str| AccountId::new(number).unwrap();
        let arn = "arn:aws:iam::111122223333:user/me".to_owned();
        let who = Caller { account: account("111122223333"), partition: "aws".to_owned(), arn };
        for (wanted, expected) in
            [(None, State::Ok), (Some("111122223333"), State::Ok), (Some("444455556666"), State::Problem)]
        {
            let config = Config { account: wanted.map(account), ..config("eu-central-1") };
            assert_eq!(caller(&who, &config).first().unwrap().state, expected, "{wanted:?}");
        }
    }

    #[test]
    fn every_status_of_a_stack_is_told_here_or_by_the_plan() {
        for status in Status::ALL.iter().copied() {
            let stack_found = Stack {
                id: "arn:stack/1".to_owned(),
                status,
                tags: Default::default(),
                protected: false,
                changed: None,
                express: false,
            };
            let found =
                ObservedStack { stack: stack_found, template: None, resources: Vec::new(), drift: None, running: None };
            let told = stack("keyturn", Some(&found)).map(|finding| finding.state);
            let expected = match status.rest() {
                Rest::Gone | Rest::Usable => Some(State::Ok),
                Rest::Busy | Rest::Shell | Rest::Review => Some(State::Warning),
                Rest::HalfMade | Rest::Stuck => None,
            };
            assert_eq!(told, expected, "{status}");
        }
        assert_eq!(stack("keyturn", None).map(|finding| finding.state), Some(State::Ok));
    }
}
