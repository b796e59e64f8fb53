//! Owns the tests of files that `sterna` writes: whole or not at all, refused when damaged.
//! Does not test their contents.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::process::{Command, Output};

fn sterna(arguments: &[&str], folder: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_sterna")).args(arguments).current_dir(folder).output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A folder with `m.wat`, whose `main` returns 42.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let module = r#"(module (func (export "main") (result i32) i32.const 42))"#;
    std::fs::write(folder.path().join("m.wat"), module).unwrap();
    folder
}

fn compiled() -> tempfile::TempDir {
    let folder = folder();
    let output = sterna(&["compile", "m.wat"], folder.path());
    assert!(output.status.success(), "{}", stderr(&output));
    folder
}

#[test]
fn precompiled_code_runs() {
    let folder = compiled();
    let output = sterna(&["run", "--invoke", "main", "m.cwasm"], folder.path());
    assert_eq!(
        (output.stdout.as_slice(), output.status.code()),
        (b"42\n".as_slice(), Some(0)),
        "{}",
        stderr(&output)
    );
}

#[test]
fn what_a_run_saw_is_compiled_for() {
    let folder = folder();
    let run = |arguments: &[&str]| sterna(arguments, folder.path());
    let saved = run(&["run", "--save-profile", "m.seen", "--invoke", "main", "m.wat"]);
    assert_eq!(saved.stdout, b"42\n", "{}", stderr(&saved));
    let output = run(&["compile", "--profile", "m.seen", "m.wat"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(run(&["run", "--invoke", "main", "m.cwasm"]).stdout, b"42\n");
    std::fs::write(folder.path().join("other.wat"), "(module (func))").unwrap();
    for (profile, module, reason) in [
        ("m.seen", "other.wat", "of another module"),
        ("m.wat", "m.wat", "not an execution profile"),
    ] {
        let output = run(&["compile", "--profile", profile, module]);
        assert_eq!(output.status.code(), Some(1));
        assert!(stderr(&output).contains(reason), "{}", stderr(&output));
        assert!(stderr(&output).contains("--save-profile"), "{}", stderr(&output));
    }
}

#[test]
fn damage_is_refused_wherever_it_is() {
    let folder = compiled();
    let path = folder.path().join("m.cwasm");
    let good = std::fs::read(&path).unwrap();
    for at in [8, 12, 21, good.len() / 3, good.len() / 2, good.len() - 1] {
        let mut bad = good.clone();
        bad[at] ^= 0x10;
        std::fs::write(&path, bad).unwrap();
        let output = sterna(&["run", "--invoke", "main", "m.cwasm"], folder.path());
        assert_eq!(output.status.code(), Some(1), "byte {at}: {}", stderr(&output));
        assert!(
            stderr(&output).starts_with("error: cannot run m.cwasm: "),
            "byte {at}: {}",
            stderr(&output)
        );
    }
    for length in [0, 1, 7, 8, 9, 40, good.len() - 1] {
        std::fs::write(&path, &good[..length]).unwrap();
        let output = sterna(&["run", "--invoke", "main", "m.cwasm"], folder.path());
        assert_eq!(output.status.code(), Some(1), "length {length}: {}", stderr(&output));
    }
}

#[test]
fn a_failed_compilation_leaves_the_old_artifact() {
    let folder = compiled();
    let before = std::fs::read(folder.path().join("m.cwasm")).unwrap();
    std::fs::write(folder.path().join("m.wat"), "(module (func (result i32)))").unwrap();
    assert_eq!(sterna(&["compile", "m.wat"], folder.path()).status.code(), Some(1));
    assert_eq!(std::fs::read(folder.path().join("m.cwasm")).unwrap(), before);
    let names: Vec<_> =
        std::fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names.len(), 2, "{names:?}");
}

#[test]
fn a_killed_compilation_leaves_nothing_half_written() {
    let folder = tempfile::tempdir().unwrap();
    let function = "(func (param i32) (result i32) (i32.add (local.get 0) (i32.mul (local.get 0) (i32.const 3))))";
    std::fs::write(folder.path().join("m.wat"), format!("(module {})", function.repeat(20_000)))
        .unwrap();
    for milliseconds in [1, 20, 100, 300] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_sterna"))
            .args(["compile", "m.wat"])
            .current_dir(folder.path())
            .spawn()
            .unwrap();
        std::thread::sleep(std::time::Duration::from_millis(milliseconds));
        let _ = child.kill();
        child.wait().unwrap();
        if folder.path().join("m.cwasm").exists() {
            let output = sterna(&["run", "m.cwasm"], folder.path());
            assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        }
    }
}

#[test]
fn a_full_disk_and_a_missing_folder_are_one_sentence() {
    let folder = folder();
    for (output, reason) in [
        ("/dev/full", "no space left on the device"),
        ("missing/m.cwasm", "no such file or directory"),
    ] {
        let failed = sterna(&["compile", "m.wat", "-o", output], folder.path());
        assert_eq!(failed.status.code(), Some(1));
        assert_eq!(stderr(&failed), format!("error: cannot write {output}: {reason}\n"));
    }
}

#[test]
fn only_interruptible_code_runs_under_a_timeout() {
    let folder = compiled();
    let run = || sterna(&["run", "--timeout", "10s", "--invoke", "main", "m.cwasm"], folder.path());
    let refused = run();
    assert_eq!(refused.status.code(), Some(1));
    assert!(stderr(&refused).contains("sterna compile --interruptible"), "{}", stderr(&refused));
    let output = sterna(&["compile", "--interruptible", "m.wat"], folder.path());
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(run().stdout, b"42\n");
}
