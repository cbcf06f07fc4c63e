//! Documents that are read and written, and what is wrong with others.

use proptest::prelude::*;

use super::*;

fn parse(text: &str) -> Result<SecretDocument, DocumentError> {
    SecretDocument::parse(&SecretText::new(text))
}

#[test]
fn a_placeholder_holds_the_user_only() {
    let document = parse(r#"{"UserName":"alice"}"#);
    assert!(document.is_ok_and(|d| d.key.is_none() && d.to_text().expose() == r#"{"UserName":"alice"}"#));
}

#[test]
fn other_fields_survive_a_new_key() -> Result<(), Box<dyn std::error::Error>> {
    let old = parse(
        r#"{"UserName":"a","AccessKeyId":"AKIAAAAAAAAAAAAAAAAA","SecretAccessKey":"old","Team":{"On call":[1]}}"#,
    )?;
    let key = KeyPair { id: AccessKeyId::new("AKIABBBBBBBBBBBBBBBB")?, secret: SecretText::new("new") };
    let region = Region::new("eu-central-1")?;
    let new = old.with_key(key, &Renderings::AsFound, &region).to_text();
    let fields: Value = serde_json::from_str(new.expose())?;
    assert_eq!(
        fields,
        serde_json::json!({
            "UserName": "a", "AccessKeyId": "AKIABBBBBBBBBBBBBBBB", "SecretAccessKey": "new",
            "Team": {"On call": [1]},
        })
    );
    Ok(())
}

#[test]
fn other_fields_survive_to_the_letter() {
    let text = r#"{"UserName":"a","Big":123456789012345678901234567890,"Quoted \"name\"":[1.10, "\u00e9"]}"#;
    assert!(parse(text).is_ok_and(|document| document.to_text().expose() == text));
}

#[test]
fn wrong_documents_are_named_and_never_quoted() {
    let table = [
        ("", DocumentError::NotAnObject),
        ("hunter2", DocumentError::NotAnObject),
        (r#"["hunter2"]"#, DocumentError::NotAnObject),
        (r#"{"AccessKeyId":"hunter2"}"#, DocumentError::Missing(USER_NAME)),
        (r#"{"UserName":7}"#, DocumentError::Missing(USER_NAME)),
        (r#"{"UserName":"hunter2/"}"#, DocumentError::UserName),
        (r#"{"UserName":"a","SecretAccessKey":"hunter2"}"#, DocumentError::HalfAKey),
        (r#"{"UserName":"a","AccessKeyId":"AKIAAAAAAAAAAAAAAAAA","SecretAccessKey":""}"#, DocumentError::HalfAKey),
        (r#"{"UserName":"a","AccessKeyId":"hunter2","SecretAccessKey":"hunter2"}"#, DocumentError::AccessKeyId),
    ];
    for (text, expected) in table {
        assert_eq!(parse(text), Err(expected.clone()), "{text}");
        assert!(!format!("{expected} {expected:?}").contains("hunter2"));
    }
}

#[test]
fn debug_output_shows_neither_key_nor_other_fields() {
    let shown =
        parse(r#"{"UserName":"a","AccessKeyId":"AKIAAAAAAAAAAAAAAAAA","SecretAccessKey":"hunter2","Note":"hunter3"}"#)
            .map(|document| format!("{document:?}"));
    assert!(shown.is_ok_and(|text| !text.contains("hunter") && text.contains("AKIAAAAAAAAAAAAAAAAA")));
}

/// Any JSON, as its text.
fn json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        any::<Option<bool>>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    let value = leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(any::<String>(), inner, 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    });
    value.prop_map(|value| value.to_string())
}

/// Names of fields that are somebody's own, or those of a rendering.
fn field() -> impl Strategy<Value = String> {
    let usual = [USER_NAME, ACCESS_KEY_ID, SECRET_ACCESS_KEY];
    prop_oneof![
        any::<String>().prop_filter("it is one of the usual fields", move |name| !usual.contains(&name.as_str())),
        prop::sample::select(vec!["SmtpUserName", "SmtpPassword", "AWS_SECRET_ACCESS_KEY", "CredentialsFile"])
            .prop_map(str::to_owned),
    ]
}

prop_compose! {
    fn key()(id in "AKIA[A-Z2-7]{16}", secret in "\\PC{1,60}") -> KeyPair {
        KeyPair { id: AccessKeyId::new(id).unwrap(), secret: SecretText::new(secret) }
    }
}

prop_compose! {
    fn document()(
        user in "[a-zA-Z0-9_+=,.@-]{1,64}",
        key in prop::option::of(key()),
        others in prop::collection::btree_map(field(), json().prop_map(SecretText::new), 0..6),
    ) -> SecretDocument {
        SecretDocument { user: UserName::new(user).unwrap(), key, others }
    }
}

fn renderings() -> impl Strategy<Value = Renderings> {
    let these = prop::sample::subsequence(crate::Rendering::ALL.map(|(_, rendering)| rendering).to_vec(), 0..=3);
    prop::option::of(these).prop_map(|these| match these {
        None => Renderings::AsFound,
        Some(these) => Renderings::Exactly(these.into_iter().collect()),
    })
}

/// Text that looks like a document, or like nothing at all.
fn hostile() -> impl Strategy<Value = String> {
    let nearly = (json(), json(), json()).prop_map(|(user, id, secret)| {
        format!(r#"{{"UserName":{user},"AccessKeyId":{id},"SecretAccessKey":{secret}}}"#)
    });
    let cut = (document(), any::<prop::sample::Index>()).prop_map(|(document, index)| {
        let text = document.to_text();
        text.expose().chars().take(index.index(text.expose().len())).collect()
    });
    prop_oneof![any::<String>(), json(), nearly, cut, Just("[".repeat(100_000))]
}

proptest! {
    #[test]
    fn a_document_reads_back(document in document()) {
        prop_assert!(SecretDocument::parse(&document.to_text()) == Ok(document));
    }

    #[test]
    fn no_text_breaks_the_parser_or_is_quoted_by_it(text in hostile()) {
        // What comes out is the same document again, or an error out of this list, none of which quotes anything.
        let errors = [
            DocumentError::NotAnObject,
            DocumentError::Missing(USER_NAME),
            DocumentError::HalfAKey,
            DocumentError::UserName,
            DocumentError::AccessKeyId,
        ];
        match SecretDocument::parse(&SecretText::new(text)) {
            Ok(document) => prop_assert!(SecretDocument::parse(&document.to_text()) == Ok(document)),
            Err(error) => prop_assert!(errors.contains(&error)),
        }
    }

    #[test]
    fn debug_output_shows_no_more_than_user_and_key_id(document in document()) {
        let shown = format!("{document:?}");
        let key = document.key.as_ref().map(|key| format!("KeyPair({:?}, ..)", key.id));
        let key = key.map_or_else(|| "None".to_owned(), |key| format!("Some({key})"));
        prop_assert_eq!(shown, format!("SecretDocument {{ user: {:?}, key: {key}, .. }}", document.user));
    }

    #[test]
    fn the_next_document_holds_the_new_key_and_nothing_of_the_old_one(
        document in document(), first in key(), second in key(), renderings in renderings(), also in renderings(),
    ) {
        prop_assume!(first.secret != second.secret && first.id != second.id);
        let region = Region::new("eu-central-1").unwrap();
        let before = document.with_key(first.clone(), &renderings, &region);
        let next = before.with_key(second.clone(), &also, &region);
        prop_assert!(next.key.as_ref() == Some(&second) && next.user == document.user);
        // However the key came to be there, the document is the one that it would have come to first.
        if also == renderings || also == Renderings::AsFound {
            prop_assert!(next == document.with_key(second.clone(), &renderings, &region));
        }
        let stale = [&first.id.to_string(), first.secret.expose()].map(|half| Value::from(half).to_string());
        for (name, value) in &next.others {
            let is_stale = stale.contains(&value.expose().to_owned()) && before.others.get(name) == Some(value);
            prop_assert!(!is_stale || document.others.get(name) == Some(value), "{name} is of the old key");
        }
    }
}
