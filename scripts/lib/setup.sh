# Sourced by the scripts beside it: what must be there before anything can be built or tested.
# shellcheck shell=bash

say() { printf '\n== %s\n' "$*" >&2; }

die() {
    printf 'error: %s\n' "$1" >&2
    shift
    for line in "$@"; do printf '  %s\n' "$line" >&2; done
    exit 1
}

# as_root COMMAND...: runs it as root, or returns 125 when that is not possible without asking for a password.
as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
        sudo -n "$@"
    else
        return 125
    fi
}

# need_packages PACKAGE...: Debian packages, installed when missing and when that is allowed.
need_packages() {
    if ! command -v dpkg-query >/dev/null; then
        echo "note: this is no Debian, so packages are not checked; needed are the equivalents of: $*" >&2
        return
    fi
    local package missing=()
    for package in "$@"; do
        [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    say "missing packages: ${missing[*]}"
    local log status=0
    log=$(mktemp)
    {
        as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=120 update &&
            as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=120 install --yes --no-install-recommends "${missing[@]}"
    } >"$log" 2>&1 </dev/null || status=$?
    if [ "$status" = 125 ]; then
        rm -f "$log"
        die "packages are missing, and only root may install them" "run this, then start again:" \
            "  sudo apt-get update && sudo apt-get install --yes --no-install-recommends ${missing[*]}"
    elif [ "$status" != 0 ]; then
        tail -n 20 "$log" >&2
        rm -f "$log"
        die "apt-get could not install ${missing[*]} (status $status)" "its last words stand above"
    fi
    rm -f "$log"
}

# need_cargo: a Rust toolchain, also one that rustup put where a fresh shell does not look.
need_cargo() {
    if ! command -v cargo >/dev/null && [ -x "${CARGO_HOME:-$HOME/.cargo}/bin/cargo" ]; then
        PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"
        export PATH
    fi
    command -v cargo >/dev/null || die "there is no Rust toolchain (cargo)" \
        "get one from https://rustup.rs, or: sudo apt-get install --yes rustup && rustup default stable" \
        "then start again"
    local wanted have
    wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
    have=$(rustc --version | awk '{print $2}')
    if [ "$(printf '%s\n%s\n' "$wanted" "${have%%-*}" | sort -V | head -n 1)" != "$wanted" ]; then
        die "rustc $have is too old: fleet needs $wanted or newer" "with rustup: rustup update stable"
    fi
}

# fixed_draws: what the property tests draw is the same in every run, so that a change is judged by what it changes.
# New draws are for looking for mistakes: scripts/test --random.
fixed_draws() {
    export PROPTEST_RNG_SEED="${PROPTEST_RNG_SEED-20261120}" FLEET_E2E_SEED="${FLEET_E2E_SEED-20261121}"
}
