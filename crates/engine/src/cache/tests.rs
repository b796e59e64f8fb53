//! Owns the tests of `CodeCache`: what is used again, what is refused, what is removed, and that none of it fails a run.
//! Does not test every byte of an entry: the runtime's tests do.

use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, SystemTime};

use super::*;
use crate::{Config, Instance, Store};

/// A function that is hot after its first call, and one that is never called.
const MODULE: &str = r#"(module
    (func $square (param i32) (result i32) (i32.mul (local.get 0) (local.get 0)))
    (func (export "sum") (param $n i32) (result i32) (local $sum i32)
        (loop $next
            (local.set $sum (i32.add (local.get $sum) (call $square (local.get $n))))
            (br_if $next (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
        (local.get $sum))
    (func (export "cold") (result i32) i32.const 7))"#;

fn binary() -> Vec<u8> {
    wat(MODULE)
}

fn wat(text: &str) -> Vec<u8> {
    crate::text::assemble(text.as_bytes()).unwrap()
}

fn engine() -> Engine {
    Engine::new(Config::new().hot_budget(10)).unwrap()
}

/// One run: whether it found an entry, how many functions came from it, what it wrote, and its problem.
fn run(cache: &CodeCache, binary: &[u8]) -> (bool, usize, Option<u64>, Option<String>) {
    let engine = engine();
    let (module, mut entry) = cache.load(&engine, binary.to_vec()).unwrap();
    let functions = module.loaded.cached_functions();
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    let sum = instance.get_typed_func::<i32, i32>(&mut store, "sum").unwrap();
    for _ in 0..3 {
        assert_eq!(sum.call(&mut store, 100).unwrap(), 338_350);
        store.settle_tiers();
    }
    let saved = entry.save(&module);
    (entry.found(), functions, saved, entry.problem().map(str::to_owned))
}

fn cache() -> (tempfile::TempDir, CodeCache) {
    let parent = tempfile::tempdir().unwrap();
    let cache = CodeCache::new(parent.path().join("cache"));
    (parent, cache)
}

/// The one entry.
fn entry(cache: &CodeCache) -> PathBuf {
    let mut files = std::fs::read_dir(cache.folder()).unwrap();
    let path = files.next().unwrap().unwrap().path();
    assert!(files.next().is_none());
    path
}

#[test]
fn the_second_run_starts_with_the_code_of_the_first() {
    let (_parent, cache) = cache();
    assert_eq!(cache.usage().unwrap(), CacheUsage::default());
    let (found, functions, saved, problem) = run(&cache, &binary());
    assert_eq!((found, functions, problem), (false, 0, None));
    assert_eq!(cache.usage().unwrap(), CacheUsage { entries: 1, bytes: saved.unwrap() });
    let (found, functions, saved, problem) = run(&cache, &binary());
    assert_eq!((found, functions, saved, problem), (true, 2, None, None));
}

#[test]
fn modules_and_settings_have_entries_of_their_own() {
    let (_parent, cache) = cache();
    run(&cache, &binary());
    let other = wat(&MODULE.replace("i32.const 7", "i32.const 8"));
    assert!(!run(&cache, &other).0);
    assert_eq!(cache.usage().unwrap().entries, 2);
    let engine = Engine::new(Config::new().deterministic(true)).unwrap();
    assert!(!cache.load(&engine, binary()).unwrap().1.found());
    let engine = Engine::new(Config::new().disable_pass("dead").unwrap()).unwrap();
    assert!(!cache.load(&engine, binary()).unwrap().1.found());
    for tier in [crate::Tier::Interp, crate::Tier::Opt] {
        let engine = Engine::new(Config::new().tier(tier)).unwrap();
        let (module, mut entry) = cache.load(&engine, binary()).unwrap();
        assert!(!entry.found() && entry.save(&module).is_none());
    }
    assert!(cache.load(&super::tests::engine(), binary()).unwrap().1.found());
}

/// Two modules of one name: whoever could make them must not get code of one run for the other.
#[test]
fn an_entry_is_not_used_for_a_module_that_only_looks_alike() {
    let (_parent, cache) = cache();
    run(&cache, &binary());
    let path = entry(&cache);
    let other = wat(&MODULE.replace("i32.const 7", "i32.const 8"));
    let mut of_other = CacheEntry::new(&cache, &engine());
    of_other.name = of_other.name_of(&other);
    std::fs::rename(path, cache.folder().join(&of_other.name)).unwrap();
    let (found, functions, saved, problem) = run(&cache, &other);
    assert_eq!((found, functions, problem), (false, 0, None));
    assert!(saved.is_some(), "and it is replaced");
    assert!(run(&cache, &other).0);
}

/// Puts another file in the place of one.
fn replace(path: &Path, bytes: &[u8], mode: u32) {
    std::fs::remove_file(path).unwrap();
    std::fs::write(path, bytes).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn what_a_guest_could_have_made_is_not_used() {
    let (_parent, cache) = cache();
    run(&cache, &binary());
    let path = entry(&cache);
    let good = std::fs::read(&path).unwrap();
    for mode in [0o644, 0o600] {
        replace(&path, &good, mode);
        let (found, _, saved, problem) = run(&cache, &binary());
        assert!(!found && problem.unwrap().contains("no guest"), "{mode:o}");
        assert!(saved.is_some() && run(&cache, &binary()).0, "replaced by one of ours");
    }
    replace(&path, &good, 0o500);
    assert!(run(&cache, &binary()).0);
}

#[test]
fn damaged_entries_are_refused_and_replaced() {
    let (_parent, cache) = cache();
    run(&cache, &binary());
    let path = entry(&cache);
    let good = std::fs::read(&path).unwrap();
    let mut damaged: Vec<Vec<u8>> = [0, 9, 40, good.len() / 4, good.len() / 2, good.len() - 1]
        .map(|len| good[..len].to_vec())
        .into();
    for at in [0, 8, 13, 22, 90, 300, good.len() / 2, good.len() - 1] {
        let mut bytes = good.clone();
        bytes[at] ^= 4;
        damaged.push(bytes);
    }
    damaged.push(vec![0; good.len()]);
    for bytes in damaged {
        replace(&path, &bytes, 0o500);
        let (found, _, saved, problem) = run(&cache, &binary());
        assert!(!found && problem.unwrap().contains("the entry is not used"));
        // Its size depends on what became hot first.
        assert!(saved.is_some());
        assert!(run(&cache, &binary()).0);
    }
}

#[test]
fn entries_and_folders_that_others_can_write_are_not_used() {
    let (_parent, cache) = cache();
    run(&cache, &binary());
    let path = entry(&cache);
    let set = |path: &Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    set(&path, 0o666);
    let (found, _, _, problem) = run(&cache, &binary());
    assert!(!found && problem.unwrap().contains("other users may write"));
    // It was replaced by one of ours.
    assert!(run(&cache, &binary()).0);
    set(cache.folder(), 0o777);
    let (found, _, saved, problem) = run(&cache, &binary());
    assert!(!found && saved.is_none() && problem.unwrap().contains("other users may write"));
    assert!(cache.usage().is_err() && cache.clear().is_err());
}

#[test]
fn a_folder_that_cannot_be_made_or_written_fails_nothing() {
    let parent = tempfile::tempdir().unwrap();
    std::fs::write(parent.path().join("file"), "").unwrap();
    for folder in ["/proc/nothing/here", "/dev/null", "file/below", "file"] {
        let cache = CodeCache::new(parent.path().join(folder));
        let (found, _, saved, problem) = run(&cache, &binary());
        assert!(!found && saved.is_none() && problem.is_some(), "{folder}");
    }
}

#[test]
fn the_least_recently_used_make_room() {
    let (_parent, cache) = cache();
    let numbered =
        |number: u32| wat(&MODULE.replace("i32.const 7", &format!("i32.const {number}")));
    let size = run(&cache, &numbered(0)).2.unwrap();
    let age = |path: &Path, hours: u64| {
        let time = SystemTime::now() - Duration::from_secs(hours * 3600);
        std::fs::File::open(path).unwrap().set_modified(time).unwrap();
    };
    let first = entry(&cache);
    age(&first, 10);
    run(&cache, &numbered(1));
    for path in std::fs::read_dir(cache.folder()).unwrap().map(|file| file.unwrap().path()) {
        age(&path, if path == first { 10 } else { 20 });
    }
    // Used: younger than the other one from now on.
    assert!(run(&cache, &numbered(0)).0);
    let cache = cache.limit(size * 5 / 2);
    run(&cache, &numbered(2));
    assert_eq!(cache.usage().unwrap().entries, 1, "down to three quarters of the limit");
    assert!(!run(&cache.clone().limit(u64::MAX), &numbered(1)).0);
    // An entry that would be most of the cache is not written at all.
    assert_eq!(run(&cache.clone().limit(size), &numbered(3)).2, None);
    let left = cache.usage().unwrap();
    assert_eq!(cache.prune(left.bytes).unwrap(), CacheUsage::default());
    assert_eq!(cache.clear().unwrap(), left);
    assert_eq!(cache.usage().unwrap().entries, 0);
}

#[test]
fn many_at_once_do_not_disturb_each_other() {
    let (_parent, cache) = cache();
    std::thread::scope(|scope| {
        for number in 0..6 {
            let cache = cache.clone().limit(if number == 5 { 12 << 10 } else { 1 << 20 });
            scope.spawn(move || {
                for round in 0..8 {
                    let module = MODULE.replace("i32.const 7", &format!("i32.const {}", round % 3));
                    let (_, _, _, problem) = run(&cache, &wat(&module));
                    assert_eq!(problem, None);
                    if number == 4 {
                        cache.clear().unwrap();
                    }
                }
            });
        }
    });
    for file in std::fs::read_dir(cache.folder()).unwrap() {
        assert!(file.unwrap().file_name().to_string_lossy().ends_with(SUFFIX));
    }
}
