//! Ctrl-C, or the signal to end (SIGTERM), which counts as the same: the first one asks for an orderly end, the second one
//! leaves at once.

use std::io::{self, IsTerminal as _};

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::to_stderr;

/// Somebody pressed Ctrl-C.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("interrupted: {left}")]
pub struct Interrupted {
    /// The state that was left behind.
    pub left: String,
}

/// How often Ctrl-C was pressed so far.
#[derive(Debug, Clone)]
pub struct Interrupts {
    pressed: watch::Receiver<u32>,
    /// How many of them are meant for somebody else.
    before: u32,
}

impl Interrupts {
    /// Begins to listen. Must be called within the runtime.
    pub fn listen() -> Self {
        let (count, pressed) = watch::channel(0);
        tokio::spawn(async move {
            // An error means that this system has no such signal: then nobody can send it.
            let mut ended = signal(SignalKind::terminate()).ok();
            let mut term = async || match &mut ended {
                Some(ended) => ended.recv().await,
                None => std::future::pending().await,
            };
            loop {
                tokio::select! {
                    pressed = tokio::signal::ctrl_c() => if pressed.is_err() { break },
                    _ = term() => {}
                }
                if io::stderr().is_terminal() {
                    // It has written `^C` into the middle of a line.
                    to_stderr("");
                }
                count.send_modify(|count| *count += 1);
            }
        });
        Self { pressed, before: 0 }
    }

    /// Ctrl-C that a test presses.
    #[cfg(test)]
    pub(crate) fn by_hand() -> (watch::Sender<u32>, Self) {
        let (count, pressed) = watch::channel(0);
        (count, Self { pressed, before: 0 })
    }

    /// Comes back once Ctrl-C has been pressed `times` times, which may have been before.
    pub async fn pressed(&self, times: u32) {
        let mut pressed = self.pressed.clone();
        let times = times.saturating_add(self.before);
        if pressed.wait_for(|count| *count >= times).await.is_err() {
            // Nobody listens any more, so it will never be heard.
            std::future::pending::<()>().await;
        }
    }

    /// The same for work that goes on when it is pressed for the first `times` times.
    pub fn behind(&self, times: u32) -> Self {
        Self { pressed: self.pressed.clone(), before: self.before.saturating_add(times) }
    }

    /// How often it was pressed so far.
    pub fn count(&self) -> u32 {
        self.pressed.borrow().saturating_sub(self.before)
    }

    /// Whether there is something new to begin.
    ///
    /// # Errors
    /// [`Interrupted`] when it was pressed.
    pub fn check(&self) -> Result<(), Interrupted> {
        if self.count() == 0 { Ok(()) } else { Err(nothing_behind()) }
    }

    /// Does `work` unless Ctrl-C is pressed; only for work that leaves nothing behind.
    ///
    /// # Errors
    /// [`Interrupted`].
    pub async fn unless_pressed<T>(&self, work: impl Future<Output = T>) -> Result<T, Interrupted> {
        tokio::select! {
            done = work => Ok(done),
            () = self.pressed(1) => Err(nothing_behind()),
        }
    }
}

fn nothing_behind() -> Interrupted {
    Interrupted { left: "what was under way left nothing behind".to_owned() }
}
