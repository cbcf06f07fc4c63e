//! `keyturn sandbox`: a sandbox to be tried by hand, for as long as its standard input lasts.

use std::io::{self, Write as _};
use std::time::Duration;

use contract::UserName;
use jiff::{Span, SpanRelativeTo, Timestamp};
use sandbox::{ApiError, Call, Credentials, Options, Outcome, Sandbox, StackAction, World};
use serde::Serialize;

use super::DemoError;
use crate::error::{Error, Exit};

/// The account that everything happens in, or that manages the others.
const ACCOUNT: &str = "111122223333";

/// The first of the other accounts; the next ones are counted up from it.
const FIRST_MEMBER: u64 = 222_200_000_001;

/// Real seconds for each second that AWS takes: a deployment takes some seconds.
const PACE: f64 = 0.05;

/// How many rotations are under way at once. Each is a process; setting a schedule begins a test of it, and thousands of
/// schedules may be set at once.
const ROTATIONS: usize = 100;

/// For how long the other accounts have been there.
const A_YEAR: Duration = Duration::from_hours(24 * 365);

/// What there is to order.
const ORDERS: &str = "orders are: advance DURATION, bucket NAME REGION, calls, fail STACK RESOURCE, report";

/// Why a resource is refused on order.
const REFUSED: &str = "refused, as ordered";

/// What `report` tells.
#[derive(Serialize)]
struct Report {
    now: Timestamp,
    stacks: Vec<ReportedStack>,
    calls: Vec<ReportedCall>,
}

#[derive(Serialize)]
struct ReportedStack {
    name: String,
    status: String,
    last_event: Option<Timestamp>,
}

#[derive(Serialize)]
struct ReportedCall {
    at: Timestamp,
    principal: String,
    operation: String,
    outcome: String,
}

pub(super) async fn run(
    users: &[UserName],
    delays: Option<f64>,
    accounts: Option<u16>,
    seed: u64,
) -> Result<Exit, Error> {
    let sandbox =
        Sandbox::start(Options { seed, ..options(delays, accounts.is_some()) }).await.map_err(DemoError::Start)?;
    let users = users.to_vec();
    let populate = move |world: &mut World| populate(world, &users, accounts);
    let (administrator, unit) = sandbox.visit(populate).await.map_err(DemoError::Account)?;
    print(&environment(&sandbox, &administrator))?;
    if let Some(unit) = unit {
        print(&format!("# the other accounts are in the unit {unit}"))?;
    }
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

fn options(delays: Option<f64>, has_sessions: bool) -> Options {
    #[expect(clippy::disallowed_methods, reason = "this clock runs with the real one")]
    let now = Timestamp::now();
    match delays {
        // Whoever has a session in another account looks at a real clock for its end.
        None if has_sessions => Options { pace: PACE, start: now, ..Options::default() },
        None => Options { pace: PACE, ..Options::default() },
        Some(pace) => Options { pace, start: now, clock_runs: true, ..Options::default() },
    }
}

/// Gives the administrator's key, and the unit of the other accounts when there are any.
fn populate(
    world: &mut World,
    users: &[UserName],
    accounts: Option<u16>,
) -> Result<(Credentials, Option<String>), ApiError> {
    world.rotate_at_once(ROTATIONS);
    let administrator = world.create_account(ACCOUNT)?;
    let Some(accounts) = accounts else {
        return add_users(world, ACCOUNT, users).map(|()| (administrator, None));
    };
    let root = world.create_organization(ACCOUNT)?;
    let unit = world.create_organizational_unit(&root, "workloads")?;
    for number in 0..accounts {
        let account = (FIRST_MEMBER + u64::from(number)).to_string();
        world.create_member_account(&unit, &account, &format!("team {}", number + 1))?;
        world.backdate_account(&account, world.now().saturating_sub(A_YEAR).unwrap_or(Timestamp::MIN))?;
        add_users(world, &account, users)?;
    }
    Ok((administrator, Some(unit)))
}

fn add_users(world: &mut World, account: &str, users: &[UserName]) -> Result<(), ApiError> {
    users.iter().try_for_each(|user| world.create_user(account, user.as_str(), "/").map(drop))
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
    match order.split_whitespace().collect::<Vec<_>>().as_slice() {
        ["calls"] => sandbox.visit(take_calls).await,
        ["report"] => sandbox.visit(take_report).await,
        &["bucket", name, region] => {
            let (name, region) = (name.to_owned(), region.to_owned());
            let made = sandbox.visit(move |world| world.create_bucket(ACCOUNT, &region, &name)).await;
            made.map_or_else(|error| error.to_string(), |()| "done".to_owned())
        }
        &["fail", stack, resource] => {
            let (stack, resource) = (stack.to_owned(), resource.to_owned());
            sandbox.visit(move |world| world.fail_resource(&stack, &resource, StackAction::Create, REFUSED)).await;
            "done".to_owned()
        }
        &["advance", by] => match duration(by) {
            Some(by) => {
                sandbox.advance(by).await;
                sandbox.visit(|world| format!("it is {} now", world.now())).await
            }
            None => "how far? for example: advance 30d".to_owned(),
        },
        _ => ORDERS.to_owned(),
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

/// The time, the stacks, and the calls since the last time, as one line of JSON.
fn take_report(world: &mut World) -> String {
    let stack = |stack: sandbox::StackView| ReportedStack {
        name: stack.name,
        status: stack.status,
        last_event: stack.last_event,
    };
    let call = |call: &Call| ReportedCall {
        at: call.at,
        principal: call.principal.clone(),
        operation: call.operation.clone(),
        outcome: match &call.outcome {
            Outcome::Refused(code) => code.clone(),
            other => format!("{other:?}"),
        },
    };
    let report = Report {
        now: world.now(),
        stacks: world.stacks().into_iter().map(stack).collect(),
        calls: world.calls().iter().map(call).collect(),
    };
    world.clear_calls();
    serde_json::to_string(&report).unwrap_or_default()
}

fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()
}
