//! Owns tests of loading modules.
//! Does not own decoding.

use std::io::Read;
use std::sync::atomic::{AtomicUsize, Ordering};

use sterna::{
    ArtifactError, Config, Engine, ExternType, Feature, FuncType, Instance, Linker, Memory,
    MemoryType, Module, ModuleError, Store, TextError, Tier, ValType,
};

use crate::each_tier;

const ADD: &str = r#"(module $adder
    (import "env" "mem" (memory 1 2))
    (import "env" "log" (func (param i32)))
    (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))
    (export "mem" (memory 0)))"#;

#[test]
fn modules_describe_themselves() {
    let engine = Engine::default();
    let module = Module::new(&engine, ADD).unwrap();
    assert_eq!(module.name(), Some("adder"));
    let imports: Vec<_> = module.imports().collect();
    assert_eq!((imports[0].module(), imports[0].name()), ("env", "mem"));
    let ExternType::Memory(memory) = imports[0].ty() else { panic!("a memory") };
    assert_eq!((memory.minimum(), memory.maximum()), (1, Some(2)));
    assert_eq!(imports[1].ty().func(), Some(&FuncType::new([ValType::I32], [])));
    let exports: Vec<_> = module.exports().map(|export| export.name()).collect();
    assert_eq!(exports, ["add", "mem"]);
    assert_eq!(module.get_export("add").unwrap().kind(), "function");
    assert!(module.get_export("sub").is_none());
    // The binary is as good as the text.
    let again = Module::new(&engine, module.bytes()).unwrap();
    assert_eq!(again.bytes(), module.bytes());
    assert!(!Module::same(&again, &module));
    assert!(Module::same(&module.clone(), &module));
}

#[test]
fn modules_are_loaded_while_they_arrive() {
    each_tier(|engine| {
        let binary = Module::new(engine, ADD).unwrap().bytes().to_vec();
        for module in [
            Module::from_reader(engine, binary.as_slice().take(30).chain(&binary[30..])).unwrap(),
            Module::from_reader(engine, ADD.as_bytes()).unwrap(),
        ] {
            assert_eq!(module.bytes(), binary);
            let mut store = Store::new(engine, ());
            let mut linker = Linker::new(engine);
            let memory = Memory::new(&mut store, MemoryType::new(1, Some(1))).unwrap();
            linker.define(&store, "env", "mem", memory).unwrap();
            linker.func_wrap("env", "log", |_: i32| {}).unwrap();
            let instance = linker.instantiate(&mut store, &module).unwrap();
            let add = instance.get_typed_func::<(i32, i32), i32>(&mut store, "add").unwrap();
            assert_eq!(add.call(&mut store, (2, 3)).unwrap(), 5);
        }
    });
    let engine = Engine::default();
    for bytes in [&b""[..], b"\0as", b"\0asm", b"\0asm\x01\0\0\0\x01\x05"] {
        let [read, new] = [Module::from_reader(&engine, bytes), Module::new(&engine, bytes)];
        assert_eq!(read.unwrap_err().to_string(), new.unwrap_err().to_string());
    }
    let error = Module::from_reader(&engine, Broken).unwrap_err();
    assert!(error.to_string().contains("the line is dead"), "{error}");
}

struct Broken;

impl Read for Broken {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        match buffer {
            [_, _, _, _, _, ..] => Err(std::io::Error::other("the line is dead")),
            _ => b"\0asm".as_slice().read(buffer),
        }
    }
}

#[test]
fn bad_modules_say_where() {
    let engine = Engine::default();
    let text = |text: &str| {
        let error = Module::new(&engine, text).unwrap_err();
        error.downcast::<TextError>().unwrap_or_else(|error| panic!("{error}"))
    };
    let error = text("(module\n  (func (resul i32)))");
    assert_eq!((error.line(), error.column()), (2, 10));
    assert_eq!(error.excerpt(), "  (func (resul i32)))");
    assert!(error.to_string().ends_with("(at line 2, column 10)"), "{error}");
    text("(module (func (local.get $x)))");
    text("hello");

    let binary = |bytes: &[u8]| {
        let error = Module::new(&engine, bytes).unwrap_err();
        error.downcast::<ModuleError>().unwrap_or_else(|error| panic!("{error}"))
    };
    binary(b"");
    binary(b"\0asm");
    assert_eq!(binary(b"\0asm\x01\0\0\0\x01\x05").offset, 10);
    binary(&[0xff; 20]);
    let invalid = Module::new(&engine, "(module (func (result i32) (i64.const 0)))").unwrap_err();
    assert!(invalid.is::<ModuleError>());
    assert_eq!(Module::validate(&engine, ADD).map_err(|error| error.to_string()), Ok(()));
    assert!(Module::validate(&engine, "(module (func (drop)))").is_err());
    assert!(Module::validate(&engine, b"\0asm\x02\0\0\0").is_err());
    let no_simd = Engine::new(Config::new().feature(Feature::Simd, false)).unwrap();
    let vector = "(module (func (param v128)))";
    assert!(Module::validate(&engine, vector).is_ok());
    assert!(Module::validate(&no_simd, vector).is_err());
}

#[test]
fn files_are_loaded() {
    let engine = Engine::default();
    let dir = tempfile::tempdir().unwrap();
    let (text, binary) = (dir.path().join("add.wat"), dir.path().join("add.wasm"));
    std::fs::write(&text, ADD).unwrap();
    let module = Module::from_file(&engine, &text).unwrap();
    std::fs::write(&binary, module.bytes()).unwrap();
    assert_eq!(Module::from_file(&engine, &binary).unwrap().bytes(), module.bytes());
    let missing = dir.path().join("missing.wasm");
    let error = Module::from_file(&engine, &missing).unwrap_err();
    assert_eq!(error.to_string(), format!("cannot load `{}`", missing.display()));
    assert!(error.is::<std::io::Error>());
}

#[test]
fn progress_is_reported() {
    let engine = Engine::new(Config::new().tier(Tier::Opt)).unwrap();
    let text = format!("(module {})", "(func (nop))".repeat(50));
    let (calls, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
    Module::new_with_progress(&engine, text, &|done, total| {
        calls.fetch_add(1, Ordering::Relaxed);
        most.fetch_max(done, Ordering::Relaxed);
        assert_eq!(total, 50);
    })
    .unwrap();
    assert_eq!((calls.into_inner(), most.into_inner()), (50, 50));
}

#[test]
fn compiled_modules_are_saved_and_loaded() {
    let text = r#"(module
        (import "host" "add" (func $add (param i32 i32) (result i32)))
        (func (export "run") (param i32) (result i32) (call $add (local.get 0) (i32.const 1))))"#;
    let run = |engine: &Engine, module: &Module| {
        let mut linker = Linker::<()>::new(engine);
        linker.func_wrap("host", "add", |a: i32, b: i32| a + b).unwrap();
        let mut store = Store::new(engine, ());
        let instance = linker.instantiate(&mut store, module).unwrap();
        let run = instance.get_typed_func::<i32, i32>(&mut store, "run").unwrap();
        assert_eq!(run.call(&mut store, 41).unwrap(), 42);
    };
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("run.cwasm");
    for tier in [Tier::Opt, Tier::Auto] {
        let engine = Engine::new(Config::new().tier(tier)).unwrap();
        let bytes = Module::new(&engine, text).unwrap().serialize().unwrap();
        assert!(Module::is_serialized(&bytes));
        std::fs::write(&path, &bytes).unwrap();
        let other = Engine::new(Config::new().tier(tier)).unwrap();
        // SAFETY: made just above, and changed by nobody.
        run(&other, &unsafe { Module::deserialize(&other, &bytes) }.unwrap());
        // SAFETY: as above.
        run(&other, &unsafe { Module::deserialize_file(&other, &path) }.unwrap());

        let mut damaged = bytes.clone();
        *damaged.last_mut().unwrap() ^= 1;
        // SAFETY: refused.
        let error = unsafe { Module::deserialize(&other, &damaged) }.unwrap_err();
        assert!(matches!(error.downcast_ref(), Some(ArtifactError::Corrupted(_))), "{error}");
        let changed = Engine::new(Config::new().tier(tier).deterministic(true)).unwrap();
        // SAFETY: refused.
        let error = unsafe { Module::deserialize(&changed, &bytes) }.unwrap_err();
        assert!(matches!(error.downcast_ref(), Some(ArtifactError::WrongSettings(_))), "{error}");
        // SAFETY: refused.
        let error = unsafe { Module::deserialize(&other, ADD) }.unwrap_err();
        assert!(matches!(error.downcast_ref(), Some(ArtifactError::NotAnArtifact)), "{error}");
    }
    let interp = Engine::new(Config::new().tier(Tier::Interp)).unwrap();
    let error = Module::new(&interp, text).unwrap().serialize().unwrap_err();
    assert!(matches!(error.downcast_ref(), Some(ArtifactError::NoCompiler)));
}

#[test]
fn modules_are_shared_by_threads() {
    fn shared<T: Send + Sync + Clone>() {}
    fn sent<T: Send + Sync>() {}
    shared::<Module>();
    shared::<Engine>();
    shared::<Linker<()>>();
    shared::<sterna::Func>();
    shared::<sterna::InterruptHandle>();
    sent::<Store<Vec<u8>>>();
    sent::<sterna::Error>();
    each_tier(|engine| {
        let module =
            Module::new(engine, r#"(module (func (export "f") (result i32) (i32.const 3)))"#);
        let module = module.unwrap();
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    for _ in 0..20 {
                        let mut store = Store::new(engine, ());
                        let instance =
                            Linker::new(engine).instantiate(&mut store, &module).unwrap();
                        let f = instance.get_typed_func::<(), i32>(&mut store, "f").unwrap();
                        assert_eq!(f.call(&mut store, ()).unwrap(), 3);
                    }
                });
            }
        });
    });
}

/// Of instances that have gone, later ones of the same module take over memory: see to it that it is as new, the part of a page of the system
/// behind the memory's end included.
#[test]
fn memories_with_small_pages_are_as_new_for_every_instance() {
    each_tier(|engine| {
        for data in ["", r#"(data (i32.const 1990) "0123456789")"#] {
            let module = format!(
                r#"(module
                    (memory (export "m") 2000 9000 (pagesize 1))
                    {data}
                    (func (export "grow") (param i32) (result i32)
                        (drop (memory.grow (local.get 0)))
                        (memory.fill (i32.const 1990) (i32.const 7) (i32.const 11))
                        (i32.load8_u (i32.const 2000))))"#
            );
            let module = Module::new(engine, module).unwrap();
            for by in [1, 5000, 2, 7000, 3] {
                let mut store = Store::new(engine, ());
                let instance = Instance::new(&mut store, &module, &[]).unwrap();
                let memory = instance.get_memory(&mut store, "m").unwrap();
                let end = if data.is_empty() { [0; 10] } else { *b"0123456789" };
                assert_eq!(memory.data(&store)[1990..], end);
                assert_eq!(memory.grow(&mut store, 1).unwrap(), 2000);
                assert_eq!(memory.data(&store)[2000], 0);
                let grow = instance.get_typed_func::<i32, i32>(&mut store, "grow").unwrap();
                assert_eq!(grow.call(&mut store, by - 1).unwrap(), 7);
            }
        }
    });
}
