// What QuickJS brings: closures, generators, classes, BigInt, regular expressions, typed arrays, JSON, promises, proxies.
class Bird {
  #seen = 0;
  constructor(name) {
    this.name = name;
  }
  see() {
    return ++this.#seen;
  }
  static [Symbol.hasInstance](x) {
    return "name" in x;
  }
}

function* fibonacci() {
  let [a, b] = [0n, 1n];
  for (;;) {
    yield a;
    [a, b] = [b, a + b];
  }
}

const tern = new Bird("tern");
tern.see();
console.log(tern.see(), { name: 1 } instanceof Bird, typeof tern, JSON.stringify(tern));
let last;
let count = 0;
for (const f of fibonacci()) {
  last = f;
  if (++count > 300) break;
}
console.log(String(last));
console.log(0.1 + 0.2, 1 / 3, 2 ** 53 + 1, (25).toString(36), (1234.5678).toFixed(2), parseInt("0x1f"), 1e21, -0);
console.log("2026-11-22".replace(/(\d+)-(\d+)-(\d+)/u, "$3.$2.$1"), [..."naïve 🐦"].length, "straße".toUpperCase());
const sieve = new Uint8Array(20000).fill(1);
let primes = 0;
for (let i = 2; i < sieve.length; i++) {
  if (!sieve[i]) continue;
  primes++;
  for (let j = i * i; j < sieve.length; j += i) sieve[j] = 0;
}
console.log(primes, "primes");
const groups = Object.groupBy([..."the arctic tern"], (c) => ("aeiou".includes(c) ? "vowel" : c === " " ? "space" : "other"));
console.log(JSON.stringify(Object.fromEntries(Object.entries(groups).map(([k, v]) => [k, v.length]))));
console.log([5, 1, 10].sort() + "", [5, 1, 10].sort((a, b) => a - b) + "", [3, [1, [2]]].flat(Infinity).join());
const proxy = new Proxy({}, { get: (_, key) => `<${String(key)}>` });
console.log(proxy.anything, new Map([[1, "a"]]).get(1), new Date(0).toISOString());
try {
  null.x;
} catch (error) {
  console.log(error.constructor.name, error.message);
}
const sleep = (value) => new Promise((resolve) => Promise.resolve().then(() => resolve(value)));
(async () => {
  const all = await Promise.all([1, 2, 3].map(sleep));
  console.log("async", all.join("+"));
})();
console.log("end of script");
