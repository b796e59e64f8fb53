//! Owns running the examples: each checks its own results.
//! Does not own the examples.

#[path = "../examples/hello.rs"]
mod hello;
#[path = "../examples/host_functions.rs"]
mod host_functions;
#[path = "../examples/limits_and_interruption.rs"]
mod limits_and_interruption;
#[path = "../examples/linking.rs"]
mod linking;
#[path = "../examples/many_instances.rs"]
mod many_instances;
#[path = "../examples/objects.rs"]
mod objects;

#[test]
fn hello_runs() {
    hello::main().unwrap();
}

#[test]
fn host_functions_runs() {
    host_functions::main().unwrap();
}

#[test]
fn limits_and_interruption_runs() {
    limits_and_interruption::main().unwrap();
}

#[test]
fn linking_runs() {
    linking::main().unwrap();
}

#[test]
fn many_instances_runs() {
    many_instances::main().unwrap();
}

#[test]
fn objects_runs() {
    objects::main().unwrap();
}

/// An example that is not in the list above would never run.
#[test]
fn all_examples_are_run() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/examples");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<String> = files.map(|name| name.into_string().unwrap()).collect();
    names.sort();
    let run = [
        "hello",
        "host_functions",
        "limits_and_interruption",
        "linking",
        "many_instances",
        "objects",
    ];
    assert_eq!(names, run.map(|name| format!("{name}.rs")));
}
