//! Progress on stderr: a moving line on a terminal, plain lines everywhere else.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::to_stderr;

/// How often the moving line turns: fast enough to look alive, slow enough for a serial console.
const TICK: Duration = Duration::from_millis(120);

/// The display of one piece of work. Dropping it ends it.
#[derive(Debug)]
pub struct Progress {
    bar: Option<ProgressBar>,
}

impl Progress {
    pub(super) fn begin(title: &str, is_terminal: bool) -> Self {
        if !is_terminal {
            to_stderr(title);
            return Self { bar: None };
        }
        let bar = ProgressBar::new_spinner();
        // The template is a constant of ours; should it be wrong, the default style serves as well.
        if let Ok(style) = ProgressStyle::with_template("{spinner} {prefix} {wide_msg} {elapsed}") {
            bar.set_style(style);
        }
        bar.set_prefix(title.to_owned());
        bar.enable_steady_tick(TICK);
        Self { bar: Some(bar) }
    }

    /// Shows what is under way right now. Without a terminal it is not said: the lines that stay say enough.
    pub fn now(&self, text: &str) {
        if let Some(bar) = &self.bar {
            bar.set_message(text.to_owned());
        }
    }

    /// Says something that stays on the screen.
    pub fn say(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| to_stderr(text)),
            None => to_stderr(text),
        }
    }

    /// Takes the moving line off the screen while `work` uses the terminal, such as for a question.
    pub async fn suspend<T>(&self, work: impl Future<Output = T>) -> T {
        let Some(bar) = &self.bar else { return work.await };
        bar.disable_steady_tick();
        bar.set_draw_target(indicatif::ProgressDrawTarget::hidden());
        let done = work.await;
        bar.set_draw_target(indicatif::ProgressDrawTarget::stderr());
        bar.enable_steady_tick(TICK);
        done
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
