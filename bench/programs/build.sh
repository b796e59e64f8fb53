#!/bin/sh
# Rebuilds every benchmark's .wasm beside its source. Needs `zig` on PATH (PyPI package `ziglang`, or set ZIG to another command).
# The results are committed so that a measurement needs no toolchain; native counterparts are built by the runner.
set -eu
cd "$(dirname "$0")"
zig=${ZIG:-zig}

build() { # name, then extra flags
    name=$1
    shift
    $zig cc -target wasm32-wasi -O2 -s -ffp-contract=off "$@" "${source:-$name}.c" -o "$name.wasm"
    chmod 644 "$name.wasm"
    echo "$name.wasm $(wc -c <"$name.wasm")"
}

for source in *.c; do
    name=${source%.c}
    source=
    case $name in
    simd) build "$name" -msimd128 ;;
    fib) build "$name" -Wl,-z,stack-size=1048576 ;;
    *) build "$name" ;;
    esac
done
# The same hello world, asking for 17 MiB of memory at the start.
source=hello build hello17 -Wl,--initial-memory=17825792
