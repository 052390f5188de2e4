#!/usr/bin/env python3
"""SRL's ablations (Mei et al. 2023, arXiv:2306.16688) on this machine: who acts, and the size of the ring.

    tests/benchmarks/layouts.py [--rounds 5] [--seconds 4] [--binary build/release/bin/millrace] [--out docs/results]

Layouts: configs/layout_{impala,seed,decoupled}.yaml in a cheap, a middling and a dear environment. Ring: the decoupled
layout with so many environments per actor, each a group of its own, so that simulating some hides the way of one to its
actions and back; and what `workers.actor.groups: auto` chooses. Every round runs each arm once, so that what else the
machine does counts for all; the table has medians. Writes OUT/layouts.md, OUT/layouts.json and OUT/curves/ring.csv.
"""
import argparse
import csv
import datetime
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
ENVIRONMENTS = {"cheap": "cartpole", "middling": "half_cheetah", "dear": "humanoid"}
LAYOUTS = ["impala", "seed", "decoupled"]
RINGS = [1, 2, 4, 5, 10, 20]
RING_BATCH = ["workers.trainer.batch_env_steps=2560", "workers.trainer.unroll=32"]


def run_once(arguments, runs, config, settings):
    """The figures of one run, or None if it failed."""
    command = [arguments.binary, "run", str(ROOT / "configs" / f"layout_{config}.yaml"), "--name", "run", "--runs-dir", runs,
               "--progress", "plain"]
    for setting in [f"stop={{wall_seconds: {arguments.seconds + 0.5}}}"] + settings:
        command += ["--set", setting]
    process = subprocess.run(command, capture_output=True, text=True, timeout=60 + 10 * arguments.seconds)
    summary_file = pathlib.Path(runs) / "run" / "summary.json"
    if process.returncode != 0 or not summary_file.exists():
        sys.exit(f"layouts.py: {' '.join(command)}\n{process.stdout}{process.stderr}")
    summary = json.loads(summary_file.read_text())
    chosen = re.search(r"workers\.actor\.groups: (\d+) \((.*)\)", process.stdout)
    actor = summary["profile"]["actor"]["threads"]["main"]
    waited = actor["parts"].get("wait_actions", {"seconds": 0})["seconds"]
    credit = actor["parts"].get("wait_credit", {"seconds": 0})["seconds"]
    return dict(steps_per_second=summary["steps_per_second"], steps_per_cpu_second=summary["steps_per_cpu_second"],
                idle=waited / actor["seconds"], wait_credit=credit / actor["seconds"], bottleneck=summary["bottleneck"],
                groups=int(chosen[1]) if chosen else None, choice=chosen[2] if chosen else None)


def arms():
    """(kind, name, environment) -> configuration and settings."""
    result = {}
    for environment in ENVIRONMENTS.values():
        setting = [f"environment.type={environment}"]
        for layout in LAYOUTS:
            result["layout", layout, environment] = (layout, setting)
        for ring in RINGS:
            result["ring", ring, environment] = ("decoupled", setting + RING_BATCH + [
                f"workers.actor={{count: 1, environments: {ring}, groups: {ring}, inference: remote}}"])
        result["auto", "auto", environment] = ("decoupled", setting + RING_BATCH + [
            "workers.actor={count: 1, environments: 20, groups: auto, inference: remote}"])
    return result


def measure(arguments):
    samples = {arm: [] for arm in arms()}
    for number in range(arguments.rounds):
        for arm, (config, settings) in arms().items():
            with tempfile.TemporaryDirectory() as runs:
                samples[arm].append(run_once(arguments, runs, config, settings))
            print(f"round {number + 1}: {arm}: {samples[arm][-1]['steps_per_second']:,.0f} steps/s", flush=True)
    return samples


def median(samples, key):
    return statistics.median(sample[key] for sample in samples)


def machine():
    model = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    commit = subprocess.run(["git", "-C", ROOT, "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
    return (f"{model[1] if model else 'unknown processor'}, {len(os.sched_getaffinity(0))} cores, commit {commit}, "
            f"{datetime.date.today()}")


def layout_table(samples):
    lines = ["| environment | layout | steps/s | steps per CPU-second | decoupled is so many times as fast |",
             "|---|---|---|---|---|"]
    for cost, environment in ENVIRONMENTS.items():
        decoupled = median(samples["layout", "decoupled", environment], "steps_per_second")
        for layout in LAYOUTS:
            runs = samples["layout", layout, environment]
            rate = median(runs, "steps_per_second")
            lines.append(f"| {cost}: `{environment}` | {layout} | {rate:,.0f} | {median(runs, 'steps_per_cpu_second'):,.0f} | "
                         f"{decoupled / rate:.2f} |")
    return lines


def ring_table(samples):
    lines = ["| environment | ring | steps/s | of a ring of 1 | of its time the actor waits for actions | for credit |",
             "|---|---|---|---|---|---|"]
    for cost, environment in ENVIRONMENTS.items():
        one = median(samples["ring", 1, environment], "steps_per_second")
        for ring in RINGS:
            runs = samples["ring", ring, environment]
            rate = median(runs, "steps_per_second")
            lines.append(f"| {cost}: `{environment}` | {ring} | {rate:,.0f} | {rate / one:.2f} | {median(runs, 'idle'):.1%} | "
                         f"{median(runs, 'wait_credit'):.1%} |")
        runs = samples["auto", "auto", environment]
        groups = statistics.mode(run["groups"] for run in runs)
        lines.append(f"| {cost}: `{environment}` | auto: {groups} groups of {20 // groups} | "
                     f"{median(runs, 'steps_per_second'):,.0f} | | {median(runs, 'idle'):.1%} | "
                     f"{median(runs, 'wait_credit'):.1%} |")
    return lines


def write(arguments, samples):
    curves = arguments.out / "curves"
    curves.mkdir(parents=True, exist_ok=True)
    with open(curves / "ring.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["environment", "ring", "steps_per_second", "idle", "wait_credit"])
        for (kind, ring, environment), runs in samples.items():
            if kind == "ring":
                for run in runs:
                    writer.writerow([environment, ring, run["steps_per_second"], run["idle"], run["wait_credit"]])
    keyed = {"/".join(map(str, arm)): runs for arm, runs in samples.items()}
    (arguments.out / "layouts.json").write_text(json.dumps(keyed, indent=1) + "\n")
    lines = ["# Layouts and rings", "", f"Made by `tests/benchmarks/layouts.py --rounds {arguments.rounds} --seconds "
             f"{arguments.seconds:g}`; {machine()}. Medians; learning included; every run is in `layouts.json`.", "",
             "SRL (Mei et al. 2023) reports, on clusters whose GPUs act: the decoupled layout up to 3.7 times "
             "as fast as the existing designs, a ring of 2 environments 1.9 times and one of 10 seven times as fast as one "
             "environment that waits for its actions.", "", *layout_table(samples), "",
             "The ring: one actor with so many environments, each a group of its own.", "", *ring_table(samples), ""]
    notes = arguments.out / "layouts_notes.md"
    if notes.exists():
        lines += [notes.read_text()]
    (arguments.out / "layouts.md").write_text("\n".join(lines))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4, help="of one run, start-up excluded")
    parser.add_argument("--binary", default=str(ROOT / "build/release/bin/millrace"))
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "docs/results")
    arguments = parser.parse_args()
    write(arguments, measure(arguments))


if __name__ == "__main__":
    main()
