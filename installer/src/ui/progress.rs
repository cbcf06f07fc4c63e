//! Progress on stderr: a moving line on a terminal, plain lines everywhere else.

use std::sync::Arc;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::to_stderr;
use crate::names::printable;

/// How often the moving line turns: fast enough to look alive, slow enough for a serial console.
const TICK: Duration = Duration::from_millis(120);

/// The display of one piece of work. Dropping it ends it.
#[derive(Debug, Clone)]
pub struct Progress {
    /// What is shown on a terminal: the line of this work, among those of others.
    shown: Option<(MultiProgress, Arc<Line>)>,
    /// Which work it is, where lines of several get mixed.
    name: Option<String>,
    /// Whether nothing is said.
    is_silent: bool,
}

impl Progress {
    pub(super) fn begin(title: &str, is_terminal: bool) -> Self {
        if !is_terminal {
            to_stderr(title);
            return Self { shown: None, name: None, is_silent: false };
        }
        let lines = MultiProgress::new();
        let line = Line::begin(&lines, title);
        Self { shown: Some((lines, line)), name: None, is_silent: false }
    }

    /// A display that shows nothing.
    pub(super) fn silent() -> Self {
        Self { shown: None, name: None, is_silent: true }
    }

    /// The display of a part of the work, which goes on at the same time as others. What it says is named.
    pub fn beside(&self, name: &str) -> Self {
        let shown = self.shown.as_ref().map(|(lines, _)| (lines.clone(), Line::begin(lines, name)));
        Self { shown, name: Some(name.to_owned()), is_silent: self.is_silent }
    }

    /// Shows what is under way right now. Without a terminal it is not said: the lines that stay say enough.
    pub fn now(&self, text: &str) {
        if let Some((_, line)) = &self.shown {
            line.0.set_message(printable(text));
        }
    }

    /// Says something that stays on the screen.
    pub fn say(&self, text: &str) {
        if self.is_silent {
            return;
        }
        let text = self.name.as_ref().map_or(text.to_owned(), |name| format!("{name}: {}", text.trim_start()));
        match &self.shown {
            Some((lines, _)) => lines.suspend(|| to_stderr(&text)),
            None => to_stderr(&text),
        }
    }

    /// Takes the moving lines off the screen while `work` uses the terminal, such as for a question.
    pub async fn suspend<T>(&self, work: impl Future<Output = T>) -> T {
        let Some((lines, _)) = &self.shown else { return work.await };
        lines.set_draw_target(ProgressDrawTarget::hidden());
        let done = work.await;
        lines.set_draw_target(ProgressDrawTarget::stderr());
        done
    }
}

/// A moving line. It is taken off the screen with its last owner.
#[derive(Debug)]
struct Line(ProgressBar);

impl Line {
    fn begin(lines: &MultiProgress, title: &str) -> Arc<Self> {
        let bar = lines.add(ProgressBar::new_spinner());
        // The template is a constant of ours; should it be wrong, the default style serves as well.
        if let Ok(style) = ProgressStyle::with_template("{spinner} {prefix} {wide_msg} {elapsed}") {
            bar.set_style(style);
        }
        bar.set_prefix(printable(title));
        bar.enable_steady_tick(TICK);
        Arc::new(Self(bar))
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
