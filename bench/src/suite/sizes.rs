//! Owns the `sizes` suite: how the start of a module grows with its size, of which hardly anything is ever called.
//! Does not own the measurement, which is that of `startup`.

use wasm_encoder::{
    BlockType, CodeSection, EntityType, ExportKind, ExportSection, Function, FunctionSection,
    ImportSection, InstructionSink, MemArg, MemArgTarget, MemorySection, MemoryType, Module,
    TypeSection, ValType,
};

use super::Setting;
use super::startup::measure_row;
use crate::results::Row;

/// Megabytes of the modules.
pub const SIZES: [f64; 4] = [0.1, 1.0, 10.0, 50.0];
/// The only table of this suite.
const GROUP: &str = "module size";

/// The name of the row of a size.
pub fn row_name(megabytes: f64) -> String {
    format!("{megabytes} MB")
}

/// Measures every size on every engine that has a `cold` command.
///
/// # Errors
/// When a module cannot be written.
pub fn measure(setting: &Setting<'_>) -> Result<Vec<Row>, String> {
    let row = |megabytes: f64| {
        let wasm = setting.scratch.join(format!("{megabytes}.wasm"));
        std::fs::write(&wasm, module((megabytes * 1e6) as usize))
            .map_err(|e| format!("{}: {e}", wasm.display()))?;
        Ok(measure_row(setting, GROUP, &row_name(megabytes), wasm, b""))
    };
    SIZES.into_iter().map(row).collect()
}

/// Signatures: that of `_start`, that of `proc_exit`, and that of all other functions.
const START: u32 = 0;
const EXIT: u32 = 1;
const OTHERS: u32 = 2;

/// A program of about `size` bytes: functions that all differ, of which `_start` calls one before it exits with 0.
fn module(size: usize) -> Vec<u8> {
    let mut types = TypeSection::new();
    types.ty().function([], []);
    types.ty().function([ValType::I32], []);
    types.ty().function([ValType::I32, ValType::I32], [ValType::I32]);
    let mut imports = ImportSection::new();
    imports.import("wasi_snapshot_preview1", "proc_exit", EntityType::Function(EXIT));
    let (mut functions, mut code) = (FunctionSection::new(), CodeSection::new());
    functions.function(START);
    let mut start = Function::new([]);
    start.instructions().i32_const(1).i32_const(64).call(2).drop().i32_const(0).call(0).end();
    code.function(&start);
    let mut count = 0;
    while code.byte_len() < size {
        functions.function(OTHERS);
        code.function(&function(count));
        count += 1;
    }
    let mut memories = MemorySection::new();
    memories.memory(MemoryType {
        minimum: 1,
        maximum: None,
        memory64: false,
        shared: false,
        page_size_log2: None,
    });
    let mut exports = ExportSection::new();
    exports.export("_start", ExportKind::Func, 1).export("memory", ExportKind::Memory, 0);
    let mut module = Module::new();
    module.section(&types).section(&imports).section(&functions).section(&memories);
    module.section(&exports).section(&code);
    module.finish()
}

/// A function of a few hundred bytes with what compilers emit: locals, arithmetic, accesses, branches, a loop, a call.
fn function(index: u32) -> Function {
    let mut function = Function::new([(3, ValType::I32), (1, ValType::I64), (1, ValType::F64)]);
    let mut body = function.instructions();
    for part in 0..4 + index % 13 {
        let number = (index.wrapping_mul(2_654_435_761) >> 7).wrapping_add(part * 97) as i32;
        body.local_get(0).i32_const(number).i32_add().local_tee(2);
        body.i32_const(0xfff0).i32_and().i32_load(place(part)).local_set(3);
        body.local_get(3).local_get(1).i32_lt_s().if_(BlockType::Empty);
        body.local_get(2).i32_const(0xffe0).i32_and().local_get(3).i32_store(place(part));
        body.else_().local_get(3).i64_extend_i32_s().i64_const(number.into()).i64_mul();
        body.local_set(5).local_get(6).local_get(5).f64_convert_i64_s().f64_add().local_set(6);
        body.end();
    }
    count_down(&mut body);
    // Never a call of itself, and never an endless chain: only of functions before this one.
    if index > 0 {
        body.local_get(4).if_(BlockType::Empty);
        body.local_get(2).local_get(3).call(2 + index / 2).drop().end();
    }
    body.local_get(3).end();
    function
}

fn count_down(body: &mut InstructionSink<'_>) {
    body.i32_const(3).local_set(4).loop_(BlockType::Empty);
    body.local_get(4).i32_const(1).i32_sub().local_tee(4).br_if(0).end();
}

fn place(part: u32) -> MemArg {
    MemArg {
        offset: u64::from(part * 4),
        align: 2,
        target: MemArgTarget::Memory(0),
        ordering: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_have_their_size_and_are_valid() {
        let engine = sterna::Engine::default();
        for size in [100_000, 1_000_000] {
            let wasm = module(size);
            assert!((size..size + size / 20 + 2000).contains(&wasm.len()), "{}", wasm.len());
            sterna::Module::validate(&engine, &wasm).unwrap();
        }
    }
}
