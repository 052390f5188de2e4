#!/usr/bin/env bash
# Installs a build into a temporary directory, builds every example against it (installed headers only) and runs it.
#
#   installed_package_test.sh SOURCE_DIR BUILD_DIR
set -euo pipefail

source_dir="$1" build_dir="$2"
scratch="$(mktemp -d)"
trap 'rm -rf "$scratch"' EXIT

cmake --install "$build_dir" --prefix "$scratch/prefix" >/dev/null
cp -r "$source_dir/examples" "$scratch/examples"
millrace="$scratch/prefix/bin/millrace"

examples=0
for example in "$scratch"/examples/*/; do
  echo "== $(basename "$example")"
  cmake -S "$example" -B "$example/build" -G Ninja -DCMAKE_PREFIX_PATH="$scratch/prefix" >"$scratch/configure.log" ||
    { cat "$scratch/configure.log"; exit 1; }
  cmake --build "$example/build"
  for experiment in "$example"*.yaml; do
    "$millrace" validate "$experiment"
    "$millrace" run "$experiment" --runs-dir "$scratch/runs" --progress none --set 'stop={env_steps: 4096}'
  done
  examples=$((examples + 1))
done
((examples > 0))
