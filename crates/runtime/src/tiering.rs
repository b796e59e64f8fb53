//! Owns the background compilation of functions that the interpreter reports as hot.
//! Does not own the counting (the interpreter's budgets) nor publication (`linking`).

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};

use sterna_base::FuncIndex;

use crate::linking;
use crate::loaded::LoadedModule;

/// Functions compiled between two looks at the queue.
const BATCH: usize = 16;

/// A queue of hot functions and the thread that works it off, started with the first one.
pub(crate) struct Tiering {
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Default)]
struct State {
    queue: VecDeque<(Weak<LoadedModule>, FuncIndex)>,
    started: bool,
    stop: bool,
    /// Functions taken from the queue and not published yet.
    busy: usize,
}

impl Tiering {
    pub(crate) fn new() -> Arc<Tiering> {
        Arc::new(Tiering { state: Mutex::default(), wake: Condvar::new() })
    }

    /// Asks for a function to be compiled; returns at once.
    pub(crate) fn request(self: &Arc<Self>, module: &Arc<LoadedModule>, func: FuncIndex) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.queue.push_back((Arc::downgrade(module), func));
        if !state.started {
            let shared = self.clone();
            let thread = std::thread::Builder::new().name("sterna-compile".into());
            // Without a thread everything stays in the interpreter: slower, still correct.
            state.started = thread.spawn(move || shared.work()).is_ok();
        }
        self.wake.notify_all();
    }

    /// Blocks until every function requested so far is published or was refused. For tests and benchmarks.
    pub(crate) fn settle(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        while state.started && (state.busy > 0 || !state.queue.is_empty()) {
            state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    pub(crate) fn shut_down(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.stop = true;
        state.queue.clear();
        self.wake.notify_all();
    }

    fn work(&self) {
        while let Some(batch) = self.next_batch() {
            for (module, func) in batch {
                if let Some(module) = module.upgrade() {
                    let (codes, _refused) = linking::compile_parallel(&module, &[func], &|_, _| {});
                    // Without room for more code the function stays where it is.
                    let _ = linking::publish(&module, codes);
                }
                self.state.lock().unwrap_or_else(PoisonError::into_inner).busy -= 1;
            }
            self.wake.notify_all();
        }
    }

    fn next_batch(&self) -> Option<Vec<(Weak<LoadedModule>, FuncIndex)>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if state.stop {
                return None;
            }
            if !state.queue.is_empty() {
                let count = state.queue.len().min(BATCH);
                let batch: Vec<_> = state.queue.drain(..count).collect();
                state.busy += batch.len();
                return Some(batch);
            }
            state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}
