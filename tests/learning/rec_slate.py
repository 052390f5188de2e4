#!/usr/bin/env python3
"""How well PPO recommends by ids alone (rec_slate): returns of greedy slates after equally many steps, by settings and seed.

    tests/learning/rec_slate.py [--settings NAME ...] [--seeds 1 2 3 4 5] [--jobs 2] [--binary build/release/bin/millrace]
                                [--runs-dir runs] [--out docs/results]

Runs that OUT/rec_slate.json has stay there. Writes that file, OUT/rec_slate.md and curves of training returns, OUT/curves/rec_slate-*.csv.
"""
import concurrent.futures
import csv
import json
import subprocess

import runs
from series import spread

CONFIG = runs.ROOT / "configs" / "rec_slate_ppo.yaml"
EPISODES = 2000
# {name: (settings beside the configuration's, what is known of others' returns)}
SETTINGS = {
    "10 candidates": ([], "random 150, topics the user likes 157, best items 234"),
    "20 candidates": (["environment.candidates=20"], "random 150, topics the user likes 162, best items 314"),
    "10 candidates, items hidden": (["environment.hide_items=true"], "as of 10 candidates"),
}
CURVE_POINTS = 200


def train(arguments, name, seed):
    """What `eval` says, and how long training took."""
    label = f"rec_slate-{name.replace(',', '').replace(' ', '_')}-{seed}"
    launcher = runs.begin(arguments, CONFIG, label, SETTINGS[name][0] + [f"seed={seed}"])
    if launcher.wait() != 0:
        raise SystemExit(f"{label}: exit code {launcher.returncode}")
    run = arguments.runs_dir / label
    said = json.loads(subprocess.run([arguments.binary, "eval", str(run), "--episodes", str(EPISODES)], check=True,
                                     capture_output=True, text=True).stdout)
    lines = [line for line in runs.metrics(run) if line.get("episode_return_mean") is not None]
    curves = arguments.out / "curves"
    curves.mkdir(parents=True, exist_ok=True)
    with open(curves / f"{label}.csv", "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["env_steps", "episode_return_mean"])
        for line in lines[::max(1, len(lines) // CURVE_POINTS)]:
            writer.writerow([line["env_steps"], round(line["episode_return_mean"], 2)])
    return {"return": said["return_mean"], "env_steps": lines[-1]["env_steps"], "seconds": lines[-1]["elapsed_seconds"]}


def table(results):
    lines = ["# rec_slate", "",
             f"Mean returns of {EPISODES:,} episodes with the greedy slates of `configs/rec_slate_ppo.yaml`, trained for 4 million steps; mean and",
             "deviation over seeds (`tests/learning/rec_slate.py`, which also keeps [curves](curves)).", "",
             "| settings | seeds | return | least | others |", "|---|---|---|---|---|"]
    for name, by_seed in results.items():
        returns = [one["return"] for one in by_seed.values()]
        lines.append(f"| {name} | {len(returns)} | {spread(returns, '.1f')} | {min(returns):.1f} | {SETTINGS[name][1]} |")
    return "\n".join(lines) + "\n"


def main():
    parser = runs.parser(__doc__)
    parser.add_argument("--settings", nargs="+", choices=list(SETTINGS), default=list(SETTINGS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    parser.add_argument("--jobs", type=int, default=2, help="runs at once")
    arguments = parser.parse_args()
    file = arguments.out / "rec_slate.json"
    results = json.loads(file.read_text()) if file.exists() else {}
    wanted = [(name, seed) for seed in arguments.seeds for name in arguments.settings if str(seed) not in results.get(name, {})]
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        futures = {pool.submit(train, arguments, name, seed): (name, seed) for name, seed in wanted}
        for future in concurrent.futures.as_completed(futures):
            name, seed = futures[future]
            results.setdefault(name, {})[str(seed)] = future.result()
            print(f"{name}, seed {seed}: {future.result()}", flush=True)
            file.write_text(json.dumps(results, indent=1) + "\n")
            (arguments.out / "rec_slate.md").write_text(table(results))


if __name__ == "__main__":
    main()
