#!/usr/bin/env python3
"""What N:M sparsity costs in returns: PPO on CartPole, Pendulum and half_cheetah, by every pattern and seed, equal environment steps.

    tests/learning/nm_sparse_returns.py [--tasks cartpole pendulum half_cheetah] [--patterns dense 2:4 2:8 1:8] [--seeds 1 ... 10]
                                        [--options "refresh_interval: 10, decay: 1.0e-3"]
                                        [--binary build/release/bin/millrace] [--runs-dir runs] [--out docs/results]

A run's return is the mean of its last 100 episodes. Of the seeds' returns the interquartile mean counts, with an interval that holds
95 % of those of 2,000 resamples (Agarwal et al. 2021, arXiv:2108.13264). `dense` runs in the same kernels; the others have --options
of the backend, too. Runs that OUT/nm_sparse_returns.json has, with the same options, stay there. Writes OUT/nm_sparse_returns.json
(every seed), OUT/nm_sparse_returns.md (the table) and OUT/curves/nm_sparse-TASK-PATTERN-SEED.csv.
"""
import json
import shutil
import statistics

from runs import ROOT, begin, metrics, parser
from series import finish, interquartile_mean, interval, write_curve

TASKS = {"cartpole": ("cartpole_ppo.yaml", 200_000), "pendulum": ("pendulum_ppo.yaml", 300_000),
         "half_cheetah": ("half_cheetah_ppo.yaml", 1_000_000)}
REFERENCE = "dense"


def run_once(arguments, task, pattern, seed):
    config, steps = TASKS[task]
    name = f"nm_sparse-{task}-{pattern.replace(':', '_')}-{seed}"
    shutil.rmtree(arguments.runs_dir / name, ignore_errors=True)
    options = f", {arguments.options}" if pattern != REFERENCE and arguments.options else ""
    settings = [f"seed={seed}", f'backend={{type: nm_sparse, pattern: "{pattern}"{options}}}', f"stop={{env_steps: {steps}}}"]
    finish(arguments.runs_dir / name, begin(arguments, ROOT / "configs" / config, name, settings))
    lines = metrics(arguments.runs_dir / name)
    number = "episode_return_mean"
    write_curve([(line, {number: line[number]}) for line in lines], [number], arguments.out / "curves" / f"{name}.csv")
    numbers = {key: [line[f"backend/{key}"] for line in lines if f"backend/{key}" in line] for key in ["refresh_kl", "flip_rate"]}
    return dict(episode_return=lines[-1]["episode_return_mean"], seconds=lines[-1]["elapsed_seconds"],
                **{key: statistics.median(values) if values else None for key, values in numbers.items()})


def table(arguments, results):
    """`results`: {task: {pattern: {seed: result}}}"""
    text = ["# Returns of N:M-sparse policies", "",
            f"`tests/learning/nm_sparse_returns.py --options \"{arguments.options}\"`: interquartile mean of the seeds' returns (mean of the last 100 episodes), its 95 %",
            "interval, its share of the dense one in the same kernels; medians of what a choice of weights does.", "",
            "| task | steps | pattern | seeds | IQM | interval | of dense | KL at a choice | flips, % |", "|---|---|---|---|---|---|---|---|---|"]
    for task, patterns in results.items():
        means = {pattern: [result["episode_return"] for result in seeds.values()] for pattern, seeds in patterns.items()}
        for pattern, values in means.items():
            middle, (low, high) = interquartile_mean(values), interval(values)
            share = "-"
            if REFERENCE in means:
                dense = interquartile_mean(means[REFERENCE])
                share = f"{100 * (1 + (middle - dense) / abs(dense)):.1f} %"
            median = {}
            for key in ["refresh_kl", "flip_rate"]:
                known = [result[key] for result in patterns[pattern].values() if result[key] is not None]
                median[key] = statistics.median(known) if known else None
            kl = "-" if median["refresh_kl"] is None else f"{median['refresh_kl']:.1e}"
            flips = "-" if median["flip_rate"] is None else f"{100 * median['flip_rate']:.2f}"
            text.append(f"| {task} | {TASKS[task][1]:,} | {pattern} | {len(values)} | {middle:.1f} | {low:.1f} to {high:.1f} | {share} | "
                        f"{kl} | {flips} |")
    return "\n".join(text) + "\n"


def main():
    options = parser(__doc__)
    options.add_argument("--tasks", nargs="+", choices=list(TASKS), default=list(TASKS))
    options.add_argument("--patterns", nargs="+", default=[REFERENCE, "2:4", "2:8", "1:8"])
    options.add_argument("--options", default="refresh_interval: 10, decay: 1.0e-3", help="of the backend, but for dense")
    options.add_argument("--seeds", type=int, nargs="+", default=list(range(1, 11)))
    arguments = options.parse_args()
    file = arguments.out / "nm_sparse_returns.json"
    data = json.loads(file.read_text()) if file.exists() else {}
    results = data["results"] if data.get("options") == arguments.options else {}
    for task in arguments.tasks:
        for seed in arguments.seeds:
            for pattern in arguments.patterns:
                seeds = results.setdefault(task, {}).setdefault(pattern, {})
                if str(seed) in seeds:
                    continue
                seeds[str(seed)] = run_once(arguments, task, pattern, seed)
                print(task, pattern, seed, seeds[str(seed)], flush=True)
                file.write_text(json.dumps({"options": arguments.options, "results": results}, indent=1) + "\n")
                (arguments.out / "nm_sparse_returns.md").write_text(table(arguments, results))


if __name__ == "__main__":
    main()
