//! Owns the tests of stored site tables: what goes in comes out, and garbage is survived.
//! Does not test what compilers put in.
#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

use sterna_abi::LandingSite;

use super::*;

fn sites() -> Sites {
    let concrete = RefType { nullable: false, heap: HeapType::Concrete(70_000) };
    Sites {
        traps: vec![
            TrapSite { code: 3, wasm: 100, trap: TrapCode::MemoryOutOfBounds },
            TrapSite { code: 9, wasm: INLINED | 1, trap: TrapCode::IntegerDivideByZero },
        ],
        calls: vec![
            CallSite { code: 8, wasm: 104, state: None, roots: None },
            CallSite { code: 20, wasm: 110, state: Some(1), roots: Some(0) },
            CallSite { code: 30, wasm: 120, state: Some(0), roots: Some(1) },
        ],
        states: vec![
            FrameState::default(),
            FrameState {
                locals: 2,
                values: vec![
                    (ValType::V128, ValuePlace::Const(u128::MAX - 5)),
                    (ValType::I32, ValuePlace::Frame(-24)),
                    (ValType::FUNCREF, ValuePlace::Register(12)),
                    (ValType::Ref(concrete), ValuePlace::Const(7)),
                ],
                leave: Some(Leave {
                    vmctx: ValuePlace::Register(14),
                    results: ValuePlace::Frame(-56),
                    area: ValuePlace::Frame(-80),
                }),
            },
        ],
        roots: vec![[-8, -24].into(), [16].into()],
        landings: vec![
            LandingSite { code: 20, pad: 33, below: 48 },
            LandingSite { code: 30, pad: 36, below: 48 },
        ],
        saved: vec![SavedReg { register: 3, offset: -8 }, SavedReg { register: 12, offset: -16 }],
        inlined: vec![
            InlinedSite { func: FuncIndex::from_u32(2), wasm: 70, caller: 104 },
            InlinedSite { func: FuncIndex::from_u32(3), wasm: 80, caller: INLINED },
        ],
    }
}

/// The same sites at 0 (a body), at 64 (an adapter) and at 128 (a bridge).
fn tables() -> Tables {
    let mut builder = TablesBuilder::default();
    let kinds = [PieceKind::Body, PieceKind::Adapter(AdapterKind::TailToStack), PieceKind::Bridge];
    for (at, kind) in (0..).zip(kinds) {
        builder.piece(kind, 5 + at, at * 64, 40, &sites());
    }
    builder.outside(FuncIndex::from_u32(9));
    builder.absolute(16, 64);
    builder.finish().unwrap()
}

#[test]
fn what_goes_in_comes_out() {
    let tables = tables();
    let expected = sites();
    for (at, piece) in (0..).zip(tables.pieces()) {
        let start = at * 64;
        assert_eq!((piece.start, piece.len, piece.id), (start, 40, 5 + at));
        assert_eq!(tables.piece_at(start), Some(piece));
        assert_eq!(tables.piece_at(start + 39), Some(piece));
        assert_eq!(tables.piece_at(start + 40), None);
        assert_eq!(tables.saved(&piece).collect::<Vec<_>>(), expected.saved);
        for offset in 0..40 {
            let trap = expected.traps.iter().find(|trap| trap.code == offset);
            let found = tables.trap(start + offset);
            assert_eq!(found.map(|found| found.trap), trap.map(|trap| trap.trap));
            assert_eq!(found.map(|found| found.code), trap.map(|_| start + offset));
            if let Some(found) = found {
                let chain = tables.chain(FuncIndex::from_u32(9), found.wasm);
                let chain: Vec<_> = chain.map(|(func, wasm)| (func.as_u32(), wasm)).collect();
                let expected: &[(u32, u32)] =
                    if offset == 3 { &[(9, 100)] } else { &[(3, 80), (2, 70), (9, 104)] };
                assert_eq!(chain, expected);
            }
            let call = expected.calls.iter().find(|call| call.code == offset);
            let found = tables.call(start + offset);
            assert_eq!(found.map(|call| call.wasm), call.map(|call| call.wasm));
            let roots = |tables: &Tables, index| tables.roots(index).collect::<Vec<_>>();
            let wanted =
                call.and_then(|call| call.roots).map(|at| expected.roots[at as usize].to_vec());
            assert_eq!(found.and_then(|call| call.roots).map(|at| roots(&tables, at)), wanted);
            let state =
                call.and_then(|call| call.state).map(|at| expected.states[at as usize].clone());
            let found = found.and_then(|call| call.state).map(|at| tables.state(at).unwrap());
            assert_eq!(found, state);
            let landing = expected.landings.iter().find(|landing| landing.code == offset);
            let landing = landing.map(|landing| (start + landing.pad, landing.below));
            assert_eq!(tables.landings().of_call(start + offset), landing);
        }
    }
    assert_eq!(tables.pieces().count(), 3);
    assert_eq!(tables.outside().collect::<Vec<_>>(), [FuncIndex::from_u32(9)]);
    assert_eq!(tables.absolutes().collect::<Vec<_>>(), [(16, 64)]);
    assert_eq!(tables.state(6), None);
}

#[test]
fn sites_of_a_piece_come_out_again() {
    let tables = tables();
    for piece in tables.pieces() {
        assert_eq!(tables.sites(&piece), sites());
    }
    // Pieces without a gap: the last call of the first returns to where the second begins.
    let mut builder = TablesBuilder::default();
    let calls = vec![CallSite { code: 32, wasm: 7, state: None, roots: None }];
    let traps = vec![TrapSite { code: 0, wasm: 8, trap: TrapCode::Unreachable }];
    let sites = Sites { calls, traps, ..Sites::default() };
    (0..3).for_each(|at| builder.piece(PieceKind::Body, at, at * 32, 32, &sites));
    let tables = builder.finish().unwrap();
    assert!(tables.pieces().all(|piece| tables.sites(&piece) == sites));
}

#[test]
fn every_type_has_a_code() {
    let refs =
        HeapType::ABSTRACT.iter().chain(&[HeapType::Concrete(0), HeapType::Concrete(u32::MAX)]);
    let refs = refs.flat_map(|&heap| [true, false].map(|nullable| RefType { nullable, heap }));
    for ty in NUMBERS.into_iter().chain(refs.map(ValType::Ref)) {
        let (bits, index) = encode_type(ty);
        assert!(bits < 1 << 16);
        assert_eq!(decode_type(bits, index), Some(ty));
    }
}

#[test]
fn tables_are_found_within_other_bytes() {
    let stored = tables().bytes().to_vec();
    let whole = [&[0xff; 3][..], &stored, &[0xff; 5]].concat();
    let inner = Tables::new(whole.clone().into(), 3..3 + stored.len()).unwrap();
    assert_eq!(inner.bytes(), stored);
    assert_eq!(inner.call(20), tables().call(20));
    for wrong in [2..3 + stored.len(), 3..2 + stored.len(), 3..whole.len() + 1, 3..3, 0..0] {
        assert!(Tables::new(whole.clone().into(), wrong).is_none());
    }
}

#[test]
fn states_take_no_room_when_there_are_none() {
    let mut builder = TablesBuilder::default();
    let calls = vec![CallSite { code: 1, wasm: 2, state: None, roots: None }; 100];
    builder.piece(PieceKind::Body, 0, 0, 10, &Sites { calls, ..Sites::default() });
    assert_eq!(builder.finish().unwrap().bytes().len(), HEAD + PIECE_WORDS * 4 + 100 * 8);
}

/// The signal handler must survive tables that passed the checksum and are still wrong.
#[test]
fn garbage_is_survived() {
    let stored = tables().bytes().to_vec();
    for at in 0..stored.len() {
        for byte in [0, 1, 0x7f, 0x80, 0xff] {
            let mut bytes = stored.clone();
            bytes[at] = byte;
            let Some(tables) = Tables::new(bytes.into(), 0..stored.len()) else { continue };
            for offset in (0..200).chain([u32::MAX]) {
                tables.piece_at(offset);
                tables.trap(offset);
                let call = tables.call(offset);
                let func = FuncIndex::from_u32(0);
                tables.trap(offset).map(|trap| tables.chain(func, trap.wasm).count());
                call.and_then(|call| call.state).and_then(|state| tables.state(state));
                call.and_then(|call| call.roots).map(|roots| tables.roots(roots).count());
            }
            for piece in tables.pieces() {
                tables.saved(&piece).count();
                tables.sites(&piece);
            }
            tables.outside().count();
            tables.absolutes().count();
        }
    }
}
