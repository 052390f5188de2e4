#!/usr/bin/env python3
"""How long PPO with a wide policy takes to a set return, dense and N:M-sparse: CartPole with two layers of 512.

    tests/learning/nm_sparse_time_to_return.py [--seeds 1 2 3 4 5] [--goal 475] [--binary build/release/bin/millrace] [--runs-dir runs]
                                               [--out docs/results]

Arms take turns, seed by seed; leave the machine alone meanwhile. Writes OUT/nm_sparse_time_to_return.json and .md.
"""
import json
import shutil
import statistics

from runs import ROOT, begin, metrics, parser
from series import finish, spread

ARMS = {"dense, LibTorch, float32": "{type: dense}", "dense, native, float32": "{type: native}",
        "dense, bfloat16": "{type: nm_sparse, pattern: dense}",
        "2:4": '{type: nm_sparse, pattern: "2:4", refresh_interval: 10, decay: 1.0e-3}',
        "2:8": '{type: nm_sparse, pattern: "2:8", refresh_interval: 10, decay: 1.0e-3}',
        "2:8, places shared by 4": '{type: nm_sparse, pattern: "2:8", shared_by: 4, refresh_interval: 10, decay: 1.0e-3}'}
SETTINGS = ["policies.default.model={type: mlp, hidden: [512, 512], activation: tanh}", "algorithm.learning_rate=5.0e-4"]
LONGEST = 1_000_000   # steps


def run_once(arguments, arm, seed):
    name = f"time_to_return-{list(ARMS).index(arm)}-{seed}"
    shutil.rmtree(arguments.runs_dir / name, ignore_errors=True)
    settings = SETTINGS + [f"seed={seed}", f"backend={ARMS[arm]}", f"stop={{env_steps: {LONGEST}, episode_return: {arguments.goal}}}"]
    finish(arguments.runs_dir / name, begin(arguments, ROOT / "configs" / "cartpole_ppo.yaml", name, settings))
    last = metrics(arguments.runs_dir / name)[-1]
    reached = json.loads((arguments.runs_dir / name / "summary.json").read_text())["status"] == "reached_goal"
    return dict(seconds=last["elapsed_seconds"], env_steps=last["env_steps"], reached=reached)


def table(arguments, results):
    """`results`: {arm: {seed: result}}"""
    text = ["# Time to a set return with a wide policy", "",
            f"`tests/learning/nm_sparse_time_to_return.py`: CartPole by PPO, two layers of 512, until the mean return of the last 100",
            f"episodes is {arguments.goal:g}; mean and standard deviation of the seeds, and the median of each seed's time as a share of that of",
            "dense bfloat16.", "",
            "| backend | seeds | reached | seconds | of dense bfloat16 | thousand steps | thousand steps a second |", "|---|---|---|---|---|---|---|"]
    reference = results["dense, bfloat16"]
    for arm, seeds in results.items():
        last = list(seeds.values())
        share = statistics.median(result["seconds"] / reference[seed]["seconds"] for seed, result in seeds.items())
        text.append(f"| {arm} | {len(last)} | {sum(result['reached'] for result in last)} | "
                    f"{spread([result['seconds'] for result in last], '.1f')} | {share:.2f} | "
                    f"{spread([result['env_steps'] / 1e3 for result in last], '.0f')} | "
                    f"{spread([result['env_steps'] / 1e3 / result['seconds'] for result in last], '.1f')} |")
    return "\n".join(text) + "\n"


def main():
    options = parser(__doc__)
    options.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    options.add_argument("--goal", type=float, default=475)
    arguments = options.parse_args()
    results = {}
    for seed in arguments.seeds:
        for arm in ARMS:
            results.setdefault(arm, {})[str(seed)] = result = run_once(arguments, arm, seed)
            print(arm, seed, result, flush=True)
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "nm_sparse_time_to_return.json").write_text(json.dumps(results, indent=1) + "\n")
    (arguments.out / "nm_sparse_time_to_return.md").write_text(table(arguments, results))


if __name__ == "__main__":
    main()
