//! Owns going on in the interpreter with frames that compiled code has left: writing them, and the function that enters them.
//! Does not own reading them from compiled code, nor removing that: the runtime does.

use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU32};

use sterna_abi::{CapturedFrame, CapturedValue, FuncEntry, Slot, VmCtx};
use sterna_isa::ValType;

use crate::code::ModuleCode;
use crate::exit::store_of;
use crate::machine::{Op, Regs, Stop, step};
use crate::op::enter::Stub;

/// What lies before frames that are to be entered.
#[derive(Clone, Copy)]
#[repr(C)]
struct Header {
    /// Where the innermost one goes on.
    ip: *const u8,
    /// Slots of all frames, as far as they are in use.
    slots: usize,
    /// Slot of the outermost one's record.
    record: usize,
    /// Where the innermost one begins.
    innermost: usize,
    /// Slot of it that accumulators hold, too: the first result of a call.
    first: usize,
}

const HEADER_SLOTS: usize = size_of::<Header>() / size_of::<Slot>();

/// Writes into slots of the value stack.
struct Writer {
    frames: *mut Slot,
    /// How many slots there are.
    room: usize,
    /// One past the last slot written.
    slots: usize,
}

impl Writer {
    fn put(&mut self, slot: usize, value: u64) -> Option<()> {
        if slot >= self.room {
            return None;
        }
        self.slots = self.slots.max(slot + 1);
        // SAFETY: below the end of the room that the caller of `write` has promised.
        let at = unsafe { self.frames.add(slot) };
        // SAFETY: as above.
        unsafe { at.write(value) };
        Some(())
    }

    fn value(&mut self, slot: usize, value: &CapturedValue) -> Option<()> {
        self.put(slot, value.bits as u64)?;
        if value.ty == ValType::V128 {
            self.put(slot + 1, (value.bits >> 64) as u64)
        } else {
            Some(())
        }
    }
}

/// See [`sterna_abi::Interpreter::write_frames`].
///
/// # Safety
/// As there.
pub(crate) unsafe fn write(
    instance: *mut VmCtx,
    frames: &[CapturedFrame],
    returned: Option<&[Slot]>,
    (start, end): (*mut Slot, *mut Slot),
) -> Option<()> {
    let room = (end as usize).checked_sub(start as usize)? / size_of::<Slot>();
    let frames_at = start.wrapping_add(HEADER_SLOTS);
    let mut writer = Writer { frames: frames_at, room: room.checked_sub(HEADER_SLOTS)?, slots: 0 };
    let module = ModuleCode::of(instance);
    let (mut base, mut return_address) = (0, 0);
    let mut header = Header { ip: ptr::null(), slots: 0, record: 0, innermost: 0, first: 0 };
    for (depth, frame) in frames.iter().enumerate().rev() {
        let code = module.code_of(frame.func).ok()?;
        let way = module.way_in(frame.func, frame.wasm_offset)?;
        let fits = |values: &[CapturedValue], places: &[(ValType, u32)]| {
            let slots = |(value, (ty, _)): (&CapturedValue, &(ValType, u32))| {
                value.ty.slots() == ty.slots()
            };
            values.len() == places.len() && values.iter().zip(places).all(slots)
        };
        let is_call = depth > 0 || returned.is_some();
        if way.is_call != is_call
            || !fits(&frame.locals, &way.locals)
            || !fits(&frame.stack, &way.stack)
            || base + way.frame_slots as usize > writer.room
        {
            return None;
        }
        let values = frame.locals.iter().zip(&way.locals).chain(frame.stack.iter().zip(&way.stack));
        for (value, &(_, slot)) in values {
            writer.value(base + slot as usize, value)?;
        }
        let record = base + way.record as usize;
        writer.put(record, return_address)?;
        writer.put(record + 1, instance as u64)?;
        let ip = code + way.position as usize;
        if depth + 1 == frames.len() {
            header.record = record;
        }
        if depth > 0 {
            return_address = ip as u64;
            base += way.base as usize;
            continue;
        }
        for (at, &value) in returned.unwrap_or(&[]).iter().enumerate() {
            writer.put(base + way.base as usize + at, value)?;
        }
        header.ip = ip as *const u8;
        header.innermost = base;
        // Without a result, whatever is there.
        header.first =
            if returned.is_some_and(|slots| !slots.is_empty()) { way.base as usize } else { 0 };
    }
    header.slots = writer.slots;
    // SAFETY: there is room for a header in front of the frames.
    unsafe { start.cast::<Header>().write(header) };
    // SAFETY: the store outlives its instances.
    unsafe { (*store_of(instance)).resume = start };
    Some(())
}

/// Goes on with the frames at `StoreCtx::resume`, as if they had been called here.
struct Resume;

impl Op for Resume {
    #[inline(always)]
    fn run(r: &mut Regs) -> Result<(), Stop> {
        let store = store_of(r.vmctx);
        // SAFETY: the store outlives its instances.
        let at = unsafe { (*store).resume };
        // SAFETY: whoever calls the entry has left frames there, with a header before.
        let header = unsafe { at.cast::<Header>().read() };
        // SAFETY: the frames follow the header, and are not below the frame called.
        unsafe { ptr::copy(at.wrapping_add(HEADER_SLOTS), r.fp, header.slots) };
        r.set_slot(header.record, r.acc);
        r.fp = r.slot_ptr(header.innermost);
        if ModuleCode::of(r.vmctx).has_memory() {
            r.load_memory();
        }
        let first: u64 = r.slot(header.first);
        (r.acc, r.f32, r.f64) = (first, f32::from_bits(first as u32), f64::from_bits(first));
        r.ip = header.ip;
        Ok(())
    }
}

static STUB: Stub = Stub::new(step::<Resume>);

/// See [`sterna_abi::Interpreter::resume_entry`].
pub(crate) static ENTRY: FuncEntry = FuncEntry {
    reg: AtomicPtr::new(ptr::null_mut()),
    tail: AtomicPtr::new(ptr::null_mut()),
    stack: AtomicPtr::new((&raw const STUB).cast_mut().cast()),
    interp: ptr::null(),
    budget: AtomicU32::new(0),
    calls: AtomicU32::new(0),
    func: 0,
    param_slots: 0,
    result_slots: 0,
};
