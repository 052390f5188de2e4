#!/usr/bin/env python3
"""Steps per second of hide and seek on one core beside their roof, MuJoCo alone, from one interleaved run.

    tests/benchmarks/hide_and_seek_speed.py [--rounds 5] [--seconds 2] [--build build/release] [--out docs/results]

Random actions; "held": everybody pulls and locks all the time. Each number is the median of the rounds. Writes
OUT/hide_and_seek_speed.json and .md.
"""
import argparse
import json
import pathlib
import statistics
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCENES = {"quadrant: 2 against 2, 2 boxes, 1 ramp": ("hide_and_seek_quadrant", [])} | {
    f"full: {n} against {n}, {boxes} boxes, 2 ramps": ("hide_and_seek_full", [f"hiders={n}", f"seekers={n}", f"boxes={boxes}"])
    for n, boxes in ((1, 3), (2, 6), (3, 9))}
HELD = ["--hold", "pull=1", "--hold", "lock=1"]


def output_of(words):
    return subprocess.run([str(word) for word in words], check=True, stdout=subprocess.PIPE, text=True).stdout


def bench(arguments, environment, settings, more):
    words = [arguments.build / "bin" / "millrace", "env", "bench", environment, "--environments", 4, "--seconds", arguments.seconds,
             "--json", "-", *more]
    for setting in settings:
        words += ["--set", setting]
    return json.loads(output_of(words))[0]["value"]


def physics(arguments, environment, settings):
    return float(output_of([arguments.build / "bin" / "hide_and_seek_physics", environment, arguments.seconds, *settings]))


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--seconds", type=float, default=2)
    options.add_argument("--build", type=pathlib.Path, default=ROOT / "build" / "release")
    options.add_argument("--out", type=pathlib.Path, default=ROOT / "docs" / "results")
    arguments = options.parse_args()
    measured = {name: {"environment": [], "held": [], "physics": []} for name in SCENES}
    for _ in range(arguments.rounds):
        for name, (environment, settings) in SCENES.items():
            measured[name]["environment"].append(bench(arguments, environment, settings, []))
            measured[name]["held"].append(bench(arguments, environment, settings, HELD))
            measured[name]["physics"].append(physics(arguments, environment, settings))
    text = ["# Hide and seek, environment steps per second of one core", "",
            f"`tests/benchmarks/hide_and_seek_speed.py --rounds {arguments.rounds} --seconds {arguments.seconds:g}`: medians of "
            "interleaved runs.", "",
            "| scene | physics alone | environment | of the physics | held | of the environment |", "|---|---|---|---|---|---|"]
    for name, numbers in measured.items():
        roof, whole, held = (statistics.median(numbers[key]) for key in ("physics", "environment", "held"))
        text.append(f"| {name} | {roof:,.0f} | {whole:,.0f} | {whole / roof:.0%} | {held:,.0f} | {held / whole:.0%} |")
    text = "\n".join(text) + "\n"
    print(text)
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "hide_and_seek_speed.json").write_text(json.dumps(measured, indent=1) + "\n")
    (arguments.out / "hide_and_seek_speed.md").write_text(text)


if __name__ == "__main__":
    main()
