# What CPython brings: big integers, classes, generators, exceptions, dataclasses, regular expressions, JSON, hashing, files.
import collections, dataclasses, decimal, functools, hashlib, itertools, json, os, re, struct, sys, zlib


@dataclasses.dataclass(order=True)
class Bird:
    grams: float
    name: str = "tern"
    seen: list = dataclasses.field(default_factory=list, compare=False)


@functools.lru_cache(maxsize=None)
def ways(amount, coins=(1, 2, 5, 10, 20, 50)):
    if amount == 0:
        return 1
    if amount < 0 or not coins:
        return 0
    return ways(amount - coins[-1], coins) + ways(amount, coins[:-1])


def primes():
    found = []
    for n in itertools.count(2):
        if all(n % p for p in itertools.takewhile(lambda p: p * p <= n, found)):
            found.append(n)
            yield n


print(sys.implementation.name, sys.version_info[:2], sys.platform)
print(3**200 % 10**40, (2**521 - 1).bit_length(), 0.1 + 0.2, round(2.675, 2))
print(sorted([Bird(110.5), Bird(90, "little tern"), Bird(110.5, "gull")])[0], ways(100))
print(list(itertools.islice(primes(), 150))[-1])
text = open("/in/text.md").read()
words = collections.Counter(re.findall(r"[a-z]+", text.lower()))
print(words.most_common(4), len(words))
print(hashlib.sha256(text.encode()).hexdigest()[:24], zlib.crc32(text.encode()), struct.pack(">hd", -2, 1.5).hex())
decimal.getcontext().prec = 50
print(decimal.Decimal(2).sqrt())
try:
    json.loads('{"a": [1, 2,, 3]}')
except json.JSONDecodeError as error:
    print("error:", error)
with open("/data/out.json", "w") as out:
    json.dump({"words": dict(words.most_common(3)), "π": [None, True, 1e-9]}, out, ensure_ascii=False, sort_keys=True)
print(open("/data/out.json").read(), sorted(os.listdir("/data")))
try:
    open("/data/none/none")
except OSError as error:
    print(type(error).__name__, error.errno)


def deep(n):
    return 0 if n == 0 else 1 + deep(n - 1)


try:
    print(deep(400), deep(10**6))
except RecursionError as error:
    print("RecursionError")
print(sum(i * i % 7 for i in range(20000)), f"{12345.678:>15,.2f}|{'é':^5}|{255:#x}")
sys.exit(3)
