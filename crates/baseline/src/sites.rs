//! Owns collecting the site table of a function while its code is written.
//! Does not own what the table means: `sterna_abi` does.

use sterna_abi::{CallSite, FrameState, LandingSite, Leave, SavedReg, Sites, TrapSite, ValuePlace};
use sterna_isa::{TrapCode, ValType};

/// Most entries of all states and root lists of a function: bounds memory for functions with many locals and many calls.
const MAX_VALUES: usize = 1 << 22;

/// The lists, kept for many functions.
#[derive(Default)]
pub(crate) struct SiteBuilder {
    pub traps: Vec<TrapSite>,
    pub calls: Vec<CallSite>,
    pub landings: Vec<LandingSite>,
    states: Vec<FrameState>,
    roots: Vec<Box<[i32]>>,
    pub saved: Vec<SavedReg>,
    values: usize,
}

impl SiteBuilder {
    pub fn clear(&mut self) {
        self.traps.clear();
        self.calls.clear();
        self.landings.clear();
        self.states.clear();
        self.roots.clear();
        self.saved.clear();
        self.values = 0;
    }

    pub fn trap(&mut self, code: u32, wasm: u32, trap: TrapCode) {
        self.traps.push(TrapSite { code, wasm, trap });
    }

    pub fn state(&mut self, locals: u32, values: Vec<(ValType, ValuePlace)>, leave: Leave) -> u32 {
        self.values += values.len();
        self.states.push(FrameState { locals, values, leave: Some(leave) });
        self.states.len() as u32 - 1
    }

    pub fn roots(&mut self, places: &[i32]) -> u32 {
        // Often those of the call before.
        if self.roots.last().is_some_and(|last| **last == *places) {
            return self.roots.len() as u32 - 1;
        }
        self.values += places.len();
        self.roots.push(places.into());
        self.roots.len() as u32 - 1
    }

    /// Whether the tables have outgrown their limit.
    pub fn is_too_large(&self) -> bool {
        self.values > MAX_VALUES
    }

    /// The finished table of a function with a frame of so many bytes: places of results, from the stack pointer until now, are from the frame
    /// pointer there.
    pub fn finish(&mut self, frame_size: u32) -> Sites {
        in_order(&mut self.traps, |site| site.code);
        in_order(&mut self.calls, |site| site.code);
        in_order(&mut self.landings, |site| site.code);
        for leave in self.states.iter_mut().filter_map(|state| state.leave.as_mut()) {
            if let ValuePlace::Frame(at) = &mut leave.area {
                *at -= frame_size as i32;
            }
        }
        Sites {
            traps: self.traps.as_slice().into(),
            calls: self.calls.as_slice().into(),
            states: std::mem::take(&mut self.states),
            roots: std::mem::take(&mut self.roots),
            landings: self.landings.as_slice().into(),
            saved: self.saved.as_slice().into(),
            inlined: Default::default(),
        }
    }
}

/// Sorts a list, which is in order nearly always.
fn in_order<T>(list: &mut [T], key: impl Fn(&T) -> u32) {
    if !list.is_sorted_by_key(&key) {
        list.sort_unstable_by_key(key);
    }
}
