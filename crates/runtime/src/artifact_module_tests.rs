//! Owns the tests of what loading does and does not do, with a compiler and an interpreter that only take notes.
//! Does not run guest code; `sterna`'s tests do.
#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

use std::sync::Mutex;
use std::sync::atomic::Ordering;

use sterna_abi::{
    CapturedFrame, CodeReloc, CodeSettings, CompileError, CompileRequest, Compiler, InterpFrame,
    InterpModule, InterpSettings, Interpreter, Recorder, RelocKind, Slot, TrapSite,
};
use sterna_base::FuncIndex;
use sterna_isa::{FeatureSet, FuncType};
use sterna_sys::activation::STUB_SIZE;

use super::*;
use crate::{Settings, TierPolicy};

/// What the compiler was asked for.
pub(crate) type Notes = Arc<Mutex<Vec<&'static str>>>;

struct FakeCompiler(Notes);

fn code(byte: u8, relocs: Vec<CodeReloc>) -> FunctionCode {
    let traps = vec![TrapSite { code: 4, wasm: 99, trap: TrapCode::Unreachable }];
    FunctionCode { bytes: vec![byte; 24], relocs, sites: Sites { traps, ..Sites::default() } }
}

impl Compiler for FakeCompiler {
    fn fingerprint(&self) -> String {
        "fake".into()
    }

    /// Every function calls its predecessor and its successor, and takes the address of the first one; number 2 is refused.
    fn compile(
        &self,
        request: &CompileRequest<'_>,
    ) -> std::result::Result<FunctionCode, CompileError> {
        let CompileRequest { module, func, .. } = *request;
        self.0.lock().unwrap().push("compile");
        let index = func.as_u32();
        if index == 2 {
            return Err(CompileError { func, reason: "number 2 is refused".into() });
        }
        let call = |offset, target| CodeReloc {
            offset,
            kind: RelocKind::PcRel32,
            target: FuncIndex::from_u32(target),
            addend: -4,
        };
        let first = module.num_imported_funcs() as u32;
        let last = module.num_funcs() as u32 - 1;
        let absolute = CodeReloc { offset: 16, kind: RelocKind::Abs64, ..call(0, first) };
        let absolute = CodeReloc { addend: 3, ..absolute };
        let mut relocs = vec![call(4, index.max(first + 1) - 1), call(8, last.min(index + 1))];
        // Without absolute addresses the code can be mapped.
        relocs.extend((module.num_funcs() > 4).then_some(absolute));
        Ok(code(index as u8, relocs))
    }

    fn stack_to_reg(&self, _: &FuncType) -> FunctionCode {
        self.0.lock().unwrap().push("stack_to_reg");
        code(0xa0, Vec::new())
    }

    fn reg_to_stack(&self, _: &FuncType, convention: Convention) -> FunctionCode {
        self.0.lock().unwrap().push("reg_to_stack");
        code(0xb0 + convention as u8, Vec::new())
    }

    fn tail_to_reg(&self, _: &FuncType) -> FunctionCode {
        self.0.lock().unwrap().push("tail_to_reg");
        code(0xb2, Vec::new())
    }

    fn bridge(&self, _: &Module, func: FuncIndex, _: Convention) -> FunctionCode {
        self.0.lock().unwrap().push("bridge");
        let kind = RelocKind::PcRel32;
        code(0xc0, vec![CodeReloc { offset: 4, kind, target: func, addend: -4 }])
    }
}

pub(crate) struct FakeInterp;

impl Interpreter for FakeInterp {
    fn prepare(
        &self,
        _: Arc<Module>,
        _: &[FuncEntry],
        _: &Arc<Recorder>,
        _: &InterpSettings,
    ) -> Box<dyn InterpModule> {
        Box::new(FakeInterp)
    }

    fn host_stub(&self) -> *mut u8 {
        std::ptr::null_mut()
    }

    unsafe fn call(&self, _: *mut VmCtx, _: *const FuncEntry, _: *mut Slot) {
        unreachable!("nothing is run here");
    }

    unsafe fn frames(&self, _: *const StoreCtx, _: &mut dyn FnMut(InterpFrame) -> bool) {}

    unsafe fn write_frames(
        &self,
        _: *mut VmCtx,
        _: &[CapturedFrame],
        _: Option<&[Slot]>,
        _: (*mut Slot, *mut Slot),
    ) -> bool {
        unreachable!("nothing is run here");
    }

    fn resume_entry(&self) -> *const FuncEntry {
        unreachable!("nothing is run here");
    }
}

impl InterpModule for FakeInterp {
    fn interpreted(&self, _: &FuncEntry) -> *mut u8 {
        unreachable!("nothing is run here");
    }

    /// The adapter itself, so that tests see which one it is.
    fn compiled_stub(&self, _: *const FuncEntry, adapter: *const u8) -> *mut u8 {
        adapter.cast_mut()
    }

    fn memory_bytes(&self) -> usize {
        0
    }

    fn functions(&self) -> usize {
        0
    }

    fn as_ptr(&self) -> *const u8 {
        std::ptr::null()
    }
}

pub(crate) fn engine(tier: TierPolicy) -> (Arc<Engine>, Notes) {
    let settings = Settings {
        tier,
        code: CodeSettings {
            explicit_checks: true,
            guard_bytes: 0,
            deterministic: false,
            capture_state: false,
            interruptible: false,
        },
        features: FeatureSet::DEFAULT,
        hot_budget: 1,
        tier_up: Default::default(),
        leave_after: 0,
        threads: 2,
        native_stack: 1 << 20,
        value_stack: 1 << 20,
        memory64_reserve: 0,
        backtrace_frames: 0,
        warm_memories: 0,
        gc_stress: Default::default(),
        mixed: None,
        guess_callees: false,
        disabled_passes: 0,
        build: "a test",
    };
    let notes = Notes::default();
    let compiler = FakeCompiler(notes.clone());
    let factory = || Box::new(compiler) as Box<dyn Compiler>;
    (Engine::new(settings, Box::new(FakeInterp), Some(Box::new(factory))), notes)
}

/// A module with one imported function and `defined` others, all exported, of two types.
pub(crate) fn wasm(defined: usize, tail_calls: bool) -> Vec<u8> {
    let body = if tail_calls { "(return_call 1)" } else { "" };
    let funcs: String = (1..=defined)
        .map(|at| match at % 2 {
            1 => format!("(func (export \"{at}\") (type 0) {body})"),
            _ => format!("(func (export \"{at}\") (param i32))"),
        })
        .collect();
    let text = format!("(module (type (func)) (import \"\" \"\" (func (type 0))) {funcs})");
    wat::parse_str(text).unwrap()
}

fn artifact(wasm: &[u8]) -> Vec<u8> {
    let (engine, _) = engine(TierPolicy::Opt);
    LoadedModule::new(&engine, wasm, &|_, _| {}).unwrap().serialize().unwrap()
}

fn load_bytes(engine: &Arc<Engine>, bytes: &[u8]) -> Arc<LoadedModule> {
    // SAFETY: made by `serialize`; nothing is run.
    unsafe { LoadedModule::deserialize(engine, bytes) }.unwrap()
}

fn load_file(engine: &Arc<Engine>, bytes: &[u8]) -> Arc<LoadedModule> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), bytes).unwrap();
    // SAFETY: as above; the file is not changed, only removed.
    unsafe { LoadedModule::deserialize_file(engine, file.path()) }.unwrap()
}

/// Bytes of code at an address.
pub(crate) fn peek<const N: usize>(address: usize) -> [u8; N] {
    // SAFETY: tests pass addresses within published code.
    unsafe { (address as *const [u8; N]).read_unaligned() }
}

/// Where the call at an offset goes.
pub(crate) fn callee(code: usize, offset: usize) -> usize {
    let at = code + offset;
    (at + 4).wrapping_add_signed(i32::from_le_bytes(peek(at)) as isize)
}

/// Checks everything that publishing promises, for a module of [`wasm`].
pub(crate) fn check(loaded: &Arc<LoadedModule>, absolutes: bool) {
    let convention = loaded.convention();
    let body = |func: usize| {
        let entry = &loaded.entries()[func];
        adapters::entry_cell(entry, convention).load(Ordering::Acquire) as usize
    };
    let last = loaded.entries().len() - 1;
    let reaches = |target: usize, func: usize| match func {
        // Refused: called through a stub in the code, which finds a stub in the entry.
        2 => {
            let found = loaded.code().find(target);
            found.is_none() && body(2) != 0 && peek::<STUB_SIZE>(target) != [0; STUB_SIZE]
        }
        _ => target == body(func),
    };
    for (func, entry) in loaded.entries().iter().enumerate().skip(1) {
        let stack = entry.stack.load(Ordering::Acquire);
        let info = loaded.func_type(FuncIndex::from_u32(func as u32));
        let adapter = info.adapters.get(AdapterKind::StackToReg);
        if func == 2 {
            assert!(stack.is_null(), "left to the interpreter");
            assert!(loaded.code().find(body(2)).is_none());
            continue;
        }
        assert_eq!(peek::<4>(adapter as usize), [0xa0; 4]);
        assert_eq!(stack.cast_const(), adapter);
        let code = body(func);
        assert_eq!(peek::<4>(code), [func as u8; 4]);
        assert!(
            reaches(callee(code, 4), func.max(2) - 1)
                && reaches(callee(code, 8), last.min(func + 1))
        );
        if absolutes {
            assert_eq!(u64::from_le_bytes(peek(code + 16)) as usize, body(1) + 3);
        }
        let object = loaded.code().find(code + 4).unwrap();
        assert_eq!(object.func(), Some(FuncIndex::from_u32(func as u32)));
        assert_eq!(object.wasm_offset(code + 4, true), Some(99));
        assert_eq!(object.wasm_offset(code + 5, true), None);
        if convention == Convention::Tail {
            let bridge = entry.reg.load(Ordering::Acquire) as usize;
            assert_eq!(callee(bridge, 4), code);
            assert_eq!(loaded.code().find(bridge).unwrap().func(), None);
        }
    }
    assert!(loaded.code().find(loaded.code().first().unwrap().address(0) as usize - 1).is_none());
}

#[test]
fn loading_compiles_nothing_and_links_everything() {
    for (defined, tail_calls) in [(3, false), (3, true), (5, false), (5, true)] {
        let artifact = artifact(&wasm(defined, tail_calls));
        // A second module in the same engine, and the other way of loading, after code was announced.
        let (engine, notes) = engine(TierPolicy::Auto);
        for load in [load_bytes, load_file, load_file, load_bytes] {
            let loaded = load(&engine, &artifact);
            check(&loaded, defined > 3);
            assert_eq!(*notes.lock().unwrap(), [""; 0]);
        }
        // Saving what was loaded makes its adapters again, but no code.
        assert_eq!(load_file(&engine, &artifact).serialize().unwrap(), artifact);
        let notes = notes.lock().unwrap();
        let adapters = ["stack_to_reg", "reg_to_stack", "tail_to_reg"];
        assert!(notes.iter().all(|what| adapters.contains(what)));
    }
}

#[test]
fn loading_makes_no_adapters() {
    for tail_calls in [false, true] {
        let artifact = artifact(&wasm(4, tail_calls));
        let (engine, notes) = engine(TierPolicy::Opt);
        let first = load_file(&engine, &artifact);
        let used = engine.code().bytes();
        let mut store = crate::Store::new(&engine, crate::Limits::default());
        for ty in first.types() {
            store.new_host_func(ty.clone(), Arc::new(|_| Ok(())));
        }
        assert_eq!(*notes.lock().unwrap(), [""; 0]);
        let stubs = engine.code().bytes();
        assert!(stubs > used, "host functions are callable");
        // The engine has all adapters now: loading again takes no more of its memory.
        load_bytes(&engine, &artifact);
        assert_eq!(engine.code().bytes(), stubs);
    }
}

/// As the background compiler does it: every function is an image of its own.
#[test]
fn code_published_piece_by_piece_is_found() {
    let (engine, _) = engine(TierPolicy::Auto);
    let loaded = LoadedModule::new(&engine, wasm(70, false), &|_, _| {}).unwrap();
    let mut bodies = Vec::new();
    for func in loaded.module().defined_funcs().filter(|func| func.as_u32() != 2) {
        let (codes, refused) = linking::compile_parallel(&loaded, &[func], &|_, _| {});
        assert!(refused.is_empty());
        linking::publish(&loaded, codes).unwrap();
        let entry = &loaded.entries()[func.index()];
        bodies.push((func, entry.reg.load(Ordering::Acquire) as usize));
        for &(func, body) in &bodies {
            assert_eq!(peek::<4>(body), [func.as_u32() as u8; 4]);
            for at in [body, body + 4, body + 23] {
                let object = loaded.code().find(at).unwrap();
                assert_eq!(object.func(), Some(func));
                assert_eq!(object.wasm_offset(at, true).is_some(), at == body + 4);
            }
            assert!(
                loaded.code().find(body + 24).is_none() && loaded.code().find(body - 1).is_none()
            );
        }
    }
    assert_eq!(bodies.len(), 69);
    assert_eq!(loaded.serialize().unwrap(), artifact(&wasm(70, false)));
}

#[test]
fn equal_input_gives_equal_bytes() {
    let wasm = wasm(40, false);
    let artifact = artifact(&wasm);
    assert_eq!(self::artifact(&wasm), artifact);
    // Not compiled when loaded, but when serialized.
    let (engine, notes) = engine(TierPolicy::Auto);
    let loaded = LoadedModule::new(&engine, &wasm[..], &|_, _| {}).unwrap();
    assert!(notes.lock().unwrap().is_empty());
    assert_eq!(loaded.serialize().unwrap(), artifact);
}

#[test]
fn modules_without_code_can_be_saved() {
    for text in ["(module)", "(module (import \"\" \"\" (func)))", "(module (memory 1))"] {
        let artifact = artifact(&wat::parse_str(text).unwrap());
        let (engine, _) = engine(TierPolicy::Opt);
        for load in [load_bytes, load_file] {
            assert_eq!(load(&engine, &artifact).serialize().unwrap(), artifact);
        }
    }
}

#[test]
fn reasons_for_refusal_reach_the_caller() {
    let (opt, _) = engine(TierPolicy::Opt);
    let artifact = artifact(&wasm(3, false));
    let refused = |engine: &Arc<Engine>, bytes: &[u8]| {
        // SAFETY: refused before anything of it is used.
        unsafe { LoadedModule::deserialize(engine, bytes) }.err().unwrap()
    };
    let mut damaged = artifact.clone();
    damaged[300] ^= 1;
    assert!(matches!(refused(&opt, &damaged), ArtifactError::Corrupted(_)));
    assert!(matches!(refused(&opt, b"\0asm\x01\0\0\0"), ArtifactError::NotAnArtifact));
    let mut settings = opt.settings().clone();
    settings.code.deterministic = true;
    let factory = || Box::new(FakeCompiler(Notes::default())) as Box<dyn Compiler>;
    let other = Engine::new(settings.clone(), Box::new(FakeInterp), Some(Box::new(factory)));
    assert!(matches!(refused(&other, &artifact), ArtifactError::WrongSettings(_)));
    let interp = Engine::new(settings, Box::new(FakeInterp), None);
    assert!(matches!(refused(&interp, &artifact), ArtifactError::NoCompiler));
    assert!(matches!(refused(&interp, b"text"), ArtifactError::NotAnArtifact));
    let loaded = LoadedModule::new(&interp, wasm(3, false), &|_, _| {}).unwrap();
    assert!(matches!(loaded.serialize(), Err(ArtifactError::NoCompiler)));
    for path in ["/nonexistent", "/"] {
        // SAFETY: there is nothing to load.
        let error = unsafe { LoadedModule::deserialize_file(&opt, Path::new(path)) };
        assert!(matches!(error, Err(ArtifactError::Io(_))));
    }
}
