#!/usr/bin/env python3
"""Hide and seek on two cores: what random policies reach, and when seeds begin to chase and to block doors.

    tests/learning/hide_and_seek.py [--config configs/hide_and_seek_laptop.yaml] [--seeds 1 2 3 4 5] [--hours 2]
                                    [--set KEY=VALUE ...] [--binary build/release/bin/millrace] [--runs-dir runs]
                                    [--out docs/results]

First untrained policies play (a learning rate of 0), every seed 2,000 episodes: their hidden fraction is the level that (a) is
measured from. Then every seed trains for so many hours. A seed chases (a) once its hidden fraction is 15 points below that level,
and blocks doors (b) once it is above 50 % again with all doors blocked in 30 % of the episodes at the end of the preparation; both
in the mean of 2,000 episodes. A run that is there already goes on from its newest checkpoint until it has its hours: a series may be
cut and begun again. Writes OUT/NAME.json (every seed), OUT/NAME.md (the table) and OUT/curves/NAME-SEED.csv.
"""
import argparse
import csv
import json
import pathlib
import statistics
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
EPISODES = 2000
NUMBERS = ["hidden_fraction", "doors_blocked_prep", "enclosed_prep", "max_box_move_prep", "num_box_lock_prep",
           "max_ramp_move", "ramp_in_room_prep", "seeker_high_fraction", "held_fraction", "outside_fraction"]
CURVE_POINTS = 400


def lines_of(run):
    """The lines of metrics.jsonl that have statistics, in the order of their episodes."""
    lines, episodes = [], -1
    for text in (run / "metrics.jsonl").read_text().splitlines():
        try:
            line = json.loads(text)
        except ValueError:
            continue   # under way
        if "environment/hidden_fraction" in line and line["episodes"] > episodes:
            lines.append(line)
            episodes = line["episodes"]
    return lines


def windows(lines):
    """(line, {number: mean of the last EPISODES episodes}) of every line that so many lie before."""
    first = 0
    for last, line in enumerate(lines):
        while first + 1 < last and lines[first + 1]["episodes"] <= line["episodes"] - EPISODES:
            first += 1
        count = line["episodes"] - lines[first]["episodes"]
        if count < EPISODES:
            continue
        means = {}
        for number in NUMBERS:
            total = sum(lines[i][f"environment/{number}"] * (lines[i]["episodes"] - lines[i - 1]["episodes"])
                        for i in range(first + 1, last + 1))
            means[number] = total / count
        yield line, means


def millrace(arguments, *words):
    subprocess.run([arguments.binary, *map(str, words)], check=True, stdout=subprocess.DEVNULL)


def train(arguments, name, seed, settings):
    """Begins the run, or goes on with it; its directory."""
    run = arguments.runs_dir / name
    overrides = [word for setting in settings for word in ("--set", setting)]
    if (run / "config.yaml").exists():
        summary = run / "summary.json"
        if not summary.exists() or json.loads(summary.read_text())["status"] != "reached_limit":
            millrace(arguments, "resume", run, "--progress", "none", *overrides)
    else:
        millrace(arguments, "run", arguments.config, "--runs-dir", arguments.runs_dir, "--name", name, "--progress", "none",
                 "--set", f"seed={seed}", *overrides)
    return run


def random_level(arguments, seed):
    steps = EPISODES * 80
    run = train(arguments, f"{arguments.config.stem}-random-{seed}", seed,
                arguments.set + ["algorithm.learning_rate=0", f"stop.env_steps={steps}", "stop.wall_seconds=null",
                                 "report={stages: []}"])
    lines = lines_of(run)
    weights = [after["episodes"] - before["episodes"] for before, after in zip(lines, lines[1:])]
    return {number: sum(line[f"environment/{number}"] * weight for line, weight in zip(lines[1:], weights)) / sum(weights)
            for number in NUMBERS}


def stages(level):
    """(a) and (b), for the run's own detector."""
    chase = f"{{name: chase, below: {{hidden_fraction: {level - 0.15:.4f}}}}}"
    doors = "{name: doors, above: {hidden_fraction: 0.5, doors_blocked_prep: 0.3}}"
    return f"report={{stage_episodes: {EPISODES}, stages: [{chase}, {doors}]}}"


def judge(run):
    """When (a) and (b) were reached, and the extremes."""
    summary = json.loads((run / "summary.json").read_text())
    reached = {stage["name"]: stage for stage in summary.get("stages") or []}
    moments = list(windows(lines_of(run)))
    lowest = min(means["hidden_fraction"] for _, means in moments)
    most = max((means for _, means in moments), key=lambda means: means["doors_blocked_prep"])
    return dict(chase=reached.get("chase"), doors=reached.get("doors"), lowest_hidden=lowest,
                most_doors_blocked=most["doors_blocked_prep"], hidden_then=most["hidden_fraction"],
                end={key: moments[-1][0][key] for key in ("elapsed_seconds", "env_steps", "episodes")})


def write_curve(run, file):
    points = list(windows(lines_of(run)))
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["env_steps", "episodes", "seconds"] + NUMBERS)
        for line, means in points[::max(1, len(points) // CURVE_POINTS)]:
            writer.writerow([line["env_steps"], line["episodes"], f"{line['elapsed_seconds']:.1f}"] +
                            [f"{means[number]:.4f}" for number in NUMBERS])


def spread(values):
    return f"{statistics.mean(values):.3f} +- {statistics.stdev(values) if len(values) > 1 else 0:.3f}"


def when(moment):
    return "-" if moment is None else f"{moment['elapsed_seconds'] / 60:.1f} min, {moment['env_steps'] / 1e6:.2f} M steps"


def table(arguments, levels, results):
    hidden, doors = ([level[number] for level in levels.values()] for number in ("hidden_fraction", "doors_blocked_prep"))
    text = [f"# {arguments.config.name}", "", f"`tests/learning/hide_and_seek.py --hours {arguments.hours:g}`, two cores.", "",
            f"Untrained policies, {EPISODES} episodes a seed: hidden fraction {spread(hidden)}, doors blocked {spread(doors)}.", "",
            "| seed | (a) chase | (b) doors blocked | least hidden | most doors blocked | hidden then | trained |",
            "|---|---|---|---|---|---|---|"]
    for seed, result in results.items():
        text.append(f"| {seed} | {when(result['chase'])} | {when(result['doors'])} | {result['lowest_hidden']:.3f} | "
                    f"{result['most_doors_blocked']:.3f} | {result['hidden_then']:.3f} | {when(result['end'])} |")
    return "\n".join(text) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", type=pathlib.Path, default=ROOT / "configs" / "hide_and_seek_laptop.yaml")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    parser.add_argument("--hours", type=float, default=2)
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("--binary", default=str(ROOT / "build" / "release" / "bin" / "millrace"))
    parser.add_argument("--runs-dir", type=pathlib.Path, default=ROOT / "runs")
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "docs" / "results")
    arguments = parser.parse_args()
    levels = {seed: random_level(arguments, seed) for seed in arguments.seeds}
    level = statistics.mean(one["hidden_fraction"] for one in levels.values())
    print(f"hidden fraction of untrained policies: {level:.3f}", flush=True)
    results = {}
    for seed in arguments.seeds:
        run = train(arguments, f"{arguments.config.stem}-{seed}", seed,
                    arguments.set + [f"stop.wall_seconds={arguments.hours * 3600}", stages(level)])
        results[seed] = judge(run)
        write_curve(run, arguments.out / "curves" / f"{arguments.config.stem}-{seed}.csv")
        print(seed, results[seed], flush=True)
        (arguments.out / f"{arguments.config.stem}.json").write_text(
            json.dumps(dict(random=levels, seeds=results), indent=1) + "\n")
        (arguments.out / f"{arguments.config.stem}.md").write_text(table(arguments, levels, results))


if __name__ == "__main__":
    main()
