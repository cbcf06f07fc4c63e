//! Configurations that cannot be used: the file, the line, the field, and what to do. `installer/src/config/wrong.txt`
//! has every single message; here is what reaches a user.

use super::NOTHING;
use crate::stage::{Run, Stage, settings};

/// Runs `plan` with this configuration, after the first two lines that all have. AWS hears nothing of it.
async fn plan_with(lines: &str) -> Run {
    let stage = Stage::with_users(&["alice"]).await;
    stage.configure(&format!("version: 1\nregion: eu-central-1\n{lines}"));
    let run = stage.keyturn(&["plan"]).await;
    assert_eq!(stage.sandbox.visit(|world| world.calls().len()).await, 0, "{run}");
    stage.assert_no_secret_left_behind().await;
    run
}

#[tokio::test]
async fn what_is_not_yaml_is_refused() {
    let run = plan_with("users: [alice\nschedule: { every: 30d }\n").await;
    settings().bind(|| insta::assert_snapshot!(run));
}

#[tokio::test]
async fn an_unknown_key_is_refused_with_the_one_that_was_meant() {
    let run = plan_with("users: [alice]\nretire:\n  deactivate_after: 7d\n  max_key_aeg: 90d\n").await;
    settings().bind(|| insta::assert_snapshot!(run));
}

#[tokio::test]
async fn an_unknown_key_like_no_other_is_refused_with_all_there_are() {
    let run = plan_with("users: [alice]\nschedule:\n  whenever: 30d\n").await;
    settings().bind(|| insta::assert_snapshot!(run));
}

#[tokio::test]
async fn schedules_that_secrets_manager_does_not_offer_are_refused() {
    for (name, schedule) in [
        ("too_often", "{ every: 3h }"),
        ("too_seldom", "{ every: 1000d }"),
        ("cron_with_minutes", r#"{ cron: "30 3 ? * SUN *" }"#),
        ("window_past_the_next_rotation", "{ every: 6h, window: 8h }"),
        ("every_and_cron", r#"{ every: 30d, cron: "0 3 ? * SUN *" }"#),
    ] {
        let run = plan_with(&format!("users: [alice]\nschedule: {schedule}\n")).await;
        settings().bind(|| insta::assert_snapshot!(format!("schedule_{name}"), run));
    }
}

#[tokio::test]
async fn contradictions_are_refused_with_the_arithmetic() {
    for (name, retire) in [
        ("kept_past_the_next_rotation", "{ deactivate_after: 20d, delete_after: 15d }"),
        ("older_than_the_limit", "{ deactivate_after: 10d, max_key_age: 35d }"),
        ("one_key_that_is_waited_for", "{ deactivate_after: 0s, in_use: wait }"),
        ("swept_too_often", "{ sweep_every: 1m }"),
    ] {
        let run = plan_with(&format!("users: [alice]\nretire: {retire}\n")).await;
        settings().bind(|| insta::assert_snapshot!(format!("retire_{name}"), run));
    }
}

#[tokio::test]
async fn a_user_who_is_there_twice_is_refused() {
    let run = plan_with("users:\n  - alice\n  - bob\n  - Alice\n").await;
    settings().bind(|| insta::assert_snapshot!("a_user_twice_in_the_file", run));
    let stage = Stage::with_users(&["alice"]).await;
    let run = stage.keyturn(&["--region", "eu-central-1", "plan", "alice", "ALICE"]).await;
    settings().bind(|| insta::assert_snapshot!("a_user_twice_as_arguments", run));
    assert_eq!(stage.take_writes().await, NOTHING);
}

#[tokio::test]
async fn a_file_that_is_not_there_is_missed() {
    let stage = Stage::with_users(&["alice"]).await;
    let run = stage.keyturn(&["--config", "accounts/prod.yaml", "plan"]).await;
    settings().bind(|| insta::assert_snapshot!("a_file_that_is_not_there", run));
    let run = stage.keyturn(&["plan", "alice"]).await;
    settings().bind(|| insta::assert_snapshot!("no_file_and_no_region", run));
    assert_eq!(stage.take_writes().await, NOTHING);
}

#[tokio::test]
async fn wrong_usage_has_an_exit_code_of_its_own() {
    let stage = Stage::with_users(&["alice"]).await;
    for (name, arguments) in [
        ("unknown_command", &["boostrap"] as &[&str]),
        ("unknown_option", &["plan", "--regin", "eu-central-1"]),
        ("nobody_to_rotate", &["--region", "eu-central-1", "rotate"]),
        ("not_a_region", &["--region", "Frankfurt!", "plan"]),
        ("recovery_window_too_short", &["--region", "eu-central-1", "teardown", "--recovery-window", "3"]),
    ] {
        let run = stage.keyturn(arguments).await;
        settings().bind(|| insta::assert_snapshot!(format!("usage_{name}"), run));
    }
    assert_eq!(stage.take_writes().await, NOTHING);
}
