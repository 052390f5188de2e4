"""What series of seeds share: runs that go on where they were, means over windows of episodes, results that are kept between series."""
import csv
import json
import pathlib
import random
import re
import statistics
import subprocess
import sys
import time

import runs
from runs import begin, metrics, overrides

CURVE_POINTS = 400


def parser(doc, config, hours):
    """That of runs.py, with --config, --seeds, --hours and --set."""
    made = runs.parser(doc)
    made.add_argument("--config", type=pathlib.Path, default=runs.ROOT / "configs" / config)
    made.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    made.add_argument("--hours", type=float, default=hours)
    made.add_argument("--set", action="append", default=[])
    return made


def lines_of(run, number):
    """The lines of metrics.jsonl that have the statistic, in order."""
    lines, steps = [], -1
    for line in metrics(run):
        if f"environment/{number}" in line and line["env_steps"] > steps:
            lines.append(line)
            steps = line["env_steps"]
    return lines


def mean_of(lines, number):
    """Over the steps between the first of the lines and the last; None if nothing says it."""
    said = [(line[f"environment/{number}"], line["env_steps"] - before["env_steps"])
            for before, line in zip(lines, lines[1:]) if line.get(f"environment/{number}") is not None]
    return sum(value * steps for value, steps in said) / sum(steps for _, steps in said) if said else None


def windows(lines, episodes, numbers):
    """(line, {number: mean of the last `episodes`}) of every line that so many lie before; episodes are equally long."""
    first = 0
    for last, line in enumerate(lines):
        steps = episodes * line["episode_length_mean"]
        while first + 1 < last and lines[first + 1]["env_steps"] <= line["env_steps"] - steps:
            first += 1
        if line["env_steps"] - lines[first]["env_steps"] >= steps:
            yield line, {number: mean_of(lines[first:last + 1], number) for number in numbers}


def newest(lines, episodes, numbers):
    """{number: mean of the last `episodes`}; None if there are not so many yet."""
    for first in range(len(lines) - 2, -1, -1):
        if lines[-1]["env_steps"] - lines[first]["env_steps"] >= episodes * lines[-1]["episode_length_mean"]:
            return {number: mean_of(lines[first:], number) for number in numbers}
    return None


def start(arguments, name, settings):
    """(directory, launcher's process) of the run, which begins, or goes on from its newest checkpoint."""
    run = arguments.runs_dir / name
    if not (run / "config.yaml").exists():
        return run, begin(arguments, arguments.config, name, settings)
    words = [arguments.binary, "resume", str(run), "--progress", "none", *overrides(settings)]
    return run, subprocess.Popen(words, stdout=subprocess.DEVNULL)


def finish(run, launcher):
    """Waits for the launcher, which has to end in order."""
    status = launcher.wait()
    if status != 0:
        sys.exit(f"{run}: ended with exit code {status}")


def train_until(arguments, name, settings, enough):
    """Begins the run, or goes on with it, until `enough` says so of its directory, or it ends by itself; its directory."""
    run, launcher = start(arguments, name, settings)
    while launcher.poll() is None:
        if enough(run):
            subprocess.run([arguments.binary, "stop", str(run)], check=True, stdout=subprocess.DEVNULL)
            launcher.wait()
            return run
        time.sleep(2)
    finish(run, launcher)
    return run


def write_curve(points, numbers, file):
    """`points`: of windows()."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["env_steps", "seconds"] + numbers)
        for line, means in points[::max(1, len(points) // CURVE_POINTS)]:
            writer.writerow([line["env_steps"], f"{line['elapsed_seconds']:.1f}"] +
                            ["" if means[number] is None else f"{means[number]:.4f}" for number in numbers])


def spread(values, form=".4f"):
    if not values or any(value is None for value in values):
        return "-"
    return f"{statistics.mean(values):{form}} +- {statistics.stdev(values) if len(values) > 1 else 0:{form}}"


def interquartile_mean(values):
    """The mean of the middle half; values on its edges count in part."""
    ordered, size = sorted(values), len(values)
    weights = [max(0.0, min(i + 1, 0.75 * size) - max(i, 0.25 * size)) for i in range(size)]
    return sum(weight * value for weight, value in zip(weights, ordered)) / sum(weights)


def interval(values, resamples=2000):
    """Ends between which 95 % of the means of resamples lie."""
    chance = random.Random(1)
    means = sorted(interquartile_mean(chance.choices(values, k=len(values))) for _ in range(resamples))
    return means[int(0.025 * resamples)], means[int(0.975 * resamples)]


def moment_of(line):
    return {key: line[key] for key in ("env_steps", "elapsed_seconds")}


def when(moment):
    return "-" if moment is None else f"{moment['elapsed_seconds'] / 60:.1f} min, {moment['env_steps'] / 1e6:.2f} M steps"


def moments_spread(moments):
    """Of moments as moment_of() makes them."""
    return (f"{spread([moment['elapsed_seconds'] / 60 for moment in moments], '.1f')} min, "
            f"{spread([moment['env_steps'] / 1e6 for moment in moments], '.2f')} M steps")


def write(arguments, name, data, text):
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / f"{name}.json").write_text(json.dumps(data, indent=1) + "\n")
    (arguments.out / f"{name}.md").write_text(text)


def without_comments(text):
    return [line for line in (re.sub(r"(^|\s)#.*", "", line).rstrip() for line in text.splitlines()) if line]


def kept(arguments, name, parts):
    """{part: {seed: result}} of what OUT/NAME.json has of this configuration, comments aside; and under "of" the configuration."""
    file = arguments.out / f"{name}.json"
    of = arguments.config.read_text() + "".join(f"{setting}\n" for setting in arguments.set)
    if file.exists():
        data = json.loads(file.read_text())
        if without_comments(data.get("of", "")) == without_comments(of):
            return data | {part: {int(seed): one for seed, one in data[part].items()} for part in parts}
    return {"of": of} | {part: {} for part in parts}
