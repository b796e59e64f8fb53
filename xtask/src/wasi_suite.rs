//! Owns `cargo x wasi-suite`: the public WASI test suite's preview 1 programs, run by `sterna`.
//! Does not fetch or build the programs; a checkout of the branch `prod/testsuite-base` has them.

use serde_json::Value;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// The folders that hold preview 1 programs.
const FOLDER: &str = "wasm32-wasip1";

/// A program that runs longer than this has failed.
const TIME_LIMIT: Duration = Duration::from_secs(60);

/// Runs every program beneath `dir` with the binary `sterna`, prints a line per failure and the
/// counts per language, and says whether all passed.
///
/// # Errors
/// There are no programs in `dir`, or files cannot be read or written.
pub fn run(dir: &Path, sterna: &Path) -> io::Result<bool> {
    let mut folders = Vec::new();
    find_folders(dir, &mut folders)?;
    folders.sort();
    let mut all_passed = true;
    let mut found = 0;
    for folder in &folders {
        let mut passed = 0;
        let programs = programs(folder)?;
        for program in &programs {
            match check(program, sterna)? {
                None => passed += 1,
                Some(reason) => println!("FAIL {}: {reason}", program.display()),
            }
        }
        let failed = programs.len() - passed;
        println!("{}: {passed} passed, {failed} failed", language(folder));
        all_passed &= failed == 0;
        found += programs.len();
    }
    if found == 0 {
        let message = format!("{}: no folder `{FOLDER}` with programs in it", dir.display());
        return Err(io::Error::new(io::ErrorKind::NotFound, message));
    }
    println!("{found} programs");
    Ok(all_passed)
}

/// Folders named `FOLDER` that hold programs; sources have a folder of that name as well.
fn find_folders(dir: &Path, found: &mut Vec<PathBuf>) -> io::Result<()> {
    if dir.file_name().is_some_and(|name| name == FOLDER) && !programs(dir)?.is_empty() {
        found.push(dir.to_path_buf());
        return Ok(());
    }
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            find_folders(&entry.path(), found)?;
        }
    }
    Ok(())
}

fn programs(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut programs = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "wasm") {
            programs.push(path);
        }
    }
    programs.sort();
    Ok(programs)
}

/// The layout is `tests/<language>/testsuite/<FOLDER>`.
fn language(folder: &Path) -> String {
    let parent = folder.parent().and_then(Path::parent);
    let name = parent.and_then(Path::file_name).unwrap_or(folder.as_os_str());
    name.to_string_lossy().into_owned()
}

/// Runs one program; `None` if it did what its specification (`.json`, beside it) says.
fn check(program: &Path, sterna: &Path) -> io::Result<Option<String>> {
    let specification = match fs::read_to_string(program.with_extension("json")) {
        Ok(text) => serde_json::from_str(&text)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Value::Null,
        Err(error) => return Err(error),
    };
    if specification.get("operations").is_some() {
        return Ok(Some("specifications with `operations` are not supported".to_string()));
    }
    let scratch = Scratch::new()?;
    let mut command = Command::new(sterna);
    command.arg("run");
    if let Some(root) = specification["root"].as_str() {
        // The program works on a copy, so that the suite stays as it is.
        let copy = scratch.0.join("root");
        copy_dir(&program.with_file_name(root), &copy)?;
        command.arg("--dir").arg(format!("{}::/", copy.display()));
    }
    for (name, value) in specification["env"].as_object().into_iter().flatten() {
        command.arg("--env").arg(format!("{name}={}", value.as_str().unwrap_or_default()));
    }
    command.arg(program);
    for argument in specification["args"].as_array().into_iter().flatten() {
        command.arg(argument.as_str().unwrap_or_default());
    }
    let (stdout, stderr) = (scratch.0.join("stdout"), scratch.0.join("stderr"));
    command.stdout(File::create(&stdout)?).stderr(File::create(&stderr)?);
    let Some(status) = wait(command)? else {
        return Ok(Some(format!("still running after {} s", TIME_LIMIT.as_secs())));
    };
    let stdout = String::from_utf8_lossy(&fs::read(stdout)?).into_owned();
    let stderr = String::from_utf8_lossy(&fs::read(stderr)?).into_owned();
    Ok(difference(&specification, status, &stdout, &stderr))
}

/// Runs the command with standard input open but silent. `None` if it took too long.
fn wait(mut command: Command) -> io::Result<Option<ExitStatus>> {
    let mut child = command.stdin(Stdio::piped()).spawn()?;
    let _silent = child.stdin.take();
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if start.elapsed() > TIME_LIMIT {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        sleep(Duration::from_millis(2));
    }
}

/// How the run differs from what the specification says. Streams that it does not name may hold
/// anything, as in the suite's own runner.
fn difference(
    specification: &Value,
    status: ExitStatus,
    stdout: &str,
    stderr: &str,
) -> Option<String> {
    let expected = specification["exit_code"].as_i64().unwrap_or(0);
    if status.code().map(i64::from) != Some(expected) {
        return Some(format!("expected exit code {expected}, got {status}\n{stderr}"));
    }
    for (name, actual) in [("stdout", stdout), ("stderr", stderr)] {
        if let Some(expected) = specification[name].as_str()
            && actual != expected
        {
            return Some(format!("expected {name} {expected:?}, got {actual:?}"));
        }
    }
    None
}

fn copy_dir(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_dir(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

/// A folder for one run, removed afterwards.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> io::Result<Scratch> {
        let path = std::env::temp_dir().join(format!("sterna-wasi-suite-{}", std::process::id()));
        if path.exists() {
            fs::remove_dir_all(&path)?;
        }
        fs::create_dir(&path)?;
        Ok(Scratch(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed stays in the host's temporary folder; the run is not wrong for it.
        let _ = fs::remove_dir_all(&self.0);
    }
}
