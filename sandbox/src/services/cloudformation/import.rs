//! Change sets of type IMPORT: resources that exist join a stack, and nothing else happens to it.

use std::collections::BTreeMap;

use super::blueprint::Blueprint;
use super::change_set::ToImport;
use super::diff::Change;
use super::stack::Stack;
use super::{invalid, resource};
use crate::ApiError;
use crate::input::QueryInput;

/// Takes `ResourcesToImport`.
pub(super) fn take(input: &mut QueryInput) -> Result<BTreeMap<String, ToImport>, ApiError> {
    let mut wanted = BTreeMap::new();
    for mut item in input.items("ResourcesToImport") {
        let kind = item.required("ResourceType")?;
        let logical_id = item.required("LogicalResourceId")?;
        let identifier = item.entries("ResourceIdentifier");
        item.finish()?;
        let expected = resource::schema(&kind)?.identifier.name();
        let keys: Vec<&str> = identifier.keys().map(String::as_str).collect();
        if expected.is_none_or(|expected| keys != [expected]) {
            let what = format!("The identifier of {logical_id} must be {expected:?} for the type {kind}, not {keys:?}");
            return Err(invalid(what));
        }
        wanted.insert(logical_id, ToImport { kind, identifier });
    }
    Ok(wanted)
}

/// Checks that a template says nothing new but the resources to import. What AWS says is known for the second and the
/// third of these only.
pub(super) fn check(
    stack: &Stack,
    new: &Blueprint,
    wanted: &BTreeMap<String, ToImport>,
    changes: &[Change],
) -> Result<(), ApiError> {
    for (name, ToImport { kind, .. }) in wanted {
        if new.resource(name).is_none_or(|described| &described.kind != kind) {
            return Err(invalid(format!("The template does not describe {name} as {kind}, which is to be imported")));
        }
    }
    let imported =
        |name: &&String| changes.iter().any(|change| change.action == "Import" && &change.logical_id == *name);
    let missing: Vec<&str> = wanted.keys().filter(|name| !imported(name)).map(String::as_str).collect();
    if !missing.is_empty() {
        return Err(invalid(format!(
            "The resources to import do not exist, or are in the stack: [{}]",
            missing.join(", ")
        )));
    }
    let others: Vec<&str> =
        changes.iter().filter(|change| change.action != "Import").map(|change| change.logical_id.as_str()).collect();
    if !others.is_empty() {
        let what =
            "in your template that are not being imported. Update, create or delete operations cannot be executed";
        let names = others.join(", ");
        return Err(invalid(format!("You have modified resources [{names}] {what} during import operations.")));
    }
    let before = stack.blueprint.as_ref();
    let has_same_outputs = match before {
        Some(before) => before.template.outputs == new.template.outputs,
        None => new.template.outputs.is_empty(),
    };
    if !has_same_outputs {
        return Err(invalid("As part of the import operation, you cannot modify or add [Outputs]"));
    }
    if before.is_some_and(|before| before.tags != new.tags) {
        return Err(invalid("As part of the import operation, you cannot modify or add [Tags]"));
    }
    Ok(())
}
