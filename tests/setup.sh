# shellcheck shell=bash
# Sourced by the scripts here: where things lie, and how what they need is found or installed.
# Downloads go to tests/.cache, under a name made from the lock file, so a changed lock is a new installation.

tests=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(dirname "$tests")
cache=$tests/.cache

say() { printf '\n== %s\n' "$*"; }

fail() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

# usage: the comment at the top of the script that was started.
usage() { sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"; }

# need PACKAGE COMMAND…: the Debian package is installed only if the command does not run and we may.
need() {
  local package=$1
  shift
  "$@" >/dev/null 2>&1 && return
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    fail "\`$*\` does not run: install it (Debian: apt-get install $package)"
  fi
  say "install $package with apt-get, since \`$*\` does not run"
  apt-get -qq update
  DEBIAN_FRONTEND=noninteractive apt-get -qq install --yes --no-install-recommends "$package"
}

# cargo_tool NAME VERSION OPTION…: a cargo subcommand, in any version that is there, else this one built from source.
# It is built without optimisation: it works for seconds, and optimising it would take many minutes.
cargo_tool() {
  local crate=cargo-$1 version=$2
  shift 2
  command -v "$crate" >/dev/null && return
  say "install $crate $version with cargo install"
  CARGO_PROFILE_RELEASE_OPT_LEVEL=0 CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 \
    cargo install --quiet --locked "$crate@$version" "$@"
}

# installed DIRECTORY: whether an installation there was finished.
installed() { [ -e "$1/.complete" ]; }

# key FILE…: a short name for what the files say.
key() { cat "$@" | sha256sum | cut -c1-16; }

# node_packages DIRECTORY: links DIRECTORY/node_modules to what DIRECTORY/package-lock.json names.
node_packages() {
  local home
  home=$cache/node-$(key "$1/package-lock.json")
  if ! installed "$home"; then
    need nodejs node --version
    need npm npm --version
    say "install the npm packages of ${1#"$root"/}/package-lock.json"
    rm -rf "$home"
    mkdir -p "$home"
    cp "$1/package.json" "$1/package-lock.json" "$1/.npmrc" "$home/"
    # The packages want node 22; they also run on it, while npm may run on what is here.
    (cd "$home" && npm ci --loglevel=error)
    touch "$home/.complete"
  fi
  ln -sfn "$home/node_modules" "$1/node_modules"
}

# python_packages REQUIREMENTS: sets $python to the interpreter of an environment with exactly these.
python_packages() {
  local home
  need python3-venv python3 -m ensurepip --version
  home=$cache/python-$({ cat "$1"; python3 -VV; } | key /dev/stdin)
  python=$home/bin/python
  installed "$home" && return
  say "install the Python packages of ${1#"$root"/}"
  rm -rf "$home"
  python3 -m venv "$home"
  "$python" -m pip install --quiet --disable-pip-version-check --no-deps -r "$1"
  touch "$home/.complete"
}

# target_directory: where cargo puts what it builds.
target_directory() {
  cargo metadata --no-deps --format-version 1 --manifest-path "$root/Cargo.toml" |
    python3 -c 'import json, sys; print(json.load(sys.stdin)["target_directory"])'
}
