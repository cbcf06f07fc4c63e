//! The forms of a key, and what becomes of them when the key is replaced.

use crate::{AccessKeyId, SecretDocument};

use super::*;

type TestResult = Result<(), Box<dyn std::error::Error>>;

/// The key of AWS's own examples.
const ID: &str = "AKIAIOSFODNN7EXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

fn key(id: &str, secret: &str) -> KeyPair {
    KeyPair { id: AccessKeyId::new(id).unwrap(), secret: SecretText::new(secret) }
}

fn region() -> Region {
    Region::new("us-east-2").unwrap()
}

/// What becomes of a document with the example key and these further fields, when `AKIANEW…` takes its place. The three
/// usual fields are left out.
fn renewed(others: &Value, tag: Option<&str>) -> Value {
    let mut fields = serde_json::json!({ "UserName": "a", "AccessKeyId": ID, "SecretAccessKey": SECRET });
    fields.as_object_mut().unwrap().extend(others.as_object().unwrap().clone());
    let document = SecretDocument::parse(&SecretText::new(fields.to_string())).unwrap();
    let renderings = Renderings::of_tag(tag).unwrap();
    let text = document.with_key(key("AKIANEWNEWNEWNEWNEW0", "new"), &renderings, &region()).to_text();
    let mut fields: Value = serde_json::from_str(text.expose()).unwrap();
    for (name, value) in [("UserName", "a"), ("AccessKeyId", "AKIANEWNEWNEWNEWNEW0"), ("SecretAccessKey", "new")] {
        assert_eq!(fields.as_object_mut().unwrap().remove(name), Some(value.into()));
    }
    fields
}

/// `tests/Ses/SesClientTest.php` of the AWS SDK for PHP has this value for us-east-2. The guide of SES publishes a program
/// and no value; the others are what it gives, in Python.
#[test]
fn smtp_passwords_are_those_that_ses_takes() {
    let table = [
        ("us-east-2", "BMPPgbAHoFVbze1Ud0oA5uNdXRwUXUZ+qOwphGJbl/cS"),
        ("eu-central-1", "BF0/eIJm0ruTHsSjOkRuOGzGF+zeSyE3aiRzrzUQ8LwG"),
        ("us-east-1", "BLBM/9hSUELfq8Gw+rU1YcBjkOxGbhT2XG763xVLGWL9"),
    ];
    for (region, expected) in table {
        let password = smtp_password(&SecretText::new(SECRET), &Region::new(region).unwrap());
        assert_eq!(password.expose(), expected, "{region}");
    }
}

/// What the renderings of `new` are; the password is the Python program's.
fn all_new() -> Value {
    serde_json::json!({
        "SmtpUserName": "AKIANEWNEWNEWNEWNEW0",
        "SmtpPassword": "BIJ7Yn7zx9FTwos6r3IXmZcirDGFTXRypDym+0W1IRxs",
        "AWS_ACCESS_KEY_ID": "AKIANEWNEWNEWNEWNEW0",
        "AWS_SECRET_ACCESS_KEY": "new",
        "CredentialsFile": "[default]\naws_access_key_id = AKIANEWNEWNEWNEWNEW0\naws_secret_access_key = new\n",
    })
}

/// The renderings of the key that is replaced.
fn all_old() -> Value {
    serde_json::json!({
        "SmtpUserName": ID,
        "SmtpPassword": "BMPPgbAHoFVbze1Ud0oA5uNdXRwUXUZ+qOwphGJbl/cS",
        "AWS_ACCESS_KEY_ID": ID,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "CredentialsFile":
            "[default]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\naws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY\n",
    })
}

/// Some of the fields.
fn only(fields: &Value, names: &[&str]) -> Value {
    names.iter().map(|name| ((*name).to_owned(), fields[*name].clone())).collect::<serde_json::Map<_, _>>().into()
}

#[test]
fn what_the_tag_names_is_rendered() {
    let nothing = serde_json::json!({});
    assert_eq!(renewed(&nothing, Some("smtp environment credentials-file")), all_new());
    assert_eq!(renewed(&nothing, Some("smtp")), only(&all_new(), &["SmtpUserName", "SmtpPassword"]));
    assert_eq!(renewed(&nothing, Some("none")), nothing);
    assert_eq!(renewed(&nothing, None), nothing);
}

#[test]
fn a_rendering_that_is_no_longer_wanted_goes_with_its_key() {
    assert_eq!(renewed(&all_old(), Some("none")), serde_json::json!({}));
    assert_eq!(renewed(&all_old(), Some("credentials-file")), only(&all_new(), &["CredentialsFile"]));
}

#[test]
fn without_a_tag_what_is_there_is_renewed() {
    assert_eq!(renewed(&all_old(), None), all_new());
    for part in [&["SmtpPassword"][..], &["SmtpUserName", "SmtpPassword"], &["AWS_ACCESS_KEY_ID"]] {
        assert_eq!(renewed(&only(&all_old(), part), None), only(&all_new(), part), "{part:?}");
    }
}

#[test]
fn what_is_no_rendering_of_the_old_key_is_somebodys_own() {
    let table = [
        serde_json::json!({ "SmtpPassword": "hunter2" }),
        serde_json::json!({ "SmtpPassword": ["BMPPgbAHoFVbze1Ud0oA5uNdXRwUXUZ+qOwphGJbl/cS"] }),
        // The password of another region: with a new user name beside it, neither would work.
        serde_json::json!({ "SmtpUserName": ID, "SmtpPassword": "BF0/eIJm0ruTHsSjOkRuOGzGF+zeSyE3aiRzrzUQ8LwG" }),
        serde_json::json!({ "AWS_ACCESS_KEY_ID": "AKIAOTHEROTHEROTHER0", "AWS_SECRET_ACCESS_KEY": SECRET }),
        serde_json::json!({ "CredentialsFile": null }),
    ];
    for own in table {
        assert_eq!(renewed(&own, None), own);
        assert_eq!(renewed(&own, Some("none")), own);
    }
}

#[test]
fn what_is_wanted_takes_the_place_of_somebodys_own() {
    let own = serde_json::json!({ "SmtpUserName": ID, "SmtpPassword": "hunter2" });
    assert_eq!(renewed(&own, Some("smtp")), only(&all_new(), &["SmtpUserName", "SmtpPassword"]));
}

#[test]
fn the_first_key_has_renderings_too() {
    let placeholder = SecretDocument::parse(&SecretText::new(r#"{"UserName":"a","SmtpPassword":""}"#)).unwrap();
    let document = |tag| {
        let renderings = Renderings::of_tag(tag).unwrap();
        placeholder.with_key(key("AKIANEWNEWNEWNEWNEW0", "new"), &renderings, &region()).to_text()
    };
    assert!(document(None).expose().ends_with(r#""SecretAccessKey":"new","SmtpPassword":""}"#));
    assert!(document(Some("smtp")).expose().contains(r#""SmtpUserName":"AKIANEWNEWNEWNEWNEW0""#));
}

#[test]
fn the_tag_reads_back() -> TestResult {
    let names = Rendering::ALL.map(|(name, rendering)| (rendering.name(), name));
    assert!(names.iter().all(|(name, listed)| name == listed));
    for number in 0..1 << Rendering::ALL.len() {
        let these = Rendering::ALL.iter().enumerate().filter(|(bit, _)| number >> bit & 1 == 1);
        let renderings = Renderings::Exactly(these.map(|(_, (_, rendering))| *rendering).collect());
        assert_eq!(Renderings::of_tag(renderings.to_tag().as_deref())?, renderings);
    }
    assert_eq!(Renderings::AsFound.to_tag(), None);
    assert_eq!(Renderings::Exactly(BTreeSet::new()).to_tag().as_deref(), Some("none"));
    for wrong in ["", " ", "SMTP", "smtp,environment", "smtp  environment", "smtp ", "none smtp", "sendmail"] {
        assert!(Renderings::of_tag(Some(wrong)).is_err(), "{wrong:?}");
    }
    Ok(())
}
