//! `keyturn sandbox`: a sandbox to be tried by hand, for as long as its standard input lasts.

use std::io::{self, Write as _};
use std::time::Duration;

use contract::UserName;
use jiff::{Span, SpanRelativeTo};
use sandbox::{ApiError, Call, Credentials, Options, Sandbox, World};

use super::DemoError;
use crate::error::{Error, Exit};

/// The account that everything happens in.
const ACCOUNT: &str = "111122223333";

/// Real seconds for each second that AWS takes: a deployment takes some seconds.
const PACE: f64 = 0.05;

pub(super) async fn run(users: &[UserName]) -> Result<Exit, Error> {
    let sandbox = Sandbox::start(Options { pace: PACE, ..Options::default() }).await.map_err(DemoError::Start)?;
    let users = users.to_vec();
    let administrator = sandbox.visit(move |world| populate(world, &users)).await.map_err(DemoError::Account)?;
    print(&environment(&sandbox, &administrator))?;
    let (lines, mut orders) = tokio::sync::mpsc::unbounded_channel();
    // Reading stdin blocks, and cannot be given up: it has a thread of its own, which ends with the program.
    std::thread::spawn(move || io::stdin().lines().map_while(Result::ok).try_for_each(|line| lines.send(line)));
    loop {
        let order = tokio::select! {
            order = orders.recv() => order,
            _ = tokio::signal::ctrl_c() => None,
        };
        match order {
            Some(order) => print(&obey(&sandbox, order.trim()).await)?,
            None => {
                sandbox.stop().await;
                return Ok(Exit::Done);
            }
        }
    }
}

fn populate(world: &mut World, users: &[UserName]) -> Result<Credentials, ApiError> {
    let administrator = world.create_account(ACCOUNT)?;
    for user in users {
        world.create_user(ACCOUNT, user.as_str(), "/")?;
    }
    Ok(administrator)
}

/// What another terminal needs, as a shell reads it. The key is the sandbox's, and worth nothing outside of it.
fn environment(sandbox: &Sandbox, administrator: &Credentials) -> String {
    let Credentials { access_key_id, secret_access_key, .. } = administrator;
    format!(
        "export AWS_ENDPOINT_URL={}\nexport AWS_ACCESS_KEY_ID={access_key_id}\nexport AWS_SECRET_ACCESS_KEY={secret_access_key}\nexport AWS_EC2_METADATA_DISABLED=true",
        sandbox.endpoint()
    )
}

async fn obey(sandbox: &Sandbox, order: &str) -> String {
    match order.split_once(' ') {
        None if order == "calls" => sandbox.visit(take_calls).await,
        Some(("advance", by)) => match duration(by) {
            Some(by) => {
                sandbox.advance(by).await;
                sandbox.visit(|world| format!("it is {} now", world.now())).await
            }
            None => "how far? for example: advance 30d".to_owned(),
        },
        _ => "orders are: advance DURATION, calls".to_owned(),
    }
}

fn duration(text: &str) -> Option<Duration> {
    let span: Span = text.trim().parse().ok()?;
    span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()?.try_into().ok()
}

/// The calls since the last time, one a line; `*` marks those that change something.
fn take_calls(world: &mut World) -> String {
    let line = |call: &Call| {
        let mark = if call.is_write() { '*' } else { ' ' };
        format!("{mark} {} {} {:?}", call.principal, call.operation, call.outcome)
    };
    let calls: Vec<String> = world.calls().iter().map(line).collect();
    world.clear_calls();
    calls.join("\n")
}

fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()
}
