//! Owns the tests of what shows a program from outside: `--stats`, `--perf-map`, `sterna profile`, source lines of traps.
//! Does not test the numbers.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::process::{Command, Output, Stdio};

const MODULE: &str = r#"(module
    (func $square (param i32) (result i32)
        (if (i32.eqz (local.get 0)) (then unreachable))
        (i32.mul (local.get 0) (local.get 0)))
    (func $sum (export "sum") (param $n i32) (result i32) (local $sum i32)
        (loop $next
            (local.set $sum (i32.add (local.get $sum) (call $square (local.get $n))))
            (br_if $next (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
        (local.get $sum)))"#;

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("m.wat"), MODULE).unwrap();
    folder
}

fn command(folder: &Path, arguments: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sterna"));
    command.args(arguments.split_whitespace()).current_dir(folder).env_clear().env("NO_COLOR", "1");
    command
}

fn sterna(folder: &Path, arguments: &str) -> Output {
    command(folder, arguments).output().unwrap()
}

#[test]
fn statistics_as_text_and_as_json() {
    let folder = folder();
    let text = sterna(folder.path(), "run --stats --invoke sum m.wat 8000000");
    let said = String::from_utf8(text.stderr).unwrap();
    let heads = [
        "first instruction ",
        "interpreter ",
        "baseline ",
        "optimizing ",
        "from the cache ",
        "changed at a loop ",
    ];
    assert_eq!(said.lines().count(), heads.len(), "{said}");
    assert!(said.lines().zip(heads).all(|(line, head)| line.starts_with(head)), "{said}");
    let json = sterna(folder.path(), "run --stats=json --invoke sum m.wat 8000000");
    let value: serde_json::Value = serde_json::from_slice(&json.stderr).unwrap();
    let number = |path: &str| value.pointer(path).and_then(serde_json::Value::as_f64).unwrap();
    assert!(number("/seconds_to_loaded") <= number("/seconds_to_first_instruction"));
    assert!(number("/seconds_to_first_instruction") < number("/seconds_to_end"));
    assert!(number("/interpreter/functions") >= 1.0);
    assert!(number("/optimizing/functions") + number("/baseline/functions") >= 1.0);
    assert_eq!((text.stdout, text.status.code()), (json.stdout, json.status.code()));
    // When it traps, too.
    std::fs::write(folder.path().join("t.wat"), "(module (func (export \"_start\") unreachable))")
        .unwrap();
    let trapped = sterna(folder.path(), "run --stats=json t.wat");
    assert_eq!(trapped.status.code(), Some(134));
    assert!(String::from_utf8(trapped.stderr).unwrap().contains("\"seconds_to_end\""));
}

#[test]
fn all_code_is_listed_for_perf() {
    let folder = folder();
    let run = command(folder.path(), "run --perf-map --tier opt --invoke sum m.wat 8000000")
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let path = format!("/tmp/perf-{}.map", run.id());
    assert!(run.wait_with_output().unwrap().status.success());
    let map = std::fs::read_to_string(&path).unwrap();
    std::fs::remove_file(path).unwrap();
    let mut names = Vec::new();
    for line in map.lines() {
        let mut words = line.splitn(3, ' ');
        let numbers = [words.next(), words.next()]
            .map(|word| u64::from_str_radix(word.unwrap(), 16).unwrap());
        assert!(numbers[0] > 0 && numbers[1] > 0, "{line}");
        names.push(words.next().unwrap());
    }
    assert!(names.contains(&"wasm sum [opt]") && names.contains(&"wasm square [opt]"), "{names:?}");
    assert!(names.iter().any(|name| name.contains("StackToReg")), "{names:?}");
}

#[test]
fn code_is_dumped_for_perf() {
    let folder = folder();
    let run = command(folder.path(), "run --jitdump --tier opt --invoke sum m.wat 8000000")
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let path = folder.path().join(format!("jit-{}.dump", run.id()));
    assert!(run.wait_with_output().unwrap().status.success());
    let dump = std::fs::read(path).unwrap();
    let word = |at: usize| u32::from_ne_bytes(dump[at..at + 4].try_into().unwrap());
    let number = |at: usize| u64::from_ne_bytes(dump[at..at + 8].try_into().unwrap());
    // "JiTD", version 1, and the header's length; then records with their lengths.
    assert_eq!((word(0), word(4), word(8)), (0x4a69_5444, 1, 40));
    let (mut at, mut names, mut time) = (40, Vec::new(), number(24));
    while at < dump.len() {
        let (kind, len, written, size) = (word(at), word(at + 4), number(at + 8), number(at + 40));
        assert!(kind == 0 && written >= time && number(at + 48) == names.len() as u64);
        let end = at + len as usize;
        let (name, code) = dump[at + 56..end].split_at(len as usize - 56 - size as usize);
        names.push(std::str::from_utf8(name.strip_suffix(b"\0").unwrap()).unwrap());
        assert!(!code.is_empty() && code.iter().any(|&byte| byte != 0));
        (at, time) = (end, written);
    }
    assert!(names.contains(&"wasm sum [opt]") && names.contains(&"wasm square [opt]"), "{names:?}");
}

#[test]
fn a_profile_is_a_picture_a_file_and_a_table() {
    let folder = folder();
    for (tier, rounds, column) in [
        ("interp", 8_000_000, "100%       0%      0%"),
        ("baseline", 80_000_000, "0%     100%      0%"),
        ("opt", 200_000_000, "0%       0%    100%"),
    ] {
        let output = sterna(
            folder.path(),
            &format!("profile --rate 2000 --tier {tier} --invoke sum m.wat {rounds}"),
        );
        let table = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{table}");
        let run = sterna(folder.path(), &format!("run --tier opt --invoke sum m.wat {rounds}"));
        assert_eq!(output.stdout, run.stdout);
        assert!(
            table.contains("samples in ")
                && table.ends_with("written: m.profile.svg, m.profile.json\n"),
            "{table}"
        );
        let sum = table.lines().find(|line| line.ends_with("  sum")).unwrap();
        assert!(sum.contains(column), "{table}");
        let svg = std::fs::read_to_string(folder.path().join("m.profile.svg")).unwrap();
        assert!(svg.starts_with("<svg ") && svg.contains("<title>sum: "), "{svg}");
        let json = std::fs::read(folder.path().join("m.profile.json")).unwrap();
        let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
        assert!(!json.pointer("/threads/0/samples/stack").unwrap().as_array().unwrap().is_empty());
    }
    let named = sterna(folder.path(), "profile -o a.b --invoke sum m.wat 8000000");
    assert!(named.status.success() && folder.path().join("a.b.svg").exists());
    let trapped = sterna(folder.path(), "profile --invoke nothing m.wat");
    assert_eq!(trapped.status.code(), Some(1));
}

/// Debug information of a large module is not read before there is a trap.
#[test]
fn traps_of_large_modules_have_source_lines() {
    let folder = tempfile::tempdir().unwrap();
    let small = concat!(env!("CARGO_MANIFEST_DIR"), "/../engine/tests/data/divide.wasm");
    let mut bytes = std::fs::read(small).unwrap();
    // A custom section of 5 MiB: its size, the length of its name, and the name.
    let size: u32 = 5 << 20;
    bytes.push(0);
    bytes.extend(
        [0, 7, 14, 21]
            .map(|shift| (size >> shift) as u8 & 0x7f | if shift < 21 { 0x80 } else { 0 }),
    );
    let end = bytes.len() + size as usize;
    bytes.extend(b"\x03pad");
    bytes.resize(end, 0);
    std::fs::write(folder.path().join("large.wasm"), bytes).unwrap();
    let output = sterna(folder.path(), "run --no-cache --invoke run large.wasm 9 0");
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(134), "{text}");
    assert!(text.contains("divide.c:4:14"), "{text}");
}
