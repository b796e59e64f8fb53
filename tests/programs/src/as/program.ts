// An AssemblyScript program: classes, maps, typed arrays, strings and its garbage collector, through the WASI shim.

class Vector {
  constructor(public x: f64, public y: f64) {}
  @operator("+") add(other: Vector): Vector {
    return new Vector(this.x + other.x, this.y + other.y);
  }
  length(): f64 {
    return Math.sqrt(this.x * this.x + this.y * this.y);
  }
}

abstract class Animal {
  abstract sound(): string;
}
class Tern extends Animal {
  sound(): string {
    return "kee-arr";
  }
}
class Crow extends Animal {
  sound(): string {
    return "caw";
  }
}

function collatz(n: u64): i32 {
  let steps = 0;
  while (n != 1) {
    n = n & 1 ? 3 * n + 1 : n >> 1;
    steps++;
  }
  return steps;
}

let sum = new Vector(0, 0);
for (let i = 0; i < 200000; i++) sum = sum.add(new Vector(i as f64, (i & 3) as f64)); // garbage on purpose
console.log(sum.x.toString() + " " + sum.y.toString() + " " + sum.length().toString());

const animals: Animal[] = [new Tern(), new Crow(), new Tern()];
console.log(animals.map<string>((a) => a.sound()).join(", "));

const counts = new Map<string, i32>();
for (let i = 0; i < 5000; i++) {
  const key = "k" + (i % 97).toString();
  counts.set(key, (counts.has(key) ? counts.get(key) : 0) + 1);
}
console.log(counts.size.toString() + " keys, k5: " + counts.get("k5").toString());

let best: u64 = 1;
for (let n: u64 = 2; n < 30000; n++) if (collatz(n) > collatz(best)) best = n;
console.log("longest Collatz chain below 30000: " + best.toString());

const numbers = new Float64Array(1000);
for (let i = 0; i < numbers.length; i++) numbers[i] = Math.sin(i as f64) * 1000;
numbers.sort();
console.log(numbers[0].toString() + " " + numbers[999].toString());
console.log("größer als ∞?".toUpperCase() + " " + "a,b,c".split(",").reverse().join("") + " " + parseFloat("2.5e-3").toString());
process.exit(5);
