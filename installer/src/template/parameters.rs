//! Fills the parameters of a template in, so that what it says is what is deployed.
//!
//! A template with parameters would be half of the truth: `aws cloudformation deploy` keeps the old values of those that
//! it is not given, and a comparison of two templates would not show what changes.

use std::collections::BTreeMap;

use contract::{Enrolment, variables};
use serde_yaml::value::{Tag, TaggedValue};
use serde_yaml::{Mapping, Value};

use super::{CodeLocation, TemplateError};
use crate::config::{Config, Vpc};
use crate::fleet::Central;

/// The parameters that become the function's environment, by the variable that each one sets.
const SETTINGS: [(&str, &str); 10] = [
    (variables::TIMEOUT, "TimeoutSeconds"),
    (variables::LEASE, "LeaseSeconds"),
    (variables::INTERVAL, "IntervalSeconds"),
    (variables::DEACTIVATE_AFTER, "DeactivateAfterSeconds"),
    (variables::DELETE_AFTER, "DeleteAfterSeconds"),
    (variables::QUIET, "QuietSeconds"),
    (variables::SWEEP_EVERY, "SweepEverySeconds"),
    (variables::MAX_KEY_AGE, "MaxKeyAgeSeconds"),
    (variables::FOREIGN, "ForeignKeys"),
    (variables::IN_USE, "KeysInUse"),
];

/// Those that say whom the function enrols. The key that encrypts the secrets is known from the configuration.
const ENROLMENT: [(&str, &str); 8] = [
    (variables::ENROL_PATH, "EnrolPath"),
    (variables::ENROL_TAGS, "EnrolTags"),
    (variables::EXEMPT_NAMES, "ExemptNames"),
    (variables::EXEMPT_PATH, "ExemptPath"),
    (variables::EXEMPT_TAGS, "ExemptTags"),
    (variables::SCHEDULE, "ScheduleExpression"),
    (variables::SCHEDULE_WINDOW, "ScheduleWindowHours"),
    (variables::RENDER, "Render"),
];

/// The name of the stack, as templates ask for it.
const STACK_NAME: &str = "AWS::StackName";

/// The values of the parameters of `templates/keyturn.yaml` that a configuration stands for.
pub(super) fn of(config: &Config, code: &CodeLocation) -> BTreeMap<&'static str, String> {
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let vpc =
        |ids: fn(&Vpc) -> &[String]| config.function.vpc.as_ref().map(|vpc| ids(vpc).join(",")).unwrap_or_default();
    let mut values = BTreeMap::from([
        ("CodeBucket", code.bucket.clone()),
        ("CodeKey", code.key.clone()),
        ("Architecture", config.function.architecture.to_string()),
        ("MemoryMiB", config.function.memory_mib.to_string()),
        ("LogRetentionDays", config.function.log_retention_days.to_string()),
        ("RolePath", config.role_path.clone().unwrap_or_else(|| "/".to_owned())),
        ("PermissionsBoundary", text(&config.permissions_boundary)),
        ("KmsKey", text(&config.kms_key)),
        ("Subnets", vpc(|vpc| &vpc.subnets)),
        ("SecurityGroups", vpc(|vpc| &vpc.security_groups)),
        ("SweepSchedule", format!("rate({} minutes)", config.settings.sweep_every.as_secs() / 60)),
        ("DirectSecrets", config.function.secrets.join(";")),
        ("OwnSecrets", String::new()),
        ("AlertEmails", config.alerts.email.join(",")),
        ("AlertTopic", text(&config.alerts.topic)),
        ("CentralBus", text(&config.alerts.central)),
        ("ForwardsRotations", true.to_string()),
        ("HasDashboard", config.alerts.dashboard.to_string()),
    ]);
    values.extend(ENROLMENT.map(|(_, parameter)| (parameter, String::new())));
    values.extend(named(&SETTINGS, config.settings.to_environment()));
    values
}

/// Those values for a function that enrols its users by itself. Its stack has the name of the configuration for whatever
/// is called after it, also where a service has given the stack another one.
pub(super) fn of_member(config: &Config, enrolment: &Enrolment, code: &CodeLocation) -> BTreeMap<&'static str, String> {
    let mut values = of(config, code);
    values.extend(named(&ENROLMENT, enrolment.to_environment()));
    values.insert(STACK_NAME, config.stack.to_string());
    values
}

/// The values of the parameters of `templates/central.yaml`.
pub(super) fn of_central(organization: &str, central: &Central) -> BTreeMap<&'static str, String> {
    BTreeMap::from([
        ("Organization", organization.to_owned()),
        ("AlertEmails", central.emails.join(",")),
        ("AlertTopic", central.topic.clone().unwrap_or_default()),
        ("LogRetentionDays", central.log_retention_days.to_string()),
    ])
}

/// The values of an environment, by the parameters that stand for the variables.
fn named<'a>(
    parameters: &'a [(&str, &'static str)],
    environment: Vec<(&'static str, String)>,
) -> impl Iterator<Item = (&'static str, String)> + use<'a> {
    environment.into_iter().filter_map(|(variable, value)| {
        let (_, parameter) = parameters.iter().find(|(name, _)| *name == variable)?;
        Some((*parameter, value))
    })
}

/// The template without parameters and conditions: every value and every choice is written out.
pub(super) fn fill(mut template: Mapping, values: &BTreeMap<&'static str, String>) -> Result<Mapping, TemplateError> {
    let section = |name| match template.shift_remove(name) {
        Some(Value::Mapping(section)) => Ok(section),
        _ => Err(unfillable(name)),
    };
    let [parameters, conditions] = ["Parameters", "Conditions"].map(section);
    let mut filling = Filling { values: typed(&parameters?, values)?, conditions: BTreeMap::new() };
    let stack = values.get(STACK_NAME).map(|name| (STACK_NAME.to_owned(), Value::from(name.as_str())));
    filling.values.extend(stack);
    for (name, condition) in conditions? {
        let holds = filling.holds(&condition)?;
        filling.conditions.insert(text(&name)?.to_owned(), holds);
    }
    let mut template = filling.fields(template)?;
    match template.get_mut("Resources") {
        Some(Value::Mapping(resources)) => filling.keep_what_exists(resources)?,
        _ => return Err(unfillable("Resources")),
    }
    Ok(template)
}

/// The values as the parameters' types want them; a parameter without a value is an error.
fn typed(parameters: &Mapping, values: &BTreeMap<&str, String>) -> Result<BTreeMap<String, Value>, TemplateError> {
    let value = |(name, parameter): (&Value, &Value)| {
        let name = text(name)?;
        let value = values.get(name).ok_or_else(|| unfillable(name))?;
        let is_number = parameter.get("Type").is_some_and(|kind| kind == "Number");
        let number = || value.parse::<u64>().map(Value::from).map_err(|_| unfillable(name));
        Ok((name.to_owned(), if is_number { number()? } else { Value::from(value.as_str()) }))
    };
    parameters.iter().map(value).collect()
}

/// What is known while a template is filled in.
struct Filling {
    values: BTreeMap<String, Value>,
    conditions: BTreeMap<String, bool>,
}

impl Filling {
    /// A value with everything known written out; `None` is CloudFormation's "no value".
    fn value(&self, value: Value) -> Result<Option<Value>, TemplateError> {
        match value {
            Value::Mapping(fields) => self.fields(fields).map(|fields| Some(Value::Mapping(fields))),
            Value::Sequence(values) => {
                let values = values.into_iter().filter_map(|value| self.value(value).transpose());
                values.collect::<Result<_, _>>().map(|values| Some(Value::Sequence(values)))
            }
            Value::Tagged(tagged) => self.intrinsic(*tagged),
            plain => Ok(Some(plain)),
        }
    }

    fn fields(&self, fields: Mapping) -> Result<Mapping, TemplateError> {
        let field = |(key, value)| self.value(value).transpose().map(|value| value.map(|value| (key, value)));
        fields.into_iter().filter_map(field).collect()
    }

    /// Drops the resources that their condition does not let exist. A policy's statements have conditions too, so this is
    /// about nothing further down.
    fn keep_what_exists(&self, resources: &mut Mapping) -> Result<(), TemplateError> {
        let mut absent = Vec::new();
        for (id, resource) in resources.iter_mut() {
            let Some(condition) = resource.as_mapping_mut().and_then(|fields| fields.shift_remove("Condition")) else {
                continue;
            };
            let name = text(&condition)?;
            if !*self.conditions.get(name).ok_or_else(|| unfillable(name))? {
                absent.push(id.clone());
            }
        }
        absent.iter().for_each(|id| drop(resources.shift_remove(id)));
        Ok(())
    }

    fn intrinsic(&self, tagged: TaggedValue) -> Result<Option<Value>, TemplateError> {
        let TaggedValue { tag, value } = tagged;
        match (tag.to_string().as_str(), value) {
            ("!Ref", Value::String(name)) if name == "AWS::NoValue" => Ok(None),
            ("!Ref", Value::String(name)) => match self.values.get(&name) {
                Some(value) => Ok(Some(value.clone())),
                None => Ok(Some(tagged_with(tag, name.into()))),
            },
            ("!Sub", Value::String(text)) => Ok(Some(self.text(text))),
            ("!If", Value::Sequence(parts)) => {
                let [condition, then, otherwise] = parts.try_into().map_err(|_| unfillable("!If"))?;
                let name = text(&condition)?;
                let holds = self.conditions.get(name).ok_or_else(|| unfillable(name))?;
                self.value(if *holds { then } else { otherwise })
            }
            ("!Split", Value::Sequence(parts)) => {
                let [separator, whole] = parts.try_into().map_err(|_| unfillable("!Split"))?;
                let whole = self.value(whole)?.unwrap_or_default();
                Ok(Some(text(&whole)?.split(text(&separator)?).map(Value::from).collect()))
            }
            (_, value) => Ok(self.value(value)?.map(|value| tagged_with(tag, value))),
        }
    }

    /// The text of a `!Sub`; it stays one as long as something in it is known to CloudFormation only.
    fn text(&self, mut text: String) -> Value {
        for (name, value) in &self.values {
            let value = value.as_str().map_or_else(|| super::json::of(value).to_string(), str::to_owned);
            text = text.replace(&format!("${{{name}}}"), &value);
        }
        if text.contains("${") { tagged_with(Tag::new("Sub"), text.into()) } else { text.into() }
    }

    fn holds(&self, condition: &Value) -> Result<bool, TemplateError> {
        let Value::Tagged(tagged) = condition else { return Err(unfillable("Conditions")) };
        let tag = tagged.tag.to_string();
        match (tag.as_str(), tagged.value.as_sequence().map(Vec::as_slice)) {
            ("!Not", Some([condition])) => self.holds(condition).map(|holds| !holds),
            ("!And", Some(conditions)) => conditions.iter().try_fold(true, |all, next| Ok(self.holds(next)? && all)),
            ("!Equals", Some([left, right])) => Ok(self.value(left.clone())? == self.value(right.clone())?),
            _ => Err(unfillable(&tag)),
        }
    }
}

fn tagged_with(tag: Tag, value: Value) -> Value {
    Value::Tagged(Box::new(TaggedValue { tag, value }))
}

/// Plain text; the library's own `as_str` would look through a tag.
fn text(value: &Value) -> Result<&str, TemplateError> {
    match value {
        Value::String(text) => Ok(text),
        _ => Err(unfillable("what should be text")),
    }
}

fn unfillable(part: &str) -> TemplateError {
    TemplateError::Unfillable(part.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(resources: &str, kms_key: &str) -> Result<Value, TemplateError> {
        let parameters = "Parameters: {KmsKey: {Type: String}, Memory: {Type: Number}}";
        let conditions =
            "Conditions: {HasKey: !Not [!Equals [!Ref KmsKey, '']], Both: !And [!Equals [a, a], !Equals [a, b]]}";
        let template = serde_yaml::from_str(&format!("{parameters}\n{conditions}\nResources: {resources}\n"));
        let values = BTreeMap::from([("KmsKey", kms_key.to_owned()), ("Memory", "128".to_owned())]);
        Ok(fill(template.expect("it is YAML"), &values)?.shift_remove("Resources").expect("it is there"))
    }

    /// A value somewhere in a template, filled in.
    fn filled_value(value: &str, kms_key: &str) -> Result<Value, TemplateError> {
        let resources = filled(&format!("{{A: {{Properties: {{Value: {value}}}}}}}"), kms_key)?;
        Ok(resources["A"]["Properties"]["Value"].clone())
    }

    #[test]
    fn values_and_choices_are_written_out() {
        let table = [
            ("{A: !Ref KmsKey, B: !Ref Memory, C: !Ref Role}", "{A: key, B: 128, C: !Ref Role}"),
            ("[!Sub '${Memory}', !Sub '${Memory}-${AWS::Region}']", "['128', !Sub '128-${AWS::Region}']"),
            ("{A: !If [HasKey, !Ref KmsKey, !Ref AWS::NoValue]}", "{A: key}"),
            ("{A: !If [Both, 1, !Ref AWS::NoValue], B: [1, !If [Both, 2, !Ref AWS::NoValue]]}", "{B: [1]}"),
            ("{A: !Split [e, !Ref KmsKey]}", "{A: [k, y]}"),
            ("{A: !Join ['', [!Ref KmsKey, !GetAtt Role.Arn]]}", "{A: !Join ['', [key, !GetAtt Role.Arn]]}"),
        ];
        for (template, expected) in table {
            let expected: Value = serde_yaml::from_str(expected).expect("it is YAML");
            assert_eq!(filled_value(template, "key").expect(template), expected, "{template}");
        }
        assert_eq!(
            filled_value("{A: !If [HasKey, 1, 2]}", "").expect("it is filled in"),
            serde_yaml::from_str::<Value>("{A: 2}").expect("it is YAML")
        );
    }

    #[test]
    fn resources_exist_by_their_condition() {
        let resources =
            "{A: {Condition: HasKey, Type: X}, B: {Condition: Both, Type: X}, C: {Properties: {Condition: x}}}";
        let expected = "{A: {Type: X}, C: {Properties: {Condition: x}}}";
        let expected: Value = serde_yaml::from_str(expected).expect("it is YAML");
        assert_eq!(filled(resources, "key").expect("it is filled in"), expected);
        let absent = filled("{A: {Condition: Absent, Type: X}}", "key");
        assert!(matches!(absent, Err(TemplateError::Unfillable(name)) if name == "Absent"));
    }

    #[test]
    fn what_cannot_be_filled_in_is_an_error() {
        for wrong in ["!If [HasKey, 1]", "!If [Absent, 1, 2]", "!Split [a]", "!Split [a, !Ref Role]"] {
            assert!(matches!(filled_value(wrong, "key"), Err(TemplateError::Unfillable(_))), "{wrong}");
        }
        let template = "Parameters: {Other: {Type: String}}\nConditions: {}\n";
        let template = serde_yaml::from_str(template).expect("it is YAML");
        assert!(matches!(fill(template, &BTreeMap::new()), Err(TemplateError::Unfillable(name)) if name == "Other"));
    }
}
