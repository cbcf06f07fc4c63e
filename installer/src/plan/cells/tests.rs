//! Users come and go, and nobody moves from one cell to another.

use contract::{Region, UserId, UserName};

use super::*;
use crate::aws::stacks::{Stack, Status};
use crate::config::ConfiguredUser;
use crate::template::{self, CodeLocation};

fn user(name: &str) -> BoundUser {
    BoundUser {
        name: UserName::new(name).unwrap(),
        id: UserId::new("AIDAAAAAAAAAAAAAAAAAA").unwrap(),
        arn: format!("arn:aws:iam::111122223333:user/{name}"),
    }
}

fn users(numbers: impl Iterator<Item = usize>) -> Vec<BoundUser> {
    numbers.map(|number| user(&format!("team-application-{number:04}"))).collect()
}

fn config() -> Config {
    Config::for_users(Region::new("eu-central-1").unwrap(), Vec::new()).unwrap()
}

/// What is deployed when these are the cells.
fn templates(cells: &BTreeMap<usize, Cell>) -> BTreeMap<usize, Template> {
    let code = CodeLocation { bucket: "bucket".to_owned(), key: "key".to_owned() };
    let template = |cell: &Cell| template::cell(&config(), &cell.users, &code).unwrap();
    cells.iter().map(|(number, cell)| (*number, template(cell))).collect()
}

fn sizes(cells: &BTreeMap<usize, Cell>) -> Vec<(usize, usize)> {
    cells.iter().map(|(number, cell)| (*number, cell.users.len())).collect()
}

fn assigned(users: &[BoundUser], deployed: &BTreeMap<usize, Template>) -> BTreeMap<usize, Cell> {
    assign(&config(), users, deployed).unwrap()
}

#[test]
fn there_are_as_many_cells_as_users_need() {
    for (count, expected) in [(0, vec![(1, 0)]), (200, vec![(1, 200)]), (401, vec![(1, 200), (2, 200), (3, 1)])] {
        assert_eq!(sizes(&assigned(&users(0..count), &BTreeMap::new())), expected);
    }
    let many = assigned(&users(0..5_000), &BTreeMap::new());
    assert_eq!(many.len(), 25);
    assert_eq!((many[&1].stack.as_str(), many[&25].stack.as_str()), ("keyturn", "keyturn-25"));
    for template in templates(&many).values() {
        assert!(template.resources().len() <= 500);
    }
}

#[test]
fn whoever_is_in_a_cell_stays_there_and_the_first_with_room_takes_the_new_one() {
    let first = assigned(&users(0..450), &BTreeMap::new());
    let deployed = templates(&first);
    // Some of the first cell have left, in the middle of the list; two are new, and stand first.
    let now: Vec<BoundUser> = users(1_000..1_002).into_iter().chain(users((0..50).chain(53..450))).collect();
    let cells = assigned(&now, &deployed);
    assert_eq!(sizes(&cells), [(1, 199), (2, 200), (3, 50)]);
    for (number, cell) in &first {
        let stayed = cell.users.iter().filter(|user| now.contains(user));
        assert!(stayed.into_iter().all(|user| cells[number].users.contains(user)), "cell {number}");
    }
    assert_eq!(cells[&1].users[..2], users(1_000..1_002));
    // The same again changes nothing.
    assert_eq!(assigned(&now, &templates(&cells)), cells);
}

#[test]
fn a_cell_that_has_lost_its_users_or_is_gone_leaves_the_others_alone() {
    let first = assigned(&users(0..450), &BTreeMap::new());
    let mut deployed = templates(&first);
    let without_second: Vec<BoundUser> = users((0..200).chain(400..450)).into_iter().collect();
    assert_eq!(sizes(&assigned(&without_second, &deployed)), [(1, 200), (2, 0), (3, 50)]);
    deployed.remove(&2);
    assert_eq!(sizes(&assigned(&without_second, &deployed)), [(1, 200), (3, 50)]);
    assert_eq!(sizes(&assigned(&users(0..450), &deployed)), [(1, 200), (2, 200), (3, 50)]);
}

#[test]
fn long_names_fill_a_cell_sooner() {
    let long = |number: usize| user(&format!("{}{number:03}", "x".repeat(61)));
    let cells = assigned(&(0..200).map(long).collect::<Vec<_>>(), &BTreeMap::new());
    assert_eq!(cells.values().map(|cell| cell.users.len()).sum::<usize>(), 200);
    assert!(cells.len() == 2 && cells[&1].users.len() > 100, "{:?}", sizes(&cells));
    // Whatever their order.
    let mut cells = cells;
    for cell in cells.values_mut() {
        cell.users.reverse();
    }
    assert_eq!(templates(&cells).len(), 2);
}

/// The stacks of these cells, all of them as they should be.
fn found(cells: &BTreeMap<usize, Cell>) -> BTreeMap<usize, ObservedStack> {
    let found = |cell: &Cell| {
        let (id, tags) = (format!("arn:{}", cell.stack), BTreeMap::new());
        let stack = Stack { id, status: Status::CreateComplete, tags, protected: false, changed: None, express: false };
        ObservedStack { stack, template: None, resources: Vec::new(), drift: None, running: None }
    };
    cells.iter().map(|(number, cell)| (*number, found(cell))).collect()
}

#[test]
fn only_empty_cells_at_the_end_are_deserted_and_never_the_first() {
    let cells = |sizes: &[usize]| {
        let cell = |(index, size): (usize, &usize)| {
            let stack = config().stack.cell(index + 1);
            (index + 1, Cell { stack, users: users(0..*size) })
        };
        sizes.iter().enumerate().map(cell).collect::<BTreeMap<_, _>>()
    };
    for (sizes, expected, staying) in [
        (&[0][..], vec![], 0),
        (&[3, 1], vec![], 0),
        (&[3, 0], vec![2], 0),
        (&[0, 0, 0], vec![3, 2], 0),
        (&[3, 0, 2, 0], vec![4], 1),
        (&[3, 0, 2], vec![], 1),
    ] {
        let (going, kept) = deserted(&found(&cells(sizes)), &cells(sizes));
        assert_eq!((going, kept.len()), (expected, staying), "{sizes:?}");
    }
    let all = cells(&[3, 0, 0]);
    let mut stacks = found(&all);
    stacks.get_mut(&3).unwrap().stack.protected = true;
    let (going, kept) = deserted(&stacks, &all);
    assert_eq!((going, kept.len()), (vec![], 2));
    assert!(kept[1].ends_with("it is protected from deletion"), "{kept:?}");
    // One behind it that is not as it should be would not be found any more.
    let mut stacks = found(&all);
    stacks.get_mut(&3).unwrap().stack.status = Status::RollbackComplete;
    assert_eq!(deserted(&stacks, &cells(&[3, 0])).0, Vec::<usize>::new());
    // And a new one behind it is on its way.
    assert_eq!(deserted(&found(&cells(&[3, 0])), &cells(&[3, 0, 1])).0, Vec::<usize>::new());
}

#[test]
fn a_cell_has_as_many_secrets_with_names_of_their_own_as_fit_into_the_functions_environment() {
    let code = CodeLocation { bucket: "bucket".to_owned(), key: "key".to_owned() };
    let with_names = |names: usize| {
        let mut config = config();
        config.users = users(0..200).into_iter().map(|user| ConfiguredUser::named(user.name)).collect();
        for user in &mut config.users {
            user.secret = Some(SecretName::new(format!("prod/{}", user.name)).unwrap());
        }
        config.function.secrets = (0..names).map(|number| format!("prod/team-application-{number:04}")).collect();
        config
    };
    // All users of a full cell may have one.
    let config = with_names(0);
    assert_eq!(sizes(&assign(&config, &users(0..200), &BTreeMap::new()).unwrap()), [(1, 200)]);
    // Unless something else takes the place.
    let config = with_names(100);
    let cells = assign(&config, &users(0..200), &BTreeMap::new()).unwrap();
    let shown = sizes(&cells);
    assert!(shown.len() > 2 && shown.iter().all(|(_, size)| *size < 100), "{shown:?}");
    for cell in cells.values() {
        template::cell(&config, &cell.users, &code).unwrap();
    }
    let error = template::cell(&config, &users(0..200), &code).unwrap_err();
    assert!(matches!(&error, TemplateError::Environment { own_secrets: 200, .. }), "{error}");
    insta::assert_snapshot!(format!("{error}\n{}", error.hint()), @"
    the environment of the function takes 6372 bytes and may take 4096; 200 users of the cell have a `secret` of their own
    name fewer secrets in `function.secrets`, or let some of the users have the secret that is called after them
    ");
}
