//! Owns starting one process and learning how it ended: output, wall time, CPU time, peak memory.
//! Does not repeat or compare: a suite does.

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal};

/// What to start, and how.
#[derive(Clone, Debug, PartialEq)]
pub struct Invocation {
    /// The program and its arguments; never empty.
    pub words: Vec<String>,
    pub stdin: Vec<u8>,
    /// The process is killed after this long.
    pub limit: Duration,
    /// Start through `fork`, so that the peak memory is the program's own (see `Finished::peak_kib`).
    pub measure_memory: bool,
}

impl Invocation {
    /// `words` with no input, a generous time limit, and no attention to memory.
    pub fn new(words: Vec<String>) -> Self {
        let limit = Duration::from_secs(600);
        Self { words, stdin: Vec::new(), limit, measure_memory: false }
    }

    /// The command line, for messages.
    pub fn line(&self) -> String {
        self.words.join(" ")
    }
}

/// How a process ended.
#[derive(Debug)]
pub struct Finished {
    pub status: ExitStatus,
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
    /// From before the start to after the exit, in nanoseconds.
    pub wall_ns: u64,
    /// User and system time of all its threads, in nanoseconds.
    pub cpu_ns: u64,
    /// The largest resident set in KiB. The kernel carries the high-water mark of the address space that called `exec`, which after
    /// `posix_spawn` is the runner's own: meaningful only with `Invocation::measure_memory`.
    pub peak_kib: u64,
    /// Whether the time limit ended it.
    pub timed_out: bool,
}

impl Finished {
    /// The exit code as a shell would say it.
    pub fn code(&self) -> i32 {
        self.status.code().or_else(|| self.status.signal().map(|s| 128 + s)).unwrap_or(-1)
    }

    /// The process itself, or a sentence with the start of its error output if it did not exit with 0.
    pub fn success(self) -> Result<Self, String> {
        if self.status.success() && !self.timed_out {
            return Ok(self);
        }
        let how = if self.timed_out {
            "timed out".to_owned()
        } else {
            format!("exit code {}", self.code())
        };
        let errors = String::from_utf8_lossy(&self.stderr);
        let first: Vec<&str> = errors.lines().filter(|l| !l.trim().is_empty()).take(3).collect();
        Err(format!("{how}: {}", first.join(" / ")))
    }
}

/// Runs `invocation` to its end.
///
/// # Errors
/// When the process cannot be started. A failing process is not an error here.
pub fn run(invocation: &Invocation) -> Result<Finished, String> {
    let fault = |e: std::io::Error| format!("`{}`: {e}", invocation.line());
    let (program, arguments) = invocation.words.split_first().ok_or("an empty command")?;
    let mut stdin = tempfile::tempfile().map_err(fault)?;
    stdin.write_all(&invocation.stdin).and_then(|()| stdin.rewind()).map_err(fault)?;
    let stdout = tempfile::tempfile().map_err(fault)?;
    let stderr = tempfile::tempfile().map_err(fault)?;

    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::from(stdin));
    command.stdout(stdout.try_clone().map_err(fault)?).stderr(stderr.try_clone().map_err(fault)?);
    if invocation.measure_memory {
        // SAFETY: the closure runs between fork and exec and does nothing, so it touches no lock or allocator.
        unsafe { command.pre_exec(|| Ok(())) };
    }
    let start = Instant::now();
    let child = command.spawn().map_err(fault)?;
    let pid = Pid::from_child(&child);
    let timed_out = wait_or_kill(pid, invocation.limit).map_err(fault)?;
    let (status, usage) = reap(pid);
    let wall_ns = start.elapsed().as_nanos() as u64;

    Ok(Finished {
        status,
        stdout: contents(stdout).map_err(fault)?,
        stderr: contents(stderr).map_err(fault)?,
        wall_ns,
        cpu_ns: nanoseconds(usage.ru_utime) + nanoseconds(usage.ru_stime),
        peak_kib: usage.ru_maxrss as u64,
        timed_out,
    })
}

/// Waits until the child has exited, without reaping it; kills it when `limit` is over. Whether it was killed.
fn wait_or_kill(pid: Pid, limit: Duration) -> Result<bool, std::io::Error> {
    let child = rustix::process::pidfd_open(pid, PidfdFlags::empty())?;
    let end = Instant::now() + limit;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        let timeout =
            Timespec { tv_sec: left.as_secs() as i64, tv_nsec: left.subsec_nanos().into() };
        match poll(&mut [PollFd::new(&child, PollFlags::IN)], Some(&timeout)) {
            Err(Errno::INTR) => {}
            Ok(0) => {
                rustix::process::pidfd_send_signal(&child, Signal::KILL)?;
                return Ok(true);
            }
            other => return other.map(|_| false).map_err(Into::into),
        }
    }
}

/// Reaps an exited child: its status and the resources it used.
fn reap(pid: Pid) -> (ExitStatus, libc::rusage) {
    let mut status = 0;
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: both pointers are to live locals of the types that wait4 writes.
    unsafe { libc::wait4(pid.as_raw_nonzero().get(), &mut status, 0, usage.as_mut_ptr()) };
    // SAFETY: rusage is plain integers, for which the zero bytes it began with are a value; wait4 wrote the rest.
    let usage = unsafe { usage.assume_init() };
    (ExitStatus::from_raw(status), usage)
}

fn contents(mut file: File) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn nanoseconds(time: libc::timeval) -> u64 {
    time.tv_sec as u64 * 1_000_000_000 + time.tv_usec as u64 * 1000
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Invocation {
        Invocation::new(["sh", "-c", script].map(str::to_owned).to_vec())
    }

    #[test]
    fn output_input_and_code_pass_through() {
        let mut invocation = shell("cat; echo no >&2; exit 3");
        invocation.stdin = b"yes".to_vec();
        let finished = run(&invocation).unwrap();
        assert_eq!(
            (finished.stdout.as_slice(), finished.stderr.as_slice()),
            (&b"yes"[..], &b"no\n"[..])
        );
        assert_eq!((finished.code(), finished.timed_out), (3, false));
        assert!(finished.success().unwrap_err().contains("exit code 3: no"));
    }

    #[test]
    fn a_hanging_process_is_killed() {
        let mut invocation = shell("exec sleep 30");
        invocation.limit = Duration::from_millis(50);
        let finished = run(&invocation).unwrap();
        assert!(finished.timed_out);
        assert!(finished.wall_ns < 5_000_000_000);
    }

    #[test]
    fn peak_memory_is_the_childs_own() {
        let mut small = shell("exit 0");
        let mut large = shell("head -c 40000000 /dev/zero | tail -c 40000000 >/dev/null");
        (small.measure_memory, large.measure_memory) = (true, true);
        assert!(run(&small).unwrap().peak_kib < 20_000);
        assert!(run(&large).unwrap().peak_kib > 35_000);
    }

    #[test]
    fn a_missing_program_is_an_error() {
        let invocation = Invocation::new(vec!["./no-such-program".to_owned()]);
        assert!(run(&invocation).unwrap_err().contains("no-such-program"));
    }
}
