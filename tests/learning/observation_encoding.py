#!/usr/bin/env python3
"""What encoded observations cost in returns: PPO on CartPole and Pendulum over ZeroMQ, by every encoding and seed, equal environment
steps.

    tests/learning/observation_encoding.py [--seeds 1 ... 10] [--error 1e-3] [--binary build/release/bin/millrace] [--runs-dir runs]
                                           [--out docs/results]

A run's return is the mean of its last 100 episodes; of the seeds' returns the interquartile mean counts, with an interval that holds
95 % of those of 2,000 resamples (Agarwal et al. 2021, arXiv:2108.13264). Steps to the goal of the environment's configuration are in
the table too. Writes OUT/observation_encoding.json and .md, and OUT/curves/observations-TASK-ENCODING-SEED.csv.
"""
import json
import shutil

from runs import ROOT, begin, metrics, parser
from series import finish, interquartile_mean, interval, spread, write_curve

TASKS = {"cartpole": ("cartpole_ppo.yaml", 200_000, 475), "pendulum": ("pendulum_ppo.yaml", 300_000, -250)}
ENCODINGS = ["raw", "bfloat16", "bounded"]
NUMBER = "episode_return_mean"


def run_once(arguments, task, encoding, seed):
    config, steps, goal = TASKS[task]
    name = f"observations-{task}-{encoding}-{seed}"
    shutil.rmtree(arguments.runs_dir / name, ignore_errors=True)
    settings = [f"seed={seed}", f"stop={{env_steps: {steps}}}",
                f"streams.sample={{transport: zmq, observations: {encoding}, observation_error: {arguments.error}}}"]
    finish(arguments.runs_dir / name, begin(arguments, ROOT / "configs" / config, name, settings))
    lines = metrics(arguments.runs_dir / name)
    write_curve([(line, {NUMBER: line[NUMBER]}) for line in lines], [NUMBER], arguments.out / "curves" / f"{name}.csv")
    reached = [line["env_steps"] for line in lines if line[NUMBER] is not None and line[NUMBER] >= goal]
    return dict(episode_return=lines[-1][NUMBER], goal_steps=reached[0] if reached else None)


def table(arguments, results):
    """`results`: {task: {encoding: {seed: result}}}"""
    text = ["# Encoded observations", "",
            f"`tests/learning/observation_encoding.py --error {arguments.error}`: returns (mean of the last 100 episodes) of runs whose",
            "samples travel over ZeroMQ, interquartile mean of the seeds and its 95 % interval; steps to the goal, where metrics first show",
            "it, in thousands.", "",
            "| task | steps | observations | seeds | IQM | interval | goal after, thousands |", "|---|---|---|---|---|---|---|"]
    for task, encodings in results.items():
        for encoding, seeds in encodings.items():
            values = [result["episode_return"] for result in seeds.values()]
            goals = [result["goal_steps"] and result["goal_steps"] / 1e3 for result in seeds.values()]
            low, high = interval(values)
            text.append(f"| {task} | {TASKS[task][1]:,} | {encoding} | {len(values)} | {interquartile_mean(values):.1f} | {low:.1f} to "
                        f"{high:.1f} | {spread(goals, '.0f')} |")
    return "\n".join(text) + "\n"


def main():
    options = parser(__doc__)
    options.add_argument("--seeds", type=int, nargs="+", default=list(range(1, 11)))
    options.add_argument("--error", type=float, default=1e-3)
    arguments = options.parse_args()
    results = {}
    for task in TASKS:
        for seed in arguments.seeds:
            for encoding in ENCODINGS:
                result = run_once(arguments, task, encoding, seed)
                results.setdefault(task, {}).setdefault(encoding, {})[str(seed)] = result
                print(task, encoding, seed, result, flush=True)
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "observation_encoding.json").write_text(json.dumps(results, indent=1) + "\n")
    (arguments.out / "observation_encoding.md").write_text(table(arguments, results))


if __name__ == "__main__":
    main()
