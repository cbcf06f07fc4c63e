//! What the function is asked for, parsed and checked at the door: a step of a rotation by Secrets Manager, a pass of
//! the sweeper or of the enroller by its schedule, rotations and orders by a person.

use std::fmt;

use contract::{AccessKeyId, SecretArn, SecretText, UserName, VersionToken};
use serde_json::Value;

/// What the function is asked for.
#[derive(Debug, Clone)]
pub(crate) enum Request {
    /// Secrets Manager goes on with a rotation.
    Step(RotationEvent),
    /// The sweeper's schedule, or a person: `{"sweep": "all"}`.
    Sweep(Users),
    /// The enroller's schedule, or a person: `{"enrol": "all"}`.
    Enrol,
    /// A person wants users rotated: `{"rotate": "all"}`, `{"rotate": ["alice"]}`.
    Rotate(Users),
    /// A person orders something that no schedule does, for named users only.
    Order(Order, Vec<UserName>),
}

/// What a person orders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Order {
    /// The key before is to be current again: `{"rollback": ["alice"]}`.
    Rollback,
    /// Keys have leaked: `{"revoke": ["alice"]}`, `{"revoke": ["alice"], "keys": ["AKIA…"]}`.
    Revoke(Leaked),
}

/// Which keys have leaked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Leaked {
    /// Whatever keyturn has made for the user, or has taken over.
    All,
    /// Only these.
    Named(Vec<AccessKeyId>),
}

/// Which users of the stack are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Users {
    All,
    Named(Vec<UserName>),
}

/// One step of a rotation (Secrets Manager user guide, "Rotation by Lambda function").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Create,
    Set,
    Test,
    Finish,
}

/// What Secrets Manager asks for.
#[derive(Debug, Clone)]
pub(crate) struct RotationEvent {
    pub(crate) step: Step,
    pub(crate) secret: SecretArn,
    /// The rotation's ClientRequestToken, which is also the id of the version it makes.
    pub(crate) token: VersionToken,
    /// Newer events carry it; PutSecretValue passes it on. It is a credential.
    pub(crate) rotation_token: Option<SecretText>,
}

/// An event that the function has no answer to. Only names and identifiers are quoted, never the event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum EventError {
    #[error("the event is not a JSON object")]
    NotAnObject,
    #[error("the event has no text field `{0}`")]
    Missing(&'static str),
    #[error("the event's `Step` is none of createSecret, setSecret, testSecret, finishSecret")]
    UnknownStep,
    #[error("the event's `SecretId` is not the ARN of a secret")]
    SecretId,
    #[error("the event's `ClientRequestToken` is malformed")]
    Token,
    #[error("the event's `{0}` is neither \"all\" nor a list of user names")]
    Users(&'static str),
    #[error("the event's `enrol` is not \"all\"")]
    Enrol,
    #[error("the event's `{0}` is not a list of user names")]
    Names(&'static str),
    #[error("the event's `keys` is not a list of access key ids that stands beside the `revoke` of exactly one user")]
    Keys,
}

impl Request {
    /// Reads an event.
    pub(crate) fn parse(event: &Value) -> Result<Self, EventError> {
        let fields = event.as_object().ok_or(EventError::NotAnObject)?;
        let asked = [SWEEP, ENROL, ROTATE, ROLLBACK, REVOKE].map(|verb| fields.get(verb));
        match (fields.get("Step"), asked) {
            (None, [Some(users), None, None, None, None]) => {
                Users::parse(users).map(Self::Sweep).ok_or(EventError::Users(SWEEP))
            }
            // Whom to enrol the settings say, and not the caller.
            (None, [None, Some(users), None, None, None]) => {
                if users == ALL {
                    Ok(Self::Enrol)
                } else {
                    Err(EventError::Enrol)
                }
            }
            (None, [None, None, Some(users), None, None]) => {
                Users::parse(users).map(Self::Rotate).ok_or(EventError::Users(ROTATE))
            }
            (None, [None, None, None, Some(_), None]) if fields.contains_key(KEYS) => Err(EventError::Keys),
            (None, [None, None, None, Some(users), None]) => {
                let users = named(users).ok_or(EventError::Names(ROLLBACK))?;
                Ok(Self::Order(Order::Rollback, users))
            }
            (None, [None, None, None, None, Some(users)]) => {
                let users = named(users).ok_or(EventError::Names(REVOKE))?;
                let leaked = Leaked::parse(fields.get(KEYS), &users).ok_or(EventError::Keys)?;
                Ok(Self::Order(Order::Revoke(leaked), users))
            }
            _ => RotationEvent::parse(event).map(Self::Step),
        }
    }
}

const SWEEP: &str = "sweep";
const ENROL: &str = "enrol";
const ROTATE: &str = "rotate";
const ROLLBACK: &str = "rollback";
const REVOKE: &str = "revoke";
const KEYS: &str = "keys";
const ALL: &str = "all";

fn named(value: &Value) -> Option<Vec<UserName>> {
    value.as_array()?.iter().map(|name| UserName::new(name.as_str()?).ok()).collect()
}

impl Leaked {
    /// An empty list of keys is nobody's wish, so it means neither all nor none.
    fn parse(keys: Option<&Value>, users: &[UserName]) -> Option<Self> {
        let Some(keys) = keys else { return Some(Self::All) };
        let keys = keys.as_array().filter(|keys| !keys.is_empty() && users.len() == 1)?;
        keys.iter().map(|key| AccessKeyId::new(key.as_str()?).ok()).collect::<Option<_>>().map(Self::Named)
    }
}

impl Users {
    fn parse(value: &Value) -> Option<Self> {
        match value {
            Value::String(all) if all == ALL => Some(Self::All),
            names => named(names).map(Self::Named),
        }
    }

    /// Whether this user is meant.
    pub(crate) fn contains(&self, user: &UserName) -> bool {
        match self {
            Self::All => true,
            Self::Named(names) => names.iter().any(|name| name.is_same_user(user)),
        }
    }
}

impl RotationEvent {
    /// Reads an event. Fields that are not known here are none of our business.
    pub(crate) fn parse(event: &Value) -> Result<Self, EventError> {
        let fields = event.as_object().ok_or(EventError::NotAnObject)?;
        let text = |name: &'static str| fields.get(name).and_then(Value::as_str).ok_or(EventError::Missing(name));
        let step = match text("Step")? {
            "createSecret" => Step::Create,
            "setSecret" => Step::Set,
            "testSecret" => Step::Test,
            "finishSecret" => Step::Finish,
            _ => return Err(EventError::UnknownStep),
        };
        Ok(Self {
            step,
            secret: SecretArn::new(text("SecretId")?).map_err(|_| EventError::SecretId)?,
            token: VersionToken::new(text("ClientRequestToken")?).map_err(|_| EventError::Token)?,
            rotation_token: fields.get("RotationToken").and_then(Value::as_str).map(SecretText::new),
        })
    }
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rollback => ROLLBACK,
            Self::Revoke(_) => REVOKE,
        })
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Create => "createSecret",
            Self::Set => "setSecret",
            Self::Test => "testSecret",
            Self::Finish => "finishSecret",
        })
    }
}

#[cfg(test)]
mod hostile;

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn event() -> Value {
        json!({
            "Step": "createSecret",
            "SecretId": "arn:aws:secretsmanager:eu-central-1:111122223333:secret:keyturn/a-AbCdEf",
            "ClientRequestToken": "0a1b2c3d-0000-4000-8000-000000000000",
            "RotationToken": "hunter2",
        })
    }

    #[test]
    fn every_step_has_its_name() -> Result<(), EventError> {
        for name in ["createSecret", "setSecret", "testSecret", "finishSecret"] {
            let mut event = event();
            event["Step"] = json!(name);
            assert_eq!(RotationEvent::parse(&event)?.step.to_string(), name);
        }
        Ok(())
    }

    #[test]
    fn sweeps_and_rotations_are_asked_for_by_name() {
        let users = |event: Value| match Request::parse(&event) {
            Ok(Request::Sweep(users)) => Ok(("sweep", users)),
            Ok(Request::Rotate(users)) => Ok(("rotate", users)),
            Ok(Request::Step(_)) => Ok(("step", Users::All)),
            Ok(Request::Enrol) => Ok(("enrol", Users::All)),
            Ok(Request::Order(..)) => Ok(("order", Users::All)),
            Err(error) => Err(error),
        };
        let alice = || Users::Named(vec![UserName::new("alice").unwrap()]);
        assert_eq!(users(event()), Ok(("step", Users::All)));
        assert_eq!(users(json!({"sweep": "all"})), Ok(("sweep", Users::All)));
        assert_eq!(users(json!({"sweep": ["alice"]})), Ok(("sweep", alice())));
        assert_eq!(users(json!({"enrol": "all"})), Ok(("enrol", Users::All)));
        assert_eq!(users(json!({"enrol": ["alice"]})), Err(EventError::Enrol));
        assert_eq!(users(json!({"enrol": "all", "sweep": "all"})), Err(EventError::Missing("Step")));
        assert_eq!(users(json!({"rotate": "all"})), Ok(("rotate", Users::All)));
        assert_eq!(users(json!({"rotate": ["alice"]})), Ok(("rotate", alice())));
        assert!(alice().contains(&UserName::new("Alice").unwrap()));
        assert!(!alice().contains(&UserName::new("bob").unwrap()));
        for wrong in [json!("hunter2"), json!(["hunter2", 7]), json!(["hunter2/"]), json!({}), Value::Null] {
            let error = users(json!({ "rotate": wrong })).unwrap_err();
            assert_eq!(error, EventError::Users("rotate"));
            assert!(!error.to_string().contains("hunter2"));
        }
        // Nobody can mean both.
        assert_eq!(users(json!({"rotate": "all", "sweep": "all"})), Err(EventError::Missing("Step")));
    }

    #[test]
    fn orders_name_their_users_and_may_name_keys() {
        let order = |event: Value| match Request::parse(&event) {
            Ok(Request::Order(order, users)) => Ok((order, users.iter().map(UserName::to_string).collect::<Vec<_>>())),
            Ok(_) => panic!("{event} is an order"),
            Err(error) => Err(error),
        };
        let (alice, both) = (|| vec!["alice".to_owned()], vec!["alice".to_owned(), "bob".to_owned()]);
        let key = AccessKeyId::new("AKIAAAAAAAAAAAAAAAAA").unwrap();
        assert_eq!(order(json!({"rollback": ["alice", "bob"]})), Ok((Order::Rollback, both.clone())));
        assert_eq!(order(json!({"revoke": ["alice", "bob"]})), Ok((Order::Revoke(Leaked::All), both)));
        let named = Order::Revoke(Leaked::Named(vec![key.clone()]));
        assert_eq!(order(json!({"revoke": ["alice"], "keys": [key]})), Ok((named, alice())));
        for wrong in [json!("all"), json!("hunter2"), json!(["hunter2/"]), json!([7]), json!({}), Value::Null] {
            for verb in ["rollback", "revoke"] {
                assert_eq!(order(json!({ verb: wrong })), Err(EventError::Names(verb)), "{verb}: {wrong}");
            }
        }
        for wrong in [json!("all"), json!([]), json!(["hunter2"]), json!([7]), Value::Null] {
            let error = order(json!({"revoke": ["alice"], "keys": wrong})).unwrap_err();
            assert_eq!(error, EventError::Keys, "{wrong}");
            assert!(!error.to_string().contains("hunter2"));
        }
        for wrong in [
            json!({"revoke": ["alice", "bob"], "keys": [key]}),
            json!({"revoke": [], "keys": [key]}),
            json!({"rollback": ["alice"], "keys": [key]}),
        ] {
            assert_eq!(order(wrong.clone()), Err(EventError::Keys), "{wrong}");
        }
        // Nobody can mean both.
        assert_eq!(order(json!({"rollback": ["alice"], "revoke": ["alice"]})), Err(EventError::Missing("Step")));
    }

    #[test]
    fn the_rotation_token_is_taken_and_never_shown() {
        let event = RotationEvent::parse(&event()).unwrap();
        assert!(event.rotation_token.as_ref().is_some_and(|token| token.expose() == "hunter2"));
        assert!(!format!("{event:?}").contains("hunter2"));
    }

    #[test]
    fn wrong_events_are_refused_without_being_quoted() {
        let change = |name: &str, value: Value| {
            let mut event = event();
            event[name] = value;
            event
        };
        let table = [
            (json!("hunter2"), EventError::NotAnObject),
            (json!([1]), EventError::NotAnObject),
            (json!({}), EventError::Missing("Step")),
            (change("Step", json!(7)), EventError::Missing("Step")),
            (change("Step", json!("hunter2")), EventError::UnknownStep),
            (change("SecretId", Value::Null), EventError::Missing("SecretId")),
            (change("SecretId", json!("hunter2")), EventError::SecretId),
            (change("ClientRequestToken", json!("hunter2")), EventError::Token),
        ];
        for (event, expected) in table {
            let error = RotationEvent::parse(&event).unwrap_err();
            assert_eq!(error, expected, "{event}");
            assert!(!error.to_string().contains("hunter2"));
        }
    }
}
