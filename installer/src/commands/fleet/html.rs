//! The report of a fleet as one page that needs nothing else: no network, no script, no other file.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use jiff::Timestamp;

use super::report::{AccountRow, FleetReport, Summary};
use crate::commands::status::{Report as StatusReport, UserRow, UserState};
use crate::names::printable;
use crate::ui::span;

/// The look, light and dark. Colour never says anything alone.
const STYLE: &str = include_str!("report.css");

/// How wide the timeline is, in its own units.
const WIDTH: f64 = 1000.0;

/// The ages, in days, that keys are counted by.
const AGES: [(i64, &str); 5] =
    [(30, "up to 30 days"), (60, "31 to 60 days"), (90, "61 to 90 days"), (180, "91 to 180 days"), (i64::MAX, "older")];

/// The page. `now` is the time by the clock of AWS.
pub(super) fn page(report: &FleetReport, now: Option<Timestamp>) -> String {
    let mut page = String::new();
    // Writing to a string cannot fail.
    let _ = write_page(&mut page, report, now);
    page
}

fn write_page(page: &mut String, report: &FleetReport, now: Option<Timestamp>) -> fmt::Result {
    let at = now.map(|now| now.strftime("%Y-%m-%d %H:%M UTC").to_string()).unwrap_or_default();
    writeln!(
        page,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width\">\n<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n<title>keyturn: {} accounts</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<h1>{} accounts</h1>\n<p>{}</p>",
        report.accounts.len(),
        report.accounts.len(),
        escaped(&at)
    )?;
    summary(page, report)?;
    injected(page, report)?;
    timeline(page, &report.accounts)?;
    ages(page, &report.accounts)?;
    blocked(page, &report.accounts)?;
    accounts(page, &report.accounts)?;
    page.push_str("</body>\n</html>\n");
    Ok(())
}

fn summary(page: &mut String, report: &FleetReport) -> fmt::Result {
    let Summary { done, unchanged, failed, not_reached, left_out } = report.summary;
    page.push_str("<dl class=\"summary\">\n");
    for (count, what) in [
        (done, report.work),
        (unchanged, "unchanged"),
        (failed, "failed"),
        (not_reached, "not reached"),
        (left_out, "left out"),
    ] {
        writeln!(page, "<div><dt>{}</dt><dd>{count}</dd></div>", escaped(what))?;
    }
    page.push_str("</dl>\n");
    if let Some(stopped) = &report.stopped {
        writeln!(page, "<p class=\"bad\">{}</p>", escaped(&stopped.to_string()))?;
    }
    Ok(())
}

/// What was made to fail, in a rehearsal.
fn injected(page: &mut String, report: &FleetReport) -> fmt::Result {
    let Some(injected) = &report.injected else { return Ok(()) };
    page.push_str(
        "<h2>Rehearsal</h2>\n<p>In a sandboxed copy; nothing was changed in AWS. What was made to fail:</p>\n<ul>\n",
    );
    injected.iter().try_for_each(|failure| writeln!(page, "<li>{}</li>", escaped(&failure.to_string())))?;
    page.push_str("</ul>\n");
    Ok(())
}

/// When each account was worked on, one thin bar each.
fn timeline(page: &mut String, accounts: &[AccountRow]) -> fmt::Result {
    let bars: Vec<_> = accounts.iter().filter_map(|row| Some((row, row.began?, row.ended?))).collect();
    let (Some(from), Some(to)) = (bars.iter().map(|bar| bar.1).min(), bars.iter().map(|bar| bar.2).max()) else {
        return Ok(());
    };
    let whole = to.duration_since(from).as_secs_f64().max(1.0);
    let height = bars.len() * 4;
    writeln!(
        page,
        "<h2>Timeline</h2>\n<p>from {} to {}</p>\n<svg viewBox=\"0 0 {WIDTH} {height}\" preserveAspectRatio=\"none\" height=\"{}\" role=\"img\" aria-label=\"when each account was worked on\">",
        escaped(&from.to_string()),
        escaped(&to.to_string()),
        height.clamp(40, 800),
    )?;
    for (index, (row, began, ended)) in bars.iter().enumerate() {
        let x = began.duration_since(from).as_secs_f64() / whole * WIDTH;
        let width = (ended.duration_since(*began).as_secs_f64() / whole * WIDTH).max(1.0);
        let class = if row.outcome.has_failed() { "bar bad" } else { "bar" };
        writeln!(
            page,
            "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{}\" width=\"{width:.1}\" height=\"3\"><title>{} {}: {}</title></rect>",
            index * 4,
            row.account,
            escaped(&row.name),
            escaped(row.outcome.word())
        )?;
    }
    page.push_str("</svg>\n");
    Ok(())
}

fn users(accounts: &[AccountRow]) -> impl Iterator<Item = (&AccountRow, &UserRow)> {
    accounts.iter().flat_map(|row| {
        let users = row.outcome.status().map(StatusReport::users).unwrap_or_default();
        users.iter().map(move |user| (row, user))
    })
}

/// How old the current keys are.
fn ages(page: &mut String, accounts: &[AccountRow]) -> fmt::Result {
    let mut counts = [0_usize; AGES.len()];
    for days in users(accounts).filter_map(|(_, user)| user.key_age_seconds()).map(|seconds| seconds / 86_400) {
        let place = AGES.iter().position(|(most, _)| days <= *most);
        if let Some(count) = place.and_then(|place| counts.get_mut(place)) {
            *count += 1;
        }
    }
    let most = counts.iter().copied().max().unwrap_or_default();
    if most == 0 {
        return Ok(());
    }
    page.push_str("<h2>Ages of the current keys</h2>\n<table class=\"ages\">\n");
    for ((_, age), count) in AGES.iter().zip(counts) {
        let share = count * 100 / most;
        writeln!(
            page,
            "<tr><th scope=\"row\">{age}</th><td>{count}</td><td class=\"wide\"><span style=\"width:{share}%\"></span></td></tr>"
        )?;
    }
    page.push_str("</table>\n");
    Ok(())
}

/// Why rotations stand still, and how many.
fn blocked(page: &mut String, accounts: &[AccountRow]) -> fmt::Result {
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    for (_, user) in users(accounts) {
        if let UserState::Blocked { reason } = user.state() {
            *reasons.entry(reason).or_default() += 1;
        }
    }
    if reasons.is_empty() {
        return Ok(());
    }
    page.push_str("<h2>Blocked</h2>\n<table>\n<tr><th>reason</th><th>users</th><th>meaning</th></tr>\n");
    for (reason, count) in reasons {
        let meaning = contract::blocked::meaning(reason).unwrap_or("the function's log says why");
        writeln!(page, "<tr><td>{}</td><td>{count}</td><td>{}</td></tr>", escaped(reason), escaped(meaning))?;
    }
    page.push_str("</table>\n");
    Ok(())
}

fn accounts(page: &mut String, accounts: &[AccountRow]) -> fmt::Result {
    page.push_str("<h2>Accounts</h2>\n<table class=\"accounts\">\n<tr><th>account</th><th>name</th><th>wave</th><th>outcome</th><th>took</th><th>detail</th></tr>\n");
    for row in accounts {
        let class = if row.outcome.has_failed() || row.outcome.word() == "look" { " class=\"bad\"" } else { "" };
        write!(
            page,
            "<tr{class}><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>",
            row.account,
            escaped(&row.name),
            row.wave.map_or("-".to_owned(), |wave| wave.to_string()),
            escaped(row.outcome.word()),
            row.took().map_or("-".to_owned(), span),
        )?;
        let detail = escaped(&row.outcome.detail());
        match (row.outcome.status(), row.outcome.hint()) {
            (Some(status), _) if !status.users().is_empty() => {
                write!(page, "<details><summary>{detail}</summary>")?;
                user_table(page, status.users())?;
                page.push_str("</details>");
            }
            (_, Some(hint)) => write!(page, "{detail}<br>to do: {}", escaped(hint))?,
            _ => page.push_str(&detail),
        }
        page.push_str("</td></tr>\n");
    }
    page.push_str("</table>\n");
    Ok(())
}

fn user_table(page: &mut String, users: &[UserRow]) -> fmt::Result {
    page.push_str("<table><tr><th>user</th><th>state</th><th>key</th><th>age</th><th>to do</th></tr>");
    for user in users {
        let [name, state, key, age, to_do] = user.in_cells().map(|cell| escaped(&cell));
        write!(page, "<tr><td>{name}</td><td>{state}</td><td>{key}</td><td>{age}</td><td>{to_do}</td></tr>")?;
    }
    page.push_str("</table>");
    Ok(())
}

/// A text with nothing in it that HTML would understand. Names of accounts and reasons come from others.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in printable(text).chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}
