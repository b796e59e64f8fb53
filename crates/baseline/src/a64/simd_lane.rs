//! Owns splats, shuffles, and single lanes of vectors in registers.
//! Does not own lanes in memory (`simd_memory`).

use sterna_isa::Op;

use super::A64;
use super::asm::vector_codes::{self as v, Code2, Code3};
use super::asm::{Lanes, Vreg};
use super::simd_codes::lanes as lanes_of;
use crate::driver::Gen;
use crate::driver::values::{Held, Val};
use crate::machine::{Gpr, Machine};
use crate::stack::{Bank, Ty};

const FLOAT: Bank = Bank::Float;
const ALL: [Lanes; 4] = [Lanes::B16, Lanes::H8, Lanes::S4, Lanes::D2];

/// What a shuffle is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Shuffle {
    /// Of both sources.
    Three(Code3),
    /// Of the first one.
    Two(Code2),
    /// A lane of the first one.
    Dup(Lanes, u8),
    /// Bytes of both next to each other, from one on.
    Ext(u8),
    /// No instruction.
    Table,
}

impl Shuffle {
    /// `lanes` of `i8x16.shuffle`, below 16 if both sources are the same.
    fn of(lanes: [u8; 16], same: bool) -> Shuffle {
        let limit = if same { 15 } else { 31 };
        let is = |source: &dyn Fn(u8) -> u8| {
            (0..16).zip(lanes).all(|(at, lane)| lane == source(at) & limit)
        };
        for all in ALL {
            let (bytes, count) = (all.bits() as u8 / 8, 128 / all.bits() as u8);
            // A byte comes from this lane of both sources in a row, by the lane where it goes.
            let moved = |from: &dyn Fn(u8) -> u8| is(&|at| from(at / bytes) * bytes + at % bytes);
            let first = lanes[0] / bytes;
            if first < count && moved(&|_| first) {
                return Shuffle::Dup(all, first);
            }
            let candidates: [(Code3, &dyn Fn(u8) -> u8); 6] = [
                (v::ZIP1, &|to| to / 2 + to % 2 * count),
                (v::ZIP2, &|to| to / 2 + to % 2 * count + count / 2),
                (v::UZP1, &|to| to * 2),
                (v::UZP2, &|to| to * 2 + 1),
                (v::TRN1, &|to| to / 2 * 2 + to % 2 * count),
                (v::TRN2, &|to| to / 2 * 2 + to % 2 * count + 1),
            ];
            if let Some((code, _)) = candidates.iter().find(|(_, from)| moved(from)) {
                return Shuffle::Three(code.of(all));
            }
            for (code, within) in [(v::REV16, 2), (v::REV32, 4), (v::REV64, 8)] {
                // Of a group of lanes, the last comes first.
                if within > bytes && moved(&|to| to ^ (within / bytes - 1)) {
                    return Shuffle::Two(code.of(all));
                }
            }
        }
        if is(&|at| at + lanes[0]) && lanes[0] < 16 {
            return Shuffle::Ext(lanes[0]);
        }
        Shuffle::Table
    }
}

impl Gen<'_, A64> {
    pub(super) fn splat_integer(&mut self, op: Op) {
        let lanes = lanes_of(op);
        let value = self.top().ty;
        match self.pop() {
            Val::Const(bits) => self.splat_const(bits, lanes),
            other => {
                let held = self.in_reg(value, other);
                self.release(Bank::Int, held);
                let dst = self.result(FLOAT);
                self.asm().dup_gpr(lanes, Vreg(dst), held.gpr());
                self.push_result(Ty::V128, dst);
            }
        }
    }

    pub(super) fn splat_float(&mut self, op: Op) {
        let lanes = lanes_of(op);
        if let Val::Const(bits) = self.val_of(&self.top()) {
            self.pop();
            return self.splat_const(bits, lanes);
        }
        let held = self.pop_reg();
        self.release(FLOAT, held);
        let dst = self.result(FLOAT);
        self.asm().dup(lanes, Vreg(dst), held.vreg(), 0);
        self.push_result(Ty::V128, dst);
    }

    fn splat_const(&mut self, bits: u64, lanes: Lanes) {
        let bits = bits & u64::MAX >> (64 - lanes.bits());
        let all = (0..128 / lanes.bits()).fold(0, |all, _| all << lanes.bits() | u128::from(bits));
        self.push_vector_const(all);
    }

    // ------------------------------------------------------------------------------------------ shuffles

    /// `i8x16.shuffle`.
    pub(super) fn shuffle(&mut self, mut lanes: [u8; 16]) {
        let b = self.pop_reg();
        let a = self.pop_reg();
        let (mut first, mut second) = (a, b);
        if lanes.iter().all(|&lane| lane < 16) {
            second = first;
        } else if lanes.iter().all(|&lane| lane >= 16) {
            first = second;
            lanes = lanes.map(|lane| lane - 16);
        } else if lanes[0] >= 16 {
            // What is known begins with the first one.
            (first, second) = (second, first);
            lanes = lanes.map(|lane| lane ^ 16);
        }
        let what = Shuffle::of(lanes, first == second);
        if what == Shuffle::Table {
            let dst = self.shuffle_by_table(lanes, first, second);
            self.release(FLOAT, a);
            self.release(FLOAT, b);
            return self.push_vector(dst);
        }
        self.release(FLOAT, a);
        self.release(FLOAT, b);
        let dst = Vreg(self.result(FLOAT));
        let (first, second) = (first.vreg(), second.vreg());
        let asm = self.asm();
        match what {
            Shuffle::Three(code) => asm.v3(code, dst, first, second),
            Shuffle::Two(code) => asm.v2(code, dst, first),
            Shuffle::Dup(lanes, lane) => asm.dup(lanes, dst, first, lane),
            Shuffle::Ext(0) => asm.mov_v(dst, first),
            Shuffle::Ext(from) => asm.ext(dst, first, second, from),
            Shuffle::Table => unreachable!("done above"),
        }
        self.push_result(Ty::V128, dst.0);
    }

    /// An index out of range gives 0 for the first source; for the second one it keeps what is there.
    fn shuffle_by_table(&mut self, lanes: [u8; 16], first: Held, second: Held) -> Vreg {
        let indices = A64::TEMP_V;
        let dst = self.alloc_vreg();
        self.vector_const(indices, u128::from_le_bytes(lanes));
        self.asm().v3(v::TBL, dst, first.vreg(), indices);
        if first != second {
            let sixteen = self.alloc_vreg();
            self.vector_const(sixteen, u128::from_le_bytes([16; 16]));
            self.asm().v3(v::SUB.of(Lanes::B16), indices, indices, sixteen);
            self.asm().v3(v::TBX, dst, second.vreg(), indices);
            self.free_vreg(sixteen);
        }
        dst
    }

    // ------------------------------------------------------------------------------------------ single lanes

    /// An operator of class Lane with one lane.
    // tidy: dispatch
    pub(super) fn lane(&mut self, op: Op, lane: u8) {
        use Op::*;
        let lanes = lanes_of(op);
        match op {
            I8x16ExtractLaneS | I16x8ExtractLaneS => {
                self.extract_integer(Ty::I32, |asm, dst, src| asm.smov(lanes, dst, src, lane));
            }
            I8x16ExtractLaneU | I16x8ExtractLaneU | I32x4ExtractLane => {
                self.extract_integer(Ty::I32, |asm, dst, src| asm.umov(lanes, dst, src, lane));
            }
            I64x2ExtractLane => {
                self.extract_integer(Ty::I64, |asm, dst, src| asm.umov(lanes, dst, src, lane));
            }
            F32x4ExtractLane => self.extract_float(Ty::F32, lanes, lane),
            F64x2ExtractLane => self.extract_float(Ty::F64, lanes, lane),
            F32x4ReplaceLane | F64x2ReplaceLane => {
                let value = self.pop_reg();
                let a = Vreg(self.pop_own());
                self.asm().ins(lanes, (a, lane), (value.vreg(), 0));
                self.release(FLOAT, value);
                self.push_vector(a);
            }
            _ => {
                let value = self.pop_reg();
                let a = Vreg(self.pop_own());
                self.asm().ins_gpr(lanes, (a, lane), value.gpr());
                self.release(Bank::Int, value);
                self.push_vector(a);
            }
        }
    }

    fn extract_integer(&mut self, ty: Ty, emit: impl FnOnce(&mut super::asm::Asm, Gpr, Vreg)) {
        let held = self.pop_reg();
        self.release(FLOAT, held);
        let dst = self.result(Bank::Int);
        emit(self.asm(), Gpr(dst), held.vreg());
        self.push_result(ty, dst);
    }

    fn extract_float(&mut self, ty: Ty, lanes: Lanes, lane: u8) {
        if lane == 0 {
            let a = self.pop_own();
            return self.push_reg(ty, a);
        }
        let held = self.pop_reg();
        self.release(FLOAT, held);
        let dst = self.result(FLOAT);
        self.asm().mov_lane(lanes, Vreg(dst), held.vreg(), lane);
        self.push_result(ty, dst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What an instruction that a shuffle became does to the bytes 0 to 31.
    fn bytes(shuffle: Shuffle) -> Option<Vec<u8>> {
        let both: Vec<u8> = (0..32).collect();
        let lane = |all: Lanes, at: usize| {
            let size = all.bits() as usize / 8;
            both[at * size..][..size].to_vec()
        };
        match shuffle {
            Shuffle::Dup(all, at) => {
                Some((0..128 / all.bits()).flat_map(|_| lane(all, at.into())).collect())
            }
            Shuffle::Ext(from) => Some(both[from.into()..][..16].to_vec()),
            _ => None,
        }
    }

    #[test]
    fn shuffles() {
        let lanes = |from: &dyn Fn(u8) -> u8| std::array::from_fn(|at| from(at as u8));
        let both = |from: &dyn Fn(u8) -> u8| Shuffle::of(lanes(from), false);
        let one = |from: &dyn Fn(u8) -> u8| Shuffle::of(lanes(from), true);
        assert_eq!(both(&|at| at / 2 + at % 2 * 16), Shuffle::Three(v::ZIP1.of(Lanes::B16)));
        let zip2 = [8, 9, 24, 25, 10, 11, 26, 27, 12, 13, 28, 29, 14, 15, 30, 31];
        assert_eq!(Shuffle::of(zip2, false), Shuffle::Three(v::ZIP2.of(Lanes::H8)));
        let uzp2 = [4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31];
        assert_eq!(Shuffle::of(uzp2, false), Shuffle::Three(v::UZP2.of(Lanes::S4)));
        assert_eq!(both(&|at| at * 2), Shuffle::Three(v::UZP1.of(Lanes::B16)));
        let trn1 = [0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29];
        assert_eq!(Shuffle::of(trn1, false), Shuffle::Three(v::TRN1.of(Lanes::H8)));
        let trn2 = trn1.map(|lane| lane + 2);
        assert_eq!(Shuffle::of(trn2, false), Shuffle::Three(v::TRN2.of(Lanes::H8)));
        assert_eq!(one(&|at| at ^ 1), Shuffle::Two(v::REV16.of(Lanes::B16)));
        assert_eq!(one(&|at| at ^ 7), Shuffle::Two(v::REV64.of(Lanes::B16)));
        assert_eq!(one(&|at| at ^ 4), Shuffle::Two(v::REV64.of(Lanes::S4)));
        assert_eq!(one(&|at| at ^ 2), Shuffle::Two(v::REV32.of(Lanes::H8)));
        // Also `uzp1` and more of the same source.
        assert!(matches!(one(&|at| at ^ 8), Shuffle::Ext(8)));
        assert_eq!(both(&|at| 31 - at), Shuffle::Table);
        assert_eq!(one(&|at| 15 - at), Shuffle::Table);
        assert_eq!(one(&|at| if at == 3 { 0 } else { at }), Shuffle::Table);
        for from in 0..16 {
            let lanes = lanes(&|at| at + from);
            assert_eq!(bytes(Shuffle::of(lanes, false)).unwrap(), lanes);
        }
        for (all, count) in [(Lanes::B16, 16), (Lanes::H8, 8), (Lanes::S4, 4), (Lanes::D2, 2)] {
            let size = all.bits() as u8 / 8;
            for from in 0..count {
                let lanes = lanes(&|at| from * size + at % size);
                assert_eq!(Shuffle::of(lanes, true), Shuffle::Dup(all, from));
                assert_eq!(bytes(Shuffle::of(lanes, true)).unwrap(), lanes);
            }
        }
    }
}
