#!/usr/bin/env bash
# From nothing to a trained agent: installs what is missing, builds Millrace, and trains CartPole with PPO.
#
#   scripts/quickstart.sh [arguments of `millrace run`, for example --set seed=2]
#
# The run goes to runs/quickstart. Running it again does nothing twice: a finished run is only shown.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/phases.sh"

case "${1:-}" in
  -h | --help) sed -n '2,6s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit 0 ;;
esac

programs=(bin/millrace bin/millrace-actor bin/millrace-torch bin/millrace-store)
millrace="$root/build/release/bin/millrace"

is_finished() { grep -qsE '"status": *"reached_(goal|limit)"' "$1/summary.json"; }

# The first of quickstart, quickstart-2, ... that is free.
free_run_name() {
  local name=quickstart number=2
  while [[ -e "$root/runs/$name" ]]; do
    name="quickstart-$number"
    number=$((number + 1))
  done
  echo "$name"
}

phase "installing what is missing" "$root/scripts/install_dependencies.sh"
phase "configuring build/release" configure release
phase "building Millrace with $(build_jobs) jobs (no tests)" build release "${programs[@]}"

run="$root/runs/quickstart"
if (($# == 0)) && is_finished "$run"; then
  say "already trained; remove runs/quickstart to train again"
  "$millrace" status "$run"
else
  name="$(free_run_name)"
  run="$root/runs/$name"
  say "training CartPole with PPO into runs/$name ..."
  "$millrace" run "$root/configs/cartpole_ppo.yaml" --name "$name" --runs-dir "$root/runs" "$@" ||
    die "the training run (exit code $?); 'millrace logs $run' says what happened"
fi
[[ "$PWD" == "$root" ]] && millrace="build/release/bin/millrace" run="${run#"$root"/}"
say "watch the trained agent:  $millrace play $run"
