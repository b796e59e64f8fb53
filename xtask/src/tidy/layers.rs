//! Owns the layer check: the table of `ARCHITECTURE.md` against the dependencies cargo sees.
//! Does not judge dependencies on crates from the registry.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// One dependency between two crates of the workspace.
#[derive(Debug, Clone, PartialEq)]
pub struct Edge {
    from: String,
    to: String,
    dev: bool,
}

/// What the table says about one crate.
#[derive(Debug, Clone, PartialEq)]
struct Row {
    layer: u32,
    may_import: Vec<Import>,
}

#[derive(Debug, Clone, PartialEq)]
enum Import {
    Crate(String),
    UpTo(u32),
    Anything,
}

type Table = BTreeMap<String, Row>;

/// Sentences about every disagreement between the table in `map` and `cargo metadata`.
pub fn check(map: &str, metadata: &str) -> Result<Vec<String>, String> {
    let table = parse_table(map)?;
    let (crates, edges) = parse_metadata(metadata)?;
    let mut problems = unknown_crates(&table, &crates);
    problems.extend(edges.iter().filter(|e| !e.dev).filter_map(|e| forbidden(&table, e)));
    problems.extend(dev_cycles(&edges));
    Ok(problems)
}

fn unknown_crates(table: &Table, crates: &[String]) -> Vec<String> {
    let missing = crates.iter().filter(|name| !table.contains_key(*name));
    missing.map(|name| format!("crate `{name}` is not in the layer table")).collect()
}

fn forbidden(table: &Table, edge: &Edge) -> Option<String> {
    let (from, to) = (table.get(&edge.from)?, table.get(&edge.to)?);
    let Edge { from: from_name, to: to_name, .. } = edge;
    if to.layer >= from.layer {
        return Some(format!(
            "`{from_name}` (layer {}) imports `{to_name}` (layer {}): only lower layers",
            from.layer, to.layer
        ));
    }
    let allows = |import: &Import| match import {
        Import::Crate(name) => name == to_name,
        Import::UpTo(layer) => to.layer <= *layer,
        Import::Anything => true,
    };
    (!from.may_import.iter().any(allows))
        .then(|| format!("`{from_name}` imports `{to_name}`: not in the layer table"))
}

/// A dev-dependency may point anywhere except at a crate that is built from the dependent.
fn dev_cycles(edges: &[Edge]) -> Vec<String> {
    let cyclic = edges.iter().filter(|e| e.dev && reaches(edges, &e.to, &e.from));
    cyclic
        .map(|e| {
            format!("dev-dependency of `{}` on `{}` closes a cycle: move the test up", e.from, e.to)
        })
        .collect()
}

fn reaches(edges: &[Edge], from: &str, goal: &str) -> bool {
    let mut seen = BTreeSet::from([from]);
    let mut work = vec![from];
    while let Some(at) = work.pop() {
        if at == goal {
            return true;
        }
        let next = edges.iter().filter(|e| !e.dev && e.from == at).map(|e| e.to.as_str());
        work.extend(next.filter(|to| seen.insert(to)));
    }
    false
}

/// Rows of the table whose head is `| L | crate | owns | may import |`.
fn parse_table(map: &str) -> Result<Table, String> {
    let cells = |line: &str| -> Vec<String> {
        line.trim().trim_matches('|').split('|').map(|cell| cell.trim().replace('`', "")).collect()
    };
    let mut lines = map.lines().skip_while(|line| {
        !line.starts_with('|') || cells(line) != ["L", "crate", "owns", "may import"]
    });
    lines.next().ok_or("no table with the head `| L | crate | owns | may import |`")?;
    let mut table = Table::new();
    for line in lines.skip(1).take_while(|line| line.starts_with('|')) {
        let row = cells(line);
        let [layer, crates, _, imports] = row.as_slice() else {
            return Err(format!("a row of the layer table has not four cells: {line}"));
        };
        let row = Row { layer: parse_layer(layer)?, may_import: parse_imports(imports)? };
        for name in crates
            .split([',', ' '])
            .map(|name| name.trim_matches('/'))
            .filter(|name| !name.is_empty())
        {
            table.insert(name.to_owned(), row.clone());
        }
    }
    Ok(table)
}

fn parse_layer(cell: &str) -> Result<u32, String> {
    match cell {
        "dev" => Ok(u32::MAX),
        _ => cell.parse().map_err(|_| format!("`{cell}` is not a layer: a number or `dev`")),
    }
}

/// `–`, `anything`, or a list of `≤ N` and crate names. Crates from the registry follow a `;`.
fn parse_imports(cell: &str) -> Result<Vec<Import>, String> {
    let ours = cell.split([';', '(']).next().unwrap_or(cell);
    let items =
        ours.split(',').map(str::trim).filter(|item| !matches!(*item, "" | "–" | "-" | "—"));
    let parse = |item: &str| match (item, item.strip_prefix('≤')) {
        ("anything", _) => Ok(Import::Anything),
        (_, Some(layer)) => parse_layer(layer.trim()).map(Import::UpTo),
        (name, None) => Ok(Import::Crate(name.to_owned())),
    };
    items.map(parse).collect()
}

fn parse_metadata(metadata: &str) -> Result<(Vec<String>, Vec<Edge>), String> {
    let metadata: Value =
        serde_json::from_str(metadata).map_err(|e| format!("cargo metadata: {e}"))?;
    let packages = metadata["packages"].as_array().ok_or("cargo metadata: no packages")?;
    let name_of = |value: &Value| value["name"].as_str().unwrap_or_default().to_owned();
    let members: BTreeSet<String> = packages.iter().map(name_of).collect();
    let mut edges = Vec::new();
    for package in packages {
        let from = short_name(&name_of(package));
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            let name = name_of(dependency);
            if members.contains(&name) {
                let dev = dependency["kind"] == "dev";
                edges.push(Edge { from: from.clone(), to: short_name(&name), dev });
            }
        }
    }
    Ok((members.iter().map(|name| short_name(name)).collect(), edges))
}

/// The folder of a package, which is how the table calls it.
fn short_name(package: &str) -> String {
    match package {
        "sterna" => "engine".to_owned(),
        _ => package.strip_prefix("sterna-").unwrap_or(package).to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAP: &str = "\
text
| L | crate | owns | may import |
|---|---|---|---|
| 0 | `base` | indices | – |
| 1 | `isa` | table | base |
| 1 | `sys` | os | base; rustix |
| 4 | `interp`, `opt` | tiers | ≤ 1 |
| 6 | `engine` | API | isa, ≤ 4 |
| dev | `bench/ xtask/` | x | anything |

| other | table |
";

    fn metadata(edges: &[(&str, &str, bool)]) -> String {
        let mut names: BTreeSet<&str> = BTreeSet::new();
        edges.iter().for_each(|(from, to, _)| names.extend([*from, *to]));
        let package = |name: &&str| {
            let own = edges.iter().filter(|(from, ..)| from == name);
            let dependency = |(_, to, dev): &(&str, &str, bool)| serde_json::json!({"name": to, "kind": if *dev { Value::from("dev") } else { Value::Null }});
            serde_json::json!({"name": name, "dependencies": own.map(dependency).collect::<Vec<_>>()})
        };
        serde_json::json!({"packages": names.iter().map(package).collect::<Vec<_>>()}).to_string()
    }

    fn problems(edges: &[(&str, &str, bool)]) -> Vec<String> {
        check(MAP, &metadata(edges)).unwrap()
    }

    #[test]
    fn listed_edges_pass() {
        let edges = [
            ("sterna-isa", "sterna-base", false),
            ("sterna-interp", "sterna-sys", false),
            ("sterna", "sterna-opt", false),
            ("xtask", "sterna", false),
        ];
        assert_eq!(problems(&edges), Vec::<String>::new());
    }

    #[test]
    fn unlisted_upward_and_sideways_edges_fail() {
        assert_eq!(problems(&[("sterna-base", "sterna-isa", false)]).len(), 1);
        assert_eq!(problems(&[("sterna-isa", "sterna-sys", false)]).len(), 1);
        assert_eq!(problems(&[("sterna-interp", "sterna-opt", false)]).len(), 1);
        assert_eq!(
            problems(&[("sterna-strange", "sterna-base", false)]),
            ["crate `strange` is not in the layer table"]
        );
    }

    #[test]
    fn dev_dependencies_are_free_until_they_close_a_cycle() {
        assert!(problems(&[("sterna-isa", "sterna", true)]).is_empty());
        let cycle = [("sterna-isa", "sterna", true), ("sterna", "sterna-isa", false)];
        assert_eq!(problems(&cycle).len(), 1);
    }

    #[test]
    fn a_map_without_table_is_an_error() {
        assert!(check("nothing", "{}").is_err());
        assert!(check(MAP, "{").is_err());
    }
}
