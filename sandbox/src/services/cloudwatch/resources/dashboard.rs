//! AWS::CloudWatch::Dashboard.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::super::alarm::invalid;
use crate::input::JsonInput;
use crate::services::cloudformation::resource::{Created, Identifier, Order, Schema, set};
use crate::{ApiError, World};

pub(super) const SCHEMA: Schema = Schema {
    properties: &["DashboardBody", "DashboardName"],
    required: &["DashboardBody"],
    create_only: &["DashboardName"],
    creation_takes: Duration::from_secs(2),
    identifier: Identifier::None,
    readable: Some(&["DashboardBody"]),
};

/// A dashboard is 24 columns wide, and holds up to 500 widgets (CloudWatch user guide, "Dashboard body structure and
/// syntax" and "CloudWatch service quotas").
const COLUMNS: i64 = 24;
const MOST_WIDGETS: usize = 500;

pub(super) fn create(world: &mut World, order: &Order) -> Result<Created, ApiError> {
    let (name, body) = wanted(order)?;
    let name = name.unwrap_or_else(|| order.generated_name(world, 255));
    let legal = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
    if !(1..=255).contains(&name.len()) || !name.chars().all(legal) {
        return Err(invalid(format!("`{name}` is not the name of a dashboard: letters, digits, - and _")));
    }
    let arn = arn_of(order, &name);
    world.authorize(&order.caller, "cloudwatch:PutDashboard", &arn, &BTreeMap::new())?;
    // Dashboards belong to the account, whatever region they were made in.
    if world.cloudwatch.dashboards.contains_key(&arn) {
        return Err(ApiError::new("ResourceAlreadyExists", format!("Dashboard {name} already exists")));
    }
    world.cloudwatch.dashboards.insert(arn, body);
    Ok(Created { physical_id: name, attributes: BTreeMap::new() })
}

pub(super) fn update(world: &mut World, order: &Order, id: &str) -> Result<Created, ApiError> {
    let (_, body) = wanted(order)?;
    let arn = arn_of(order, id);
    world.authorize(&order.caller, "cloudwatch:PutDashboard", &arn, &BTreeMap::new())?;
    world.cloudwatch.dashboards.insert(arn, body);
    Ok(Created { physical_id: id.to_owned(), attributes: BTreeMap::new() })
}

pub(super) fn delete(world: &mut World, order: &Order, id: &str) -> Result<(), ApiError> {
    let arn = arn_of(order, id);
    world.authorize(&order.caller, "cloudwatch:DeleteDashboards", &arn, &BTreeMap::new())?;
    world.cloudwatch.dashboards.remove(&arn);
    Ok(())
}

pub(super) fn read(world: &World, order: &Order, id: &str) -> Option<Value> {
    let body = world.cloudwatch.dashboards.get(&arn_of(order, id))?;
    Some(set([("DashboardBody", Some(body.as_str().into()))]))
}

fn arn_of(order: &Order, name: &str) -> String {
    format!("arn:{}:cloudwatch::{}:dashboard/{name}", order.caller.partition(), order.caller.account)
}

fn wanted(order: &Order) -> Result<(Option<String>, String), ApiError> {
    let mut input = order.input()?;
    let (name, body) = (input.text("DashboardName")?, input.required("DashboardBody")?);
    input.finish()?;
    check(&body)?;
    Ok((name, body))
}

/// Checks what PutDashboard checks, and that there is no widget of which the sandbox knows nothing.
fn check(body: &str) -> Result<(), ApiError> {
    let malformed = |_| invalid("The field DashboardBody must be a valid JSON object");
    let document: Value = serde_json::from_str(body).map_err(malformed)?;
    let mut document = JsonInput::from_value(document)?;
    let widgets = document.items("widgets")?;
    document.finish()?;
    if widgets.len() > MOST_WIDGETS {
        return Err(invalid(format!("a dashboard has up to {MOST_WIDGETS} widgets")));
    }
    for mut widget in widgets {
        let [x, y, width, height] = ["x", "y", "width", "height"].map(|name| widget.number(name));
        let (x, width) = (x?.unwrap_or(0), width?.unwrap_or(6));
        if x < 0 || width < 1 || x + width > COLUMNS || y?.is_some_and(|y| y < 0) || height?.is_some_and(|h| h < 1) {
            return Err(invalid(format!("a widget of {width} columns at {x} is not on the dashboard")));
        }
        let kind = widget.required("type")?;
        let properties = widget.structure("properties")?.ok_or_else(|| invalid("a widget has no properties"))?;
        widget.finish()?;
        check_properties(&kind, properties)?;
    }
    Ok(())
}

fn check_properties(kind: &str, mut properties: JsonInput) -> Result<(), ApiError> {
    properties.text("title")?;
    match kind {
        "alarm" => {
            let alarms = properties.texts("alarms")?;
            if alarms.is_empty() || alarms.iter().any(|arn| !arn.contains(":alarm:")) {
                return Err(invalid("`alarms` is not a list of the ARNs of alarms"));
            }
        }
        "metric" => {
            properties.required("region")?;
            for option in ["view", "stat"] {
                properties.text(option)?;
            }
            properties.number("period")?;
            properties.flag("stacked")?;
            let metrics = properties.value("metrics");
            let lines = metrics.as_ref().and_then(Value::as_array).filter(|lines| !lines.is_empty());
            for line in lines.ok_or_else(|| invalid("`metrics` is not a list of metrics"))? {
                let texts = line.as_array().map_or(0, |line| line.iter().filter(|part| part.is_string()).count());
                // A namespace and a name, and then names and values of dimensions.
                if texts < 2 || texts % 2 != 0 {
                    return Err(invalid(format!("{line} is not a metric")));
                }
            }
        }
        "log" => {
            properties.required("region")?;
            properties.text("view")?;
            if !properties.required("query")?.starts_with("SOURCE '") {
                return Err(invalid("a query has no SOURCE"));
            }
        }
        "text" => drop(properties.required("markdown")?),
        other => return Err(ApiError::unknown("widget type", other)),
    }
    properties.finish()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_body_is_checked_widget_by_widget() {
        let check = |widgets: Value| check(&json!({ "widgets": widgets }).to_string()).map_err(|error| error.message);
        let metric = |line: Value| json!({ "type": "metric", "properties": { "region": "r", "metrics": [line] } });
        assert_eq!(check(json!([metric(json!(["n", "m", "d", "v", { "stat": "Sum" }]))])), Ok(()));
        let table = [
            (json!([metric(json!(["n"]))]), "is not a metric"),
            (json!([{ "type": "metric", "properties": { "region": "r", "metrics": [] } }]), "is not a list of metrics"),
            (json!([{ "type": "pie", "properties": {} }]), "pie"),
            (
                json!([{ "type": "text", "x": 20, "width": 6, "properties": { "markdown": "m" } }]),
                "not on the dashboard",
            ),
            (json!([{ "type": "text", "properties": { "markdown": "m", "colour": "red" } }]), "colour"),
            (json!([{ "type": "alarm", "properties": { "alarms": ["x"] } }]), "the ARNs of alarms"),
        ];
        for (widgets, expected) in table {
            let error = check(widgets).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }
}
