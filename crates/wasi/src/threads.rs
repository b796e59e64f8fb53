//! Owns guests with threads (the `wasi-threads` proposal): `thread-spawn`, what the threads share, how they end together.
//! Does not own the calls of preview 1, which threads make one at a time.
//!
//! Each thread of a guest is a thread of the host with a store and an instance of its own; they share the memories that the module
//! imports as shared, and one [`WasiCtx`] behind a lock. A call that would block gives the lock back and tries again.

use crate::{GuestMemory, Halt, Stop, WasiCtx, link};
use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use std::{fmt, thread};
use sterna::{
    Caller, Error, ExternType, Instance, InterruptHandle, Limits, Linker, Module, SharedMemory,
    Store, TypedFunc,
};

/// The import that starts a thread: `(start_arg: i32) -> i32`, the thread's number or a negative number.
const SPAWN: (&str, &str) = ("wasi", "thread-spawn");
/// What the module exports for it: called with the thread's number and the argument.
const START: &str = "wasi_thread_start";
/// The largest number of a thread that the proposal allows.
const TID_MAX: u32 = (1 << 29) - 1;
/// What `thread-spawn` returns when there is no thread.
const NO_THREAD: i32 = -(crate::Errno::Again as i32);
/// How long a blocked call waits before it tries again: at first, and at most.
const PAUSE: [Duration; 2] = [Duration::from_micros(100), Duration::from_millis(10)];

/// See [`ThreadOptions::on_end`].
pub type OnEnd = Box<dyn Fn(&Error) + Send + Sync>;

/// How a guest may use threads.
pub struct ThreadOptions {
    /// Most threads at the same time, the first not counted.
    pub max_threads: usize,
    /// Limits of each thread's store.
    pub limits: Limits,
    /// Called once, in the thread that has failed or ended the guest, before the others are interrupted. An embedder whose guests are
    /// compiled without interruption can end the process here.
    pub on_end: Option<OnEnd>,
}

impl Default for ThreadOptions {
    /// 256 threads, the default limits.
    fn default() -> ThreadOptions {
        ThreadOptions { max_threads: 256, limits: Limits::default(), on_end: None }
    }
}

impl fmt::Debug for ThreadOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ThreadOptions")
            .field("max_threads", &self.max_threads)
            .finish_non_exhaustive()
    }
}

/// A guest with threads; the data of its threads' stores. Clones are the same guest.
#[derive(Clone)]
pub struct WasiThreads(Arc<Guest>);

struct Guest {
    ctx: Mutex<WasiCtx>,
    module: Module,
    linker: Linker<WasiThreads>,
    options: ThreadOptions,
    next: AtomicU32,
    state: Mutex<State>,
}

/// What changes when threads come and go.
#[derive(Default)]
struct State {
    /// Of the running threads, by number; 0 is the first.
    running: HashMap<u32, InterruptHandle>,
    /// A thread has trapped or called `proc_exit`: no more threads.
    ending: bool,
    /// The others are interrupted, and `end` is there.
    ended: bool,
    /// Why, until somebody asks.
    end: Option<Error>,
}

/// Whether a module wants to start threads.
pub fn wants_threads(module: &Module) -> bool {
    module.imports().any(|import| (import.module(), import.name()) == SPAWN)
}

impl WasiThreads {
    /// A guest that has not started: its imports of preview 1 and `thread-spawn` are linked, its imported shared memories made.
    ///
    /// # Errors
    /// No space for a shared memory.
    pub fn new(
        ctx: WasiCtx,
        module: &Module,
        options: ThreadOptions,
    ) -> Result<WasiThreads, Error> {
        let mut ctx = ctx;
        ctx.interrupt.never_block();
        let engine = module.engine();
        let mut linker = Linker::new(&engine);
        link::add_shared_imports_to_linker(&mut linker, module)?;
        for import in module.imports() {
            match import.ty() {
                ExternType::Memory(ty) if ty.is_shared() => {
                    let memory = SharedMemory::new(&engine, *ty)?;
                    linker.define_shared(import.module(), import.name(), memory)?;
                }
                _ => {}
            }
        }
        if wants_threads(module) {
            linker.func_wrap(
                SPAWN.0,
                SPAWN.1,
                |caller: Caller<'_, WasiThreads>, argument: i32| {
                    caller.data().clone().spawn(argument)
                },
            )?;
        }
        Ok(WasiThreads(Arc::new(Guest {
            ctx: Mutex::new(ctx),
            module: module.clone(),
            linker,
            options,
            next: AtomicU32::new(1),
            state: Mutex::default(),
        })))
    }

    /// What is linked. More can be defined in a clone only: threads use what is here.
    pub fn linker(&self) -> &Linker<WasiThreads> {
        &self.0.linker
    }

    /// The store of the first thread. When another thread ends the guest, what runs here is interrupted; [`WasiThreads::end`] then says
    /// why.
    pub fn first_store(&self) -> Store<WasiThreads> {
        let mut store = self.store();
        self.state().running.insert(0, store.interrupt_handle());
        store
    }

    /// Why another thread ended the guest, if one did: its error, in which [`Error::downcast_ref`] finds a [`Halt`] or a trap. `Some` once.
    pub fn end(&self) -> Option<Error> {
        self.state().end.take()
    }

    /// Ends the guest: interrupts its threads, and lets no more start.
    pub fn stop(&self) {
        let mut state = self.state();
        state.ending = true;
        state.ended = true;
        state.running.values().for_each(InterruptHandle::interrupt);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn store(&self) -> Store<WasiThreads> {
        let mut store = Store::new(&self.0.module.engine(), self.clone());
        store.limits(self.0.options.limits.clone());
        store
    }

    /// Makes a call of preview 1; one that would block is repeated without keeping others from their calls.
    pub(crate) fn call(
        &self,
        memory: &mut GuestMemory<'_>,
        call: impl Fn(&mut WasiCtx, &mut GuestMemory<'_>) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        let mut since = None;
        let mut pause = PAUSE[0];
        loop {
            let result = {
                let mut ctx = self.0.ctx.lock().unwrap_or_else(PoisonError::into_inner);
                ctx.interrupt.since = since;
                let result = call(&mut ctx, memory);
                since = ctx.interrupt.since.take();
                result
            };
            if result != Err(Stop::Blocked) {
                return result;
            }
            if self.state().ended {
                return Err(Halt::Interrupted.into());
            }
            thread::sleep(pause);
            pause = PAUSE[1].min(pause * 2);
        }
    }

    /// `thread-spawn`. The guest of the new thread begins when this one is about to go on: there are libraries (Zig's) in which a thread must not
    /// end before the one that started it has stored its number, and systems like to run new threads first.
    fn spawn(self, argument: i32) -> i32 {
        let tid = self.0.next.fetch_add(1, Ordering::Relaxed);
        if tid > TID_MAX {
            self.0.next.fetch_sub(1, Ordering::Relaxed);
            return NO_THREAD;
        }
        let mut store = self.store();
        {
            let mut state = self.state();
            let others = state.running.keys().filter(|tid| **tid != 0).count();
            if state.ending || others >= self.0.options.max_threads {
                return NO_THREAD;
            }
            state.running.insert(tid, store.interrupt_handle());
        }
        let Ok(start) = self.instantiate(&mut store) else {
            self.state().running.remove(&tid);
            return NO_THREAD;
        };
        let guest = self.clone();
        let returning = Arc::new(AtomicBool::new(false));
        let may_begin = returning.clone();
        let run = move || {
            // Asleep, not parked: to be woken would again mean to run first.
            while !may_begin.load(Ordering::Acquire) {
                thread::sleep(PAUSE[0]);
            }
            let body = AssertUnwindSafe(|| start.call(&mut store, (tid as i32, argument)));
            let result = std::panic::catch_unwind(body);
            let result = result.unwrap_or_else(|_| Err(Error::msg("a host function panicked")));
            guest.state().running.remove(&tid);
            if let Err(error) = result {
                guest.finish(error);
            }
        };
        if thread::Builder::new().name(format!("guest {tid}")).spawn(run).is_err() {
            self.state().running.remove(&tid);
            return NO_THREAD;
        }
        drop(self);
        returning.store(true, Ordering::Release);
        tid as i32
    }

    fn instantiate(
        &self,
        store: &mut Store<WasiThreads>,
    ) -> Result<TypedFunc<(i32, i32), ()>, Error> {
        let instance: Instance = self.0.linker.instantiate(&mut *store, &self.0.module)?;
        instance.get_typed_func(store, START)
    }

    /// A thread has failed or called `proc_exit`: that ends all.
    fn finish(&self, error: Error) {
        {
            let mut state = self.state();
            if state.ending {
                return;
            }
            state.ending = true;
        }
        if let Some(on_end) = &self.0.options.on_end {
            on_end(&error);
        }
        let mut state = self.state();
        state.end = Some(error);
        state.ended = true;
        state.running.values().for_each(InterruptHandle::interrupt);
    }
}

impl fmt::Debug for WasiThreads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let running = self.state().running.len();
        f.debug_struct("WasiThreads").field("running", &running).finish_non_exhaustive()
    }
}
