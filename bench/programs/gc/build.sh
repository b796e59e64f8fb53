#!/bin/sh
# Rebuilds every module here: the frame, then the program, as the fields of one module. Needs `sterna` (or set STERNA to its path).
# The results are committed so that a measurement needs nothing but engines.
set -eu
cd "$(dirname "$0")"
sterna=${STERNA:-sterna}
text=$(mktemp)
trap 'rm -f "$text"' EXIT

for source in *.wat; do
    program=${source%.wat}
    [ "$program" = frame ] && continue
    { echo "(module \$$program"; cat frame.wat "$source"; echo ")"; } >"$text"
    "$sterna" wat "$text" -o "$program.wasm"
    echo "$program.wasm $(wc -c <"$program.wasm")"
done
