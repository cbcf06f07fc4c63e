//! Events from nobody we know: whatever comes in, something comes out, and none of it repeats what came in.

use proptest::prelude::*;
use serde_json::{Map, json};

use super::*;

/// What must not be repeated, in every text of these events.
const MARK: &str = "hunter2";

/// Any text with the mark in it, as a person would paste it.
fn text() -> impl Strategy<Value = String> {
    (any::<String>(), any::<String>()).prop_map(|(before, after)| format!("{before}{MARK}{after}"))
}

/// Any JSON.
fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<Option<bool>>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        let fields = prop::collection::btree_map(text(), inner.clone(), 0..6);
        prop_oneof![
            prop::collection::vec(inner, 0..6).prop_map(Value::from),
            fields.prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

/// What a field of a real event may hold, or nearly.
fn field() -> impl Strategy<Value = Value> {
    let right = [
        json!("createSecret"),
        json!("finishSecret"),
        json!("arn:aws:secretsmanager:eu-central-1:111122223333:secret:keyturn/a-AbCdEf"),
        json!("0a1b2c3d-0000-4000-8000-000000000000"),
        json!("all"),
        json!(["alice", "bob"]),
    ];
    let nearly = [
        json!(format!("createSecret{MARK}")),
        json!(format!("arn:aws:secretsmanager:eu-central-1:111122223333:{MARK}:keyturn/a-AbCdEf")),
        json!(format!("0a1b2c3d {MARK}")),
        json!(["alice", format!("{MARK}/")]),
    ];
    prop_oneof![
        4 => prop::sample::select(right.to_vec()),
        1 => prop::sample::select(nearly.to_vec()),
        1 => json_value(),
    ]
}

/// An object with some of the names that an event has.
fn near_miss() -> impl Strategy<Value = Value> {
    let verbs = [SWEEP, ENROL, ROTATE, ROLLBACK, REVOKE, KEYS];
    let names = [&["Step", "SecretId", "ClientRequestToken", "RotationToken", "Records"], &verbs[..]].concat();
    let fields = prop::collection::btree_map(prop::sample::select(names.to_vec()), field(), 0..=names.len());
    fields.prop_map(|fields| Value::Object(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()))
}

/// A right event in which one field is another one.
fn changed() -> impl Strategy<Value = Value> {
    let right: Map<String, Value> = [
        ("Step", "createSecret"),
        ("SecretId", "arn:aws:secretsmanager:eu-central-1:111122223333:secret:keyturn/a-AbCdEf"),
        ("ClientRequestToken", "0a1b2c3d-0000-4000-8000-000000000000"),
        ("RotationToken", MARK),
    ]
    .into_iter()
    .map(|(name, text)| (name.to_owned(), json!(text)))
    .collect();
    let names: Vec<String> = right.keys().cloned().collect();
    (prop::sample::select(names), field()).prop_map(move |(name, value)| {
        let mut event = right.clone();
        event.insert(name, value);
        Value::Object(event)
    })
}

proptest! {
    #[test]
    fn no_event_breaks_the_parser_or_is_quoted_by_it(event in prop_oneof![json_value(), near_miss(), changed()]) {
        match Request::parse(&event) {
            Ok(Request::Step(step)) => {
                // The names that are shown have passed their checks; the token is shown by nothing.
                let (step, secret, token) = (step.step, step.secret.clone(), step.token.clone());
                let parsed = Request::parse(&event).map(|request| format!("{request:?}"));
                let shown = format!("Step(RotationEvent {{ step: {step:?}, secret: {secret:?}, token: {token:?}, rotation_token: ");
                prop_assert!(parsed.is_ok_and(|text| text.starts_with(&shown) && !text[shown.len()..].contains(MARK)));
            }
            // Users and keys that are named have passed their checks too.
            Ok(Request::Sweep(_) | Request::Enrol | Request::Rotate(_) | Request::Order(..)) => {}
            Err(error) => prop_assert!(!format!("{error} {error:?}").contains(MARK), "{error}"),
        }
    }

    #[test]
    fn users_who_are_named_are_those_who_are_meant(names in prop::collection::vec("[a-zA-Z0-9_+=,.@-]{1,64}", 0..8)) {
        let request = Request::parse(&json!({ "rotate": names.clone() }));
        let Ok(Request::Rotate(users)) = request else { return Err(TestCaseError::fail("they are legal names")) };
        for name in &names {
            prop_assert!(users.contains(&UserName::new(name.clone()).unwrap()));
        }
        let stranger = UserName::new("nobody-of-this-name").unwrap();
        prop_assert_eq!(users.contains(&stranger), names.iter().any(|name| name.eq_ignore_ascii_case(stranger.as_str())));
    }
}
