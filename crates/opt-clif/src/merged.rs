//! Owns the positions of traps that Cranelift merged into another instruction: of a load into its user, of `unreachable` into a branch.
//! Does not own other positions: source locations say those.
//!
//! Machine code has one source location per instruction, that of the operator which was selected for it. If a load became a part of it,
//! the trap is the load's, and with inlining the two can even be in different functions.
//!
//! Rules:
//! 1. A load that can trap (`certain` lists others) and has no site of its own was merged, removed, or found equal to an earlier one.
//!    Loads of the same kind and place are the first one of them.
//! 2. It is followed through operators without effects to the first one that has a site with the load's trap code.
//! 3. If that operator cannot raise this code itself, the site is the load's.
//! 4. If it is a store to the same place, so it is: a store of what was loaded and changed reads memory first.
//! 5. A store without a site whose place was not accessed before was removed, because a later store to this place overwrites what it
//!    wrote: the site of that one is the first one's.
//! 6. An operator that the backend has written anew has no location. The site of a load that became a part of such a one is the next load's,
//!    in the order of the code, of those that have none.
//! 7. A branch to `unreachable` becomes a conditional trap; its site is that of the `unreachable`.

use std::collections::{HashMap, HashSet};

use sterna_abi::TrapSite;
use sterna_isa::{Class, Op, TrapCode};
use sterna_opt::{Block, Graph, Inst, MemAccess, Opcode, Value};

/// Corrects the positions of `traps`, sites of the code of `graph`; those without a location are at `nowhere`.
pub(crate) fn correct_positions(
    graph: &Graph,
    certain: &[u32],
    nowhere: u32,
    traps: &mut [TrapSite],
) {
    if traps.is_empty() {
        return;
    }
    // What has a site of its own, or needs none.
    let mut own: HashSet<(u32, u8)> =
        traps.iter().map(|site| (site.wasm, site.trap as u8)).collect();
    own.extend(certain.iter().map(|&origin| (origin, TrapCode::MemoryOutOfBounds as u8)));
    let has_site =
        |inst: Inst, trap: TrapCode| own.contains(&(graph.inst(inst).origin.0, trap as u8));
    // What each load became part of so far.
    let mut parts: HashMap<Inst, (Inst, TrapCode)> = HashMap::new();
    let mut found: HashMap<(u32, u8), u32> = HashMap::new();
    let (mut places, mut loads) = (Places::new(), HashMap::new());
    for inst in graph.blocks().flat_map(|block| graph.block_insts(block)) {
        let Opcode::Wasm(op) = graph.inst(inst).op else { continue };
        if matches!(op.class(), Class::Load | Class::Store) && graph.access(inst).in_bounds {
            continue;
        }
        let origin = graph.inst(inst).origin.0;
        let place = place(graph, inst, op);
        if let Some((place, trap)) = place
            && let Some(removed) = removed(&mut places, place, (op, origin), has_site(inst, trap))
        {
            found.insert((origin, trap as u8), removed);
        }
        if let Some(trap) = trap_of_load(op) {
            let first = *loads.entry((place, op)).or_insert(inst);
            if !has_site(inst, trap) {
                let part =
                    if first == inst { Some((inst, trap)) } else { parts.get(&first).copied() };
                parts.extend(part.map(|part| (inst, part)));
                continue;
            }
        }
        if op == Op::BrIf
            && has_site(inst, TrapCode::Unreachable)
            && let Some(unreachable) = unreachable_behind(graph, inst)
        {
            found.insert((origin, TrapCode::Unreachable as u8), unreachable);
        }
        if parts.is_empty() {
            continue;
        }
        let defs = graph.args(inst).iter().filter_map(|&arg| graph.def_inst(arg));
        for (load, trap) in defs.filter_map(|def| parts.get(&def).copied()).collect::<Vec<_>>() {
            if has_site(inst, trap) {
                if !raises(op, trap) || is_update(graph, load, inst) {
                    found.entry((origin, trap as u8)).or_insert(graph.inst(load).origin.0);
                }
            } else if matches!(op.class(), Class::Pure | Class::Lane | Class::Parametric) {
                parts.insert(inst, (load, trap));
            }
        }
    }
    for site in &mut *traps {
        if let Some(&load) = found.get(&(site.wasm, site.trap as u8)) {
            site.wasm = load;
        }
    }
    let is_nowhere =
        |site: &TrapSite| site.wasm == nowhere && site.trap == TrapCode::MemoryOutOfBounds;
    locate(graph, is_nowhere, traps);
}

/// Of each place the first store if it was removed, or nothing if the place was accessed before.
type Places = HashMap<Place, Option<u32>>;

/// Rule 5: notes an access, and returns the origin of a removed store whose site it has.
fn removed(
    places: &mut Places,
    place: Place,
    (op, origin): (Op, u32),
    has_site: bool,
) -> Option<u32> {
    if has_site {
        return places.insert(place, None).flatten();
    }
    if trap_of_load(op).is_none() {
        places.entry(place).or_insert(Some(origin));
    }
    None
}

/// Rule 6.
fn locate(graph: &Graph, is_nowhere: impl Fn(&TrapSite) -> bool, traps: &mut [TrapSite]) {
    if !traps.iter().any(&is_nowhere) {
        return;
    }
    let with_site: HashSet<u32> = traps.iter().map(|site| site.wasm).collect();
    let mut order: HashMap<u32, usize> = HashMap::new();
    let mut loads = Vec::new();
    for inst in graph.blocks().flat_map(|block| graph.block_insts(block)) {
        let Opcode::Wasm(op) = graph.inst(inst).op else { continue };
        let origin = graph.inst(inst).origin.0;
        let at = order.len();
        order.entry(origin).or_insert(at);
        if op.class() == Class::Load
            && !graph.access(inst).in_bounds
            && !with_site.contains(&origin)
        {
            loads.push(origin);
        }
    }
    let mut before = 0;
    for site in traps {
        if is_nowhere(site) {
            let next = loads.iter().position(|load| order[load] >= before);
            if let Some(next) = next.or(loads.first().map(|_| 0)) {
                site.wasm = loads.remove(next);
            }
        }
        before = order.get(&site.wasm).copied().unwrap_or(before);
    }
}

/// Rule 7: where the `unreachable` is to which a branch leads.
fn unreachable_behind(graph: &Graph, branch: Inst) -> Option<u32> {
    graph.edges(branch).find_map(|edge| unreachable_at(graph, graph.edge(edge).block))
}

/// Where the `unreachable` is that a block is nothing but.
fn unreachable_at(graph: &Graph, mut block: Block) -> Option<u32> {
    // Blocks that only lead on are skipped by the backend, too.
    for _ in 0..4 {
        let is_nop = |inst: &Inst| graph.inst(*inst).op == Opcode::Wasm(Op::Nop);
        let first = graph.block_insts(block).find(|inst| !is_nop(inst))?;
        match graph.inst(first).op {
            Opcode::Wasm(Op::Unreachable) => return Some(graph.inst(first).origin.0),
            Opcode::Wasm(Op::Br) => block = graph.edge(graph.edges(first).next()?).block,
            _ => return None,
        }
    }
    None
}

/// The trap of a load that may be merged.
fn trap_of_load(op: Op) -> Option<TrapCode> {
    match op {
        Op::StructGet | Op::StructGetS | Op::StructGetU => Some(TrapCode::NullStructureReference),
        Op::ArrayLen => Some(TrapCode::NullArrayReference),
        _ => (op.class() == Class::Load).then_some(TrapCode::MemoryOutOfBounds),
    }
}

/// Rule 3: whether an operator other than a load raises a trap by itself.
fn raises(op: Op, trap: TrapCode) -> bool {
    use Class::{Control, Global, Lane, Parametric, Pure, Store, Trapping, Wide};
    match op.class() {
        Pure | Lane | Wide | Parametric | Trapping | Control => false,
        Store | Global => trap == TrapCode::MemoryOutOfBounds,
        _ => true,
    }
}

/// Rule 4.
fn is_update(graph: &Graph, load: Inst, store: Inst) -> bool {
    let place = |inst| match graph.inst(inst).op {
        Opcode::Wasm(op) => place(graph, inst, op),
        _ => None,
    };
    place(load).is_some() && place(load) == place(store)
}

/// What a load or store accesses: object or address, and field or immediate.
/// The address is a value and a constant, whose sum may have been computed twice.
type Place = ((Value, u128), Access);

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Access {
    Field((u32, u32)),
    Memory(MemAccess),
}

/// The place that an instruction accesses, and the trap if it is not there.
fn place(graph: &Graph, inst: Inst, op: Op) -> Option<(Place, TrapCode)> {
    let (access, trap) = match op {
        Op::StructGet | Op::StructGetS | Op::StructGetU | Op::StructSet => {
            (Access::Field(graph.inst(inst).index2()), TrapCode::NullStructureReference)
        }
        _ if matches!(op.class(), Class::Load | Class::Store) => {
            (Access::Memory(graph.access(inst)), TrapCode::MemoryOutOfBounds)
        }
        _ => return None,
    };
    let address = graph.args(inst)[0];
    let sum = graph.def_inst(address).filter(|&sum| graph.inst(sum).op == Opcode::Wasm(Op::I32Add));
    let sum = sum.and_then(|sum| {
        let &[base, by] = graph.args(sum) else { return None };
        Some((base, graph.constant(by)?))
    });
    Some(((sum.unwrap_or((address, 0)), access), trap))
}
