// Runs a MoonBit module under Node: `node node-moonbit.mjs FILE`. Only to record what it prints.
import { readFile } from "node:fs/promises";

const units = [];
const imports = { spectest: { print_char: (unit) => units.push(String.fromCharCode(unit)) } };
const { instance } = await WebAssembly.instantiate(await readFile(process.argv[2]), imports);
instance.exports._start();
process.stdout.write(units.join(""));
