#!/usr/bin/env bash
# Installs a build into a temporary directory, builds every example against it (installed headers only) and runs it
# until it reaches its goal; what needs a plug-in that is not there says so.
#
#   installed_package_test.sh SOURCE_DIR BUILD_DIR
set -euo pipefail

source_dir="$1" build_dir="$2"
scratch="$(mktemp -d)"
trap 'rm -rf "$scratch"' EXIT

cmake --install "$build_dir" --prefix "$scratch/prefix" >/dev/null
cp -r "$source_dir/examples" "$scratch/examples"
millrace="$scratch/prefix/bin/millrace"

# Of a dataset that is the number of samples.
reaches_its_goal() {
  local goal=goal
  ! grep -q '^dataset:' "$1" || goal=limit
  "$millrace" run "$@" --runs-dir "$scratch/runs" --progress none | tee "$scratch/run.log"
  local run
  run="$(ls -td "$scratch"/runs/*/ | head -n 1)"
  grep -q "\"status\": *\"reached_$goal\"" "$run/summary.json" || { cat "$run/summary.json"; exit 1; }
}

# fails_with EXIT_CODE PATTERN ARGUMENT...: one line on standard error.
fails_with() {
  local expected="$1" pattern="$2" code=0
  shift 2
  "$millrace" "$@" 2>"$scratch/errors" || code=$?
  if ((code != expected)) || [[ "$(wc -l <"$scratch/errors")" != 1 ]] || ! grep -q "$pattern" "$scratch/errors"; then
    printf 'millrace %s: expected exit code %s and one line with %s, got %s and:\n' "$*" "$expected" "$pattern" "$code"
    cat "$scratch/errors"
    exit 1
  fi
}

# What lies in a plug-in of our own is found in the installation.
"$millrace" env bench hopper --seconds 0.1

examples=0
for example in "$scratch"/examples/*/; do
  echo "== $(basename "$example")"
  cmake -S "$example" -B "$example/build" -G Ninja -DCMAKE_PREFIX_PATH="$scratch/prefix" >"$scratch/configure.log" ||
    { cat "$scratch/configure.log"; exit 1; }
  cmake --build "$example/build"
  for experiment in "$example"*.yaml; do
    "$millrace" validate "$experiment"
    reaches_its_goal "$experiment"
    reaches_its_goal "$experiment" --set streams.inference.transport=zmq --set streams.sample.transport=zmq \
      --set streams.weight.transport=grpc
  done
  examples=$((examples + 1))
done
((examples > 0))

# A user's algorithm trains an N:M-sparse policy as it is.
reaches_its_goal "$scratch/examples/custom_algorithm/cartpole_count_bonus.yaml" --set 'backend={type: nm_sparse}'

# An algorithm whose sample field nobody computes: found before anything starts, and in a run by whoever notices first.
experiment="$scratch/examples/custom_algorithm/cartpole_count_bonus.yaml"
sed -i 's/build.libvisit_count.so, //' "$experiment"
fails_with 2 'cartpole_count_bonus.yaml:6: .*"count_bonus" asks for the sample field "visit_count"' validate "$experiment"
fails_with 2 'cartpole_count_bonus.yaml:6: .*"count_bonus" asks for the sample field "visit_count"' run "$experiment" \
  --runs-dir "$scratch/runs" --progress none
