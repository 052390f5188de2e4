#!/usr/bin/env python3
"""A million steps of hide and seek with random policies: none breaks down, nothing is warned of, no memory is lost.

    tests/learning/hide_and_seek_million_steps.py [--steps 1000000] [--binary build/release/bin/millrace] [--runs-dir runs]
                                                  [--out docs/results]

Fresh policies with a learning rate of 0 play the quadrant, the full game and the large one. Fails if an episode was discarded, if
MuJoCo warned in an actor's log, or if an actor's memory grew by more than a twentieth in the second half (medians of the fifth and the
last tenth of the steps; the heap settles in the first half). Writes OUT/hide_and_seek_million_steps.md.
"""
import json
import pathlib
import statistics
import sys
import time

from hide_and_seek import RANDOM, games_of
from runs import ROOT, begin, parser, processes

CONFIGS = ["quadrant", "full", "large"]


def resident(run):
    """Resident bytes of every actor of the run, by process."""
    found = {}
    for process, words in processes(run).items():
        try:
            if words[1] == "actor":
                found[process] = int(pathlib.Path(f"/proc/{process}/statm").read_text().split()[1]) * 4096
        except OSError:
            pass   # gone
    return found


def play(arguments, config):
    name = f"million-{config}"
    run = (arguments.runs_dir / name).resolve()
    launcher = begin(arguments, ROOT / "configs" / f"hide_and_seek_{config}.yaml", name,
                     [f"stop.env_steps={arguments.steps}", *RANDOM])
    samples = []   # (steps, {process: bytes})
    while launcher.poll() is None:
        lines = games_of(run)
        if lines:
            samples.append((lines[-1]["env_steps"], resident(run)))
        time.sleep(0.5)

    def memory(process, low, high):
        return statistics.median(actors[process] for steps, actors in samples
                                 if low <= steps / arguments.steps <= high and process in actors)

    actors = next(actors for steps, actors in samples if steps >= arguments.steps / 2)
    grown = max(memory(process, 0.9, 1) / memory(process, 0.4, 0.5) - 1 for process in actors)
    lines = games_of(run)
    warnings = [line for log in (run / "logs").glob("actor-*.log") for line in log.read_text().splitlines() if "MuJoCo:" in line]
    result = dict(env_steps=lines[-1]["env_steps"], episodes=lines[-1]["episodes"],
                  discarded=max(line["environment/discarded"] for line in lines), warnings=len(warnings), growth=grown,
                  megabytes=max(memory(process, 0.9, 1) for process in actors) / 2**20)
    print(config, json.dumps(result), *warnings[:5], flush=True)
    if launcher.returncode != 0 or lines[-1]["env_steps"] < arguments.steps:
        sys.exit(f"{config}: the run did not end in order")
    if result["discarded"] > 0 or warnings or grown > 0.05:
        sys.exit(f"{config}: an episode was discarded, a warning was given, or memory grew")
    return result


def main():
    options = parser(__doc__)
    options.add_argument("--steps", type=int, default=1_000_000)
    arguments = options.parse_args()
    text = [f"# {arguments.steps:,} steps of hide and seek with random policies", "", "`tests/learning/hide_and_seek_million_steps.py`.",
            "", "| game | steps | episodes of agents | discarded | warnings | an actor's memory, grown in the second half |",
            "|---|---|---|---|---|---|"]
    for config in CONFIGS:
        result = play(arguments, config)
        text.append(f"| {config} | {result['env_steps']:,} | {result['episodes']:,} | {result['discarded']:g} | {result['warnings']} | "
                    f"{result['megabytes']:.1f} MB, {100 * result['growth']:+.1f} % |")
    (arguments.out / "hide_and_seek_million_steps.md").write_text("\n".join(text) + "\n")


if __name__ == "__main__":
    main()
