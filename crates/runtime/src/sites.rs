//! Owns the stored form of site tables: little-endian arrays behind a list of their lengths, built once, searched in place.
//! Does not own the code that they describe (`code`), nor the bytes: those of a compilation, or part of a mapped artifact.
//!
//! Searching allocates nothing, locks nothing and cannot panic, whatever the bytes: the signal handler does it.

use std::ops::Range;

use sterna_abi::{
    CallSite, FrameState, INLINED, InlinedSite, LandingSite, Leave, SavedReg, Sites, TrapSite,
    ValuePlace,
};
use sterna_base::FuncIndex;
use sterna_isa::{HeapType, RefType, TrapCode, ValType};
use sterna_module::ModuleBytes;

use crate::adapters::AdapterKind;

/// The arrays, in the order in which they are stored. Elements are words of 32 bits unless it says otherwise; offsets are in
/// bytes from the start of the code that the tables describe.
#[derive(Clone, Copy)]
enum Array {
    /// [`Piece`]s, [`PIECE_WORDS`] words each, by offset.
    Pieces,
    /// Offsets of instructions that fault to raise a trap, ascending.
    TrapCode,
    /// Their positions in the module.
    TrapWasm,
    /// Their trap codes, one byte each.
    TrapKind,
    /// Return addresses of calls, ascending.
    CallCode,
    /// Their positions in the module.
    CallWasm,
    /// Their states: 0, or one more than an index into `StateAt`. Empty if no code records state.
    CallState,
    /// Their references to objects: 0, or one more than an index into `RootsAt`. Empty if no code holds any.
    CallRoots,
    /// Registers saved by prologues: number, offset from the frame pointer.
    Saved,
    /// States, [`STATE_WORDS`] words each: first value, number of values, number of locals; 0, or one more than the place of the two values that
    /// leaving the frame takes.
    StateAt,
    /// Values of states, [`VALUE_WORDS`] words each.
    Values,
    /// Constants of states, four words each.
    Consts,
    /// Per list of references: its first element in `Roots`, number of elements.
    RootsAt,
    /// Places of references: offsets from the frame pointer.
    Roots,
    /// Functions that this code calls and does not contain.
    Outside,
    /// Landing pads, three words each: return address of the call, ascending, the pad, how far the stack pointer is below the frame
    /// pointer.
    Landings,
    /// Where absolute addresses of this code are to be filled in: place, what it points to.
    Absolute,
    /// Positions in inlined functions, three words each: function, its position in the module, position of the call.
    Inlined,
}

const ARRAYS: usize = Array::Inlined as usize + 1;
const PIECE_WORDS: usize = 9;
const STATE_WORDS: usize = 4;
const VALUE_WORDS: usize = 3;
const LANDING_WORDS: usize = 3;
const INLINED_WORDS: usize = 3;
/// Bytes of the list of lengths.
const HEAD: usize = ARRAYS * 4;

/// What a piece of code is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PieceKind {
    /// The body of a function.
    Body,
    /// An entry of a function in the other convention than its body's.
    Bridge,
    /// An adapter of a type.
    Adapter(AdapterKind),
    /// A function from the start of one of its loops.
    Loop,
}

impl PieceKind {
    const ALL: [PieceKind; 7] = [
        PieceKind::Body,
        PieceKind::Bridge,
        PieceKind::Adapter(AdapterKind::StackToReg),
        PieceKind::Adapter(AdapterKind::RegToStack),
        PieceKind::Adapter(AdapterKind::TailToStack),
        PieceKind::Adapter(AdapterKind::TailToReg),
        PieceKind::Loop,
    ];

    fn word(self) -> u32 {
        let at = PieceKind::ALL.iter().position(|&kind| kind == self);
        at.expect("all kinds are listed") as u32
    }
}

/// A contiguous piece of code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) start: u32,
    pub(crate) len: u32,
    pub(crate) kind: PieceKind,
    /// Index of the function, or of the type of an adapter.
    pub(crate) id: u32,
    /// Registers that its prologue saves: first element of the array, number of elements.
    saved: (u32, u32),
    /// Its first state, list of references and inlined position.
    lists: [u32; 3],
}

/// Landing pads of one contiguous stretch of code.
#[derive(Clone, Copy)]
pub(crate) struct Landings<'a>(&'a [u8]);

impl Landings<'_> {
    /// The landing pad of the call that returns to an offset, and how far its stack pointer is below its frame pointer.
    pub(crate) fn of_call(self, offset: u32) -> Option<(u32, u32)> {
        let at = partition(self.0, LANDING_WORDS, |code| code < offset) * LANDING_WORDS;
        let found = word(self.0, at)? == offset;
        if found { Some((word(self.0, at + 1)?, word(self.0, at + 2)?)) } else { None }
    }
}

/// Site tables of one contiguous stretch of code.
#[derive(Clone)]
pub(crate) struct Tables {
    bytes: ModuleBytes,
    /// Where each array starts in `bytes`, and where the last one ends.
    starts: [usize; ARRAYS + 1],
}

impl Tables {
    /// Tables stored at `range` of `bytes`; `None` if the lengths do not add up to that.
    pub(crate) fn new(bytes: ModuleBytes, range: Range<usize>) -> Option<Tables> {
        let stored = bytes.get(range.clone())?;
        let mut starts = [range.start.checked_add(HEAD)?; ARRAYS + 1];
        for array in 0..ARRAYS {
            let len = word(stored, array)? as usize;
            starts[array + 1] = starts[array].checked_add(len)?;
        }
        (starts[ARRAYS] == range.end).then_some(Tables { bytes, starts })
    }

    /// The stored form.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.bytes.get(self.starts[0] - HEAD..self.starts[ARRAYS]).unwrap_or(&[])
    }

    fn array(&self, array: Array) -> &[u8] {
        let at = array as usize;
        self.bytes.get(self.starts[at]..self.starts[at + 1]).unwrap_or(&[])
    }

    fn word(&self, array: Array, index: usize) -> Option<u32> {
        word(self.array(array), index)
    }

    /// Pieces in the order of their offsets. Ends early at one that makes no sense.
    pub(crate) fn pieces(&self) -> impl Iterator<Item = Piece> {
        (0..).map_while(|at| self.piece(at))
    }

    fn piece(&self, at: usize) -> Option<Piece> {
        let field = |field| self.word(Array::Pieces, at * PIECE_WORDS + field);
        Some(Piece {
            start: field(0)?,
            len: field(1)?,
            kind: *PieceKind::ALL.get(field(2)? as usize)?,
            id: field(3)?,
            saved: (field(4)?, field(5)?),
            lists: [field(6)?, field(7)?, field(8)?],
        })
    }

    /// The piece that contains an offset.
    pub(crate) fn piece_at(&self, offset: u32) -> Option<Piece> {
        let after = partition(self.array(Array::Pieces), PIECE_WORDS, |start| start <= offset);
        let piece = self.piece(after.checked_sub(1)?)?;
        (offset.wrapping_sub(piece.start) < piece.len).then_some(piece)
    }

    /// The trap of the instruction at an offset.
    pub(crate) fn trap(&self, offset: u32) -> Option<TrapSite> {
        let at = partition(self.array(Array::TrapCode), 1, |code| code < offset);
        if self.word(Array::TrapCode, at)? != offset {
            return None;
        }
        let kind = *self.array(Array::TrapKind).get(at)?;
        let trap = TrapCode::from_byte(kind)?;
        Some(TrapSite { code: offset, wasm: self.word(Array::TrapWasm, at)?, trap })
    }

    /// The call that returns to an offset. Its state is an argument for [`Tables::state`].
    pub(crate) fn call(&self, offset: u32) -> Option<CallSite> {
        let at = partition(self.array(Array::CallCode), 1, |code| code < offset);
        if self.word(Array::CallCode, at)? != offset {
            return None;
        }
        let index = |array| self.word(array, at).and_then(|index| index.checked_sub(1));
        let (state, roots) = (index(Array::CallState), index(Array::CallRoots));
        Some(CallSite { code: offset, wasm: self.word(Array::CallWasm, at)?, state, roots })
    }

    /// The functions and positions in the module that a position of a site in a function's code stands for, innermost first: those that were
    /// inlined, then `func` itself.
    pub(crate) fn chain(
        &self,
        func: FuncIndex,
        position: u32,
    ) -> impl Iterator<Item = (FuncIndex, u32)> {
        let mut next = Some(position);
        std::iter::from_fn(move || {
            let position = next.take()?;
            if position & INLINED == 0 {
                return Some((func, position));
            }
            let site = self.inlined(position & !INLINED)?;
            // Callers come before callees, so this ends whatever the bytes are.
            next = (site.caller < position).then_some(site.caller);
            Some((site.func, site.wasm))
        })
    }

    fn inlined(&self, index: u32) -> Option<InlinedSite> {
        let field = |field| self.word(Array::Inlined, index as usize * INLINED_WORDS + field);
        Some(InlinedSite {
            func: FuncIndex::from_u32(field(0)?),
            wasm: field(1)?,
            caller: field(2)?,
        })
    }

    /// The places of references with an index.
    pub(crate) fn roots(&self, index: u32) -> impl Iterator<Item = i32> {
        let field = |field| self.word(Array::RootsAt, index as usize * 2 + field).unwrap_or(0);
        let (first, count) = (field(0) as usize, field(1) as usize);
        let place = |at| self.word(Array::Roots, at);
        (first..first + count).map_while(place).map(|offset| offset as i32)
    }

    /// The landing pads.
    pub(crate) fn landings(&self) -> Landings<'_> {
        Landings(self.array(Array::Landings))
    }

    /// The state with an index. Allocates.
    pub(crate) fn state(&self, index: u32) -> Option<FrameState> {
        let field = |field| self.word(Array::StateAt, index as usize * STATE_WORDS + field);
        let (first, count, locals) = (field(0)? as usize, field(1)? as usize, field(2)?);
        let values: Option<Vec<_>> = (first..first + count).map(|at| self.value(at)).collect();
        let place = |at| self.value(at).map(|(_, place)| place);
        let leave = field(3)?.checked_sub(1).and_then(|at| {
            let at = at as usize;
            Some(Leave { vmctx: place(at)?, results: place(at + 1)?, area: place(at + 2)? })
        });
        Some(FrameState { locals, values: values?, leave })
    }

    fn value(&self, at: usize) -> Option<(ValType, ValuePlace)> {
        let field = |field| self.word(Array::Values, at * VALUE_WORDS + field);
        let (head, payload) = (field(0)?, field(1)?);
        let ty = decode_type(head & 0xffff, field(2)?)?;
        let place = match head >> 16 {
            0 => ValuePlace::Frame(payload as i32),
            1 => ValuePlace::Register(payload as u8),
            2 => {
                let part = |part| self.word(Array::Consts, payload as usize * 4 + part);
                let bits = (0..4)
                    .rev()
                    .try_fold(0, |bits: u128, at| Some(bits << 32 | u128::from(part(at)?)));
                ValuePlace::Const(bits?)
            }
            _ => return None,
        };
        Some((ty, place))
    }

    /// Where the prologue of a piece saved registers.
    pub(crate) fn saved(&self, piece: &Piece) -> impl Iterator<Item = SavedReg> {
        let (first, count) = piece.saved;
        (first as usize..first as usize + count as usize).map_while(|at| {
            let register = self.word(Array::Saved, at * 2)? as u8;
            Some(SavedReg { register, offset: self.word(Array::Saved, at * 2 + 1)? as i32 })
        })
    }

    /// The sites of one piece, as [`TablesBuilder::piece`] got them. Allocates.
    pub(crate) fn sites(&self, piece: &Piece) -> Sites {
        let (start, end) = (piece.start, piece.start.saturating_add(piece.len));
        let traps = self.array(Array::TrapCode);
        let traps =
            partition(traps, 1, |code| code < start)..partition(traps, 1, |code| code < end);
        // No call returns to the start of a piece, and one at its very end to where the next one begins.
        let calls = |array, width| {
            let bytes = self.array(array);
            partition(bytes, width, |code| code <= start)..partition(bytes, width, |code| {
                code <= end
            })
        };
        let [states, roots, inlined] = self.lists(piece);
        let first = inlined.start;
        let relative = |code: u32| code.wrapping_sub(start);
        let position = |wasm: u32| match wasm & INLINED {
            0 => wasm,
            _ => INLINED | (wasm & !INLINED).wrapping_sub(first) & !INLINED,
        };
        let trap = |at| self.trap(self.word(Array::TrapCode, at)?);
        let call = |at| self.call(self.word(Array::CallCode, at)?);
        let landing = |at| {
            let field = |field| self.word(Array::Landings, at * LANDING_WORDS + field);
            Some((field(0)?, field(1)?, field(2)?))
        };
        Sites {
            traps: traps
                .filter_map(trap)
                .map(|site| TrapSite {
                    code: relative(site.code),
                    wasm: position(site.wasm),
                    ..site
                })
                .collect(),
            calls: calls(Array::CallCode, 1)
                .filter_map(call)
                .map(|site| CallSite {
                    code: relative(site.code),
                    wasm: position(site.wasm),
                    state: site.state.map(|state| state.wrapping_sub(states.start)),
                    roots: site.roots.map(|index| index.wrapping_sub(roots.start)),
                })
                .collect(),
            states: states.map_while(|state| self.state(state)).collect(),
            roots: roots.map(|index| self.roots(index).collect()).collect(),
            landings: calls(Array::Landings, LANDING_WORDS)
                .filter_map(landing)
                .map(|(code, pad, below)| LandingSite {
                    code: relative(code),
                    pad: relative(pad),
                    below,
                })
                .collect(),
            saved: self.saved(piece).collect(),
            inlined: inlined
                .map_while(|index| self.inlined(index))
                .map(|site| InlinedSite { caller: position(site.caller), ..site })
                .collect(),
        }
    }

    /// The states, lists of references and inlined positions of a piece.
    fn lists(&self, piece: &Piece) -> [Range<u32>; 3] {
        let bytes = self.array(Array::Pieces);
        let after = partition(bytes, PIECE_WORDS, |start| start <= piece.start);
        let next = self.piece(after).map(|next| next.lists);
        let sizes =
            [(Array::StateAt, STATE_WORDS), (Array::RootsAt, 2), (Array::Inlined, INLINED_WORDS)];
        let ends = sizes.map(|(array, words)| (self.array(array).len() / (words * 4)) as u32);
        std::array::from_fn(|list| {
            let end = next.map_or(ends[list], |next| next[list].min(ends[list]));
            piece.lists[list].min(end)..end
        })
    }

    /// Functions that this code calls and does not contain.
    pub(crate) fn outside(&self) -> impl Iterator<Item = FuncIndex> {
        (0..).map_while(|at| self.word(Array::Outside, at)).map(FuncIndex::from_u32)
    }

    /// Where the absolute address of an offset is to be filled in: place, offset.
    pub(crate) fn absolutes(&self) -> impl Iterator<Item = (u32, u32)> {
        let entry =
            |at| Some((self.word(Array::Absolute, at)?, self.word(Array::Absolute, at + 1)?));
        (0..).step_by(2).map_while(entry)
    }
}

/// The word with an index.
fn word(bytes: &[u8], index: usize) -> Option<u32> {
    let at = index.checked_mul(4)?;
    let bytes = bytes.get(at..)?.first_chunk()?;
    Some(u32::from_le_bytes(*bytes))
}

/// How many records of `width` words, sorted by their first word, come before the first for which `before` is false.
fn partition(bytes: &[u8], width: usize, before: impl Fn(u32) -> bool) -> usize {
    let (mut low, mut high) = (0, bytes.len() / (width * 4));
    while low < high {
        let middle = low + (high - low) / 2;
        match word(bytes, middle * width).is_some_and(&before) {
            true => low = middle + 1,
            false => high = middle,
        }
    }
    low
}

/// What a reference refers to, as a number: its position in [`HeapType::ABSTRACT`], or this.
const CONCRETE: u32 = 0x7f;
const NUMBERS: [ValType; 5] =
    [ValType::I32, ValType::I64, ValType::F32, ValType::F64, ValType::V128];
const REFERENCE: u32 = 0x80;
const NULLABLE: u32 = 0x100;

/// A type as 16 bits, and the index of a defined type.
fn encode_type(ty: ValType) -> (u32, u32) {
    let RefType { nullable, heap } = match ty {
        ValType::Ref(ty) => ty,
        number => {
            let at = NUMBERS.iter().position(|&ty| ty == number);
            return (at.expect("all number types are listed") as u32, 0);
        }
    };
    let null = if nullable { NULLABLE } else { 0 };
    let (heap, index) = match heap {
        HeapType::Concrete(index) => (CONCRETE, index),
        other => {
            let at = HeapType::ABSTRACT.iter().position(|&heap| heap == other);
            (at.expect("all abstract heap types are listed") as u32, 0)
        }
    };
    (REFERENCE | null | heap, index)
}

fn decode_type(bits: u32, index: u32) -> Option<ValType> {
    if bits & REFERENCE == 0 {
        return NUMBERS.get(bits as usize).copied();
    }
    let heap = match bits & CONCRETE {
        CONCRETE => HeapType::Concrete(index),
        at => *HeapType::ABSTRACT.get(at as usize)?,
    };
    Some(ValType::Ref(RefType { nullable: bits & NULLABLE != 0, heap }))
}

/// Makes the stored form. Pieces must be added in the order of their offsets.
#[derive(Default)]
pub(crate) struct TablesBuilder {
    arrays: [Vec<u8>; ARRAYS],
    /// Whether a call recorded its state.
    states: bool,
    /// Whether a frame holds references to objects.
    roots: bool,
}

impl TablesBuilder {
    fn put(&mut self, array: Array, words: &[u32]) {
        let array = &mut self.arrays[array as usize];
        words.iter().for_each(|word| array.extend_from_slice(&word.to_le_bytes()));
    }

    fn count(&self, array: Array, words: usize) -> u32 {
        (self.arrays[array as usize].len() / (words * 4)) as u32
    }

    /// A piece of code at `start` with its sites, whose offsets are from there.
    pub(crate) fn piece(&mut self, kind: PieceKind, id: u32, start: u32, len: u32, sites: &Sites) {
        let saved = (self.count(Array::Saved, 2), sites.saved.len() as u32);
        let first_state = self.count(Array::StateAt, STATE_WORDS);
        let first_roots = self.count(Array::RootsAt, 2);
        let first_inlined = self.count(Array::Inlined, INLINED_WORDS);
        self.put(Array::Pieces, &[start, len, kind.word(), id, saved.0, saved.1]);
        self.put(Array::Pieces, &[first_state, first_roots, first_inlined]);
        for saved in &sites.saved {
            self.put(Array::Saved, &[u32::from(saved.register), saved.offset as u32]);
        }
        let position = |wasm: u32| if wasm & INLINED != 0 { wasm + first_inlined } else { wasm };
        for site in &sites.inlined {
            self.put(Array::Inlined, &[site.func.as_u32(), site.wasm, position(site.caller)]);
        }
        for trap in &sites.traps {
            self.put(Array::TrapCode, &[start + trap.code]);
            self.put(Array::TrapWasm, &[position(trap.wasm)]);
            self.arrays[Array::TrapKind as usize].push(trap.trap as u8);
        }
        for call in &sites.calls {
            self.put(Array::CallCode, &[start + call.code]);
            self.put(Array::CallWasm, &[position(call.wasm)]);
            let state = call.state.map_or(0, |state| first_state + state + 1);
            self.put(Array::CallState, &[state]);
            self.states |= state != 0;
            let roots = call.roots.map_or(0, |roots| first_roots + roots + 1);
            self.put(Array::CallRoots, &[roots]);
            self.roots |= roots != 0;
        }
        for roots in &sites.roots {
            let first = self.count(Array::Roots, 1);
            self.put(Array::RootsAt, &[first, roots.len() as u32]);
            roots.iter().for_each(|&offset| self.put(Array::Roots, &[offset as u32]));
        }
        for landing in &sites.landings {
            self.put(Array::Landings, &[start + landing.code, start + landing.pad, landing.below]);
        }
        sites.states.iter().for_each(|state| self.state(state));
    }

    fn state(&mut self, state: &FrameState) {
        let (first, count) = (self.count(Array::Values, VALUE_WORDS), state.values.len() as u32);
        let leave = state.leave.map_or(0, |_| first + count + 1);
        self.put(Array::StateAt, &[first, count, state.locals, leave]);
        let places = state.leave.map(|Leave { vmctx, results, area }| [vmctx, results, area]);
        let places = places.into_iter().flatten().map(|place| (ValType::I64, place));
        for (ty, place) in state.values.iter().copied().chain(places) {
            let (kind, payload) = match place {
                ValuePlace::Frame(offset) => (0, offset as u32),
                ValuePlace::Register(number) => (1, u32::from(number)),
                ValuePlace::Const(bits) => {
                    let at = self.count(Array::Consts, 4);
                    self.put(Array::Consts, &[0, 32, 64, 96].map(|shift| (bits >> shift) as u32));
                    (2, at)
                }
            };
            let (ty, index) = encode_type(ty);
            self.put(Array::Values, &[kind << 16 | ty, payload, index]);
        }
    }

    /// A function that the code calls and does not contain.
    pub(crate) fn outside(&mut self, func: FuncIndex) {
        self.put(Array::Outside, &[func.as_u32()]);
    }

    /// A place for the absolute address of `target`.
    pub(crate) fn absolute(&mut self, at: u32, target: u32) {
        self.put(Array::Absolute, &[at, target]);
    }

    /// The stored form; `None` if an array exceeds 4 GiB.
    pub(crate) fn finish(mut self) -> Option<Tables> {
        if !self.states {
            self.arrays[Array::CallState as usize].clear();
        }
        if !self.roots {
            self.arrays[Array::CallRoots as usize].clear();
        }
        let size = HEAD + self.arrays.iter().map(Vec::len).sum::<usize>();
        let mut bytes = Vec::with_capacity(size);
        for array in &self.arrays {
            bytes.extend_from_slice(&u32::try_from(array.len()).ok()?.to_le_bytes());
        }
        self.arrays.iter().for_each(|array| bytes.extend_from_slice(array));
        Tables::new(bytes.into(), 0..size)
    }
}

#[cfg(test)]
#[path = "sites_tests.rs"]
mod tests;
