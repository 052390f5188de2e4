#!/usr/bin/env python3
"""Lock and return on two cores: when seeds succeed in more than 60 % of their episodes.

    tests/learning/lock_and_return.py [--config configs/lock_and_return.yaml] [--seeds 1 2 3 4 5] [--hours 1] [--goal 0.6]
                                      [--episodes 2000] [--set KEY=VALUE ...] [--binary build/release/bin/millrace] [--runs-dir runs]
                                      [--out docs/results]

Every seed trains until its success, in the mean of so many episodes, is above the goal, or for so many hours. With
configs/lock_and_return_laptop_fine_tune.yaml RUNS_DIR holds a run hide-and-seek-laptop, whose hiders it goes on with (or another
one: --set policies.default.init_from=NAME).

Seeds that OUT/NAME.json has of the same configuration, comments aside, stay there, and a run that was cut goes on. Writes
OUT/NAME.json (every seed), OUT/NAME.md (the table) and OUT/curves/NAME-SEED.csv.
"""
import functools

from series import kept, lines_of, moment_of, moments_spread, newest, parser, train_until, when, windows, write, write_curve

NUMBERS = ["locked", "success", "success_at_end", "success_steps"]


def reached(arguments, run):
    means = newest(lines_of(run, "success"), arguments.episodes, ["success"])
    return means is not None and means["success"] > arguments.goal


def judge(arguments, moments):
    """When the goal was reached, and the best there was."""
    first = next((line for line, means in moments if means["success"] > arguments.goal), None)
    best = max(moments, key=lambda moment: moment[1]["success"])
    return dict(reached=first and moment_of(first), success=best[1]["success"], locked=best[1]["locked"],
                end=moment_of(moments[-1][0]))


def table(arguments, results):
    text = [f"# {arguments.config.name}", "",
            f"`tests/learning/lock_and_return.py --config configs/{arguments.config.name} --hours {arguments.hours:g} --goal "
            f"{arguments.goal:g} --episodes {arguments.episodes}{''.join(f' --set {value}' for value in arguments.set)}`, two cores.", "",
            "| seed | goal reached after | most success | box locked then | trained |", "|---|---|---|---|---|"]
    for seed, result in sorted(results.items()):
        text.append(f"| {seed} | {when(result['reached'])} | {result['success']:.3f} | {result['locked']:.3f} | "
                    f"{when(result['end'])} |")
    moments = [result["reached"] for result in results.values()]
    if all(moments):
        text += ["", f"Mean and deviation of {len(moments)}: {moments_spread(moments)}."]
    return "\n".join(text) + "\n"


def main():
    options = parser(__doc__, "lock_and_return.yaml", hours=1)
    options.add_argument("--goal", type=float, default=0.6)
    options.add_argument("--episodes", type=int, default=2000)
    arguments = options.parse_args()
    name = arguments.config.stem
    data = kept(arguments, name, ["seeds"])
    results = data["seeds"]
    for seed in arguments.seeds:
        if seed in results:
            continue
        settings = [f"seed={seed}", *arguments.set, f"stop={{wall_seconds: {arguments.hours * 3600}}}"]
        run = train_until(arguments, f"{name}-{seed}", settings, functools.partial(reached, arguments))
        moments = list(windows(lines_of(run, "success"), arguments.episodes, NUMBERS))
        results[seed] = judge(arguments, moments)
        write_curve(moments, NUMBERS, arguments.out / "curves" / f"{name}-{seed}.csv")
        print(seed, results[seed], flush=True)
        write(arguments, name, data, table(arguments, results))


if __name__ == "__main__":
    main()
