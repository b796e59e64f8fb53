//! Owns the tests of the code cache as a user meets it: options, words, exit codes, several processes.
//! Does not test what is in an entry: the runtime's and the engine's tests do.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

/// `main` calls a small function so often that it is compiled, then ends in the way that its name says.
const MODULE: &str = r#"(module
    (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
    (memory (export "memory") 1)
    (func $square (param i32) (result i32) (i32.mul (local.get 0) (local.get 0)))
    (func $sum (result i32) (local $n i32) (local $sum i32)
        (local.set $n (i32.const 8000000))
        (loop $next
            (local.set $sum (i32.add (local.get $sum) (call $square (local.get $n))))
            (br_if $next (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
        (local.get $sum))
    (func (export "return") (result i32) call $sum)
    (func (export "exit") call $sum drop (call $exit (i32.const 3)))
    (func (export "trap") call $sum drop unreachable))"#;

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Folder {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("m.wat"), MODULE).unwrap();
        Folder(folder)
    }

    fn command(&self, arguments: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sterna"));
        command.args(arguments.split_whitespace()).current_dir(self.0.path());
        command.env_clear().env("NO_COLOR", "1");
        command
    }

    fn sterna(&self, arguments: &str) -> Output {
        self.command(arguments).output().unwrap()
    }

    fn entries(&self) -> usize {
        std::fs::read_dir(self.0.path().join("c")).map_or(0, |files| files.count())
    }
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

const RUN: &str = "run --cache-dir c --verbose --invoke return m.wat";

#[test]
fn the_next_run_has_the_code() {
    let folder = Folder::new();
    let first = folder.sterna(RUN);
    assert!(stderr(&first).contains("cache: nothing from earlier runs, "), "{}", stderr(&first));
    assert!(stderr(&first).contains(" written (c)"), "{}", stderr(&first));
    let second = folder.sterna(RUN);
    assert!(stderr(&second).contains(" from earlier runs"), "{}", stderr(&second));
    assert!(!stderr(&second).contains("nothing from"), "{}", stderr(&second));
    assert_eq!((first.stdout, first.status.code()), (second.stdout, second.status.code()));
    let mode = |path: &str| folder.0.path().join(path).metadata().unwrap().permissions().mode();
    assert_eq!(mode("c") & 0o777, 0o700);
    let without = folder.sterna("run --no-cache --verbose --invoke return m.wat");
    assert!(stderr(&without).contains("cache: not used"), "{}", stderr(&without));
    let quiet = folder.sterna("run --cache-dir c --invoke return m.wat");
    assert_eq!(stderr(&quiet), "");
}

#[test]
fn code_is_kept_however_the_program_ends() {
    for (function, code) in [("return", 0), ("exit", 3), ("trap", 134)] {
        let folder = Folder::new();
        let output = folder.sterna(&format!("run --cache-dir c --invoke {function} m.wat"));
        assert_eq!(output.status.code(), Some(code), "{}", stderr(&output));
        assert_eq!(folder.entries(), 1, "{function}");
    }
}

#[test]
fn a_program_that_is_killed_leaves_what_it_had() {
    let folder = Folder::new();
    let endless =
        MODULE.replace("call $sum drop unreachable", "(loop $again call $sum drop (br $again))");
    std::fs::write(folder.0.path().join("e.wat"), endless).unwrap();
    let mut child = folder.command("run --cache-dir c --invoke trap e.wat").spawn().unwrap();
    let start = std::time::Instant::now();
    while folder.entries() == 0 && start.elapsed().as_secs() < 60 {
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let info = String::from_utf8(folder.sterna("cache info --cache-dir c").stdout).unwrap();
    assert!(info.contains("holds    1 module, "), "{info}");
}

#[test]
fn small_programs_that_stay_cold_leave_nothing() {
    let folder = Folder::new();
    std::fs::write(folder.0.path().join("cold.wat"), "(module (func (export \"_start\")))")
        .unwrap();
    assert_eq!(folder.sterna("run --cache-dir c cold.wat").status.code(), Some(0));
    assert!(!folder.0.path().join("c").exists());
}

#[test]
fn the_environment_chooses_the_folder() {
    let folder = Folder::new();
    let run = |variables: &[(&str, &str)]| {
        let mut command = folder.command("run --verbose --invoke return m.wat");
        let output = command.envs(variables.iter().copied()).output().unwrap();
        stderr(&output)
    };
    let home = folder.0.path().to_str().unwrap().to_owned();
    assert!(run(&[]).contains("cache: not used"), "no home");
    assert!(run(&[("HOME", &home), ("STERNA_CACHE", "off")]).contains("cache: not used"));
    assert!(run(&[("HOME", &home), ("STERNA_CACHE", "c")]).contains("(c)"));
    // Linux has both; elsewhere the platform has a place of its own below the home.
    let below = |said: &str, folder: &str| said.contains(&format!("({folder}/"));
    assert!(below(&run(&[("HOME", &home)]), &home));
    let xdg = format!("{home}/xdg");
    assert!(below(&run(&[("HOME", &home), ("XDG_CACHE_HOME", &xdg)]), &home));
}

#[test]
fn info_clear_and_prune() {
    let folder = Folder::new();
    let text = |arguments: &str| String::from_utf8(folder.sterna(arguments).stdout).unwrap();
    let empty = "folder   c\nholds    0 modules, 0 B\nlimit    512.0 MiB\n";
    assert_eq!(text("cache info --cache-dir c"), empty);
    folder.sterna(RUN);
    assert!(text("cache info --cache-dir c").contains("\nholds    1 module, "));
    assert_eq!(text("cache prune --cache-dir c"), "removed 0 modules, 0 B\n");
    assert!(text("cache prune --cache-dir c --max-size 100").starts_with("removed 1 module, "));
    folder.sterna(RUN);
    assert!(text("cache --cache-dir c clear").starts_with("removed 1 module, "));
    assert_eq!(text("cache info --cache-dir c"), empty);
    let none = folder.sterna("cache info");
    assert_eq!(none.status.code(), Some(1));
    assert!(stderr(&none).contains("--cache-dir names a folder"), "{}", stderr(&none));
}

#[test]
fn whatever_is_wrong_with_the_folder_the_program_runs() {
    let folder = Folder::new();
    let good = folder.sterna("run --no-cache --invoke return m.wat").stdout;
    folder.sterna(RUN);
    let path = folder.0.path().join("c");
    let set =
        |mode| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    // Root may write where nobody may.
    for mode in [0o777, 0o500, 0o000] {
        set(mode);
        let output = folder.sterna(RUN);
        assert_eq!((output.stdout, output.status.code()), (good.clone(), Some(0)), "{mode:o}");
    }
    set(0o777);
    let output = folder.sterna(RUN);
    assert_eq!(stderr(&output).matches("cache: ").count(), 1, "once");
    assert!(stderr(&output).contains("other users may write to it"), "{}", stderr(&output));
    set(0o700);
    for file in std::fs::read_dir(&path).unwrap() {
        let file = file.unwrap().path();
        std::fs::remove_file(&file).unwrap();
        std::fs::write(&file, "garbage").unwrap();
        std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o500)).unwrap();
    }
    let output = folder.sterna(RUN);
    assert_eq!((output.stdout.as_slice(), output.status.code()), (good.as_slice(), Some(0)));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("the entry is not used"), "{said}");
    for place in ["m.wat", "/dev/null", "/proc/none/here"] {
        let arguments = format!("run --cache-dir {place} --verbose --invoke return m.wat");
        let output = folder.sterna(&arguments);
        assert_eq!((output.stdout.as_slice(), output.status.code()), (good.as_slice(), Some(0)));
        assert!(stderr(&output).contains("; cannot "), "{}", stderr(&output));
    }
}

#[test]
fn processes_at_once_share_a_folder() {
    let folder = Folder::new();
    let good = folder.sterna("run --no-cache --invoke return m.wat").stdout;
    for _ in 0..3 {
        let children: Vec<_> = (0..4)
            .map(|_| {
                let mut command = folder.command("run --cache-dir c --invoke return m.wat");
                command.stdout(std::process::Stdio::piped()).spawn().unwrap()
            })
            .collect();
        for child in children {
            let output = child.wait_with_output().unwrap();
            assert_eq!(
                (output.stdout.as_slice(), output.status.code()),
                (good.as_slice(), Some(0))
            );
        }
        assert_eq!(folder.entries(), 1, "and nothing half-written");
    }
    assert!(Path::new(&folder.0.path().join("c")).is_dir());
}
