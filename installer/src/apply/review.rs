//! Compares what CloudFormation says that it would do with what the plan said.

use std::collections::BTreeMap;

use crate::aws::change_sets::{Change, Replaces};
use crate::plan::{DriftKind, ResourceChange, Verb};

/// What CloudFormation would do that the plan did not say.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Surprises {
    /// What whoever decided must be asked about again.
    pub(super) serious: Vec<String>,
    /// What is only to be shown.
    pub(super) minor: Vec<String>,
}

/// Compares the two.
pub(super) fn surprises(planned: &[&ResourceChange], said: &[Change]) -> Surprises {
    let mut missing: BTreeMap<&str, &ResourceChange> =
        planned.iter().map(|change| (change.logical_id.as_str(), *change)).collect();
    let mut surprises = Surprises::default();
    for Change { logical_id, kind, action, replaces } in said {
        let planned = missing.remove(logical_id.as_str());
        let is_known = planned.is_some_and(|change| change.replaces);
        let planned = planned.map(|change| change.change);
        // What is gone can only be made anew, whatever CloudFormation calls that.
        if planned == Some(Verb::Recreate) && matches!(verb(action), Some(Verb::Add | Verb::Modify)) {
            continue;
        }
        let resource = format!("{logical_id} ({kind})");
        match (planned, verb(action)) {
            // A modification that the plan does not know comes from a tag of the stack or from another resource.
            (Some(Verb::Modify) | None, Some(Verb::Modify)) => match replaces {
                Replaces::No => {}
                // Whoever agreed has seen it.
                Replaces::Perhaps | Replaces::Yes if is_known => {}
                Replaces::Perhaps => surprises.minor.push(format!("{resource} may be replaced by a new one")),
                Replaces::Yes => surprises.serious.push(format!("{resource} is replaced by a new one")),
            },
            (Some(planned), Some(verb)) if planned == verb => {}
            _ => surprises.serious.push(format!("{resource}: CloudFormation says `{action}`, the plan did not")),
        }
    }
    for (id, change) in missing {
        if change.drift == Some(DriftKind::Modified) {
            surprises.minor.push(format!("{id} ({}): it is as it should be by now, or not brought back", change.kind));
        } else if change.change != Verb::Modify {
            surprises.serious.push(format!("{id} ({}): the plan changes it, CloudFormation does not", change.kind));
        }
    }
    surprises
}

fn verb(action: &str) -> Option<Verb> {
    match action {
        "Add" => Some(Verb::Add),
        "Import" => Some(Verb::Import),
        "Modify" | "Dynamic" | "SyncWithActual" => Some(Verb::Modify),
        "Remove" => Some(Verb::Remove),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planned(id: &str, change: Verb) -> ResourceChange {
        let (kind, name) = ("AWS::IAM::Role".to_owned(), None);
        let (logical_id, properties) = (id.to_owned(), Vec::new());
        let (replaces, broadens, drift, broadened) = (false, false, None, false);
        ResourceChange { logical_id, kind, name, change, properties, replaces, broadens, drift, broadened }
    }

    fn said(id: &str, action: &str, replaces: Replaces) -> Change {
        Change { logical_id: id.to_owned(), kind: "AWS::IAM::Role".to_owned(), action: action.to_owned(), replaces }
    }

    #[test]
    fn agreement_is_no_surprise() {
        let plan = [
            planned("A", Verb::Add),
            planned("B", Verb::Import),
            planned("C", Verb::Modify),
            planned("D", Verb::Remove),
        ];
        let set = [
            said("A", "Add", Replaces::No),
            said("B", "Import", Replaces::No),
            said("C", "Modify", Replaces::No),
            said("D", "Remove", Replaces::No),
            said("Tagged", "Modify", Replaces::No),
        ];
        assert_eq!(surprises(&plan.iter().collect::<Vec<_>>(), &set), Surprises::default());
    }

    #[test]
    fn a_replacement_is_a_surprise() {
        let found = surprises(&[&planned("A", Verb::Modify)], &[said("A", "Modify", Replaces::Yes)]);
        assert_eq!(found.serious, ["A (AWS::IAM::Role) is replaced by a new one"]);
        let found = surprises(&[], &[said("A", "Modify", Replaces::Perhaps)]);
        assert_eq!((found.serious.len(), found.minor.len()), (0, 1));
    }

    #[test]
    fn a_replacement_that_was_planned_is_none() {
        let planned = ResourceChange { replaces: true, ..planned("A", Verb::Modify) };
        assert_eq!(surprises(&[&planned], &[said("A", "Modify", Replaces::Yes)]), Surprises::default());
    }

    #[test]
    fn what_is_brought_back_is_no_surprise_in_any_form() {
        let drifted = |id, change, drift| ResourceChange { drift: Some(drift), ..planned(id, change) };
        let plan = [
            drifted("A", Verb::Recreate, DriftKind::Deleted),
            drifted("B", Verb::Recreate, DriftKind::Deleted),
            drifted("C", Verb::Modify, DriftKind::Modified),
            planned("D", Verb::Modify),
        ];
        let set = [
            said("A", "Add", Replaces::No),
            said("B", "Modify", Replaces::Yes),
            said("C", "Modify", Replaces::No),
            said("D", "SyncWithActual", Replaces::No),
        ];
        assert_eq!(surprises(&plan.iter().collect::<Vec<_>>(), &set), Surprises::default());
        let found = surprises(&plan[..3].iter().collect::<Vec<_>>(), &[said("A", "Remove", Replaces::No)]);
        let expected = [
            "A (AWS::IAM::Role): CloudFormation says `Remove`, the plan did not",
            "B (AWS::IAM::Role): the plan changes it, CloudFormation does not",
        ];
        assert_eq!(found.serious, expected);
        assert_eq!(found.minor, ["C (AWS::IAM::Role): it is as it should be by now, or not brought back"]);
    }

    #[test]
    fn what_only_one_of_the_two_knows_is_a_surprise() {
        let found = surprises(
            &[&planned("A", Verb::Import)],
            &[said("A", "Add", Replaces::No), said("B", "Remove", Replaces::No)],
        );
        let expected = [
            "A (AWS::IAM::Role): CloudFormation says `Add`, the plan did not",
            "B (AWS::IAM::Role): CloudFormation says `Remove`, the plan did not",
        ];
        assert_eq!(found.serious, expected);
        let found = surprises(&[&planned("A", Verb::Remove)], &[]);
        assert_eq!(found.serious, ["A (AWS::IAM::Role): the plan changes it, CloudFormation does not"]);
    }
}
