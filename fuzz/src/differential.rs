//! Owns the execution oracle: every configuration computes the same results, traps, memories and globals.
//! Does not judge what is right: the configurations only have to agree, the official suite says on what.

use std::panic;
use std::sync::Once;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use sterna::{
    AnyRef, Engine, Error, Exception, Extern, ExternRef, Func, HeapType, I31, Instance, Limits,
    Module, Owned, RefType, Store, Trap, TrapCode, Val, ValType,
};

use crate::configurations::{Configuration, configurations};
use crate::generate::Generated;
use crate::host::host;
use crate::random::Random;
use crate::{Finding, Tally};

/// Panics of any thread: that of a compiler leaves no other trace.
static PANICS: AtomicU64 = AtomicU64::new(0);

/// Configurations to compare; the first is the reference.
pub struct Differential {
    configurations: Vec<Configuration>,
    trace: bool,
}

/// What a call did.
#[derive(Clone, Debug, PartialEq)]
enum Outcome {
    Results(Vec<String>),
    /// Why, and function and position of the innermost frames.
    Trap(TrapCode, Vec<(u32, u32)>),
    /// The payload of an exception that nobody caught.
    Exception(Vec<String>),
    /// None: there are no values of the types of its parameters.
    NoArguments,
    /// Stack overflow, which depends on the tier's frame sizes, or a full heap, which depends on when it is collected: ends the comparison.
    Exhausted,
}

/// One configuration's run of a module, advanced call by call.
struct Run {
    module: Module,
    /// What it imports from, and whether there is another instance.
    owner: Option<Module>,
    sibling: bool,
    store: Store<()>,
    instance: Instance,
    funcs: Vec<(String, Func)>,
    /// The last objects that functions have returned, to be passed to others.
    objects: Vec<Owned<AnyRef>>,
}

impl Differential {
    /// The interpreter as reference, and every way to generate code. `trace` prints each call before it is made.
    ///
    /// # Panics
    /// If an engine cannot be made, which needs nothing but address space.
    pub fn new(trace: bool) -> Differential {
        static HOOK: Once = Once::new();
        HOOK.call_once(|| {
            let report = panic::take_hook();
            panic::set_hook(Box::new(move |info| {
                PANICS.fetch_add(1, Relaxed);
                report(info);
            }));
        });
        Differential { trace, configurations: configurations() }
    }

    /// The reference engine.
    pub(crate) fn engine(&self) -> &Engine {
        &self.configurations[0].engine
    }

    /// What went wrong so far that no result shows: who leaves out a function leaves it to the tier below.
    fn unseen(&self) -> Option<String> {
        if PANICS.load(Relaxed) > 0 {
            return Some("something has panicked".to_owned());
        }
        let refuses = |configuration: &&Configuration| {
            let stats = configuration.engine.stats();
            stats.optimizing.refused + stats.baseline.refused > 0
        };
        let name = self.configurations.iter().find(refuses)?.name;
        Some(format!("{name}: some function was not compiled"))
    }

    /// Runs every export of a module in all configurations, in step.
    pub(crate) fn run(&self, generated: &Generated, random: &mut Random) -> Result<Tally, Finding> {
        let finding = |message: String| generated.finding(message);
        let mut runs = Vec::new();
        let mut refused = Vec::new();
        for configuration in &self.configurations {
            let name = configuration.name;
            let run = Run::new(configuration, generated)
                .map_err(|error| finding(format!("{name}: generated module refused: {error}")))?;
            match run {
                Ok(run) => runs.push((name, run)),
                Err(error) => refused.push((name, trap_or_text(&error))),
            }
        }
        if let Some((name, error)) = refused.first() {
            let others: Vec<_> = refused.iter().filter(|(_, other)| other != error).collect();
            // Frames differ in size, so any of them may run out of stack first.
            let exhausted = refused.iter().any(|(_, error)| EXHAUSTED.contains(&error.as_str()));
            return match runs.is_empty() && others.is_empty() || exhausted {
                true => Ok(Tally { refused: 1, ..Tally::default() }),
                false => Err(finding(format!(
                    "{name} does not instantiate: {error}; others: {others:?}"
                ))),
            };
        }
        if let Some(unseen) = self.unseen() {
            return Err(finding(unseen));
        }
        let mut tally = Tally::default();
        for index in 0..runs[0].1.funcs.len() {
            let inputs: Vec<u64> = (0..64).map(|_| random.edgy()).collect();
            let call = |(name, run): &mut (&'static str, Run)| {
                if self.trace {
                    eprintln!("  {} in {name}", run.funcs[index].0);
                }
                (*name, run.call(index, &inputs))
            };
            let outcomes: Vec<_> = runs.iter_mut().map(call).collect();
            if outcomes.iter().any(|(_, outcome)| *outcome == Outcome::Exhausted) {
                return Ok(Tally { overflowed: 1, ..tally });
            }
            let func = runs[0].1.funcs[index].0.clone();
            let (reference, expected) = &outcomes[0];
            if let Some((name, found)) = outcomes.iter().find(|(_, outcome)| outcome != expected) {
                return Err(finding(format!(
                    "{func}: {reference} gives {expected:?}, {name} gives {found:?}"
                )));
            }
            let expected = expected.clone();
            tally.calls += 1;
            tally.traps += u64::from(matches!(expected, Outcome::Trap(..)));
            tally.thrown += u64::from(matches!(expected, Outcome::Exception(_)));
            let states: Vec<_> = runs.iter_mut().map(|(name, run)| (*name, run.state())).collect();
            if let Some((name, found)) = states.iter().find(|(_, state)| *state != states[0].1) {
                let expected = &states[0].1;
                return Err(finding(format!(
                    "after {func}: {reference} has {expected:?}, {name} has {found:?}"
                )));
            }
            // Most likely the module's fuel is used up, and the other functions would trap at once.
            if matches!(expected, Outcome::Trap(TrapCode::Unreachable, _))
                && runs.iter_mut().any(|(_, run)| run.renew().is_err())
            {
                // What the first instances left behind (a heap, stores' limits) may be in the way.
                return Ok(tally);
            }
        }
        Ok(tally)
    }
}

/// Frames compared: adapters between tiers count among the frames of a backtrace, so its end depends on the tiers.
const FRAMES: usize = 4;

/// Function and position of the innermost frames of a trap.
fn frames(error: &sterna::Error) -> Vec<(u32, u32)> {
    let frames = error.downcast_ref::<Trap>().map_or(&[][..], Trap::frames);
    frames.iter().take(FRAMES).map(|frame| (frame.func_index(), frame.wasm_offset())).collect()
}

/// See [`Outcome::Exhausted`].
const EXHAUSTED: [&str; 2] = ["call stack exhausted", "allocation size too large"];

/// Bytes of heap that a generated module may use.
const HEAP_BYTES: u64 = 32 << 20;

fn trap_or_text(error: &sterna::Error) -> String {
    match error.downcast_ref::<Trap>() {
        Some(trap) => trap.code().message().to_owned(),
        None => error.to_string(),
    }
}

/// An instance of a module, and of the one that it imports from.
fn instantiate(
    store: &mut Store<()>,
    module: &Module,
    owner: Option<&Module>,
    sibling: bool,
) -> sterna::Result<Instance> {
    let Some(owner) = owner else { return Instance::new(store, module, &[]) };
    let owner = Instance::new(&mut *store, owner, &[])?;
    let host = host(store, owner);
    let imports = module.imports().map(|import| {
        if import.module() == "host" {
            return Extern::Func(host);
        }
        let object = owner.get_export(&mut *store, import.name());
        object.expect("the generator's owners export what is imported")
    });
    let imports: Vec<Extern> = imports.collect();
    let instance = Instance::new(&mut *store, module, &imports)?;
    if sibling {
        Instance::new(store, module, &imports)?;
    }
    Ok(instance)
}

impl Run {
    /// Loads a module and instantiates it.
    ///
    /// # Errors
    /// It cannot be loaded; or, in the inner result, not be instantiated.
    fn new(
        configuration: &Configuration,
        generated: &Generated,
    ) -> sterna::Result<sterna::Result<Run>> {
        let engine = &configuration.engine;
        let owner = generated.owner.as_ref().map(|owner| Module::new(engine, owner)).transpose()?;
        let start = |module| Run::start(engine, module, owner.clone(), generated.sibling);
        let use_all = |module: &Module| {
            let Ok(mut run) = start(module.clone()) else { return };
            for index in 0..run.funcs.len() {
                run.call(index, &[index as u64, 1, 2, 3]);
            }
        };
        Ok(start(configuration.load(&generated.wasm, use_all)?))
    }

    fn start(
        engine: &Engine,
        module: Module,
        owner: Option<Module>,
        sibling: bool,
    ) -> sterna::Result<Run> {
        let mut store = Store::new(engine, ());
        store.limits(Limits { heap_bytes: Some(HEAP_BYTES), ..Limits::default() });
        let instance = instantiate(&mut store, &module, owner.as_ref(), sibling)?;
        let (funcs, objects) = (Vec::new(), Vec::new());
        let mut run = Run { module, owner, sibling, store, instance, funcs, objects };
        run.find_funcs();
        Ok(run)
    }

    /// Goes on with a fresh instance, in the same store.
    fn renew(&mut self) -> sterna::Result<()> {
        let Run { store, module, owner, sibling, .. } = self;
        self.instance = instantiate(store, module, owner.as_ref(), *sibling)?;
        self.find_funcs();
        Ok(())
    }

    fn find_funcs(&mut self) {
        let names = self.module.exports().map(|export| export.name().to_owned());
        let names: Vec<String> = names.collect();
        let funcs = names.into_iter().filter_map(|name| {
            let func = self.instance.get_func(&mut self.store, &name)?;
            Some((name, func))
        });
        self.funcs = funcs.collect();
    }

    fn call(&mut self, index: usize, inputs: &[u64]) -> Outcome {
        let func = self.funcs[index].1;
        let ty = func.ty(&self.store);
        let mut inputs = inputs.iter().copied().cycle();
        let mut input = || inputs.next().unwrap_or(0);
        let Run { store, funcs, objects, .. } = self;
        store.scope(|store| {
            // Made before anything depends on it: whether there is room depends on collections.
            let Ok(outside) = ExternRef::new(&mut *store, input()) else {
                return Outcome::Exhausted;
            };
            let Ok(inside) = AnyRef::from_extern(&*store, outside) else {
                return Outcome::Exhausted;
            };
            let scoped = objects.iter().filter_map(|object| object.to_scoped(&*store).ok());
            let supply = Supply { funcs, objects: scoped.chain([inside]).collect() };
            let params: Option<Vec<Val>> =
                ty.params.iter().map(|ty| supply.value(store, *ty, &mut input)).collect();
            let Some(params) = params else { return Outcome::NoArguments };
            let mut results = vec![Val::I32(0); ty.results.len()];
            match func.call(&mut *store, &params, &mut results) {
                Ok(()) => {
                    let made = results.iter().filter_map(|result| result.any_ref()?);
                    objects.extend(made.filter_map(|made| made.to_owned(&mut *store).ok()));
                    let old = objects.len().saturating_sub(8);
                    objects.drain(..old);
                    Outcome::Results(results.iter().map(|value| text(value, store, 0)).collect())
                }
                Err(error) => match error.downcast_ref::<Trap>().map(Trap::code) {
                    Some(TrapCode::StackOverflow | TrapCode::HeapExhausted) => Outcome::Exhausted,
                    Some(TrapCode::UncaughtException) => Outcome::Exception(payload(store, &error)),
                    Some(code) => Outcome::Trap(code, frames(&error)),
                    // The message may name types by their numbers, which every engine gives out for itself.
                    None => Outcome::Results(vec!["refused by the API".to_owned()]),
                },
            }
        })
    }

    /// Hashes of exported memories, sizes of tables, values of globals.
    fn state(&mut self) -> Vec<String> {
        let names: Vec<(String, Extern)> = {
            let exports = self.instance.exports(&mut self.store);
            exports.map(|export| (export.name().to_owned(), export.into_extern())).collect()
        };
        let describe = |(name, object): (String, Extern)| match object {
            Extern::Memory(memory) => {
                let data = memory.data(&self.store);
                Some(format!("{name}: {} bytes, {:016x}", data.len(), hash(data)))
            }
            Extern::SharedMemory(memory) => {
                let mut data = vec![0; memory.data_size()];
                memory.read(0, &mut data).expect("shared memories never shrink");
                Some(format!("{name}: {} bytes, {:016x}", data.len(), hash(&data)))
            }
            Extern::Global(global) => {
                let shown = self.store.scope(|store| {
                    let value = global.get(&mut *store);
                    text(&value, store, 0)
                });
                Some(format!("{name}: {shown}"))
            }
            Extern::Table(table) => Some(format!("{name}: {} elements", table.size(&self.store))),
            Extern::Func(_) | Extern::Tag(_) => None,
        };
        names.into_iter().filter_map(describe).collect()
    }
}

/// What arguments are chosen from.
struct Supply<'a> {
    funcs: &'a [(String, Func)],
    objects: Vec<AnyRef>,
}

impl Supply<'_> {
    /// A value of a type, if there is one: of a function type mostly one of the exported functions.
    fn value(
        &self,
        store: &Store<()>,
        ty: ValType,
        input: &mut impl FnMut() -> u64,
    ) -> Option<Val> {
        let ValType::Ref(reference) = ty else { return value(ty, input) };
        let engine = store.engine();
        let matches = |heap| {
            let ty = ValType::Ref(RefType::non_null(heap));
            engine.matches(ty, ValType::Ref(reference))
        };
        match self.objects.get(input() as usize % (self.objects.len() + 2)) {
            Some(object) if matches(HeapType::Extern) => {
                return object.to_extern(store).ok().map(Val::from);
            }
            // Refused, by every configuration, if it is of another type.
            Some(object) if matches(HeapType::None) => return Some(Val::from(*object)),
            _ if matches(HeapType::I31) && input().is_multiple_of(2) => {
                let number = I31::wrapping(input() as i32);
                return Some(Val::from(AnyRef::from_i31(store, number)));
            }
            _ => {}
        }
        let fits = |func: &Func| {
            let func = RefType::non_null(func.heap_type(store));
            engine.matches(ValType::Ref(func), ValType::Ref(reference))
        };
        let funcs: Vec<Func> = self.funcs.iter().map(|(_, func)| *func).filter(fits).collect();
        let choice = input() as usize % (funcs.len() + 1);
        funcs
            .get(choice)
            .or(funcs.first().filter(|_| !reference.nullable))
            .map_or_else(|| Val::default_for(ty), |func| Some(Val::from(*func)))
    }
}

fn payload(store: &Store<()>, error: &Error) -> Vec<String> {
    let exception: &Exception = error.downcast_ref().expect("what was not caught is known");
    let payload = exception.payload(store).expect("the exception is of this store");
    payload.iter().map(|value| text(value, store, 0)).collect()
}

/// FNV-1a over 8-byte words.
fn hash(data: &[u8]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325u64;
    for chunk in data.chunks(8) {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        hash = (hash ^ u64::from_le_bytes(word)).wrapping_mul(0x0100_0000_01b3).rotate_left(23);
    }
    hash
}

/// A number, or null if there is null.
fn value(ty: ValType, input: &mut impl FnMut() -> u64) -> Option<Val> {
    Some(match ty {
        ValType::I32 => Val::I32(input() as i32),
        ValType::I64 => Val::I64(input() as i64),
        ValType::F32 => Val::F32(input() as u32),
        ValType::F64 => Val::F64(input()),
        ValType::V128 => Val::V128((u128::from(input()) << 64 | u128::from(input())).into()),
        ValType::Ref(_) => return Val::default_for(ty),
    })
}

/// Bits of numbers, contents of objects, nullness of functions and exceptions: what must not depend on the configuration.
fn text(value: &Val, store: &Store<()>, depth: u32) -> String {
    match value {
        Val::I32(value) => format!("i32:{value:x}"),
        Val::I64(value) => format!("i64:{value:x}"),
        Val::F32(bits) => format!("f32:{bits:x}"),
        Val::F64(bits) => format!("f64:{bits:x}"),
        Val::V128(value) => format!("v128:{:x}", u128::from(*value)),
        Val::FuncRef(func) => format!("funcref:{}", func.is_some()),
        Val::ExternRef(value) => match value {
            Some(value) => match AnyRef::from_extern(store, *value) {
                Ok(value) => format!("externref:{}", any(&value, store, depth)),
                Err(error) => error.to_string(),
            },
            None => "externref:null".to_owned(),
        },
        Val::AnyRef(value) => match value {
            Some(value) => any(value, store, depth),
            None => "anyref:null".to_owned(),
        },
        Val::ExnRef(value) => format!("exnref:{}", value.is_some()),
    }
}

/// A host value by its number; an object with what is in it, three deep.
fn any(value: &AnyRef, store: &Store<()>, depth: u32) -> String {
    if let Some(value) = value.i31() {
        return format!("i31:{}", value.get_s());
    }
    let shown = |values: Vec<Val>| {
        let values = values.iter().take(if depth < 3 { 8 } else { 0 });
        values.map(|value| text(value, store, depth + 1)).collect::<Vec<_>>().join(" ")
    };
    match (value.as_struct(store), value.as_array(store)) {
        (Ok(Some(object)), _) => match object.fields(store) {
            Ok(fields) => format!("struct({} of {})", shown(fields.clone()), fields.len()),
            Err(error) => error.to_string(),
        },
        (_, Ok(Some(array))) => {
            let len = array.len(store).unwrap_or_default();
            let first = (0..len.min(8)).filter_map(|index| array.get(store, index).ok());
            format!("array({} of {len})", shown(first.collect()))
        }
        _ => {
            let outside = value
                .to_extern(store)
                .and_then(|value| Ok(value.data(store)?.downcast_ref::<u64>().copied()));
            format!("host:{outside:?}")
        }
    }
}
