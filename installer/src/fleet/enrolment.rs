//! Turns what a fleet's file says of users into what one template can say for all accounts: the function finds them
//! itself, by path and tags.

use std::collections::BTreeMap;

use contract::{Enrolment, Exempt, variables};

use super::Fleet;
use super::selection::{Criteria, Exemptions};
use crate::config::fields::{Fault, Place};
use crate::config::{Config, Problem};

/// How large all variables of a function may be together (Lambda quotas, "Environment variables").
const LARGEST_ENVIRONMENT: usize = 4_096;

/// What the users of a fleet have in common, as the function looks for them.
pub(super) fn of(fleet: &Fleet) -> Result<Enrolment, Fault> {
    let config = &fleet.defaults.config;
    let Some(selection) = &fleet.defaults.selection else {
        return Err(fault(&["users"], "names users, and one template serves all accounts: say whom to `select`"));
    };
    check_users(&selection.select, &selection.exempt)?;
    if !config.replicas.is_empty() {
        return Err(fault(&["replicas"], "cannot be made by the function, which makes the secrets here"));
    }
    let enrolment = Enrolment {
        path: selection.select.path.clone().unwrap_or_else(|| "/".to_owned()),
        tags: selection.select.tags.clone(),
        exempt: Exempt {
            names: selection.exempt.names.clone(),
            path: selection.exempt.path.clone(),
            tags: selection.exempt.tags.clone(),
        },
        schedule: config.schedule.expression.clone(),
        window: config.schedule.window,
        kms_key: config.kms_key.clone(),
        render: config.render.clone(),
    };
    if environment(config, &enrolment) > LARGEST_ENVIRONMENT {
        return Err(fault(&["users"], "does not fit into the 4 KB that Lambda has for a function's variables"));
    }
    Ok(enrolment)
}

/// What is to be told of an enrolment before it is deployed; `None` when its path keeps it to some of the users.
pub fn remark(enrolment: &Enrolment) -> Option<String> {
    let whose = if enrolment.tags.is_empty() { "of every user" } else { "of every user with these tags" };
    let text =
        format!("no path bounds the selection, so the function may make and delete the keys {whose} in an account");
    (enrolment.path == "/").then_some(text)
}

fn check_users(select: &Criteria, exempt: &Exemptions) -> Result<(), Fault> {
    const BY_GROUPS: &str = "cannot be looked at by the function, which goes by path and tags";
    if !select.groups.is_empty() {
        return Err(fault(&["users", "select", "groups"], BY_GROUPS));
    }
    if select.key_older_than.is_some() {
        let text = "cannot be looked at by the function, which would have to read the keys of everybody";
        return Err(fault(&["users", "select", "key_older_than"], text));
    }
    if !exempt.groups.is_empty() {
        return Err(fault(&["users", "exempt", "groups"], BY_GROUPS));
    }
    // The path stands in the policy of the function's role, where these have a meaning.
    if select.path.as_ref().is_some_and(|path| path.contains(['*', '?', '$'])) {
        return Err(fault(&["users", "select", "path"], "has a `*`, `?` or `$`, which no policy can name"));
    }
    let text = "has a character that no tag of a user can have";
    let wrong = |tags: &BTreeMap<String, String>| !tags.iter().all(|(key, value)| is_tag(key, value));
    match (wrong(&select.tags), wrong(&exempt.tags)) {
        (true, _) => Err(fault(&["users", "select", "tags"], text)),
        (_, true) => Err(fault(&["users", "exempt", "tags"], text)),
        (false, false) => Ok(()),
    }
}

/// Whether a user can have such a tag (IAM API reference, Tag).
fn is_tag(key: &str, value: &str) -> bool {
    let legal = |text: &str| text.chars().all(|c| c.is_alphanumeric() || " _.:/=+-@".contains(c));
    legal(key) && !key.is_empty() && (value == "*" || legal(value))
}

/// How large the variables of the function are.
fn environment(config: &Config, enrolment: &Enrolment) -> usize {
    let known = [(variables::STACK, config.stack.to_string()), (variables::SECRETS, config.function.secrets.join(";"))];
    let all = config.settings.to_environment().into_iter().chain(enrolment.to_environment()).chain(known);
    all.map(|(name, value)| name.len() + value.len()).sum()
}

fn fault(below_defaults: &[&str], text: &str) -> Fault {
    let place = [&["defaults"], below_defaults].concat();
    Place::of(&place).fault(Problem::OneTemplate(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use contract::{Rendering, Renderings};

    use super::*;
    use crate::fleet::manifest;

    fn read(users: &str, more: &str) -> Result<Enrolment, String> {
        let text = format!("version: 1\nunits: [r-abcd]\ndefaults:\n  region: eu-central-1\n  users: {users}\n{more}");
        let read = manifest::parse_enrolling(Path::new("fleet.yaml"), &text);
        read.map(|(_, enrolment)| enrolment).map_err(|error| format!("{error}; {}", error.hint()))
    }

    #[test]
    fn what_a_fleet_selects_is_what_the_function_looks_for() {
        let plain = read("{ select: { path: /service/ } }", "");
        let expected = Enrolment {
            path: "/service/".to_owned(),
            tags: Default::default(),
            exempt: Exempt::default(),
            schedule: "rate(30 days)".to_owned(),
            window: None,
            kms_key: None,
            render: Renderings::AsFound,
        };
        assert_eq!(plain, Ok(expected.clone()));
        let users =
            "{ select: { tags: { rotate: '*' } }, exempt: { names: [fire], path: /old/, tags: { keyturn: never } } }";
        let more = "  render: [smtp]\n  schedule: { every: 60d, window: 3h }\n  retire: { max_key_age: 120d }\n";
        let full = Enrolment {
            path: "/".to_owned(),
            tags: [("rotate".to_owned(), "*".to_owned())].into(),
            exempt: Exempt {
                names: ["fire".parse().unwrap()].into(),
                path: Some("/old/".to_owned()),
                tags: [("keyturn".to_owned(), "never".to_owned())].into(),
            },
            schedule: "rate(60 days)".to_owned(),
            window: Some(3),
            kms_key: None,
            render: Renderings::Exactly([Rendering::Smtp].into()),
        };
        assert_eq!(read(users, more), Ok(full.clone()));
        assert_eq!(remark(&expected), None);
        assert!(remark(&full).is_some_and(|text| text.contains("every user with these tags")));
    }

    #[test]
    fn what_one_template_cannot_say_is_told_with_its_line() {
        let long = format!(
            "{{ select: {{ path: / }}, exempt: {{ names: [{}] }} }}",
            (0..600).map(|n| format!("user-{n}")).collect::<Vec<_>>().join(", ")
        );
        let table = [
            ("[ci]", "", "defaults.users"),
            ("{ select: { groups: [rotated] } }", "", "defaults.users.select.groups"),
            ("{ select: { key_older_than: 90d } }", "", "defaults.users.select.key_older_than"),
            ("{ select: { path: / }, exempt: { groups: [fire] } }", "", "defaults.users.exempt.groups"),
            ("{ select: { path: '/a*/' } }", "", "defaults.users.select.path"),
            ("{ select: { tags: { 'a$b': c } } }", "", "defaults.users.select.tags"),
            ("{ select: { path: / }, exempt: { tags: { a: 'b?' } } }", "", "defaults.users.exempt.tags"),
            (&long, "", "defaults.users"),
        ];
        for (users, more, field) in table {
            let error = read(users, more).unwrap_err();
            assert!(error.starts_with(&format!("fleet.yaml:5: `{field}` ")), "{error}");
            assert!(error.ends_with("leave it out, or roll out without StackSets"), "{error}");
        }
        let error = read("{ select: { path: / } }", "  replicas: [eu-west-1]\n").unwrap_err();
        assert!(error.starts_with("fleet.yaml:6: `defaults.replicas` "), "{error}");
    }
}
