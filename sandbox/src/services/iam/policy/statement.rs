//! One statement of a policy, and whether it applies to a request.

use serde_json::{Map, Value};

use super::super::need::Grant;
use super::condition::Condition;
use super::{Kind, Question, Verdict, fields, malformed, nothing_left, pattern, texts};
use crate::ApiError;

/// A statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Statement {
    pub(super) id: Option<String>,
    /// Never [`Verdict::Silent`].
    pub(super) effect: Verdict,
    /// Empty in an identity policy.
    pub(super) principals: Vec<Principal>,
    /// In lower case, as actions are compared.
    actions: Vec<String>,
    resources: Vec<String>,
    conditions: Vec<Condition>,
}

/// Whom a statement of a trust or resource policy speaks of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Principal {
    Anyone,
    /// A service, such as `lambda.amazonaws.com`.
    Service(String),
    /// All of an account, as far as its own policies let them.
    Account(String),
    /// An OIDC provider, by ARN.
    Federated(String),
    /// A user, role or session.
    Arn(String),
}

impl Statement {
    pub(super) fn new(kind: Kind, statement: &Value) -> Result<Self, ApiError> {
        let mut fields = fields(statement)?;
        let id = take_texts(&mut fields, "Sid")?.into_iter().flatten().next();
        if kind == Kind::Identity && id.iter().any(|id| !id.bytes().all(|b| b.is_ascii_alphanumeric())) {
            return Err(malformed("Statement IDs (SID) must be alpha-numeric."));
        }
        let effect = match fields.remove("Effect").as_ref().and_then(Value::as_str) {
            Some("Allow") => Verdict::Allow,
            Some("Deny") => Verdict::Deny,
            _ => return Err(malformed("Syntax errors in policy: the Effect must be Allow or Deny.")),
        };
        let principals = match (kind, fields.remove("Principal")) {
            (Kind::Identity, None) => Vec::new(),
            (Kind::Identity, Some(_)) => return Err(malformed("Policy document should not specify a principal.")),
            (_, Some(value)) => principals(&value)?,
            (_, None) => return Err(malformed("Missing required field Principal")),
        };
        let actions = take_texts(&mut fields, "Action")?;
        let resources = match (kind, take_texts(&mut fields, "Resource")?) {
            (Kind::Trust, None) => Some(vec!["*".to_owned()]),
            (Kind::Trust, Some(_)) => return Err(malformed("Has prohibited field Resource")),
            (_, resources) => resources,
        };
        let conditions = Condition::all(fields.remove("Condition").as_ref())?;
        // `NotAction` and its like are found here, before anything is said to be missing.
        nothing_left(&fields)?;
        let actions = actions.ok_or_else(|| malformed("Policy statement must contain actions."))?;
        let resources = resources.ok_or_else(|| malformed("Policy statement must contain resources."))?;
        check_actions(kind, &actions)?;
        check_resources(&resources)?;
        let actions = actions.iter().map(|action| action.to_ascii_lowercase()).collect();
        Ok(Self { id, effect, principals, actions, resources, conditions })
    }

    pub(super) fn applies_to(&self, question: &Question<'_>) -> bool {
        self.is_about(&question.action.to_ascii_lowercase())
            && self.resources.iter().any(|wanted| wanted == "*" || pattern::matches_arn(wanted, question.resource))
            && self.conditions.iter().all(|condition| condition.holds(question.context))
    }
}

impl Statement {
    /// Whether it lets anybody in at all.
    pub(super) fn is_public(&self) -> bool {
        self.effect == Verdict::Allow
            && self.principals.contains(&Principal::Anyone)
            && !self.conditions.iter().any(Condition::identifies)
    }

    /// Every action of its own, with a resource, that lets a request through.
    pub(super) fn grants(&self, statement: &str, question: &Question<'_>) -> Vec<Grant> {
        if !self.conditions.iter().all(|condition| condition.holds(question.context)) {
            return Vec::new();
        }
        let asked = question.action.to_ascii_lowercase();
        let actions = self.actions.iter().filter(|action| pattern::matches(action, &asked));
        let is_meant = |wanted: &&String| *wanted == "*" || pattern::matches_arn(wanted, question.resource);
        let resources: Vec<_> = self.resources.iter().filter(is_meant).collect();
        let grant = |action: &String, resource: &String| Grant {
            statement: statement.to_owned(),
            action: action.clone(),
            resource: resource.clone(),
        };
        actions
            .flat_map(|action| resources.iter().map(|resource| grant(action, resource)).collect::<Vec<_>>())
            .collect()
    }

    /// Its name, its actions and its resources.
    pub(super) fn allows(&self, name: String) -> (String, &[String], &[String]) {
        (name, &self.actions, &self.resources)
    }

    /// Whether it speaks of an action, which is given in lower case.
    pub(super) fn is_about(&self, action: &str) -> bool {
        self.actions.iter().any(|pattern| pattern::matches(pattern, action))
    }

    /// The condition keys that it asks for.
    pub(super) fn condition_keys(&self) -> impl Iterator<Item = &str> {
        self.conditions.iter().map(Condition::key)
    }
}

fn take_texts(fields: &mut Map<String, Value>, name: &str) -> Result<Option<Vec<String>>, ApiError> {
    fields.remove(name).as_ref().map(texts).transpose()
}

fn check_actions(kind: Kind, actions: &[String]) -> Result<(), ApiError> {
    for action in actions {
        let vendor = action.split_once(':').map(|(vendor, _)| vendor);
        if action != "*" && vendor.is_none_or(str::is_empty) {
            return Err(malformed("Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."));
        }
        if kind == Kind::Trust && vendor != Some("sts") {
            return Err(malformed("AssumeRole policy may only specify STS AssumeRole actions."));
        }
    }
    if actions.is_empty() { Err(malformed("Policy statement must contain actions.")) } else { Ok(()) }
}

fn check_resources(resources: &[String]) -> Result<(), ApiError> {
    let is_arn = |resource: &str| resource.starts_with("arn:") && resource.split(':').count() >= 6;
    match resources.iter().find(|resource| *resource != "*" && !is_arn(resource)) {
        Some(wrong) => Err(malformed(format!("Resource {wrong} must be in ARN format or \"*\"."))),
        None if resources.is_empty() => Err(malformed("Policy statement must contain resources.")),
        None => Ok(()),
    }
}

fn principals(value: &Value) -> Result<Vec<Principal>, ApiError> {
    if value.as_str() == Some("*") {
        return Ok(vec![Principal::Anyone]);
    }
    let mut principals = Vec::new();
    for (kind, names) in fields(value)? {
        for name in texts(&names)? {
            principals.push(match kind.as_str() {
                "Service" if name.contains(".amazonaws.com") => Principal::Service(name),
                "AWS" => aws_principal(&name)?,
                "Federated" if name.starts_with("arn:aws:iam::") && name.contains(":oidc-provider/") => {
                    Principal::Federated(name)
                }
                "Federated" => return Err(malformed(format!("Invalid principal in policy: \"FEDERATED\":\"{name}\""))),
                "Service" => return Err(malformed(format!("Invalid principal in policy: \"SERVICE\":\"{name}\""))),
                _ => return Err(ApiError::unknown("principal", &kind)),
            });
        }
    }
    if principals.is_empty() { Err(malformed("Missing required field Principal")) } else { Ok(principals) }
}

fn aws_principal(name: &str) -> Result<Principal, ApiError> {
    let is_account = |text: &str| text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit());
    let parts: Vec<&str> = name.splitn(6, ':').collect();
    match parts.as_slice() {
        ["*"] => Ok(Principal::Anyone),
        [account] if is_account(account) => Ok(Principal::Account((*account).to_owned())),
        ["arn", _, "iam", "", account, "root"] if is_account(account) => Ok(Principal::Account((*account).to_owned())),
        ["arn", _, "iam" | "sts", "", account, name] if is_account(account) && !name.contains('*') => {
            Ok(Principal::Arn(parts.join(":")))
        }
        _ => Err(malformed(format!("Invalid principal in policy: \"AWS\":\"{name}\""))),
    }
}
