//! Owns turning what Cranelift returns into the engine's code artifact: bytes, relocations, site table.
//! Does not know the guest's operators; source locations lead back to them.

use cranelift_codegen::binemit::Reloc;
use cranelift_codegen::gimli::write::{self, Address, EndianVec, FrameTable};
use cranelift_codegen::gimli::{
    self, BaseAddresses, CallFrameInstruction, CieOrFde, LittleEndian, UnwindSection,
};
use cranelift_codegen::ir::{ExternalName, Function, SourceLoc, StackSlot, TrapCode as ClifTrap};
use cranelift_codegen::isa::TargetIsa;
use cranelift_codegen::isa::unwind::{UnwindInfo, UnwindInfoKind};
use cranelift_codegen::{
    CompiledCode, ExceptionContextLoc, Final, FinalizedMachExceptionHandler, FinalizedRelocTarget,
    MachBufferFrameLayout, MachSrcLoc, MachTrap,
};
use sterna_abi::{
    CallSite, CodeReloc, FrameState, FunctionCode, INLINED, InlinedSite, LandingSite, Leave,
    RelocKind, SavedReg, Sites, TrapSite, ValuePlace,
};
use sterna_base::FuncIndex;
use sterna_isa::{TrapCode, ValType};
use sterna_opt::Graph;

use crate::lower::Lowering;
use crate::positions::Positions;

/// The state at one call while it is compiled: constants are known, other values follow in the order of the call's context items.
pub(crate) struct PendingState {
    /// One per function that is active there, innermost first.
    pub frames: Vec<PendingFrame>,
    /// What the context items for leaving the frame are, after those of the frames. Of the vmctx there is one always.
    pub leave: PendingLeave,
    /// Where calls leave results beyond registers.
    pub area: Option<StackSlot>,
}

/// See [`PendingState::leave`].
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum PendingLeave {
    /// The frame cannot be left.
    Never,
    /// There is no address for results.
    Plain,
    /// The vmctx is followed by the address for results.
    WithAddress,
}

/// The state of one function at a call.
pub(crate) struct PendingFrame {
    pub locals: u32,
    pub values: Vec<(ValType, PendingPlace)>,
}

/// Where a recorded value will be.
#[derive(Clone, Copy)]
pub(crate) enum PendingPlace {
    /// Nowhere: its bits are known.
    Const(u128),
    /// Where the next context item says.
    Item,
    /// In a slot that the collector keeps up to date, as no register is.
    Home(StackSlot),
}

/// The engine's trap code in CLIF.
pub(crate) fn clif_trap(trap: TrapCode) -> ClifTrap {
    ClifTrap::unwrap_user(trap as u8)
}

/// The trap that a CLIF code stands for.
pub(crate) fn engine_trap(code: ClifTrap) -> TrapCode {
    match code {
        ClifTrap::STACK_OVERFLOW => TrapCode::StackOverflow,
        ClifTrap::INTEGER_OVERFLOW => TrapCode::IntegerOverflow,
        ClifTrap::INTEGER_DIVISION_BY_ZERO => TrapCode::IntegerDivideByZero,
        ClifTrap::BAD_CONVERSION_TO_INTEGER => TrapCode::InvalidConversionToInteger,
        ClifTrap::HEAP_OUT_OF_BOUNDS => TrapCode::MemoryOutOfBounds,
        user => TrapCode::from_byte(user.as_raw().get())
            .expect("lowering uses trap codes of the table only"),
    }
}

/// Size of a frame in bytes, below its frame pointer.
pub(crate) fn frame_size(code: &CompiledCode) -> u32 {
    code.buffer.frame_layout().map_or(0, |layout| layout.frame_to_fp_offset)
}

/// Makes the artifact of a function. `wasm` is the offset to report where there is no source location (the prologue);
/// `lowering` is what lowering said of it, `positions` says what source locations refer to, `graph` where that is.
pub(crate) fn function_code(
    isa: &dyn TargetIsa,
    func: &Function,
    code: &CompiledCode,
    wasm: u32,
    lowering: Lowering,
    positions: &Positions,
    graph: &Graph,
) -> Result<FunctionCode, String> {
    let relocs = relocations(func, code)?;
    let mut sites = Sites::default();
    let locations = Locations { ranges: code.buffer.get_srclocs_sorted() };
    for &MachTrap { offset, code } in code.buffer.traps() {
        let found = positions.trap(func, locations.at(offset), code);
        let (at, trap) = found.ok_or("a trap lost its access")?;
        sites.traps.push(TrapSite { code: offset, wasm: at.unwrap_or(wasm), trap });
    }
    sites.traps.sort_by_key(|site| site.code);
    let mut states = lowering.states;
    states.sort_by_key(|&(call, _)| call);
    for site in code.buffer.call_sites() {
        let (call, at) = positions.inst(locations.at(site.ret_addr - 1));
        let wasm = at.unwrap_or(wasm);
        let is_state = |item: &&FinalizedMachExceptionHandler| {
            matches!(item, FinalizedMachExceptionHandler::Context(_))
        };
        let items: Vec<_> = site.exception_handlers.iter().filter(is_state).collect();
        for item in site.exception_handlers {
            if let FinalizedMachExceptionHandler::Default(pad) = *item {
                let below = site.frame_offset.ok_or("a call with a handler has no frame")?;
                sites.landings.push(LandingSite { code: site.ret_addr, pad, below });
            }
        }
        let state = match &items[..] {
            [] => None,
            items => {
                let found = states.binary_search_by_key(&call, |&(call, _)| Some(call));
                let (_, state) = &states[found.map_err(|_| "a call lost its source location")?];
                let frame = site.frame_offset.ok_or("a call with state has no frame")?;
                let layout = code.buffer.frame_layout().ok_or("a call with state has no frame")?;
                let first = sites.states.len() as u32;
                sites.states.extend(frame_states(state, items, frame, layout)?);
                Some(first)
            }
        };
        sites.calls.push(CallSite { code: site.ret_addr, wasm, state, roots: None });
    }
    sites.calls.sort_by_key(|site| site.code);
    stack_maps(code, &mut sites)?;
    sites.landings.sort_by_key(|site| site.code);
    keep_used(graph.inlined(), &mut sites);
    sites.saved = saved_registers(isa, code)?;
    Ok(FunctionCode { bytes: code.code_buffer().to_vec(), relocs, sites })
}

/// Lists those positions in inlined functions that sites refer to, and makes sites refer to that list.
fn keep_used(inlined: &[InlinedSite], sites: &mut Sites) {
    let index = |position: u32| position.checked_sub(INLINED).map(|index| index as usize);
    let mut new = vec![0; inlined.len()];
    let traps = sites.traps.iter().map(|site| site.wasm);
    for used in traps.chain(sites.calls.iter().map(|site| site.wasm)).filter_map(index) {
        new[used] = INLINED;
    }
    // Callers come before callees.
    for at in (0..inlined.len()).rev() {
        if let (INLINED, Some(caller)) = (new[at], index(inlined[at].caller)) {
            new[caller] = INLINED;
        }
    }
    let renumber = |position: &mut u32, new: &[u32]| {
        if let Some(old) = index(*position) {
            *position = new[old];
        }
    };
    for (at, &site) in inlined.iter().enumerate() {
        if new[at] == INLINED {
            new[at] = INLINED | sites.inlined.len() as u32;
            let mut site = site;
            renumber(&mut site.caller, &new);
            sites.inlined.push(site);
        }
    }
    sites.traps.iter_mut().for_each(|site| renumber(&mut site.wasm, &new));
    sites.calls.iter_mut().for_each(|site| renumber(&mut site.wasm, &new));
}

/// Notes at calls where their frames hold references to objects.
fn stack_maps(code: &CompiledCode, sites: &mut Sites) -> Result<(), String> {
    for (return_address, frame, map) in code.buffer.user_stack_maps() {
        let found = sites.calls.binary_search_by_key(return_address, |call| call.code);
        let call = &mut sites.calls[found.map_err(|_| "a stack map belongs to no call")?];
        call.roots = Some(sites.roots.len() as u32);
        let place = |(_, offset): (_, u32)| offset as i32 - *frame as i32;
        sites.roots.push(map.entries().map(place).collect());
    }
    Ok(())
}

fn relocations(func: &Function, code: &CompiledCode) -> Result<Vec<CodeReloc>, String> {
    let relocation = |reloc: &cranelift_codegen::FinalizedMachReloc| {
        let kind = match reloc.kind {
            Reloc::X86CallPCRel4 | Reloc::X86PCRel4 => RelocKind::PcRel32,
            Reloc::Arm64Call => RelocKind::Arm64Branch26,
            Reloc::Abs8 => RelocKind::Abs64,
            other => return Err(format!("needs a relocation of kind {other}")),
        };
        let target = match &reloc.target {
            FinalizedRelocTarget::ExternalName(ExternalName::User(name)) => {
                FuncIndex::from_u32(func.params.user_named_funcs()[*name].index)
            }
            other => return Err(format!("needs the library routine {}", other.display(None))),
        };
        Ok(CodeReloc { offset: reloc.offset, kind, target, addend: reloc.addend })
    };
    code.buffer.relocs().iter().map(relocation).collect()
}

/// Source locations by code offset.
struct Locations<'a> {
    ranges: &'a [MachSrcLoc<Final>],
}

impl Locations<'_> {
    fn at(&self, offset: u32) -> SourceLoc {
        let after = self.ranges.partition_point(|range| range.start <= offset);
        let found = after.checked_sub(1).map(|i| &self.ranges[i]);
        found.filter(|range| offset < range.end).map_or(SourceLoc::default(), |range| range.loc)
    }
}

fn frame_states(
    state: &PendingState,
    items: &[&FinalizedMachExceptionHandler],
    frame: u32,
    layout: &MachBufferFrameLayout,
) -> Result<Vec<FrameState>, String> {
    let mut items = items.iter().copied();
    let frames = state.frames.iter().map(|pending| frame_state(pending, &mut items, frame, layout));
    let mut states = frames.collect::<Result<Vec<_>, _>>()?;
    let vmctx = item_place(&mut items, frame)?;
    let results = match state.leave {
        PendingLeave::WithAddress => item_place(&mut items, frame)?,
        PendingLeave::Plain | PendingLeave::Never => ValuePlace::Const(0),
    };
    if items.len() != 0 {
        return Err("a call has unknown recorded values".to_owned());
    }
    if let (true, Some(outermost)) = (state.leave != PendingLeave::Never, states.last_mut()) {
        let area = state.area.map_or(ValuePlace::Const(0), |slot| slot_place(slot, frame, layout));
        outermost.leave = Some(Leave { vmctx, results, area });
    }
    Ok(states)
}

/// What the next context item says.
fn item_place<'a>(
    items: &mut impl Iterator<Item = &'a FinalizedMachExceptionHandler>,
    frame: u32,
) -> Result<ValuePlace, String> {
    let Some(FinalizedMachExceptionHandler::Context(place)) = items.next() else {
        return Err("a call lost a recorded value".to_owned());
    };
    Ok(match place {
        ExceptionContextLoc::SPOffset(offset) => ValuePlace::Frame(*offset as i32 - frame as i32),
        ExceptionContextLoc::GPR(number) => ValuePlace::Register(*number),
    })
}

fn slot_place(slot: StackSlot, frame: u32, layout: &MachBufferFrameLayout) -> ValuePlace {
    ValuePlace::Frame(layout.stackslots[slot].offset as i32 - frame as i32)
}

fn frame_state<'a>(
    state: &PendingFrame,
    items: &mut impl Iterator<Item = &'a FinalizedMachExceptionHandler>,
    frame: u32,
    layout: &MachBufferFrameLayout,
) -> Result<FrameState, String> {
    let mut values = Vec::with_capacity(state.values.len());
    for &(ty, place) in &state.values {
        let place = match place {
            PendingPlace::Const(bits) => ValuePlace::Const(bits),
            PendingPlace::Home(slot) => slot_place(slot, frame, layout),
            PendingPlace::Item => item_place(items, frame)?,
        };
        values.push((ty, place));
    }
    Ok(FrameState { locals: state.locals, values, leave: None })
}

/// Where the prologue saved registers. Cranelift tells through its unwind information only, which can be written as
/// DWARF and read back. Numbers of callee-saved registers are the same in DWARF and in hardware, but for the frame pointer.
fn saved_registers(isa: &dyn TargetIsa, code: &CompiledCode) -> Result<Vec<SavedReg>, String> {
    if !isa.flags().unwind_info() {
        return Ok(Vec::new());
    }
    let info = code
        .create_unwind_info_of_kind(isa, UnwindInfoKind::SystemV)
        .map_err(|error| error.to_string())?;
    let Some(UnwindInfo::SystemV(info)) = info else {
        return Err("register saves cannot be found on this target yet".to_owned());
    };
    let cie = isa.create_systemv_cie().ok_or("no unwind information on this target")?;
    let mut table = FrameTable::default();
    let cie = table.add_cie(cie);
    table.add_fde(cie, info.to_fde(Address::Constant(0)));
    let mut section = write::EhFrame(EndianVec::new(LittleEndian));
    table.write_eh_frame(&mut section).map_err(|error| error.to_string())?;
    read_saves(section.slice()).map_err(|error| error.to_string())
}

/// Bytes between the frame pointer and the stack pointer before the call: the link and the return address.
const FRAME_LINK: i64 = 16;

/// The number of the first vector register in DWARF, on machines where calls preserve any.
const VECTORS: u16 = 64;

/// The register saves that a section with one function tells of.
fn read_saves(section: &[u8]) -> Result<Vec<SavedReg>, gimli::Error> {
    let section = gimli::EhFrame::new(section, LittleEndian);
    let bases = BaseAddresses::default().set_eh_frame(0);
    let mut entries = section.entries(&bases);
    let mut found = Vec::new();
    while let Some(entry) = entries.next()? {
        let CieOrFde::Fde(partial) = entry else { continue };
        let fde = partial.parse(UnwindSection::cie_from_offset)?;
        let scale = fde.cie().data_alignment_factor();
        let mut instructions = fde.instructions(&section, &bases);
        while let Some(instruction) = instructions.next()? {
            if let CallFrameInstruction::Offset { register, factored_offset } = instruction {
                let offset = factored_offset as i64 * scale + FRAME_LINK;
                let register = match register.0 {
                    register @ 0..32 => register as u8,
                    vector @ VECTORS..96 => SavedReg::VECTORS + (vector - VECTORS) as u8,
                    _ => continue,
                };
                // The link and the return address lie above the frame pointer.
                if offset < 0 {
                    found.push(SavedReg { register, offset: offset as i32 });
                }
            }
        }
    }
    Ok(found)
}
