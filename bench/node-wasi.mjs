// Runs a WASI preview 1 module in a JavaScript engine, for comparison in benchmarks:
// `node node-wasi.mjs [--dir HOST::GUEST].. [--env NAME=VALUE].. FILE [ARGS..]`, and the same with bun.
import { readFileSync } from "node:fs";
import { WASI } from "node:wasi";

const words = process.argv.slice(2);
const preopens = {};
const env = {};
while (words[0]?.startsWith("--")) {
  const [option, value] = words.splice(0, 2);
  const [left, right] = value.split(option === "--dir" ? "::" : /=(.*)/s);
  if (option === "--dir") preopens[right] = left;
  else env[left] = right;
}
const [file, ...args] = words;
const wasi = new WASI({ version: "preview1", args: [file, ...args], env, preopens, returnOnExit: true });
const module = await WebAssembly.compile(readFileSync(file));
const instance = await WebAssembly.instantiate(module, { wasi_snapshot_preview1: wasi.wasiImport });
const code = wasi.start(instance);
if (code) process.exitCode = code;
