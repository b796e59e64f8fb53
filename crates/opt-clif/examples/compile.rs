//! Compiles all functions of a module and prints the time, or shows the code of some: `compile FILE [-j N] [-f FUNC]... [--explicit]
//! [--capture] [--poll] [--graph] [--bytes]`.
//! Does not run anything. A tool for working on the tier.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use sterna_abi::{CodeSettings, CompileRequest, Compiler, Observed};
use sterna_base::FuncIndex;
use sterna_isa::FeatureSet;
use sterna_module::Module;
use sterna_opt::passes::{PassSet, Passes};
use sterna_opt::{BuildOptions, Builder, Graph};
use sterna_opt_clif::{ClifCompiler, Options};

fn main() {
    let args: Vec<_> = std::env::args().collect();
    let has = |flag: &str| args.iter().any(|arg| arg == flag);
    let after = |flag: &str| {
        let values = args
            .windows(2)
            .filter(|pair| pair[0] == flag)
            .map(|pair| pair[1].parse().expect("a number"));
        values.collect::<Vec<u32>>()
    };
    let bytes = std::fs::read(&args[1]).expect("a readable file");
    let bytes = wat::parse_bytes(&bytes).expect("wasm or wat").into_owned();
    let module = Module::decode(bytes, &FeatureSet::DEFAULT, 1).expect("a valid module");
    let settings = CodeSettings {
        explicit_checks: has("--explicit"),
        guard_bytes: if has("--explicit") { 0 } else { 1 << 31 },
        deterministic: has("--deterministic"),
        capture_state: has("--capture"),
        interruptible: has("--poll"),
    };
    let compiler = ClifCompiler::native(Options::default()).expect("a supported machine");
    for func in after("-f").into_iter().map(FuncIndex::from_u32) {
        let request = CompileRequest::new(&module, func, &settings);
        let (clif, code) = compiler.dump(&request).expect("a supported function");
        println!("{clif}\n{code}");
        if has("--bytes") {
            let code = compiler.compile(&request).expect("a supported function");
            std::fs::write(format!("{}.bin", func.as_u32()), &code.bytes)
                .expect("a writable folder");
        }
        if has("--graph") {
            let mut graph = Graph::default();
            let options = build_options(&settings);
            Builder::new()
                .build(&module, func, &options, &mut graph)
                .expect("a supported function");
            Passes::new().run(&module, PassSet::default(), settings.guard_bytes, &mut graph);
            println!("{graph}");
        }
    }
    if !has("-f") {
        measure(&compiler, &module, &settings, after("-j").first().copied().unwrap_or(1));
    }
}

fn build_options(settings: &CodeSettings) -> BuildOptions<'static> {
    BuildOptions {
        polls: settings.interruptible,
        states: settings.capture_state,
        disabled: PassSet::default(),
        observed: Observed::NOTHING,
        entry: None,
    }
}

fn measure(compiler: &ClifCompiler, module: &Module, settings: &CodeSettings, threads: u32) {
    let funcs: Vec<_> = module.defined_funcs().collect();
    let code = module.code_range();
    let size = (code.end - code.start) as f64;

    let start = Instant::now();
    let (mut builder, mut passes, mut graph, mut insts) =
        (Builder::new(), Passes::new(), Graph::default(), 0);
    let options = build_options(settings);
    for &func in &funcs {
        if builder.build(module, func, &options, &mut graph).is_ok() {
            passes.run(module, PassSet::default(), settings.guard_bytes, &mut graph);
            insts += graph.num_insts();
        }
    }
    let graphs = start.elapsed();

    let start = Instant::now();
    let (next, bytes, failed) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
    let work = || {
        while let Some(&func) = funcs.get(next.fetch_add(1, Ordering::Relaxed)) {
            match compiler.compile(&CompileRequest::new(module, func, settings)) {
                Ok(code) => _ = bytes.fetch_add(code.bytes.len(), Ordering::Relaxed),
                Err(error) => {
                    eprintln!("{error}");
                    failed.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
    };
    std::thread::scope(|scope| (0..threads).for_each(|_| _ = scope.spawn(work)));
    let all = start.elapsed();
    println!(
        "{} functions ({} failed), {:.2} MB of wasm, {insts} instructions; graphs {:.1} ms ({:.1} MB/s); all {:.1} ms ({:.2} MB/s), {:.2} MB of code",
        funcs.len(),
        failed.into_inner(),
        size / 1e6,
        graphs.as_secs_f64() * 1e3,
        size / 1e6 / graphs.as_secs_f64(),
        all.as_secs_f64() * 1e3,
        size / 1e6 / all.as_secs_f64(),
        bytes.into_inner() as f64 / 1e6,
    );
}
