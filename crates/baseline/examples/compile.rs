//! Compiles all functions of a module: says how fast, and what was refused. With a function's index, writes its code to standard output.
//! Not part of the engine.

use std::collections::BTreeMap;
use std::io::Write;

use sterna_abi::{CodeSettings, CompileRequest, Compiler};
use sterna_base::FuncIndex;
use sterna_baseline::Baseline;
use sterna_isa::FeatureSet;
use sterna_module::Module;

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
    for round in 0..3 {
        let (start, mut code, mut count) = (processor_time(), 0, 0);
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
        let (time, size) = (processor_time() - start, module.code_range().len());
        let speed = size as f64 / 1e6 / time;
        println!(
            "{round}: {count} functions, {size} bytes to {code}, {time:.4} s, {speed:.1} MB/s"
        );
    }
    for (reason, count) in refused {
        println!("{count} refused: {reason}");
    }
}

/// Seconds that this thread has run, where the system tells.
fn processor_time() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = text.split(' ').next().and_then(|word| word.parse::<f64>().ok());
    nanoseconds.unwrap_or(0.0) / 1e9
}
