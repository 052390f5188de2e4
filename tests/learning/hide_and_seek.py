#!/usr/bin/env python3
"""Hide and seek on two cores: what random policies reach, and when seeds begin to chase, to build forts and to block doors.

    tests/learning/hide_and_seek.py [--config configs/hide_and_seek_laptop.yaml] [--seeds 1 2 3 4 5] [--hours 2] [--games 2000]
                                    [--random] [--set KEY=VALUE ...] [--binary build/release/bin/millrace] [--runs-dir runs]
                                    [--out docs/results]

First random policies play (fresh ones with a learning rate of 0), every seed so many games: the level that (a) is measured from.
Then every seed trains for so many hours (not with --random). In the mean of so many games, a seed

    (a) chases once its hidden fraction is 15 points below that level; then it
    (f) builds forts once its hidden fraction is above 50 % again with all hiders enclosed in 30 % of the games at the end of the
        preparation, and
    (b) blocks doors once that is so with all doors blocked in 30 % of the games.

A run that is there already goes on from its newest checkpoint until it has its hours, and seeds that OUT/NAME.json has of the same
configuration, comments aside, stay there: a series may be cut and begun again. Writes OUT/NAME.json (every seed), OUT/NAME.md (the tables) and
OUT/curves/NAME-SEED.csv; with --random OUT/NAME-random.json and .md.
"""
import csv
import json
import pathlib
import re
import statistics
import subprocess
import sys

from runs import ROOT, begin, metrics, overrides, parser

NUMBERS = ["hidden_fraction", "doors_blocked_prep", "enclosed_prep", "max_box_move_prep", "num_box_lock_prep",
           "box_lock_fraction_prep", "max_box_move", "num_ramp_lock_prep", "max_ramp_move", "ramp_far_prep", "ramp_in_room_prep",
           "seeker_high_fraction", "wall_cross", "surf_distance", "held_fraction", "outside_fraction", "discarded"]
CURVE_POINTS = 400
RANDOM = ["policies={default: {model: {type: mlp, hidden: [16]}}}", "agents=[{match: \".*\", policy: default}]",
          "algorithm={type: ppo, learning_rate: 0, epochs: 1}",
          "workers={actor: {count: 2, environments: 16, groups: 1, inference: inline}, "
          "trainer: {batch_env_steps: 2560, unroll: 80, max_policy_lag: 1}}", "report={stages: []}", "stop.wall_seconds=null"]


def lines_of(run):
    """The lines of metrics.jsonl that have statistics, in order."""
    lines, steps = [], -1
    for line in metrics(run):
        if "environment/hidden_fraction" in line and line["env_steps"] > steps:
            lines.append(line)
            steps = line["env_steps"]
    return lines


def mean_of(lines, number):
    """Over the steps between the first of the lines and the last; None if nothing says it."""
    said = [(line[f"environment/{number}"], line["env_steps"] - before["env_steps"])
            for before, line in zip(lines, lines[1:]) if line.get(f"environment/{number}") is not None]
    return sum(value * steps for value, steps in said) / sum(steps for _, steps in said) if said else None


def windows(lines, games):
    """(line, {number: mean of the last `games`}) of every line that so many lie before; games are equally long."""
    first = 0
    for last, line in enumerate(lines):
        steps = games * line["episode_length_mean"]
        while first + 1 < last and lines[first + 1]["env_steps"] <= line["env_steps"] - steps:
            first += 1
        if line["env_steps"] - lines[first]["env_steps"] >= steps:
            yield line, {number: mean_of(lines[first:last + 1], number) for number in NUMBERS}


def train(arguments, name, seed, settings, done):
    """Begins the run, or goes on with it unless `done` says of its last line that it has had enough; its directory."""
    run = arguments.runs_dir / name
    if not (run / "config.yaml").exists():
        status = begin(arguments, arguments.config, name, [f"seed={seed}", *settings]).wait()
    elif done(next(reversed(lines_of(run)), {"env_steps": 0, "elapsed_seconds": 0})):
        status = 0
    else:
        words = [arguments.binary, "resume", str(run), "--progress", "none", *overrides(settings)]
        status = subprocess.run(words, stdout=subprocess.DEVNULL).returncode
    if status != 0:
        sys.exit(f"{run}: ended with exit code {status}")
    return run


def random_level(arguments, seed):
    """{number: mean over the games of one seed}, and how many agents a game has in the mean."""
    name = f"{arguments.config.stem}-random-{seed}"
    steps = 0   # the first batches say how long a game is
    for games in (100, arguments.games):
        wanted = games * 240 if steps == 0 else games * steps
        settings = RANDOM + arguments.set + [f"stop.env_steps={round(wanted)}"]
        lines = lines_of(train(arguments, name, seed, settings, lambda line: line["env_steps"] >= wanted))
        steps = lines[-1]["episode_length_mean"]
    level = {number: mean_of(lines, number) for number in NUMBERS}
    level["agents"] = lines[-1]["episodes"] * steps / lines[-1]["env_steps"]
    return level


def stages(arguments, level, agents):
    """(a), (f) and (b), for the run's own detector, which counts the episodes of agents."""
    chase = f"{{name: chase, below: {{hidden_fraction: {level - 0.15:.4f}}}}}"
    fort = "{name: fort, above: {hidden_fraction: 0.5, enclosed_prep: 0.3}}"
    doors = "{name: doors, above: {hidden_fraction: 0.5, doors_blocked_prep: 0.3}}"
    return f"report={{stage_episodes: {round(arguments.games * agents)}, stages: [{chase}, {fort}, {doors}]}}"


def judge(arguments, run):
    """When the stages were reached, and the extremes."""
    summary = json.loads((run / "summary.json").read_text())
    reached = {stage["name"]: stage for stage in summary.get("stages") or []}
    moments = list(windows(lines_of(run), arguments.games))
    if not moments:
        sys.exit(f"{run}: no {arguments.games} games were played")
    result = {name: reached.get(name) for name in ("chase", "fort", "doors")}
    result["lowest_hidden"] = min(means["hidden_fraction"] for _, means in moments)
    for name in ("enclosed_prep", "doors_blocked_prep"):
        said = [means for _, means in moments if means[name] is not None]   # no doors where there is no room
        most = max(said, key=lambda means: means[name], default=None)
        result[name] = most and dict(most=most[name], hidden=most["hidden_fraction"])
    result["end"] = {key: moments[-1][0][key] for key in ("elapsed_seconds", "env_steps")}
    return result


def write_curve(arguments, run, file):
    points = list(windows(lines_of(run), arguments.games))
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["env_steps", "seconds"] + NUMBERS)
        for line, means in points[::max(1, len(points) // CURVE_POINTS)]:
            writer.writerow([line["env_steps"], f"{line['elapsed_seconds']:.1f}"] +
                            ["" if means[number] is None else f"{means[number]:.4f}" for number in NUMBERS])


def spread(values):
    if any(value is None for value in values):
        return "-"
    return f"{statistics.mean(values):.4f} +- {statistics.stdev(values) if len(values) > 1 else 0:.4f}"


def when(moment):
    return "-" if moment is None else f"{moment['elapsed_seconds'] / 60:.1f} min, {moment['env_steps'] / 1e6:.2f} M steps"


def extreme(of):
    return "-" if of is None else f"{of['most']:.3f}, hidden {of['hidden']:.3f}"


def random_table(arguments, levels):
    text = [f"# {arguments.config.name}, random policies", "",
            f"`tests/learning/hide_and_seek.py --random --config configs/{arguments.config.name} --games {arguments.games}`, mean and "
            f"deviation over {len(levels)} seeds.", "", "| statistic | random policies |", "|---|---|"]
    text += [f"| `{number}` | {spread([level[number] for level in levels.values()])} |" for number in NUMBERS]
    return "\n".join(text) + "\n"


def table(arguments, levels, results):
    text = [f"# {arguments.config.name}", "",
            f"`tests/learning/hide_and_seek.py --hours {arguments.hours:g} --games {arguments.games}`, two cores.", "",
            f"Random policies: hidden fraction {spread([level['hidden_fraction'] for level in levels.values()])}, enclosed "
            f"{spread([level['enclosed_prep'] for level in levels.values()])}, doors blocked "
            f"{spread([level['doors_blocked_prep'] for level in levels.values()])}.", "",
            "| seed | (a) chase | (f) fort | (b) doors blocked | least hidden | most enclosed | most doors blocked | trained |",
            "|---|---|---|---|---|---|---|---|"]
    for seed, result in sorted(results.items()):
        text.append(f"| {seed} | {when(result['chase'])} | {when(result['fort'])} | {when(result['doors'])} | "
                    f"{result['lowest_hidden']:.3f} | {extreme(result['enclosed_prep'])} | "
                    f"{extreme(result['doors_blocked_prep'])} | {when(result['end'])} |")
    return "\n".join(text) + "\n"


def write(arguments, name, data, text):
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / f"{name}.json").write_text(json.dumps(data, indent=1) + "\n")
    (arguments.out / f"{name}.md").write_text(text)


def without_comments(text):
    return [line for line in (re.sub(r"(^|\s)#.*", "", line).rstrip() for line in text.splitlines()) if line]


def kept(arguments, name):
    """What the series has so far, of this configuration."""
    file = arguments.out / f"{name}.json"
    of = arguments.config.read_text() + "".join(f"{setting}\n" for setting in arguments.set)
    if file.exists():
        data = json.loads(file.read_text())
        if without_comments(data.get("of", "")) == without_comments(of):
            return data | {key: {int(seed): one for seed, one in data[key].items()} for key in ("random", "seeds")}
    return {"of": of, "random": {}, "seeds": {}}


def main():
    options = parser(__doc__)
    options.add_argument("--config", type=pathlib.Path, default=ROOT / "configs" / "hide_and_seek_laptop.yaml")
    options.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    options.add_argument("--hours", type=float, default=2)
    options.add_argument("--games", type=int, default=2000)
    options.add_argument("--random", action="store_true", help="random policies alone")
    options.add_argument("--set", action="append", default=[])
    arguments = options.parse_args()
    name = arguments.config.stem
    data = kept(arguments, name)
    levels, results = data["random"], data["seeds"]
    for seed in arguments.seeds:
        if seed not in levels:
            levels[seed] = random_level(arguments, seed)
    if arguments.random:
        return write(arguments, f"{name}-random", levels, random_table(arguments, levels))
    level, agents = (statistics.mean(one[number] for one in levels.values()) for number in ("hidden_fraction", "agents"))
    print(f"hidden fraction of random policies: {level:.3f}", flush=True)
    seconds = arguments.hours * 3600
    for seed in arguments.seeds:
        run = train(arguments, f"{name}-{seed}", seed,
                    arguments.set + [f"stop.wall_seconds={seconds}", stages(arguments, level, agents)],
                    lambda line: line["elapsed_seconds"] >= seconds - 5)
        results[seed] = judge(arguments, run)
        write_curve(arguments, run, arguments.out / "curves" / f"{name}-{seed}.csv")
        print(seed, results[seed], flush=True)
        write(arguments, name, data, table(arguments, levels, results))


if __name__ == "__main__":
    main()
