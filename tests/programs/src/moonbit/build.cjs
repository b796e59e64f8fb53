// Compiles one MoonBit file with the compiler and the library of npm's @moonbit/moonpad-monaco, which are made for a browser.
// usage: node build.cjs MOONPAD_FOLDER FILE.mbt OUT.wasm
const fs = require("node:fs");
const path = require("node:path");

const [folder, file, out] = process.argv.slice(2);
const target = "wasm-gc";

// The library lies in the bundle as variables in base 64, and a table from paths to variables.
const bundle = fs.readFileSync(path.join(folder, "dist/moonpad-monaco.js"), "utf8");
const variables = new Map();
for (const [, name, text] of bundle.matchAll(/([\w$]+) = d\("([A-Za-z0-9+/=]*)"\)/g)) variables.set(name, text);
const library = new Map();
for (const [, name, variable] of bundle.matchAll(/\["(\/lib\/core\/[^"]+)"\] = ([\w$]+);/g)) library.set(name, variables.get(variable));
const read = (name) => Buffer.from(library.get(name.replace("moonbit-core:", "")), "base64").toString();

// The compiler is a worker that answers messages.
const listeners = [];
const answers = new Map();
globalThis.self = globalThis;
globalThis.addEventListener = (_, listener) => listeners.push(listener);
globalThis.postMessage = (message) => answers.get(message.id)(message.value);
const worker = out + ".compiler.cjs";
fs.copyFileSync(path.join(folder, "dist/moonc-worker.js"), worker);
require(path.resolve(worker));
fs.rmSync(worker);
const call = (name, argument) =>
  new Promise((resolve) => {
    const id = String(answers.size);
    answers.set(id, resolve);
    const data = { id, type: "APPLY", path: [name], argumentList: [{ type: "RAW", value: argument }] };
    for (const listener of listeners) listener({ data, origin: "*" });
  });

const plan = JSON.parse(read("/lib/core/_build/packages.json")).packages;
const packages = new Map(plan.map((p) => [`${p.root}/${p.rel}`, p]));
const pkgSources = [...packages].map(([name, p]) => `${name}:moonbit-core:/lib/core/${p.rel}`);
const built = new Map(); // interfaces by name, in the order of dependencies
const cores = [];
const interfacePath = (name) => `/lib/core/_build/${name.replace("moonbitlang/core/", "")}/${path.basename(name)}.mi`;

async function compile(name, sources, uses, isMain) {
  const common = { target, pkg: name, isMain, errorFormat: "human", enableValueTracing: false, noOpt: false };
  const result = await call("buildPackage", {
    ...common,
    mbtFiles: sources,
    miFiles: uses.map(({ path, alias }) => [`/${path}.mi:${alias}`, built.get(path)]),
    indirectImportMiFiles: [],
    stdMiFiles: [...built].map(([name, mi]) => [interfacePath(name), mi]),
    pkgSources: isMain ? [`${name}:/`, ...pkgSources] : pkgSources,
  });
  if (!result.core) throw new Error(`${name}: ${result.diagnostics.join("\n")}`);
  cores.push(result.core);
  return result.mi;
}

async function build(name) {
  if (built.has(name)) return;
  const p = packages.get(name);
  for (const use of p.deps) await build(use.path);
  const ours = Object.entries(p.files).filter(([, f]) => f.backend.includes("WasmGC") && f.optlevel.includes("Release"));
  built.set(name, await compile(name, ours.map(([f]) => [f, read(f)]), p.deps, false));
}

(async () => {
  await build("moonbitlang/core/prelude");
  const prelude = [{ path: "moonbitlang/core/prelude", alias: "prelude" }];
  await compile("main", [[path.basename(file), fs.readFileSync(file, "utf8")]], prelude, true);
  const { result } = await call("linkCore", {
    coreFiles: cores, main: "main", pkgSources: ["main:/", ...pkgSources], target, exportedFunctions: [], outputFormat: "wasm",
    testMode: false, debug: false, noOpt: false, sourceMap: false, sources: {}, stopOnMain: false,
  });
  fs.writeFileSync(out, result);
  process.exit(0);
})().catch((error) => {
  console.error(error.message);
  process.exit(1);
});
