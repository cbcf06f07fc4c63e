//! What `--help` teaches beyond the options: where to begin, the commands by what they are for, and examples.

use std::fmt::Write as _;

use clap::CommandFactory as _;

use super::Cli;

/// The commands by what they are for, in the order in which somebody needs them.
const GROUPS: [(&str, &[&str]); 6] = [
    ("Begin", &["demo", "doctor", "plan", "bootstrap"]),
    ("Every day", &["status", "rotate", "credentials", "hold", "release"]),
    ("When something went wrong", &["rollback", "revoke"]),
    ("Many accounts", &["rollout"]),
    ("Take it away", &["teardown"]),
    ("Around it", &["template", "sandbox", "completions", "man"]),
];

/// Where to begin.
const BEGINNING: &str = "\
`keyturn demo` shows the main job and needs no account. With credentials for one: `keyturn doctor`
looks for whatever is in the way, `keyturn plan` shows what would happen, `keyturn bootstrap` does
it, and `keyturn status` tells how it goes.";

/// Lines that work, one to three for each command.
pub const EXAMPLES: [(&str, &[&str]); 17] = [
    ("demo", &["keyturn demo", "keyturn demo --artifact bootstrap.zip"]),
    (
        "doctor",
        &[
            "keyturn doctor",
            "keyturn doctor deployer --region eu-central-1",
            "keyturn doctor --output json --profile prod",
        ],
    ),
    (
        "plan",
        &[
            "keyturn plan",
            "keyturn plan deployer backups --region eu-central-1",
            "keyturn plan --drift --detailed-exitcode --output json",
        ],
    ),
    (
        "bootstrap",
        &[
            "keyturn bootstrap",
            "keyturn bootstrap deployer --region eu-central-1 --reclaim AKIAIOSFODNN7EXAMPLE",
            "keyturn bootstrap --drift --express --artifact bootstrap.zip",
        ],
    ),
    (
        "status",
        &[
            "keyturn status",
            "keyturn status --drift --detailed-exitcode > /dev/null",
            "keyturn status --fleet fleet.yaml --html fleet.html",
        ],
    ),
    (
        "rotate",
        &[
            "keyturn rotate deployer",
            "keyturn rotate deployer --now",
            "keyturn rotate deployer --retire AKIAIOSFODNN7EXAMPLE",
        ],
    ),
    (
        "credentials",
        &[
            "credential_process = keyturn credentials deployer --region eu-central-1",
            "credential_process = keyturn credentials deployer --region eu-central-1 --refresh 1h",
        ],
    ),
    ("hold", &["keyturn hold deployer --reason \"audit until Friday\"", "keyturn hold deployer backups"]),
    ("release", &["keyturn release deployer"]),
    ("rollback", &["keyturn rollback deployer", "keyturn rollback deployer backups --yes"]),
    ("revoke", &["keyturn revoke deployer", "keyturn revoke deployer --key AKIAIOSFODNN7EXAMPLE"]),
    (
        "rollout",
        &["keyturn rollout", "keyturn rollout --waves 1", "keyturn rollout --resume --html fleet.html --csv fleet.csv"],
    ),
    ("teardown", &["keyturn teardown", "keyturn teardown --keys revoke --recovery-window 7"]),
    ("template", &["keyturn template > keyturn.template.yaml", "keyturn template artifacts"]),
    ("sandbox", &["keyturn sandbox", "keyturn sandbox alice bob carol", "keyturn sandbox --accounts 20 ci mail"]),
    (
        "completions",
        &[
            "keyturn completions bash > ~/.local/share/bash-completion/completions/keyturn",
            "keyturn completions zsh > ~/.zfunc/_keyturn",
            "keyturn completions fish > ~/.config/fish/completions/keyturn.fish",
        ],
    ),
    ("man", &["keyturn man ~/.local/share/man/man1", "keyturn man | man -l -"]),
];

/// The examples of a command.
pub(crate) fn examples(command: &str) -> &'static [&'static str] {
    EXAMPLES.iter().find(|(name, _)| *name == command).map_or(&[], |(_, lines)| lines)
}

/// The command line with everything that its help says.
pub fn command() -> clap::Command {
    let mut command = Cli::command();
    let groups = groups(&command);
    for (name, lines) in EXAMPLES {
        let examples = lines.iter().map(|line| format!("\n  {line}")).collect::<String>();
        command = command.mut_subcommand(name, |command| command.after_help(format!("Examples:{examples}")));
    }
    command.help_template(format!(
        "{{about-with-newline}}\n{{usage-heading}} {{usage}}\n\n{BEGINNING}\n{groups}\nOptions:\n{{options}}\n\n\
         `keyturn COMMAND --help` tells more about a command, with examples."
    ))
}

/// The commands with what they are for.
fn groups(command: &clap::Command) -> String {
    let width = EXAMPLES.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
    let mut text = String::new();
    for (title, names) in GROUPS {
        // Writing to a string cannot fail.
        let _ = write!(text, "\n{title}:\n");
        for name in names {
            let about = command.find_subcommand(name).and_then(clap::Command::get_about);
            let about = about.map(ToString::to_string).unwrap_or_default();
            let _ = writeln!(text, "  {name:width$}  {about}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use clap::Parser as _;

    use super::*;

    fn names() -> BTreeSet<String> {
        Cli::command().get_subcommands().map(|command| command.get_name().to_owned()).collect()
    }

    #[test]
    fn every_command_is_in_one_group() {
        let grouped: Vec<String> =
            GROUPS.iter().flat_map(|(_, names)| names.iter().map(|&name| name.to_owned())).collect();
        assert_eq!(grouped.iter().cloned().collect::<BTreeSet<_>>(), names());
        assert_eq!(grouped.len(), names().len(), "none is there twice");
        let help = command().render_long_help().to_string();
        for name in names() {
            assert!(help.lines().any(|line| line.trim_start().starts_with(&format!("{name} "))), "{name}: {help}");
        }
    }

    /// The words of a line as a shell reads them, without the profile's setting before and the shell's part behind.
    fn words(line: &str) -> Vec<String> {
        let line = line.strip_prefix("credential_process = ").unwrap_or(line);
        let line = line.split(['>', '|']).next().unwrap();
        let quoted = |(index, part): (usize, &str)| match index % 2 {
            0 => part.split_whitespace().map(str::to_owned).collect(),
            _ => vec![part.to_owned()],
        };
        line.split('"').enumerate().flat_map(quoted).collect()
    }

    #[test]
    fn every_command_has_examples_and_none_is_wrong() {
        assert_eq!(EXAMPLES.iter().map(|(name, _)| (*name).to_owned()).collect::<BTreeSet<_>>(), names());
        for (name, lines) in EXAMPLES {
            assert!((1..=3).contains(&lines.len()), "{name}");
            for line in lines {
                let words = words(line);
                assert_eq!(words.get(..2), Some(["keyturn".to_owned(), name.to_owned()].as_slice()), "{line}");
                if let Err(error) = Cli::try_parse_from(&words) {
                    panic!("{line}: {error}");
                }
                let mut command = command();
                let help = command.find_subcommand_mut(name).unwrap().render_long_help().to_string();
                assert!(help.contains("Examples:") && help.contains(line), "{help}");
            }
        }
    }

    #[test]
    fn an_example_that_is_wrong_would_be_seen() {
        assert!(Cli::try_parse_from(words("keyturn hold deployer --because \"x y\" > /dev/null")).is_err());
        assert_eq!(words("keyturn hold a --reason \"x y\" | cat"), ["keyturn", "hold", "a", "--reason", "x y"]);
    }
}
