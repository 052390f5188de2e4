# Sourced by the scripts beside it: the repository root, one line per phase, and a build that fits the machine.
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
script_name="$(basename "$0" .sh)"

say() { printf '%s: %s\n' "$script_name" "$*"; }
die() {
  printf '%s: FAILED: %s\n' "$script_name" "$*" >&2
  exit 1
}

# phase WHAT COMMAND...: runs the command; one line before, one after with the elapsed seconds.
phase() {
  local what="$1" start=$SECONDS
  shift
  say "$what ..."
  "$@" || die "$what (after $((SECONDS - start)) s; the output above says why)"
  say "$what: done in $((SECONDS - start)) s"
}

# Parallel compile jobs: one a core, but LibTorch's translation units need about 1.5 GB each.
build_jobs() {
  local cores memory_gb by_memory
  cores="$(nproc)"
  memory_gb="$(awk '/^MemAvailable:/ {print int($2 / 1048576)}' /proc/meminfo)"
  by_memory=$((memory_gb / 2 > 0 ? memory_gb / 2 : 1))
  echo "${MILLRACE_JOBS:-$((cores < by_memory ? cores : by_memory))}"
}

# Once: ninja runs cmake again by itself when a CMakeLists.txt changes. A second run of cmake finds
# gRPC's own dependencies in another order and so rebuilds whatever includes them.
configure() {
  local preset="$1" arguments=(--preset "$1")
  [[ -z "${MILLRACE_TORCH_DIR:-}" && "$root/build/$preset/build.ninja" -nt "$root/CMakePresets.json" ]] && return 0
  [[ -n "${MILLRACE_TORCH_DIR:-}" ]] && arguments+=("-DMILLRACE_TORCH_DIR=$MILLRACE_TORCH_DIR")
  mkdir -p "$root/build/$preset"
  local log="$root/build/$preset/configure.log"
  (cd "$root" && cmake "${arguments[@]}") >"$log" 2>&1 || {
    cat "$log" >&2
    return 1
  }
}

# build PRESET [TARGET...]: on a terminal with ninja's status line, else only what fails.
build() {
  local preset="$1" quiet=()
  shift
  [[ -t 1 ]] || quiet=(--quiet)
  ninja -C "$root/build/$preset" -j "$(build_jobs)" "${quiet[@]}" "$@"
}
