//! One pass of the sweeper over the secrets of its stack: observe, decide and act for each, whatever happens to the
//! others.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use contract::{SecretArn, Settings, tag_keys};
use jiff::Timestamp;
use serde::Serialize;
use tokio::time::Instant;

use crate::act::{TIME_TO_ACT, Target};
use crate::aws::secrets::Listed;
use crate::aws::{Clients, secrets};
use crate::blocked::Blocked;
use crate::error::RotationError;
use crate::event::Users;
use crate::log;
use crate::measure::{Measures, measure};
use crate::observe::{check_enrolled, gather_evidence, observe_between_steps};
use crate::observed::Description;
use crate::pace;
use crate::protocol::check_binding;
use crate::retire::Verdict;
use crate::scope::Scope;
use crate::sweep::{self, Sweep, SweepStep};

/// The time that reading what there is to know of one user may take. Together with [`TIME_TO_ACT`] it is less than
/// [`contract::SHORTEST_TIMEOUT`], or a pass with that timeout would begin with nobody.
pub(crate) const TIME_TO_READ: Duration = Duration::from_secs(25);

/// What a pass has done, as the answer and the log tell it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Report {
    /// The secrets that were looked at.
    pub(crate) swept: usize,
    /// Those for which something was done.
    pub(crate) changed: usize,
    /// Those that failed; the next pass tries again.
    pub(crate) failed: usize,
    /// Those for which no time was left; the next pass begins with them.
    pub(crate) left: usize,
    /// How many stand still for each reason.
    pub(crate) blocked: BTreeMap<&'static str, usize>,
    /// How many wait for a person.
    pub(crate) wanting_a_person: usize,
    /// How many have a rotation that time alone does not bring on.
    pub(crate) stuck: usize,
    /// How many Active keys are older than the settings allow.
    pub(crate) over_age: usize,
    /// The age of the oldest current key, in days.
    pub(crate) oldest_key_days: Option<u64>,
    /// The seconds until the next key moves on, or the next user is rotated.
    pub(crate) next_step_seconds: Option<u64>,
}

/// What a pass has found and done for one user.
#[derive(Debug, Clone)]
pub(crate) struct Swept {
    pub(crate) now: Timestamp,
    pub(crate) measures: Measures,
    pub(crate) sweep: Sweep,
}

/// Sweeps the secrets of the stack, as many as there is time for; `end` is when Lambda will end the function.
pub(crate) async fn sweep(
    clients: &Clients,
    settings: &Settings,
    scope: &Scope,
    users: &Users,
    end: Instant,
) -> Result<Report, RotationError> {
    let mut listed = secrets::of_stack(clients, &scope.stack).await?;
    // Nothing is left to do for those whom the function itself has let go.
    listed.retain(|secret| !secret.has_left());
    listed.retain(|secret| secret.user.as_ref().map_or(*users == Users::All, |user| users.contains(user)));
    // Whoever names users wants all of them.
    let (queue, bookmarks) = if *users == Users::All { queue(listed) } else { (listed, Vec::new()) };
    // A bookmark is kept where it can be taken off again.
    let places: Vec<Option<SecretArn>> =
        queue.iter().map(|secret| secret.is_rotated.then(|| secret.arn.clone())).collect();
    let latest = end.checked_sub(TIME_TO_READ + TIME_TO_ACT).unwrap_or(end);
    let (shared, settings, scope) = (clients.clone(), *settings, Arc::new(scope.clone()));
    let stack = scope.stack.clone();
    let paced = pace::for_each(queue, latest, |secret| {
        let (clients, scope) = (shared.clone(), scope.clone());
        async move {
            let swept = sweep_one(&clients, &settings, &scope, &secret.arn, end).await;
            if has_left(&secret, &swept) {
                return None;
            }
            log::swept(&secret.arn, &swept);
            Some(swept)
        }
    });
    let paced = paced.await;
    let done: Vec<_> = paced.done.into_iter().flatten().collect();
    let report = Report::of(&done, paced.left);
    log::sweep(&report, (*users == Users::All).then_some(stack.as_str()));
    let now = done.iter().flatten().map(|swept| swept.now).max();
    let begun = places.iter().take(places.len() - paced.left);
    let last = begun.rev().flatten().next().filter(|_| paced.left > 0);
    if *users == Users::All {
        bookmark(clients, last, now, &bookmarks).await?;
    }
    let Report { failed, swept, .. } = report;
    if failed > 0 { Err(RotationError::SweepIncomplete { failed, swept }) } else { Ok(report) }
}

/// Whether the user was taken out of the stack: the secret keeps its tags, but nobody rotates it any more, and the role
/// has lost its permission. What is denied of a secret that is rotated is a failure, unless its user is on the way out: the
/// permission on the keys went with the tag or the path.
fn has_left(secret: &Listed, swept: &Result<Swept, RotationError>) -> bool {
    let is_denied = matches!(swept, Err(RotationError::Call(error)) if error.is_denied());
    is_denied && (!secret.is_rotated || secret.left.is_some())
}

/// The secrets in the order of this pass, and those that bear a bookmark: it goes on behind the newest, where the pass
/// before was cut off.
fn queue(mut listed: Vec<Listed>) -> (Vec<Listed>, Vec<SecretArn>) {
    listed.sort_by(|one, other| one.arn.cmp(&other.arn));
    let marked: Vec<&Listed> = listed.iter().filter(|secret| secret.bookmark.is_some() && secret.is_rotated).collect();
    let newest =
        marked.iter().max_by_key(|secret| secret.bookmark.as_deref().and_then(|at| at.parse::<Timestamp>().ok()));
    let behind = newest.map(|newest| listed.partition_point(|secret| secret.arn <= newest.arn));
    let bookmarks = marked.iter().map(|secret| secret.arn.clone()).collect();
    // Behind the last one there is nothing: it was a whole pass.
    let behind = behind.filter(|behind| *behind < listed.len()).unwrap_or(0);
    (listed.split_off(behind), bookmarks)
}

/// Notes where this pass was cut off, and then forgets where the passes before were. A lost bookmark costs time only.
async fn bookmark(
    clients: &Clients,
    last: Option<&SecretArn>,
    now: Option<Timestamp>,
    earlier: &[SecretArn],
) -> Result<(), RotationError> {
    if let (Some(last), Some(now)) = (last, now) {
        secrets::tag(clients, last, tag_keys::SWEPT, &now.to_string()).await?;
    }
    for secret in earlier.iter().filter(|secret| Some(*secret) != last) {
        secrets::untag(clients, secret, vec![tag_keys::SWEPT.to_owned()]).await?;
    }
    Ok(())
}

/// Sweeps one user.
pub(crate) async fn sweep_one(
    clients: &Clients,
    settings: &Settings,
    scope: &Scope,
    secret: &SecretArn,
    end: Instant,
) -> Result<Swept, RotationError> {
    let description = secrets::describe(clients, secret).await?;
    let (now, tag) = (description.now, description.tags.get(tag_keys::BLOCKED).cloned());
    let is_rotating = description.unfinished().is_some();
    if description.deleted {
        return Ok(Swept { now, measures: Measures::default(), sweep: Sweep::default() });
    }
    let (measures, sweep) = match work(clients, (settings, scope), secret, description, end).await {
        Err(RotationError::Blocked(blocked)) => {
            (Measures::default(), Sweep { findings: vec![blocked], ..Sweep::default() })
        }
        worked => worked?,
    };
    let reason = sweep.findings.iter().find(|finding| finding.wants_a_person()).map(Blocked::name);
    match (reason, tag) {
        (Some(reason), tag) if tag.as_deref() != Some(reason) => {
            secrets::tag(clients, secret, tag_keys::BLOCKED, reason).await?;
        }
        (None, Some(_)) if !is_rotating => {
            secrets::untag(clients, secret, vec![tag_keys::BLOCKED.to_owned()]).await?;
        }
        _ => {}
    }
    Ok(Swept { now, measures, sweep })
}

async fn work(
    clients: &Clients,
    rules: (&Settings, &Scope),
    secret: &SecretArn,
    description: Description,
    end: Instant,
) -> Result<(Measures, Sweep), RotationError> {
    let (settings, scope) = rules;
    let binding = sweep::gate(&description, scope).map_err(RotationError::Blocked)?;
    let mut observed = observe_between_steps(clients, secret, description, &binding).await?;
    check_binding(&binding, &observed, scope).map_err(RotationError::Blocked)?;
    check_enrolled(clients, scope, &observed.user).await?;
    if sweep::needs_evidence(&observed) {
        gather_evidence(clients, secret, &mut observed).await?;
    }
    let sweep = sweep::sweep(&observed, settings);
    let measures = measure(&observed, &sweep, settings);
    let target = Target { clients, secret, user: &binding.user };
    for step in &sweep.steps {
        if Instant::now() + TIME_TO_ACT > end {
            return Err(RotationError::OutOfTime);
        }
        act(target, step, &observed.secret).await?;
    }
    Ok((measures, sweep))
}

async fn act(target: Target<'_>, step: &SweepStep, seen: &Description) -> Result<(), RotationError> {
    let Target { clients, secret, .. } = target;
    match step {
        SweepStep::Retire(Verdict::Delete(doomed)) => target.delete(doomed, seen).await,
        SweepStep::Retire(Verdict::Deactivate { key, mark }) => target.deactivate_and_mark(key, *mark).await,
        SweepStep::Retire(Verdict::Mark { key, mark }) => target.mark(key, *mark).await,
        SweepStep::Retire(Verdict::Keep(_)) => Ok(()),
        SweepStep::Forget(tags) => Ok(secrets::untag(clients, secret, tags.clone()).await?),
        SweepStep::DropPending { token, mark } => {
            if let Some((key, mark)) = mark {
                target.mark(key, *mark).await?;
            }
            Ok(secrets::drop_pending(clients, secret, token).await?)
        }
        SweepStep::Rotate => Ok(secrets::rotate(clients, secret).await?),
    }
}

impl Swept {
    /// Whether a key, or its binding to the user, is not as it should be.
    pub(crate) fn wants_a_person(&self) -> bool {
        self.sweep.findings.iter().any(Blocked::wants_a_person)
    }

    fn next_step_seconds(&self) -> Option<u64> {
        let pause = self.measures.next?.duration_since(self.now);
        // What is due already is next.
        Some(u64::try_from(pause.as_secs()).unwrap_or(0))
    }
}

impl Report {
    fn of(done: &[Result<Swept, RotationError>], left: usize) -> Self {
        let swept = done.len();
        let ok: Vec<&Swept> = done.iter().flatten().collect();
        let mut blocked = BTreeMap::new();
        for finding in ok.iter().flat_map(|swept| &swept.sweep.findings) {
            *blocked.entry(finding.name()).or_default() += 1;
        }
        Self {
            swept,
            changed: ok.iter().filter(|swept| !swept.sweep.steps.is_empty()).count(),
            failed: swept - ok.len(),
            left,
            blocked,
            wanting_a_person: ok.iter().filter(|swept| swept.wants_a_person()).count(),
            stuck: ok.iter().filter(|swept| swept.measures.is_stuck).count(),
            over_age: ok.iter().map(|swept| swept.measures.over_age).sum(),
            oldest_key_days: ok.iter().filter_map(|swept| swept.measures.key_days).max(),
            next_step_seconds: ok.iter().filter_map(|swept| swept.next_step_seconds()).min(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(letter: char, bookmark: Option<&str>) -> Listed {
        let arn = format!("arn:aws:secretsmanager:eu-central-1:111122223333:secret:keyturn/{letter}-AbCdEf");
        let arn = SecretArn::new(arn).unwrap();
        let bookmark = bookmark.map(str::to_owned);
        Listed { bookmark, ..Listed::rotated(letter.to_string(), arn) }
    }

    fn order(secrets: Vec<Listed>) -> (String, usize) {
        let (queue, bookmarks) = queue(secrets);
        (queue.iter().map(|secret| secret.name.as_str()).collect(), bookmarks.len())
    }

    #[test]
    fn a_pass_goes_on_where_the_one_before_was_cut_off() {
        let (early, late) = (Some("2026-01-01T00:00:00Z"), Some("2026-01-02T00:00:00Z"));
        assert_eq!(order(vec![]), (String::new(), 0));
        assert_eq!(order(vec![listed('b', None), listed('a', None)]), ("ab".to_owned(), 0));
        assert_eq!(order(vec![listed('a', None), listed('b', late), listed('c', None)]), ("c".to_owned(), 1));
        // Dying between the new bookmark and the removal of the old one leaves two.
        assert_eq!(order(vec![listed('a', late), listed('b', early), listed('c', None)]), ("bc".to_owned(), 2));
        // The one behind it is gone, or the value is nobody's: begin anew.
        assert_eq!(order(vec![listed('a', None), listed('b', late)]), ("ab".to_owned(), 1));
        assert_eq!(order(vec![listed('a', Some("hunter2")), listed('b', None)]), ("b".to_owned(), 1));
        // Its user has left the stack, and nobody may take the bookmark off.
        let left = Listed { is_rotated: false, ..listed('a', late) };
        assert_eq!(order(vec![left, listed('b', None)]), ("ab".to_owned(), 0));
    }
}
