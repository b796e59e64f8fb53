//! Compiles all functions of a module many times: says how fast the first time and in the middle of the other times, and what was refused. With a function's index, writes its code to standard output.
//! Not part of the engine.

use std::collections::BTreeMap;
use std::io::Write;

use rustix::time::{ClockId, clock_gettime};
use sterna_abi::{CodeSettings, CompileRequest, Compiler};
use sterna_base::FuncIndex;
use sterna_baseline::Baseline;
use sterna_isa::FeatureSet;
use sterna_module::Module;

/// How often the module is compiled.
const ROUNDS: usize = 31;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let file = arguments.next().expect("usage: compile FILE [FUNC]");
    let bytes = std::fs::read(&file).expect("the file can be read");
    let module = Module::decode(bytes, &FeatureSet::ALL, 1).expect("the module is valid");
    let settings = CodeSettings {
        explicit_checks: false,
        guard_bytes: 32 << 20,
        deterministic: false,
        capture_state: false,
        interruptible: true,
    };
    let compiler = Baseline::native().expect("this is an x86-64");
    if let Some(func) = arguments.next() {
        let func = FuncIndex::from_u32(func.parse().expect("a number"));
        let code = compiler.compile(&CompileRequest::new(&module, func, &settings));
        let code = code.expect("the function is compiled");
        std::io::stdout().write_all(&code.bytes).expect("the output can be written");
        return;
    }
    let mut refused = BTreeMap::<String, usize>::new();
    let (mut code, mut count, mut times) = (0, 0, Vec::new());
    for _ in 0..ROUNDS {
        let start = processor_time();
        (code, count) = (0, 0);
        refused.clear();
        for func in module.defined_funcs() {
            match compiler.compile(&CompileRequest::new(&module, func, &settings)) {
                Ok(made) => {
                    code += made.bytes.len();
                    count += 1;
                }
                Err(error) => *refused.entry(error.reason).or_default() += 1,
            }
        }
        times.push(processor_time() - start);
    }
    let size = module.code_range().len();
    println!("{count} functions, {size} bytes to {code}");
    times[1..].sort_by(f64::total_cmp);
    for (name, time) in [("first", times[0]), ("then", times[ROUNDS / 2])] {
        println!("{name}: {:.2} ms, {:.1} MB/s", time * 1e3, size as f64 / 1e6 / time);
    }
    for (reason, count) in refused {
        println!("{count} refused: {reason}");
    }
}

/// Seconds that this thread has run.
fn processor_time() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}
