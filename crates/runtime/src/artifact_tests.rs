//! Owns the tests of the artifact format: every kind of damage is refused, with the right reason.
//! Does not test loading what is in it; `sterna`'s tests do, with real compilers.
#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

use super::*;

const CODE: CodeSettings = CodeSettings {
    explicit_checks: false,
    guard_bytes: 32 << 20,
    deterministic: false,
    capture_state: true,
    interruptible: true,
};

fn options() -> Options {
    let facts = BodyFacts { has_tail_calls: true, has_handlers: false, writes_tables: true };
    Options { code: CODE, features: FeatureSet::DEFAULT.bits(), facts }
}

fn small() -> Vec<u8> {
    let contents = Contents {
        wasm: b"\0asm",
        tables: b"tables",
        adapter_code: b"adapters",
        adapter_tables: &[7; 100],
        relocs: b"calls",
        profile: b"seen",
        code: &[0xcc; 50],
    };
    write("this machine", options(), contents)
}

#[test]
fn what_is_written_is_read() {
    let file = small();
    assert!(is_artifact(&file) && is_artifact(&file[..8]) && !is_artifact(b"\0asm\x01\0\0\0"));
    let read = Artifact::read(&file, "this machine").unwrap();
    assert_eq!(read.options, options());
    let section = |section| &file[read.range(section)];
    assert_eq!(section(Section::Wasm), b"\0asm");
    assert_eq!(section(Section::Tables), b"tables");
    assert_eq!(section(Section::AdapterCode), b"adapters");
    assert_eq!(section(Section::AdapterTables), [7; 100]);
    assert_eq!(section(Section::Relocs), b"calls");
    assert_eq!(section(Section::Profile), b"seen");
    assert_eq!(section(Section::Code), [0xcc; 50]);
    assert!(read.range(Section::Code).start.is_multiple_of(CODE_ALIGN));
    assert_eq!(small(), file, "equal input gives equal bytes");
    assert!(Artifact::read(&write("x", options(), Contents::default()), "x").is_ok());
}

#[test]
fn every_change_of_a_byte_is_refused() {
    let file = small();
    for at in 0..file.len() {
        // Every bit, and all of them.
        for change in (0..8).map(|bit| 1 << bit).chain([0xff]) {
            let mut damaged = file.clone();
            damaged[at] ^= change;
            let error = Artifact::read(&damaged, "this machine").unwrap_err();
            let expected = match at {
                0..8 => matches!(error, ArtifactError::NotAnArtifact),
                8..12 => matches!(error, ArtifactError::WrongVersion { expected: VERSION, .. }),
                _ => matches!(error, ArtifactError::Corrupted(_)),
            };
            assert!(expected, "byte {at} ^ {change}: {error:?}");
        }
    }
}

#[test]
fn every_truncation_and_extension_is_refused() {
    let file = small();
    for len in 0..file.len() {
        let error = Artifact::read(&file[..len], "this machine").unwrap_err();
        let expected = match len {
            0..8 => matches!(error, ArtifactError::NotAnArtifact),
            _ => matches!(error, ArtifactError::Corrupted("it is cut off")),
        };
        assert!(expected, "{len} bytes: {error:?}");
    }
    let longer = [&file[..], &[0]].concat();
    assert!(matches!(Artifact::read(&longer, "this machine"), Err(ArtifactError::Corrupted(_))));
}

#[test]
fn lengths_that_overflow_are_refused() {
    for at in 0..SECTIONS {
        for len in [u64::MAX, 1 << 63, 1 << 32] {
            let mut file = small();
            let at = UNCHECKED + at * 8;
            file[at..at + 8].copy_from_slice(&len.to_le_bytes());
            let checksum = XxHash3_64::oneshot(&file[UNCHECKED..]);
            file[UNCHECKED - 8..UNCHECKED].copy_from_slice(&checksum.to_le_bytes());
            let error = Artifact::read(&file, "this machine").unwrap_err();
            assert!(matches!(error, ArtifactError::Corrupted("it is cut off")), "{error:?}");
        }
    }
}

#[test]
fn another_machine_is_named() {
    let error = Artifact::read(&small(), "that machine").unwrap_err();
    let ArtifactError::WrongFingerprint { found, expected } = &error else { panic!("{error:?}") };
    assert_eq!((&**found, &**expected), ("this machine", "that machine"));
    for text in [&b"(module)"[..], b"\0asm\x01\0\0\0", b"\x7fELF\x02\x01\x01\0\0\0\0\0"] {
        let error = Artifact::read(text, "this machine").unwrap_err();
        assert!(matches!(error, ArtifactError::NotAnArtifact));
    }
}

#[test]
fn every_setting_counts() {
    let own = options();
    let check = |code: CodeSettings| own.check(&code, &FeatureSet::DEFAULT);
    assert!(check(CODE).is_ok());
    for other in [
        CodeSettings { explicit_checks: true, ..CODE },
        CodeSettings { guard_bytes: 0, ..CODE },
        CodeSettings { deterministic: true, ..CODE },
        CodeSettings { capture_state: false, ..CODE },
    ] {
        assert!(matches!(check(other), Err(ArtifactError::WrongSettings(_))));
        // Both directions, through the stored form.
        let stored = Options { code: other, ..own };
        let stored = Options::from_bytes(&stored.to_bytes()).unwrap();
        assert!(stored.check(&CODE, &FeatureSet::DEFAULT).is_err());
        assert!(stored.check(&other, &FeatureSet::DEFAULT).is_ok());
    }
    let uninterruptible = CodeSettings { interruptible: false, ..CODE };
    assert!(check(uninterruptible).is_ok(), "nobody has to interrupt what can be interrupted");
    let stored = Options { code: uninterruptible, ..own };
    assert!(stored.check(&CODE, &FeatureSet::DEFAULT).is_err());
    assert!(own.check(&CODE, &FeatureSet::ALL).is_ok(), "more features do no harm");
    assert!(own.check(&CODE, &FeatureSet::WASM1).is_err());
}
