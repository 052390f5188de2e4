"""Medians over the runs, as a table for the terminal and a Markdown file."""
import datetime
import math
import os
import pathlib
import platform
import statistics
import subprocess

from episode_log import GOAL, WINDOW

HEADINGS = ["", "runs", "steps/s", "steps per CPU-second", f"steps to {GOAL:.0f}",
            f"seconds to {GOAL:.0f}", "peak RSS, MB"]
EXPLANATION = f"""\
CartPole-v1 with PPO. Environment steps per wall second and per CPU-second are those of steady
training, learning included and start-up excluded; CPU time and memory are those of all processes
(resident pages, summed). The goal is a mean return of {GOAL:.0f} over the last {WINDOW} training
episodes, {WINDOW} being finished; its seconds count from the start of the process. Medians over
interleaved runs with seeds 1, 2, ...; a run that misses the goal counts as infinite. Every process
of a rival has one thread for tensors."""


def table(results):
    return [row(label, runs) for label, runs in results.items()]


def row(label, runs):
    """`runs`: the figures of each, or {"failed": reason}."""
    good = [run for run in runs if "failed" not in run]
    count = str(len(good)) if len(good) == len(runs) else f"{len(good)} of {len(runs)}"
    if not good:
        return [label, count, *["failed"] * (len(HEADINGS) - 2)]
    return [label, count, whole(median(good, "steps_per_second")),
            whole(median(good, "steps_per_cpu_second")), steps_to_goal(good), seconds_to_goal(good),
            whole(median(good, "peak_rss_bytes") / 1e6)]


def median(runs, key):
    return statistics.median(math.inf if run[key] is None else run[key] for run in runs)


def whole(number):
    return f"{number:,.0f}"


def steps_to_goal(runs):
    steps = median(runs, "steps_to_goal")
    reached = sum(run["steps_to_goal"] is not None for run in runs)
    if steps < math.inf:
        text = whole(steps)
    else:
        text = f"not in {whole(max(run['env_steps'] for run in runs))}"
    return text if reached in (0, len(runs)) else f"{text} ({reached} of {len(runs)})"


def seconds_to_goal(runs):
    seconds = median(runs, "seconds_to_goal")
    return f"{seconds:.2f}" if seconds < math.inf else "-"


def for_terminal(results):
    rows = [HEADINGS, *table(results)]
    widths = [max(len(line[column]) for line in rows) for column in range(len(HEADINGS))]
    return "\n".join("  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])])
                     for line in rows)


def for_markdown(results, provenance):
    lines = ["# Peers", "", EXPLANATION, "", f"    {provenance['command']}", "",
             f"Machine: {provenance['machine']}.",
             f"Commit {provenance['commit']}, {provenance['date']}.", ""]
    lines += ["| " + " | ".join(HEADINGS) + " |", "|---" * len(HEADINGS) + "|"]
    lines += ["| " + " | ".join(line) + " |" for line in table(results)]
    if failures := failures_of(results):
        lines += ["", "Failed:", ""] + [f"- {failure}" for failure in failures]
    lines += ["", "| rival | versions |", "|---|---|"]
    for name, versions in provenance["versions"].items():
        lines.append(f"| {name} | " + ", ".join(" ".join(item) for item in versions.items()) + " |")
    return "\n".join(lines) + "\n"


def failures_of(results):
    return [f"{label}, run {number}: {run['failed']}"
            for label, runs in results.items() for number, run in enumerate(runs, 1)
            if "failed" in run]


def describe_machine():
    lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    cpu = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")),
               platform.machine())
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    system = platform.freedesktop_os_release()["PRETTY_NAME"]
    return f"{len(os.sched_getaffinity(0))} cores ({cpu}), {memory:.0f} GiB, {system}"


def describe_commit(root):
    def git(*arguments):
        return subprocess.run(["git", "-C", root, *arguments], capture_output=True, text=True,
                              check=True).stdout
    try:
        changed = " with changes" if git("status", "--porcelain") else ""
        return git("rev-parse", "--short", "HEAD").strip() + changed
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def today():
    return datetime.date.today().isoformat()
