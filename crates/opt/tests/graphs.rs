//! Owns the file tests: every `graphs/*.wat` is built and its graphs are compared with the `.graph` beside it.
//! Does not say what a graph should look like: the files do. `BLESS=1 cargo test` writes them; look at the difference.
//!
//! A file's first line may be `;;! polls states inline` to set build options (`inline` runs that pass, too), `;;! -dead` to disable a pass,
//! `;;! target=5` to expect function 5 from all indirect calls, `;;! counts=10,10/3` for how often functions, and in them `if`, `br_if`, `loop` and calls, ran and were taken,
//! `;;! loops` for the graphs that begin at each of the loops, `;;! compare` if hardware checks no bounds, and `;;! raw` to print before the passes.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use sterna_abi::{Observed, Profile, SiteCount};
use sterna_base::FuncIndex;
use sterna_isa::{Feature, FeatureSet, Op};
use sterna_module::{Module, Operator};
use sterna_opt::passes::{Pass, PassSet, Passes};
use sterna_opt::roots::Roots;
use sterna_opt::{BuildOptions, Builder, Graph, parse};

fn render(source: &str) -> String {
    let options = source.lines().next().and_then(|line| line.strip_prefix(";;!")).unwrap_or("");
    let has = |word| options.split_whitespace().any(|option| option == word);
    let wasm = wat::parse_str(source).expect("valid text");
    let module = Module::decode(wasm, &FeatureSet::DEFAULT.with(Feature::WideArithmetic), 1)
        .expect("valid module");
    let target = options.split_whitespace().find_map(|option| option.strip_prefix("target="));
    let target = target.map(|func| FuncIndex::from_u32(func.parse().expect("a number")));
    let targets = target.map(|func| Box::new(everywhere(&module, func)));
    let counts = options.split_whitespace().find_map(|option| option.strip_prefix("counts="));
    let counts = counts.map_or_else(Vec::new, |counts| counted(&module, counts));
    let profile = Profile { targets, counts };
    let (mut builder, mut passes, mut graph) = (Builder::new(), Passes::new(), Graph::default());
    let mut disabled = PassSet::default();
    if !has("inline") {
        disabled = disabled.with(Pass::Inline);
    }
    for name in options.split_whitespace().filter_map(|option| option.strip_prefix('-')) {
        disabled = disabled.with(Pass::named(name).expect("a pass"));
    }
    let mut out = String::new();
    let is_loop = |operator: &Operator<'_>| has("loops") && operator.op == Op::Loop;
    let entries = module.defined_funcs().flat_map(|func| {
        let loops = module.body(func).operators().filter(is_loop);
        let loops: Vec<u32> = loops.map(|operator| operator.offset).collect();
        let whole = loops.is_empty().then_some((func, None));
        whole.into_iter().chain(loops.into_iter().map(move |entry| (func, Some(entry))))
    });
    for (func, entry) in entries {
        let options = BuildOptions {
            polls: has("polls"),
            states: has("states"),
            disabled,
            observed: Observed::earlier(&profile),
            entry,
        };
        builder.build(&module, func, &options, &mut graph).expect("supported");
        if !has("raw") {
            passes.run(&module, disabled, if has("compare") { 0 } else { 32 << 20 }, &mut graph);
        }
        let text = graph.to_string();
        let again = parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}")).to_string();
        assert_eq!(text, again, "the text form round-trips");
        out.push_str(&format!("{func}: {graph:#}\n"));
    }
    out
}

/// A function as the target of all indirect calls.
fn everywhere(module: &Module, func: FuncIndex) -> HashMap<u32, FuncIndex> {
    let operators = |func| module.body(func).operators().collect::<Vec<_>>();
    let operators = module.defined_funcs().flat_map(operators);
    let calls = operators.filter(|at| matches!(at.op, Op::CallIndirect | Op::CallRef));
    calls.map(|at| (at.offset, func)).collect()
}

/// The counts of what is counted of a module, in order.
fn counted(module: &Module, counts: &str) -> Vec<SiteCount> {
    let number = |text: &str| text.parse().expect("a number");
    let mut counts = counts.split(',').map(|count| match count.split_once('/') {
        Some((runs, taken)) => (number(runs), number(taken)),
        None => (number(count), 0),
    });
    let is_counted = |at: &Operator<'_>| matches!(at.op, Op::If | Op::BrIf | Op::Loop | Op::Call);
    let offsets = module.defined_funcs().flat_map(|func| {
        let body = module.body(func);
        let operators = body.operators().filter(is_counted).map(|at| at.offset);
        [body.offset()].into_iter().chain(operators).collect::<Vec<_>>()
    });
    let site = |offset| {
        let (runs, taken) = counts.next().expect("a count for each");
        SiteCount { offset, runs, taken }
    };
    offsets.map(site).collect()
}

#[test]
fn graphs() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/graphs");
    let bless = std::env::var_os("BLESS").is_some();
    let mut files: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "wat"));
    files.sort();
    assert!(!files.is_empty());
    let mut failed = Vec::new();
    for path in files {
        let actual = render(&fs::read_to_string(&path).unwrap());
        let expected_path = path.with_extension("graph");
        if bless {
            fs::write(&expected_path, &actual).unwrap();
        } else if fs::read_to_string(&expected_path).unwrap_or_default() != actual {
            failed.push(format!("{}:\n{actual}", path.display()));
        }
    }
    assert!(
        failed.is_empty(),
        "differs from the .graph file (BLESS=1 accepts):\n{}",
        failed.join("\n")
    );
}

#[test]
fn a_large_function_with_few_references_is_analysed() {
    let ifs = "(if (local.get 0) (then (local.set 0 (i32.mul (local.get 0) (local.get 1)))))\n"
        .repeat(15_000);
    let source = format!(
        "(module (import \"\" \"f\" (func $f)) (tag $t)
        (func (param i32 i32) (result i32)
          (block $h (result exnref) (try_table (catch_all_ref $h) {ifs} (call $f)) (return (local.get 0)))
          (call $f)
          (throw_ref)))"
    );
    let wasm = wat::parse_str(source).expect("valid text");
    let module = Module::decode(wasm, &FeatureSet::DEFAULT, 1).expect("valid module");
    let (mut builder, mut graph) = (Builder::new(), Graph::default());
    let func = module.defined_funcs().next().unwrap();
    builder.build(&module, func, &BuildOptions::default(), &mut graph).expect("supported");
    assert!(graph.num_blocks() * graph.num_values() / 64 > 1 << 23, "large enough to matter");
    let mut roots = Roots::default();
    assert!(roots.compute(&graph));
    assert!(!roots.is_empty(), "the exception is kept across the second call");
}
