#!/bin/sh
# Rebuilds every benchmark's .wasm beside its source. Needs `zig` on PATH (PyPI package `ziglang`, or set ZIG to another command).
# The results are committed so that a measurement needs no toolchain; native counterparts are built by the runner.
set -eu
cd "$(dirname "$0")"
zig=${ZIG:-zig}

# The stack is part of the initial memory, and zig's default is 16 MiB of it.
build() { # source, module, stack bytes, further flags
    source=$1 module=$2 stack=$3
    shift 3
    $zig cc -target wasm32-wasi -O2 -s -ffp-contract=off -Wl,-z,stack-size="$stack" "$@" "$source" -o "$module"
    chmod 644 "$module"
    echo "$module $(wc -c <"$module")"
}

for source in *.c; do
    module=${source%.c}.wasm
    case $source in
    simd.c) build "$source" "$module" 262144 -msimd128 ;;
    hello.c) build "$source" "$module" 65536 ;;
    *) build "$source" "$module" 262144 ;;
    esac
done
# The same hello world, asking for 17 MiB of memory at the start.
build hello.c hello17.wasm 65536 -Wl,--initial-memory=17825792
