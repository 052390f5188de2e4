#!/usr/bin/env python3
"""Hide and seek's full configurations with all roles as processes: each is run, killed, resumed, and its accounts are checked.

    tests/learning/hide_and_seek_at_scale.py [--minutes 10] [--binary build/release/bin/millrace] [--runs-dir runs] [--out docs/results]

Runs hide_and_seek_full.yaml and hide_and_seek_large.yaml (1.5 and 2 times as wide), each for so many minutes in all. Half-way every
process of the run is killed at once (SIGKILL), and the run resumed. Writes OUT/hide_and_seek_at_scale.json and .md; fails if the
accounts do not hold, if nothing was trained after the resume, or if a sample counts as trained more than once.
"""
import json
import os
import signal
import subprocess
import sys
import time

from runs import ROOT, begin, metrics, parser, processes

RUNS = [("full", "full", []), ("large 1.5", "large", ["environment.scale=1.5"]), ("large 2", "large", ["environment.scale=2"])]
NUMBERS = ["hidden_fraction", "enclosed_prep", "box_lock_fraction_prep", "num_ramp_lock_prep", "ramp_far_prep", "surf_distance"]


def last_line(run):
    return next(reversed(metrics(run)), {})


def run_and_resume(arguments, name, config, settings):
    run = (arguments.runs_dir / ("at-scale-" + name.replace(" ", "-"))).resolve()
    if run.exists():
        sys.exit(f"{run} exists already")
    seconds = arguments.minutes * 60
    launcher = begin(arguments, ROOT / "configs" / f"hide_and_seek_{config}.yaml", run.name,
                     [f"stop={{wall_seconds: {seconds}}}", *settings])
    deadline = time.monotonic() + seconds
    while last_line(run).get("elapsed_seconds", 0) < seconds / 2 or last_line(run).get("train_steps", 0) < 2:
        if launcher.poll() is not None or time.monotonic() > deadline:
            launcher.terminate()
            sys.exit(f"{name}: no two batches were trained in half of the time")
        time.sleep(1)
    before = last_line(run)
    victims = set(processes(run)) | {launcher.pid}
    for victim in victims:
        os.kill(victim, signal.SIGKILL)
    launcher.wait()
    subprocess.run([arguments.binary, "resume", str(run), "--progress", "none"], check=True, stdout=subprocess.DEVNULL)
    summary = json.loads((run / "summary.json").read_text())
    last = last_line(run)
    stream = summary["streams"]["sample/default"]
    steps = stream["env_steps"]
    result = dict(killed_processes=len(victims), killed_after=before["elapsed_seconds"], train_steps_before=before["train_steps"],
                  train_steps=summary["train_steps"], produced=steps["produced"], trained=steps["trained"], dropped=steps["dropped"],
                  in_flight=steps["in_flight"], holds=stream["holds"], sample_reuse=summary["sample_reuse"],
                  elapsed_seconds=summary["elapsed_seconds"], env_steps=summary["env_steps"],
                  steps_per_second=summary["steps_per_second"], stages=summary.get("stages"),
                  statistics={number: last.get(f"environment/{number}", summary.get(f"environment/{number}")) for number in NUMBERS},
                  pids={role: len(pids) for role, pids in summary["pids_by_role"].items()})
    if not stream["holds"] or steps["trained"] > steps["produced"]:
        sys.exit(f"{name}: the accounts do not hold: {stream}")
    if summary["train_steps"] <= before["train_steps"]:
        sys.exit(f"{name}: nothing was trained after the resume")
    return result


def table(results, minutes):
    text = ["# Hide and seek at full size on two cores", "",
            f"`tests/learning/hide_and_seek_at_scale.py --minutes {minutes:g}`: every process killed half-way, then resumed.", "",
            "| run | steps/s after the resume | killed after | train steps then, at the end | produced | trained | dropped | uses of a sample | hidden | "
            "enclosed | boxes locked |", "|---|---|---|---|---|---|---|---|---|---|---|"]
    for name, result in results.items():
        number = lambda key: "-" if result["statistics"][key] is None else f"{result['statistics'][key]:.3f}"
        dropped = ", ".join(f"{reason} {count}" for reason, count in result["dropped"].items()) or "0"
        text.append(f"| {name} | {result['steps_per_second']:.0f} | {result['killed_after']:.0f} s | {result['train_steps_before']}, "
                    f"{result['train_steps']} | {result['produced']} | {result['trained']} | {dropped} | {result['sample_reuse']:.2f} | "
                    f"{number('hidden_fraction')} | {number('enclosed_prep')} | {number('box_lock_fraction_prep')} |")
    return "\n".join(text) + "\n"


def main():
    options = parser(__doc__)
    options.add_argument("--minutes", type=float, default=10)
    arguments = options.parse_args()
    results = {}
    for name, config, settings in RUNS:
        results[name] = run_and_resume(arguments, name, config, settings)
        print(name, json.dumps(results[name]), flush=True)
        (arguments.out / "hide_and_seek_at_scale.json").write_text(json.dumps(results, indent=1) + "\n")
        (arguments.out / "hide_and_seek_at_scale.md").write_text(table(results, arguments.minutes))


if __name__ == "__main__":
    main()
