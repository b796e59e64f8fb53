//! Owns how a step of `cargo x` runs: one child process, one line with its time, output on failure.
//! Does not know what the steps are.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

/// The repository this xtask was built from.
pub fn root() -> PathBuf {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().map_or_else(|| xtask.to_owned(), Path::to_owned)
}

/// `cargo` with these arguments, in the repository.
pub fn cargo(args: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(args).current_dir(root());
    command
}

/// Runs a command on the user's terminal and turns its status into ours.
pub fn forward(mut command: Command) -> Result<ExitCode, String> {
    let status = command.status().map_err(|e| cannot_run(&command, &e))?;
    let code = status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1);
    Ok(ExitCode::from(code))
}

/// Runs a command on the user's terminal; an error when it fails.
pub fn require(mut command: Command) -> Result<(), String> {
    let status = command.status().map_err(|e| cannot_run(&command, &e))?;
    if status.success() { Ok(()) } else { Err(format!("{} failed", line_of(&command))) }
}

/// The steps of one run and whether all of them passed.
pub struct Steps {
    started: Instant,
    failed: Vec<&'static str>,
}

impl Steps {
    /// Starts the clock.
    pub fn start() -> Self {
        Self { started: Instant::now(), failed: Vec::new() }
    }

    /// Runs one step that is a child process: silent when it passes, its standard output when it fails.
    /// Returns the lines of its standard output.
    pub fn run(&mut self, name: &'static str, command: Command) -> Vec<String> {
        let started = announce(name);
        let (passed, lines) = capture(command);
        self.finish(name, started, passed, if passed { &[] } else { &lines });
        lines
    }

    /// Runs one step that is a function; what it returns is printed when it fails.
    pub fn check(&mut self, name: &'static str, step: impl FnOnce() -> (bool, Vec<String>)) {
        let started = announce(name);
        let (passed, lines) = step();
        self.finish(name, started, passed, &lines);
    }

    fn finish(&mut self, name: &'static str, started: Instant, passed: bool, lines: &[String]) {
        let verdict = if passed { "ok" } else { "FAILED" };
        println!("{verdict} ({:.1} s)", started.elapsed().as_secs_f64());
        lines.iter().for_each(|line| println!("  {line}"));
        if !passed {
            self.failed.push(name);
        }
    }

    /// The last line and the exit code.
    pub fn end(self) -> ExitCode {
        let seconds = self.started.elapsed().as_secs_f64();
        if self.failed.is_empty() {
            println!("all good in {seconds:.0} s");
            return ExitCode::SUCCESS;
        }
        println!("failed: {} (in {seconds:.0} s)", self.failed.join(", "));
        ExitCode::FAILURE
    }
}

fn announce(name: &str) -> Instant {
    print!("{name:<8} ");
    let _ = std::io::stdout().flush();
    Instant::now()
}

/// Standard error stays on the terminal, so that cargo shows its progress there.
fn capture(mut command: Command) -> (bool, Vec<String>) {
    let mut child = match command.stdout(Stdio::piped()).spawn() {
        Ok(child) => child,
        Err(error) => return (false, vec![cannot_run(&command, &error)]),
    };
    let stdout = child.stdout.take().map(BufReader::new);
    let lines = stdout.into_iter().flat_map(|out| out.split(b'\n').map_while(Result::ok));
    let lines = lines.map(|line| String::from_utf8_lossy(&line).into_owned()).collect();
    let passed = child.wait().is_ok_and(|status| status.success());
    (passed, lines)
}

fn cannot_run(command: &Command, error: &std::io::Error) -> String {
    format!("cannot run {}: {error}", line_of(command))
}

fn line_of(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}
