//! Owns the attempts to leave a preopened directory; all must fail with the right error.
//! Does not test what is allowed inside.
#![allow(clippy::unwrap_used, reason = "a failing test may panic anywhere")]

mod guest;

use guest::*;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use sterna_wasi::{DirAccess, Errno, WasiCtx};

/// `outside/secret` beside the preopened `root`, with ways out that the host has left there.
fn tempting_root(dir: &Path) -> Guest {
    let root = dir.join("root");
    std::fs::create_dir_all(root.join("sub/deep")).unwrap();
    std::fs::create_dir(dir.join("outside")).unwrap();
    std::fs::write(dir.join("outside/secret"), "secret").unwrap();
    std::fs::write(root.join("file"), "inside").unwrap();
    symlink("/etc", root.join("absolute")).unwrap();
    symlink("/etc/passwd", root.join("absolute_file")).unwrap();
    symlink("../outside", root.join("relative")).unwrap();
    symlink("../outside/secret", root.join("relative_file")).unwrap();
    symlink("sub/../../outside", root.join("winding")).unwrap();
    symlink("..", root.join("parent")).unwrap();
    symlink("relative", root.join("chain")).unwrap();
    Guest::new(WasiCtx::builder().preopen_dir(&root, "/", DirAccess::ReadWrite).unwrap())
}

/// Paths that lead to something that exists, outside.
const WAYS_OUT: &[&str] = &[
    "..",
    "../outside/secret",
    "sub/../../outside/secret",
    "sub/deep/../../../outside/secret",
    "./././../outside/secret",
    "/etc/passwd",
    "/",
    "//etc/passwd",
    "absolute/passwd",
    "absolute_file",
    "relative/secret",
    "relative_file",
    "winding/secret",
    "parent/outside/secret",
    "parent",
    "chain/secret",
    "sub/../chain/secret",
];

#[test]
fn no_path_leads_out() {
    let dir = tempfile::tempdir().unwrap();
    let mut guest = tempting_root(dir.path());
    for path in WAYS_OUT {
        let outcomes = [
            ("open", guest.open(path, 0, READ).map(|_| ())),
            ("open to write", guest.open(path, 0, READ | WRITE).map(|_| ())),
            ("create", guest.open(path, OFLAGS_CREAT, READ | WRITE).map(|_| ())),
            ("truncate", guest.open(path, OFLAGS_TRUNC, WRITE).map(|_| ())),
            ("stat", guest.stat(path, FOLLOW).map(|_| ())),
            ("set_times", guest.set_times(path, FOLLOW)),
        ];
        for (what, outcome) in outcomes {
            assert_eq!(outcome, Err(Errno::Perm), "{what} {path}");
        }
    }
    assert_eq!(std::fs::read(dir.path().join("outside/secret")).unwrap(), b"secret");
}

#[test]
fn nothing_outside_is_changed() {
    let dir = tempfile::tempdir().unwrap();
    let mut guest = tempting_root(dir.path());
    for prefix in
        ["../outside", "relative", "winding", "chain", "parent/outside", "/etc", "absolute"]
    {
        let new = format!("{prefix}/new");
        let secret = format!("{prefix}/secret");
        let outcomes = [
            ("mkdir", guest.mkdir(&new)),
            ("create", guest.open(&new, OFLAGS_CREAT, WRITE).map(|_| ())),
            ("create new", guest.open(&new, OFLAGS_CREAT | OFLAGS_EXCL, WRITE).map(|_| ())),
            ("symlink", guest.symlink("file", &new)),
            ("link into", guest.link_between(DIR, "file", DIR, &new)),
            ("link from", guest.link_between(DIR, &secret, DIR, "stolen")),
            ("rename into", guest.rename("file", &new)),
            ("rename from", guest.rename(&secret, "stolen")),
            ("unlink", guest.unlink(&secret)),
            ("rmdir", guest.rmdir(&new)),
            ("readlink", guest.readlink(&secret, 10).map(|_| ())),
            ("stat", guest.stat(&secret, 0).map(|_| ())),
            ("set_times", guest.set_times(&secret, 0)),
        ];
        for (what, outcome) in outcomes {
            assert_eq!(outcome, Err(Errno::Perm), "{what} {prefix}");
        }
    }
    let outside: Vec<_> = std::fs::read_dir(dir.path().join("outside")).unwrap().collect();
    assert_eq!(outside.len(), 1);
    assert!(dir.path().join("root/file").exists());
}

#[test]
fn links_that_would_lead_out() {
    let dir = tempfile::tempdir().unwrap();
    let mut guest = tempting_root(dir.path());
    // An absolute target is refused, and one that the host made is not shown.
    assert_eq!(guest.symlink("/etc/passwd", "new"), Err(Errno::Perm));
    assert_eq!(guest.readlink("absolute", 100), Err(Errno::Perm));
    // A relative one can be made and read, but not followed out.
    guest.symlink("../outside/secret", "new").unwrap();
    assert_eq!(guest.readlink("new", 100).unwrap(), b"../outside/secret");
    assert_eq!(guest.open("new", 0, READ), Err(Errno::Perm));
    // Without following, a link is what is looked at.
    assert_eq!(guest.open_at(DIR, 0, b"relative_file", 0, READ, 0), Err(Errno::Loop));
    assert_eq!(guest.stat("relative_file", 0), Ok("../outside/secret".len() as u64));
    // Removing it removes the link.
    assert_eq!(guest.unlink("relative_file"), Ok(()));
    assert_eq!(std::fs::read(dir.path().join("outside/secret")).unwrap(), b"secret");
}

/// What the code cache relies on, as any program that marks what it has written by its mode.
#[test]
fn files_that_nobody_may_write_stay_and_none_are_made_executable() {
    let dir = tempfile::tempdir().unwrap();
    let mut guest = tempting_root(dir.path());
    let mode = |name: &str| {
        std::fs::metadata(dir.path().join("root").join(name)).unwrap().permissions().mode()
    };
    let file = dir.path().join("root/file");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o500)).unwrap();
    symlink("file", dir.path().join("root/link")).unwrap();
    for path in ["file", "link"] {
        for (oflags, rights) in [
            (0, WRITE),
            (0, READ | WRITE),
            (OFLAGS_TRUNC, WRITE),
            (OFLAGS_CREAT, WRITE),
            (OFLAGS_CREAT | OFLAGS_TRUNC, READ),
        ] {
            assert_eq!(guest.open(path, oflags, rights), Err(Errno::Acces), "{path} {oflags}");
        }
    }
    assert_eq!(std::fs::read(&file).unwrap(), b"inside");
    let fd = guest.open("file", 0, ALL & !WRITE).unwrap();
    assert!(guest.write(fd, b"x").is_err());
    guest.link_between(DIR, "file", DIR, "second").unwrap();
    assert_eq!(guest.open("second", 0, WRITE), Err(Errno::Acces));
    guest.rename("file", "third").unwrap();
    assert_eq!((guest.open("third", 0, WRITE), mode("third") & 0o777), (Err(Errno::Acces), 0o500));
    guest.open("new", OFLAGS_CREAT | OFLAGS_EXCL, READ | WRITE).unwrap();
    assert_eq!(mode("new") & 0o111, 0);
    guest.open("new", OFLAGS_TRUNC, WRITE).unwrap();
}

#[test]
fn a_subdirectory_confines_as_well() {
    let dir = tempfile::tempdir().unwrap();
    let mut guest = tempting_root(dir.path());
    let sub = guest.open("sub", OFLAGS_DIRECTORY, ALL & !READ & !WRITE).unwrap();
    assert_eq!(guest.open_at(sub, FOLLOW, b"../file", 0, READ, 0), Err(Errno::Perm));
    assert_eq!(guest.open_at(sub, FOLLOW, b"deep/..", 0, 0, 0).map(|_| ()), Ok(()));
    assert_eq!(guest.rename_between(DIR, "file", sub, "../moved"), Err(Errno::Perm));
}

#[test]
fn the_parent_in_a_listing_is_the_directory_itself() {
    let dir = tempfile::tempdir().unwrap();
    let mut guest = tempting_root(dir.path());
    let names: Vec<_> = guest.list(DIR, 4096).unwrap().into_iter().map(|entry| entry.0).collect();
    assert!(names.contains(&b"..".to_vec()));
    let inode = |guest: &Guest, name: &[u8]| {
        let mut at = DATA;
        loop {
            let (start, len) = (at as usize + 24, guest.u32_at(at + 16));
            if &guest.bytes[start..start + len as usize] == name {
                return guest.u64_at(at + 8);
            }
            at += 24 + len;
        }
    };
    let (own, parent) = (inode(&guest, b"."), inode(&guest, b".."));
    assert_eq!(own, parent);
}

/// Someone on the host exchanges a directory for a link to the outside, again and again.
#[test]
fn racing_renames() {
    let dir = tempfile::tempdir().unwrap();
    let mut guest = tempting_root(dir.path());
    let root = dir.path().join("root");
    std::fs::create_dir(root.join("honest")).unwrap();
    std::fs::write(root.join("honest/secret"), "public").unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let swapper = std::thread::spawn({
        let stop = stop.clone();
        move || {
            while !stop.load(Ordering::Relaxed) {
                for target in ["honest", "relative"] {
                    let _ = std::fs::remove_file(root.join("new_way"));
                    symlink(target, root.join("new_way")).unwrap();
                    std::fs::rename(root.join("new_way"), root.join("way")).unwrap();
                }
            }
        }
    });
    let mut reached = 0;
    let mut refused = 0;
    for round in 0..100_000 {
        match guest.open("way/secret", 0, READ) {
            Ok(fd) => {
                assert_eq!(guest.read(fd, 10).unwrap(), b"public");
                guest.close(fd).unwrap();
                reached += 1;
            }
            Err(errno) => {
                assert!(matches!(errno, Errno::Perm | Errno::Noent), "{errno}");
                refused += 1;
            }
        }
        if round >= 2000 && reached > 100 && refused > 100 {
            break;
        }
    }
    stop.store(true, Ordering::Relaxed);
    swapper.join().unwrap();
    assert!(reached > 0 && refused > 0, "the race did not take place: {reached} {refused}");
}
