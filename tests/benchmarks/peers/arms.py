"""What is compared. An arm's run gives the figures of one row of the table, or raises RunFailed."""
import dataclasses
import json
import os
import pathlib
import tempfile
import time

from episode_log import GOAL
from measurement import Limits, rates, run_watched, way_to_goal

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]
START_UP_SECONDS = 120
MILLRACE_SECONDS = 300
SLOWEST_STEPS_PER_SECOND = 500    # several times slower than any rival here ran on two cores
SILENT_SECONDS = 120
RIVAL_STEPS = 500_000
# One thread for tensors in each process: at this size more threads only spin for each other.
ENVIRONMENT = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "RAY_USAGE_STATS_ENABLED": "0"}


@dataclasses.dataclass(frozen=True)
class Rival:
    name: str
    label: str
    package: str    # requirements/PACKAGE.txt, PACKAGE_ppo.py
    options: tuple = ()
    steps: int = RIVAL_STEPS

    def measure(self, run, context):
        steps = context.steps or self.steps
        command = [context.pythons[self.package], "-B", HERE / f"{self.package}_ppo.py",
                   "--steps", str(steps), "--seed", str(run), *self.options]
        limits = Limits(START_UP_SECONDS + steps / SLOWEST_STEPS_PER_SECOND, SILENT_SECONDS)
        with tempfile.TemporaryDirectory(prefix="peers-") as scratch:
            watched = run_watched(command, context.runs_dir / f"{self.name}-{run}.log", limits,
                                  cwd=scratch, env=os.environ | ENVIRONMENT | {"TMPDIR": scratch})
        return rates(watched, watched.reports) | way_to_goal(watched) | {"env_steps": steps}


@dataclasses.dataclass(frozen=True)
class Millrace:
    """Two runs: one stops at its goal, the other is long enough for a rate."""
    name: str
    config: str
    steps: int    # of the second
    package = None

    @property
    def label(self):
        return f"Millrace, configs/{self.config}"

    def measure(self, run, context):
        steps = self.steps * (context.steps or RIVAL_STEPS) // RIVAL_STEPS
        to_goal = self._run(run, "goal", f"stop.episode_return={GOAL}", context)
        long = self._run(run, "long", f"stop={{env_steps: {steps}}}", context)
        reports = read_reports(long)
        # The last lines are written while everything stops.
        training = [report for report in reports if report["env_steps"] < reports[-1]["env_steps"]]
        return rates(long.watched, training) | read_way_to_goal(to_goal)

    def _run(self, run, purpose, stop, context):
        directory = context.runs_dir / f"{self.name}-{run}-{purpose}"
        command = [context.millrace, "run", ROOT / "configs" / self.config,
                   "--name", directory.name, "--runs-dir", directory.parent, "--progress", "none",
                   "--set", f"seed={run}", "--set", stop]
        launched = time.time()
        watched = run_watched(command, directory.with_suffix(".log"), Limits(MILLRACE_SECONDS),
                              cwd=ROOT)
        return MillraceRun(directory, launched, watched)


@dataclasses.dataclass(frozen=True)
class MillraceRun:
    directory: pathlib.Path
    launched: float    # Unix time before the process was made
    watched: object


def read_lines(run):
    lines = (run.directory / "metrics.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def read_reports(run):
    """Those of metrics.jsonl, by this process's clock."""
    shift = run.watched.started - run.launched
    return [dict(time=line["time"] + shift, env_steps=line["env_steps"])
            for line in read_lines(run)]


def read_way_to_goal(run):
    """Millrace itself notes the episode that reached the goal, in seconds since its main began."""
    summary = json.loads((run.directory / "summary.json").read_text())
    figures = {key: summary[key] for key in ("env_steps", "seconds_to_goal")}
    if summary["status"] != "reached_goal":
        return figures | {"steps_to_goal": None}
    line = read_lines(run)[0]
    main_began = line["time"] - line["elapsed_seconds"] - run.launched
    return figures | dict(steps_to_goal=summary["env_steps_to_goal"],
                          seconds_to_goal=main_began + summary["seconds_to_goal"])


ARMS = [
    Rival("cleanrl", "CleanRL's recipe in PyTorch, 4 environments", "cleanrl"),
    Rival("stable_baselines3_cleanrl", "Stable-Baselines3, CleanRL's recipe",
          "stable_baselines3", ("--recipe", "cleanrl")),
    Rival("stable_baselines3_tuned", "Stable-Baselines3, tuned: 8 environments, 20 epochs",
          "stable_baselines3", ("--recipe", "tuned"), steps=100_000),    # its schedule's length
    Rival("sample_factory_serial", "Sample Factory serial, 64 environments, 4 epochs",
          "sample_factory", ("--mode", "serial", "--epochs", "4")),
    Rival("sample_factory_serial_1_epoch", "Sample Factory serial, 64 environments, 1 epoch",
          "sample_factory", ("--mode", "serial", "--epochs", "1")),
    Rival("sample_factory_async", "Sample Factory asynchronous, 2 x 64 environments, 1 epoch",
          "sample_factory", ("--mode", "async", "--epochs", "1")),
    Rival("rllib", "RLlib, its tuned example, 2 x 8 environments",
          "rllib", steps=300_000),
    Millrace("millrace_cleanrl", "cartpole_cleanrl.yaml", steps=3_000_000),
    Millrace("millrace_ppo", "cartpole_ppo.yaml", steps=3_000_000),
    Millrace("millrace_fast", "cartpole_fast.yaml", steps=10_000_000),
]
