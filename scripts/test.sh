#!/usr/bin/env bash
# Installs what is missing, builds, and runs the tests.
#
#   scripts/test.sh [--preset release|dev|asan|tsan|clang] [ctest arguments]
#   scripts/test.sh --preset tsan -R SampleQueue
#
# The sanitizers (asan, tsan) run the labels unit and conformance. MILLRACE_JOBS=N limits parallel jobs.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/phases.sh"

preset=release
case "${1:-}" in
  --preset) preset="${2:-}"; shift; shift || true ;;
  --preset=*) preset="${1#--preset=}"; shift ;;
  -h | --help) sed -n '2,7s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit 0 ;;
esac

install_arguments=(--for-tests)
ctest_arguments=(--output-on-failure --no-tests=error)
targets=()
case "$preset" in
  release | dev) ;;
  clang) install_arguments+=(--with-clang) ;;
  asan)
    targets=(unit_and_conformance_tests)
    ctest_arguments+=(-L 'unit|conformance')
    export ASAN_OPTIONS="detect_stack_use_after_return=1:strict_string_checks=1:${ASAN_OPTIONS:-}"
    export LSAN_OPTIONS="suppressions=$root/tests/lsan.supp:print_suppressions=0:${LSAN_OPTIONS:-}"
    export UBSAN_OPTIONS="print_stacktrace=1:${UBSAN_OPTIONS:-}"
    ;;
  tsan)
    install_arguments+=(--with-clang)
    targets=(unit_and_conformance_tests)
    ctest_arguments+=(-L 'unit|conformance')
    export TSAN_OPTIONS="suppressions=$root/tests/tsan.supp:second_deadlock_stack=1:${TSAN_OPTIONS:-}"
    ;;
  *) say "unknown preset \"$preset\"; expected release, dev, asan, tsan or clang" >&2; exit 2 ;;
esac

phase "installing what is missing" "$root/scripts/install_dependencies.sh" "${install_arguments[@]}"
phase "configuring build/$preset" configure "$preset"
phase "building build/$preset with $(build_jobs) jobs" build "$preset" "${targets[@]}"
say "running the tests ..."
exec ctest --test-dir "$root/build/$preset" -j "$(nproc)" "${ctest_arguments[@]}" "$@"
