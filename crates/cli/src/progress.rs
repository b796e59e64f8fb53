//! Owns the progress bar of a long compilation: one line on standard error, only on a terminal.
//! Does not appear for what is over in a moment.

use std::io::{IsTerminal, Write};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Shorter work shows no bar.
const PATIENCE: Duration = Duration::from_millis(300);
/// Time between two drawings.
const PERIOD: Duration = Duration::from_millis(50);
/// Characters of the bar.
const WIDTH: usize = 30;

/// A bar that may be drawn from several threads.
pub struct Progress {
    started: Instant,
    /// When it was drawn last; `None` before, and always when standard error is no terminal.
    drawn: Option<Mutex<Option<Instant>>>,
}

impl Progress {
    /// Starts the clock.
    pub fn start() -> Self {
        let drawn = std::io::stderr().is_terminal().then(|| Mutex::new(None));
        Self { started: Instant::now(), drawn }
    }

    /// Says how much is done.
    pub fn show(&self, done: usize, all: usize) {
        let Some(drawn) = &self.drawn else { return };
        // A thread that is drawing already draws almost the same.
        let Ok(mut drawn) = drawn.try_lock() else { return };
        if self.started.elapsed() < PATIENCE || drawn.is_some_and(|at| at.elapsed() < PERIOD) {
            return;
        }
        *drawn = Some(Instant::now());
        let _ = write!(std::io::stderr(), "\r{}", line(done, all));
    }

    /// Removes the bar.
    pub fn finish(&self) {
        let was_drawn = self
            .drawn
            .as_ref()
            .is_some_and(|drawn| drawn.lock().is_ok_and(|drawn| drawn.is_some()));
        if was_drawn {
            // To the first column, and erase to the end of the line.
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}

fn line(done: usize, all: usize) -> String {
    let all = all.max(1);
    let done = done.min(all);
    let full = WIDTH * done / all;
    format!(
        "compiling [{}{}] {:>3} % of {all} functions",
        "#".repeat(full),
        " ".repeat(WIDTH - full),
        100 * done / all
    )
}

#[cfg(test)]
mod tests {
    use super::line;

    #[test]
    fn the_line_has_constant_width() {
        assert_eq!(line(0, 10).len(), line(10, 10).len());
        assert!(line(5, 10).contains(" 50 %") && line(5, 10).contains("###############  "));
        assert!(line(9, 0).contains("100 %") || line(9, 0).contains("  0 %"));
    }
}
