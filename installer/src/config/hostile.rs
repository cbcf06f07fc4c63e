//! Files that nobody would write on purpose: each is a configuration that keeps its limits, or an error to be read.

use proptest::prelude::*;

use super::tests::EVERYTHING;
use super::*;

/// Longer than any error that shows the first characters of what somebody wrote, with its cause and its hint.
const LONGEST_ERROR: usize = 2_500;

const HEAD: &str = "version: 1\nregion: eu-central-1\nusers: [alice]\n";

/// What a person sees of an error.
fn shown(error: &ConfigError) -> String {
    let cause = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
    format!("{error}: {cause}\n{}", error.hint())
}

/// Reads a text, and says what is wrong with what came out.
fn check(text: &str) -> Result<(), TestCaseError> {
    match parse(Path::new("keyturn.yaml"), text) {
        Ok(config) => {
            prop_assert!(config.users.len() <= 200 && config.settings.check().is_ok());
            for user in &config.users {
                prop_assert!(SecretName::new(config.secret_name(&user.name).as_str()).is_ok());
            }
        }
        Err(error) => {
            let shown = shown(&error);
            prop_assert!(shown.len() <= LONGEST_ERROR, "{} bytes", shown.len());
            prop_assert!(shown.chars().all(|c| c == '\n' || !c.is_control()), "{shown:?}");
        }
    }
    Ok(())
}

/// A configuration in which some characters are others.
fn changed() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        any::<char>().prop_map(String::from),
        prop::sample::select(vec![
            "", " ", "\n", "  - ", ": ", "{", "[", "}", "]", "&a ", "*a", "!!int ", "|\n", "\"", "#", "? ", "<<: "
        ])
        .prop_map(str::to_owned),
    ];
    let change = (any::<prop::sample::Index>(), 0..8_usize, piece);
    prop::collection::vec(change, 1..6).prop_map(|changes| {
        let mut text: Vec<char> = EVERYTHING.chars().collect();
        for (at, length, piece) in changes {
            let start = at.index(text.len());
            let end = text.len().min(start + length);
            text.splice(start..end, piece.chars());
        }
        text.into_iter().collect()
    })
}

/// A configuration in which one field holds something else.
fn other_value() -> impl Strategy<Value = String> {
    let scalar = prop_oneof![
        any::<f64>().prop_map(|number| number.to_string()),
        any::<i128>().prop_map(|number| number.to_string()),
        any::<String>().prop_map(|text| serde_json::Value::from(text).to_string()),
        "[0-9]{1,40}(s|m|h|d|w)",
        "'(0|0/3|\\*) [0-9*/,L-]{1,6} [0-9*?/,LW-]{1,6} [0-9*/,-]{1,6} [0-9A-Z*?/,#L-]{1,6} \\*'",
    ];
    let value = scalar.prop_recursive(3, 24, 6, |inner| {
        let fields = prop::collection::btree_map("[a-z_]{1,12}", inner.clone(), 0..6);
        prop_oneof![
            prop::collection::vec(inner, 0..6).prop_map(|values| format!("[{}]", values.join(", "))),
            fields.prop_map(|fields| {
                let fields: Vec<String> = fields.iter().map(|(name, value)| format!("{name}: {value}")).collect();
                format!("{{{}}}", fields.join(", "))
            }),
        ]
    });
    let inner = [
        ("schedule", &schedule::FIELDS as &[_]),
        ("retire", &retire::FIELDS),
        ("function", &function::FIELDS),
        ("tags", &["team"]),
    ];
    let inner = inner
        .into_iter()
        .flat_map(|(outer, names)| names.iter().map(move |name| format!("{outer}: {{{name}: VALUE}}")));
    let places: Vec<String> = FIELDS.iter().skip(4).map(|name| format!("{name}: VALUE")).chain(inner).collect();
    (prop::sample::select(places), value)
        .prop_map(|(place, value)| format!("{HEAD}{}\n", place.replace("VALUE", &value)))
}

proptest! {
    #[test]
    fn no_text_breaks_the_parser(text in prop_oneof![any::<String>(), "[-a-z0-9:{}\\[\\]&*!|>'\"#%@, \n]{0,80}", changed(), other_value()]) {
        check(&text)?;
    }
}

/// What is too much, for a text that would be read for minutes or take all memory.
fn too_much(text: &str) -> Option<&'static str> {
    check(text).unwrap();
    match parse(Path::new("keyturn.yaml"), text) {
        Err(ConfigError::TooMuch { what, .. }) => Some(what),
        _ => None,
    }
}

#[test]
fn what_is_no_configuration_is_not_read_to_the_end() {
    let lists = |count: usize| {
        let each = |n: u8| {
            format!(
                "{}: &{} [{}]\n",
                char::from(n),
                char::from(n),
                vec![format!("*{}", char::from(n - 1)); 9].join(", ")
            )
        };
        format!("a: &a [{}]\n{}", ["x"; 9].join(", "), (b'b'..).take(count).map(each).collect::<String>())
    };
    let references = format!("a: &a [{}]\nb: [{}]\n", ["x"; 500].join(","), ["*a"; 1_000].join(","));
    let table = [
        (format!("{HEAD}# {}\n", "x".repeat(4 * 1024 * 1024)), Some("bytes")),
        (format!("{HEAD}tags: {}", "[".repeat(100_000)), Some("brackets")),
        (format!("{HEAD}tags: {}", "{a: ".repeat(2_000)), Some("brackets")),
        (format!("{HEAD}tags: [{}]", "[], ".repeat(20_000)), Some("brackets")),
        (lists(12), Some("values")),
        (references, Some("values")),
        // These are many, but not too many; or deep, and the parser itself says so.
        (format!("{HEAD}tags: {}", "[".repeat(900)), None),
        (format!("{HEAD}{}", "- ".repeat(50_000)), None),
        (format!("version: {}", "9".repeat(100_000)), None),
        (format!("{HEAD}x: &x [*x]\n"), None),
    ];
    for (text, expected) in table {
        assert_eq!(too_much(&text), expected, "{}", text.get(..80).unwrap_or(&text));
    }
}

#[test]
fn a_file_without_an_end_is_not_read_to_it() {
    let text = limits::read(Path::new("/dev/zero")).expect("it can be read");
    assert_eq!(too_much(&text), Some("bytes"));
}

#[test]
fn the_largest_configuration_is_not_too_large() {
    let user = |n: usize| {
        format!("  - {{ name: {n:x>64}, secret: {n:x>512}, render: [smtp, environment, credentials-file] }}\n")
    };
    let tag = |n: usize| format!("  {n:x>128}: '{n:x>256}'\n");
    let users: String = (1_000..6_000).map(user).collect();
    let tags: String = (100..136).map(tag).collect();
    let text = format!("version: 1\nregion: eu-central-1\nusers:\n{users}tags:\n{tags}");
    assert_eq!(parse(Path::new("keyturn.yaml"), &text).map(|config| config.users.len()).ok(), Some(5_000));
}

#[test]
fn errors_show_little_of_what_somebody_wrote() {
    let long = "a_".repeat(50_000);
    for lines in [
        format!("{long}: 1"),
        format!("{long}: 1\n{long}: 2"),
        format!("stack: {long}"),
        format!("region: {long}"),
        format!("schedule: {{ cron: '0 {long} 1 * ? *' }}"),
        format!("schedule: {{ cron: '{long}' }}"),
        format!("schedule: {{ every: {long} }}"),
        format!("artifact_bucket: {long}"),
        format!("tags: {{ '!{long}': x }}"),
        format!("stack: !{long} x"),
        format!("stack: *{long}"),
        "stack: \"\\e[31mred\"".to_owned(),
        "\"\\e[31mred\": 1".to_owned(),
        "\"\\e[31mred\": 1\n\"\\e[31mred\": 2".to_owned(),
        "schedule: { cron: \"0 \\e[31m 1 * ? *\" }".to_owned(),
    ] {
        let text = format!("{HEAD}{lines}\n");
        assert!(parse(Path::new("keyturn.yaml"), &text).is_err(), "{}", text.get(..80).unwrap_or(&text));
        check(&text).unwrap();
    }
}
