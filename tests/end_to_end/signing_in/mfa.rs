//! Roles behind an MFA code. CPython plays the terminal: it answers the question, and says what was shown.

use std::process::Stdio;

use super::{Door, plan};
use crate::stage::{ACCOUNT, Run, settings};

/// Runs a command on a terminal of its own, types an answer once the question is asked, and prints what the terminal
/// showed, and whether it shows what is typed at the end. The answer comes by the environment.
const TERMINAL: &str = r#"
import os, pty, sys, termios
master, slave = pty.openpty()
child = os.fork()
if child == 0:
    os.close(master)
    os.login_tty(slave)
    answer = os.environ.pop("ANSWER")
    os.execv(sys.argv[1], sys.argv[1:])
shown = b""
while b"MFA code" not in shown or not shown.endswith(b": "):
    shown += os.read(master, 4096)
os.write(master, os.environ["ANSWER"].encode("unicode_escape").replace(b"\\n", b"\n").replace(b"\\x03", b"\x03"))
_, status = os.waitpid(child, 0)
echo = bool(termios.tcgetattr(slave)[3] & termios.ECHO)
os.close(slave)
try:
    while part := os.read(master, 4096):
        shown += part
except OSError:
    pass
sys.stdout.write(shown.decode().replace("\r\n", "\n"))
sys.stderr.write("the terminal shows what is typed\n" if echo else "the terminal is left silent\n")
sys.exit(os.waitstatus_to_exitcode(status))
"#;

impl Door {
    /// A role behind the device of `me`, in the profile `guarded`.
    async fn guarded() -> (Self, String) {
        let door = Self::open().await;
        let serial = door.stage.sandbox.visit(|world| world.enable_mfa_device(ACCOUNT, "me").unwrap()).await;
        let me = r#"{"AWS":"arn:aws:iam::111122223333:user/me"}"#;
        let role = door.role("guarded", me, r#"{"Bool":{"aws:MultiFactorAuthPresent":"true"}}"#).await;
        door.configure(&format!(
            "[profile guarded]\nrole_arn = {role}\nsource_profile = me\nmfa_serial = {serial}\n\
             [profile careless]\nrole_arn = {role}\nsource_profile = me\n"
        ));
        (door, serial)
    }

    async fn code(&self, serial: &str) -> String {
        let serial = serial.to_owned();
        self.stage.sandbox.visit(move |world| world.mfa_code(&serial)).await.unwrap()
    }

    async fn answering(&self, answer: &str, arguments: &[&str]) -> Run {
        let output = tokio::process::Command::new("python3")
            .args(["-c", TERMINAL, env!("CARGO_BIN_EXE_keyturn"), "--profile", "guarded"])
            .args(arguments)
            .current_dir(self.home.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", self.home.path())
            .env("TERM", "xterm")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("AWS_ENDPOINT_URL", self.stage.sandbox.endpoint())
            .env("ANSWER", answer)
            .stdin(Stdio::null())
            .output()
            .await
            .unwrap();
        Run {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

const HEARD: &str = "the terminal shows what is typed\n";

#[tokio::test]
async fn the_code_is_asked_for_once_and_never_shown() {
    let (door, serial) = Door::guarded().await;
    let code = door.code(&serial).await;
    let run = door.answering(&format!("{code}\n"), &plan()).await;
    assert_eq!((run.code, run.stderr.as_str()), (0, HEARD), "{run}");
    assert!(!run.stdout.contains(&code) && run.stdout.matches("MFA code").count() == 1, "{run}");
    assert_eq!(door.looked().await, (format!("arn:aws:sts::{ACCOUNT}:assumed-role/guarded/keyturn"), 1));
    assert_ne!(door.code(&serial).await, code, "it has been used");
}

#[tokio::test]
async fn a_wrong_code_is_told_from_no_code() {
    let (door, serial) = Door::guarded().await;
    let wrong = if door.code(&serial).await == "000000" { "111111\n" } else { "000000\n" };
    let run = door.answering(wrong, &plan()).await;
    settings().bind(|| insta::assert_snapshot!("a_wrong_code", run));
    let run = door.answering("yes please\n", &plan()).await;
    settings().bind(|| insta::assert_snapshot!("an_answer_that_is_no_code", run));
    assert_eq!(door.looked().await, (String::new(), 1), "only the wrong code was tried, and once");
}

#[tokio::test]
async fn ctrl_c_at_the_question_leaves_the_terminal_as_it_was() {
    let (door, _) = Door::guarded().await;
    let run = door.answering("\x03", &plan()).await;
    assert_eq!((run.code, run.stderr.as_str()), (6, HEARD), "{run}");
}

#[tokio::test]
async fn without_a_terminal_nobody_is_asked() {
    let (door, _) = Door::guarded().await;
    let run = door.plan_as("guarded").await;
    settings().bind(|| insta::assert_snapshot!("an_mfa_code_without_a_terminal", run));
    let run = door.plan_as("careless").await;
    settings().bind(|| insta::assert_snapshot!("a_role_behind_mfa_without_mfa_serial", run));
}

/// Roles behind the one with the code are assumed with its session.
#[tokio::test]
async fn roles_on_top_of_the_session_need_no_code() {
    let (door, serial) = Door::guarded().await;
    let guarded = r#"{"AWS":"arn:aws:iam::111122223333:role/guarded"}"#;
    let role = door.role("deeper", guarded, "{}").await;
    let code = format!("{}\n", door.code(&serial).await);
    let run = door.answering(&code, &[&["--assume-role", &role], &plan()[..]].concat()).await;
    assert_eq!(run.code, 0, "{run}");
    assert_eq!(door.looked().await, (format!("arn:aws:sts::{ACCOUNT}:assumed-role/deeper/keyturn"), 2));
}
