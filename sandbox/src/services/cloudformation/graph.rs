//! The order of resources: what each one waits for.

use std::collections::{BTreeMap, BTreeSet};

use super::invalid;
use crate::ApiError;

/// For every resource the resources that must exist before it.
pub(super) type Dependencies = BTreeMap<String, BTreeSet<String>>;

/// The resources in an order in which each one comes after those it waits for; an error when some wait for each other.
pub(super) fn in_order(dependencies: &Dependencies) -> Result<Vec<String>, ApiError> {
    let mut order: Vec<String> = Vec::new();
    let mut left = dependencies.clone();
    while !left.is_empty() {
        let free: BTreeSet<String> =
            left.iter().filter(|(_, waits_for)| waits_for.is_empty()).map(|(name, _)| name.clone()).collect();
        if free.is_empty() {
            let names: Vec<_> = left.into_keys().collect();
            return Err(invalid(format!("Circular dependency between resources: [{}]", names.join(", "))));
        }
        left.retain(|name, _| !free.contains(name));
        for waits_for in left.values_mut() {
            waits_for.retain(|name| !free.contains(name));
        }
        order.extend(free);
    }
    Ok(order)
}

/// The same order backwards: what must be gone before each resource can go.
pub(super) fn reversed(dependencies: &Dependencies) -> Dependencies {
    let mut reversed: Dependencies = dependencies.keys().map(|name| (name.clone(), BTreeSet::new())).collect();
    for (name, waits_for) in dependencies {
        for target in waits_for {
            if let Some(dependants) = reversed.get_mut(target) {
                dependants.insert(name.clone());
            }
        }
    }
    reversed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(edges: &[(&str, &[&str])]) -> Dependencies {
        let set = |targets: &[&str]| targets.iter().map(|target| (*target).to_owned()).collect();
        edges.iter().map(|(name, targets)| ((*name).to_owned(), set(targets))).collect()
    }

    #[test]
    fn resources_come_after_those_they_wait_for() {
        let edges = graph(&[("a", &["b", "c"]), ("b", &["c"]), ("c", &[]), ("d", &[])]);
        assert_eq!(in_order(&edges).unwrap(), ["c", "d", "b", "a"]);
    }

    #[test]
    fn circles_are_named() {
        for (edges, circle) in
            [(graph(&[("a", &["a"])]), "[a]"), (graph(&[("a", &["b"]), ("b", &["a"]), ("c", &[])]), "[a, b]")]
        {
            let message = in_order(&edges).unwrap_err().message;
            assert_eq!(message, format!("Circular dependency between resources: {circle}"));
        }
    }

    #[test]
    fn deletion_goes_the_other_way() {
        let forwards = graph(&[("role", &[]), ("function", &["role"]), ("permission", &["function"])]);
        let backwards = graph(&[("role", &["function"]), ("function", &["permission"]), ("permission", &[])]);
        assert_eq!(reversed(&forwards), backwards);
    }
}
