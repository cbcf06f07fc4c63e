//! What `keyturn` says of itself: help, completions, manual pages. None of it needs an account.

use std::collections::BTreeSet;
use std::process::Stdio;

use crate::stage::{Run, Stage, settings};

/// The names of all commands.
fn commands() -> BTreeSet<String> {
    installer::cli::command().get_subcommands().map(|command| command.get_name().to_owned()).collect()
}

async fn keyturn(stage: &Stage, arguments: &[&str]) -> Run {
    let run = stage.keyturn_with(&[], arguments).await;
    assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{run}");
    run
}

/// Runs a program that comes with the system on a file; what it says goes into the message when it fails.
fn accepts(program: &str, arguments: &[&str], file: &std::path::Path) -> String {
    let output = std::process::Command::new(program)
        .args(arguments)
        .arg(file)
        .env("LC_ALL", "C.UTF-8")
        .env("MANPAGER", "cat")
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("{program}: {error}"));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && said.is_empty(), "{program} {}: {said}", file.display());
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Whether a program is there.
fn has(program: &str) -> bool {
    std::process::Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}

#[tokio::test]
async fn help_groups_the_commands_and_says_where_to_begin() {
    let stage = Stage::with_users(&[]).await;
    let run = keyturn(&stage, &["--help"]).await;
    settings().bind(|| insta::assert_snapshot!("help", run));
    let run = keyturn(&stage, &["credentials", "--help"]).await;
    settings().bind(|| insta::assert_snapshot!("help_of_a_command", run));
}

#[tokio::test]
async fn completions_are_scripts_that_name_every_command() {
    let stage = Stage::with_users(&[]).await;
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let run = keyturn(&stage, &["completions", shell]).await;
        for command in commands() {
            assert!(run.stdout.contains(&command), "{shell}: {command}");
        }
        let script = stage.path(shell);
        std::fs::write(&script, &run.stdout).unwrap();
        if shell == "bash" {
            accepts("bash", &["-n"], &script);
            let words = [
                "-c",
                r#"source "$0"; COMP_WORDS=(keyturn ro); COMP_CWORD=1; _keyturn keyturn ro keyturn; echo "${COMPREPLY[@]}""#,
            ];
            assert_eq!(
                accepts("bash", &words, &script).trim(),
                "rotate rollback rollout",
                "as somebody who presses Tab"
            );
        }
    }
    let run = stage.keyturn_with(&[], &["completions", "tcsh"]).await;
    assert_eq!((run.code, run.stdout.as_str()), (64, ""), "{run}");
}

#[tokio::test]
async fn manual_pages_are_there_for_every_command() {
    let stage = Stage::with_users(&[]).await;
    let directory = stage.path("share/man1");
    let run = keyturn(&stage, &["man", directory.to_str().unwrap()]).await;
    assert_eq!(run.stdout.trim_end(), format!("{} pages in `{}`", commands().len() + 1, directory.display()));
    for name in commands().iter().map(|name| format!("keyturn-{name}")).chain(["keyturn".to_owned()]) {
        let page = directory.join(format!("{name}.1"));
        let text = std::fs::read_to_string(&page).unwrap();
        assert!(text.contains(".TH keyturn") && text.contains(".SH NAME") && text.contains(".SH SYNOPSIS"), "{name}");
        if has("man") {
            let shown = accepts("man", &["--warnings", "-l"], &page);
            assert!(shown.contains("SYNOPSIS") && (name == "keyturn" || shown.contains("EXAMPLES")), "{name}: {shown}");
        }
    }
    let own = keyturn(&stage, &["man"]).await;
    assert_eq!(own.stdout, std::fs::read_to_string(directory.join("keyturn.1")).unwrap());
    let run = stage.keyturn_with(&[], &["man", directory.join("keyturn.1").to_str().unwrap()]).await;
    assert_eq!((run.code, run.stdout.as_str()), (1, ""), "a file is no directory: {run}");
    assert!(run.stderr.contains("keyturn.1"), "{run}");
}
