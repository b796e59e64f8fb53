//! Owns the background compilation of what is hot: the queue, and the threads that work it off.
//! Does not decide what is compiled (`controller`) nor publish it (`linking`).

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use sterna_base::FuncIndex;

use crate::controller::{self, Goal};
use crate::loaded::LoadedModule;

/// How much background threads step back behind others.
const NICENESS: i32 = 5;

/// A queue of hot functions and loops, and the threads that work it off, started with the first one.
pub(crate) struct Tiering {
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Default)]
struct State {
    queue: Vec<Job>,
    threads: usize,
    stop: bool,
    /// Jobs taken from the queue and not finished yet.
    busy: usize,
    /// Whether something was compiled since the hook was called.
    worked: bool,
    hook: Option<Hook>,
}

/// Called when compilation has come to rest.
pub(crate) type Hook = Arc<dyn Fn() + Send + Sync>;

/// After so much time without anything to compile it has.
const QUIET: Duration = Duration::from_secs(1);

struct Job {
    module: Weak<LoadedModule>,
    func: FuncIndex,
    goal: Goal,
    /// How often it used up its budget since it was requested.
    heat: u32,
}

impl Tiering {
    pub(crate) fn new() -> Arc<Tiering> {
        Arc::new(Tiering { state: Mutex::default(), wake: Condvar::new() })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for a function or loop to be compiled; returns at once. Nobody may ask for the same twice.
    pub(crate) fn request(
        self: &Arc<Self>,
        module: &Arc<LoadedModule>,
        func: FuncIndex,
        goal: Goal,
    ) {
        let mut state = self.lock();
        state.queue.push(Job { module: Arc::downgrade(module), func, goal, heat: 0 });
        // A thread per core that the guest leaves.
        let wanted = module.engine().threads().saturating_sub(1).max(1);
        let idle = state.threads.saturating_sub(state.busy);
        if state.threads < wanted && state.queue.len() > idle {
            let shared = self.clone();
            let thread = std::thread::Builder::new().name("sterna-compile".into());
            // Without a thread everything stays in the interpreter: slower, still correct.
            state.threads += usize::from(thread.spawn(move || shared.work()).is_ok());
        }
        self.wake.notify_all();
    }

    /// Has something called, by a compile thread, whenever compilation has come to rest.
    pub(crate) fn set_hook(&self, hook: Hook) {
        self.lock().hook = Some(hook);
    }

    /// Notes that something requested is still hot.
    pub(crate) fn heat(&self, module: &Arc<LoadedModule>, func: FuncIndex, goal: Goal) {
        let same = |job: &&mut Job| {
            job.func == func && job.goal == goal && job.module.as_ptr() == Arc::as_ptr(module)
        };
        if let Some(job) = self.lock().queue.iter_mut().find(same) {
            job.heat += 1;
        }
    }

    /// Blocks until everything requested so far is published or was refused. For tests and benchmarks.
    pub(crate) fn settle(&self) {
        let mut state = self.lock();
        while state.threads > 0 && (state.busy > 0 || !state.queue.is_empty()) {
            state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    pub(crate) fn shut_down(&self) {
        let mut state = self.lock();
        state.stop = true;
        state.queue.clear();
        self.wake.notify_all();
    }

    fn work(&self) {
        sterna_sys::process::lower_priority(NICENESS);
        while let Some(job) = self.next_job() {
            if let Some(module) = job.module.upgrade() {
                controller::compile(&module, job.func, job.goal);
            }
            let mut state = self.lock();
            state.busy -= 1;
            state.worked = true;
            drop(state);
            self.wake.notify_all();
        }
    }

    /// Takes the most urgent job; of equal ones the first.
    fn next_job(&self) -> Option<Job> {
        let mut state = self.lock();
        loop {
            if state.stop {
                return None;
            }
            let queue = &state.queue;
            let hottest = (0..queue.len()).rev().max_by_key(|&at| queue[at].heat);
            if let Some(hottest) = hottest {
                state.busy += 1;
                return Some(state.queue.remove(hottest));
            }
            let Some(hook) = state.worked.then(|| state.hook.clone()).flatten() else {
                state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let waited = self.wake.wait_timeout(state, QUIET);
            let (waited, result) = waited.unwrap_or_else(PoisonError::into_inner);
            state = waited;
            if result.timed_out() && state.queue.is_empty() && state.busy == 0 {
                state.worked = false;
                drop(state);
                hook();
                state = self.lock();
            }
        }
    }
}
