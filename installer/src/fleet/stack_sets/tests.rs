use super::*;
use crate::config::Config;
use crate::template::{self, CodeLocation};

fn account(number: usize) -> AccountId {
    AccountId::new(format!("{number:012}")).unwrap()
}

fn accounts(numbers: &[usize]) -> Vec<AccountId> {
    numbers.iter().copied().map(account).collect()
}

/// A template; the key of the code tells one from another.
fn template(key: &str) -> Template {
    let enrolment = contract::Enrolment {
        path: "/service/".to_owned(),
        tags: BTreeMap::new(),
        exempt: contract::Exempt::default(),
        schedule: "rate(30 days)".to_owned(),
        window: None,
        kms_key: None,
        render: contract::Renderings::AsFound,
    };
    let config = Config::for_users("eu-central-1".parse().unwrap(), Vec::new()).unwrap();
    let code = CodeLocation { bucket: "code".to_owned(), key: key.to_owned() };
    template::member(&config, &enrolment, &code).unwrap()
}

/// What is wanted and what there is, as a table has it.
struct Case {
    template: Template,
    permissions: Permissions,
    units: BTreeMap<String, BTreeSet<AccountId>>,
    accounts: Vec<AccountId>,
    except: BTreeSet<AccountId>,
    observed: Observed,
}

impl Case {
    /// Two accounts in a unit, and nothing there.
    fn new() -> Self {
        Self {
            template: template("one.zip"),
            permissions: Permissions::ServiceManaged { follows_accounts: true },
            units: BTreeMap::from([("ou-a".to_owned(), [1, 2].map(account).into())]),
            accounts: accounts(&[1, 2]),
            except: BTreeSet::new(),
            observed: Observed::default(),
        }
    }

    /// The same, and everything there.
    fn deployed() -> Self {
        let mut case = Self::new();
        case.observed.set = Some(Set {
            template: case.template.to_text(),
            tags: BTreeMap::new(),
            permissions: case.permissions.clone(),
            queues: true,
            units: vec!["ou-a".to_owned()],
        });
        case.with(1, InstanceStatus::Current).with(2, InstanceStatus::Current)
    }

    fn with(mut self, number: usize, status: InstanceStatus) -> Self {
        let instance = Instance {
            account: account(number),
            status,
            detailed: None,
            reason: (status != InstanceStatus::Current).then(|| "no".to_owned()),
            unit: Some("ou-a".to_owned()),
            stack: Some("arn".to_owned()),
        };
        self.observed.instances.insert(account(number), instance);
        self
    }

    fn plan(&self) -> Result<Plan, StackSetError> {
        let desired = Desired {
            template: &self.template,
            tags: &BTreeMap::new(),
            permissions: &self.permissions,
            accounts: self.accounts.clone(),
            units: &self.units,
            except: &self.except,
            root: Some("r-root"),
        };
        plan("keyturn", &desired, &self.observed)
    }

    /// The plan in words, its first line for each step.
    fn shown(&self) -> Vec<String> {
        let plan = self.plan().unwrap().to_string();
        plan.lines().filter(|line| !line.starts_with("     ")).map(|line| line.trim().to_owned()).collect()
    }
}

#[test]
fn where_there_is_nothing_a_set_is_made_and_stacks_below_the_units() {
    let mut case = Case::new();
    assert_eq!(case.shown(), ["create  the stack set `keyturn`", "add     its stack to 2 accounts below ou-a"]);
    case.except = [account(9)].into();
    assert_eq!(case.shown()[1], "add     its stack to 2 accounts below ou-a, but not 000000000009");
    case.units.clear();
    assert_eq!(case.shown()[1], "add     its stack to 2 accounts: 000000000001, 000000000002");
    let plan = case.plan().unwrap();
    let expected = Targets::Among { units: vec!["r-root".to_owned()], accounts: accounts(&[1, 2]) };
    assert!(matches!(&plan.steps[1], Step::Add { targets, count: 2 } if *targets == expected), "{plan:?}");
}

#[test]
fn what_is_as_it_should_be_needs_nothing() {
    let case = Case::deployed();
    assert_eq!(case.plan().unwrap().steps, []);
    assert_eq!(case.shown(), ["nothing to do: the stack set `keyturn` and its stacks are as they should be"]);
}

#[test]
fn what_differs_is_updated_in_all_accounts_and_what_lacks_is_added() {
    let mut case = Case::deployed();
    case.template = template("two.zip");
    let plan = case.plan().unwrap();
    assert_eq!(plan.change(&account(1)), Change::Update);
    assert!(case.shown()[0].starts_with("update  the stack set `keyturn` and its stacks in 2 accounts: its template"));

    // One that joined below a unit that the set knows, one that is named, and one below a new unit.
    let mut case = Case::deployed();
    case.accounts = accounts(&[1, 2, 3, 4, 5]);
    case.units.get_mut("ou-a").unwrap().insert(account(3));
    case.units.insert("ou-b".to_owned(), [account(5)].into());
    let expected = [
        "add     its stack to 1 account below ou-b",
        "add     its stack to 1 account: 000000000003",
        "add     its stack to 1 account: 000000000004",
    ];
    assert_eq!(case.shown(), expected);
}

/// What an operation takes is no limit of a fleet.
#[test]
fn more_units_than_an_operation_takes_are_divided() {
    let mut case = Case::new();
    case.units = (1..=120).map(|number| (format!("ou-{number:03}"), [account(number)].into())).collect();
    // One that is below two units is counted once.
    case.units.get_mut("ou-120").unwrap().insert(account(1));
    case.accounts = accounts(&(1..=120).collect::<Vec<_>>());
    let counts = |plan: &Plan| -> Vec<(usize, usize)> {
        let sizes = |step: &Step| match step {
            Step::Add { targets: Targets::Below { units, .. } | Targets::Among { units, .. }, count } => {
                Some((units.len(), *count))
            }
            _ => None,
        };
        plan.steps.iter().filter_map(sizes).collect()
    };
    assert_eq!(counts(&case.plan().unwrap()), [(50, 50), (50, 50), (20, 20)]);
    let mut case = Case { observed: Case::deployed().observed, ..case };
    let set = case.observed.set.as_mut().unwrap();
    set.units = case.units.keys().take(60).cloned().collect();
    let set = set.clone();
    assert_eq!(counts(&case.plan().unwrap()), [(50, 50), (10, 10), (50, 50), (8, 8)]);
    let sizes = |retains| {
        let targets = removals(&case.permissions, Some(&set), &case.observed.instances, retains);
        let size = |targets: &Targets| match targets {
            Targets::Below { units, except } => (units.len(), except.len()),
            Targets::Among { units, accounts } => (units.len(), accounts.len()),
            Targets::Accounts(accounts) => (0, accounts.len()),
        };
        targets.iter().map(size).collect::<Vec<_>>()
    };
    // The unit of the instances is none of those that are named any more.
    assert_eq!((sizes(false), sizes(true)), (vec![(50, 0), (11, 0)], vec![(50, 2), (11, 2)]));
}

#[test]
fn only_what_has_failed_is_tried_again() {
    let case = Case::deployed().with(2, InstanceStatus::Outdated);
    assert_eq!(case.shown(), ["mend    its stacks in 1 account: 000000000002"]);
    let mut case = case;
    case.observed.instances.get_mut(&account(2)).unwrap().stack = None;
    assert_eq!(case.shown(), ["add     its stack to 1 account: 000000000002"], "nobody has got to it");
    let case = Case::deployed().with(2, InstanceStatus::Inoperable);
    let plan = case.plan().unwrap();
    assert_eq!((plan.steps.len(), plan.change(&account(2))), (0, Change::Stuck { reason: Some("no".to_owned()) }));
}

#[test]
fn what_belongs_to_the_fleet_no_more_is_told_and_stays() {
    let mut case = Case::deployed();
    case.accounts = accounts(&[1]);
    let plan = case.plan().unwrap();
    assert_eq!(plan.steps, []);
    assert!(plan.remarks[0].ends_with("and stay: 000000000002"), "{plan:?}");
}

#[test]
fn permissions_cannot_be_changed_into_those_of_the_other_kind() {
    let mut case = Case::deployed();
    case.permissions = Permissions::ServiceManaged { follows_accounts: false };
    assert!(case.shown()[0].ends_with("its permissions differ"));
    case.permissions = Permissions::SelfManaged { administration_role: None, execution_role: None };
    let error = case.plan().unwrap_err();
    assert!(matches!(&error, StackSetError::OtherPermissions { .. }), "{error}");
    case.observed.set.as_mut().unwrap().permissions = Permissions::SelfManaged {
        administration_role: Some("arn:aws:iam::000000000009:role/any".to_owned()),
        execution_role: Some("any".to_owned()),
    };
    assert_eq!(case.plan().unwrap().steps, [], "any role will do where nobody says which");
}
