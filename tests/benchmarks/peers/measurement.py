"""Runs one program under watch, and what its reports come to."""
import bisect
import dataclasses
import json
import os
import selectors
import subprocess
import time

from episode_log import GOAL
from process_tree import ProcessTree

SAMPLE_SECONDS = 0.2


class RunFailed(Exception):
    """The reason, in one line."""


@dataclasses.dataclass(frozen=True)
class Limits:
    total_seconds: float
    silent_seconds: float | None = None    # between two reports; None: the program prints none


@dataclasses.dataclass
class Watched:
    started: float    # time.monotonic(), as all times here
    samples: list = dataclasses.field(default_factory=list)
    reports: list = dataclasses.field(default_factory=list)    # see episode_log.py


def run_watched(command, log_file, limits, **popen_arguments):
    """Whatever happens, nothing of what `command` started runs when this returns."""
    with open(log_file, "w") as log:
        tree = ProcessTree(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log,
                           **popen_arguments)
        watched = Watched(tree.started)
        try:
            watch(tree, watched, limits)
        finally:
            tree.kill()
            tree.stdout.close()
    if tree.exit_code != 0:
        raise RunFailed(f"exit code {tree.exit_code}: {last_line(log_file)}")
    return watched


def watch(tree, watched, limits):
    reader = ReportReader(tree.stdout)
    heard = tree.started
    while tree.exit_code is None:
        watched.samples.append(tree.sample())
        reports = reader.read(SAMPLE_SECONDS)
        watched.reports += reports
        now = time.monotonic()
        heard = now if reports else heard
        if now - tree.started > limits.total_seconds:
            raise RunFailed(f"killed: ran for more than {limits.total_seconds:.0f} s")
        if limits.silent_seconds is not None and now - heard > limits.silent_seconds:
            raise RunFailed(f"killed: hung, reported nothing for {limits.silent_seconds:.0f} s")
    watched.samples.append(tree.sample())
    watched.reports += reader.read(0)


class ReportReader:
    def __init__(self, pipe):
        self._pipe, self._rest = pipe, b""
        self._selector = selectors.DefaultSelector()
        self._selector.register(pipe, selectors.EVENT_READ)

    def read(self, seconds):
        """Takes so long, and returns what was reported until then."""
        deadline, lines = time.monotonic() + seconds, []
        while True:
            left = max(0, deadline - time.monotonic())
            if not self._selector.get_map():    # the other end is closed
                time.sleep(left)
            elif self._selector.select(left):
                lines += self._take()
                continue
            return [json.loads(line) for line in lines]

    def _take(self):
        data = os.read(self._pipe.fileno(), 1 << 16)
        if not data:
            self._selector.unregister(self._pipe)
        *lines, self._rest = (self._rest + data).split(b"\n")
        return lines


def last_line(log_file):
    lines = [line for line in log_file.read_text(errors="replace").splitlines() if line.strip()]
    return f"{lines[-1].strip()[:200]} (see {log_file})" if lines else "it said nothing"


def rates(watched, reports):
    """Of steady training: from the first batch's end to the last's."""
    batches = [report for report in reports if report["env_steps"] > 0]
    if len(batches) < 2 or batches[-1]["env_steps"] == batches[0]["env_steps"]:
        raise RunFailed("too short for a rate: fewer than two batches were reported")
    begin, end = batches[0], batches[-1]
    steps, seconds = end["env_steps"] - begin["env_steps"], end["time"] - begin["time"]
    cpu_seconds = cpu_at(watched.samples, end["time"]) - cpu_at(watched.samples, begin["time"])
    return dict(steps_per_second=steps / seconds, steps_per_cpu_second=steps / cpu_seconds,
                steady_seconds=seconds, steady_cpu_seconds=cpu_seconds,
                peak_rss_bytes=max(sample.rss_bytes for sample in watched.samples))


def cpu_at(samples, moment):
    """CPU seconds of the tree, linear between two samples."""
    after = bisect.bisect_left(samples, moment, key=lambda sample: sample.time)
    if after in (0, len(samples)):
        return samples[min(after, len(samples) - 1)].cpu_seconds
    left, right = samples[after - 1], samples[after]
    share = (moment - left.time) / (right.time - left.time)
    return left.cpu_seconds + share * (right.cpu_seconds - left.cpu_seconds)


def way_to_goal(watched):
    """None for steps and seconds if the goal was not reached."""
    final = dict(final_return_mean=watched.reports[-1]["episode_return_mean"])
    for report in watched.reports:
        mean = report["episode_return_mean"]
        if mean is not None and mean >= GOAL:
            return final | dict(steps_to_goal=report["env_steps"],
                                seconds_to_goal=report["time"] - watched.started)
    return final | dict(steps_to_goal=None, seconds_to_goal=None)
