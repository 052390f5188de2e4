#!/usr/bin/env python3
"""Hide and seek on two cores: what random policies reach, and when seeds begin to chase, to build forts and to block doors.

    tests/learning/hide_and_seek.py [--config configs/hide_and_seek_laptop.yaml] [--seeds 1 2 3 4 5] [--hours 2] [--games 2000]
                                    [--random] [--until-blocked] [--set KEY=VALUE ...] [--binary build/release/bin/millrace]
                                    [--runs-dir runs] [--out docs/results]

First random policies play (fresh ones with a learning rate of 0), every seed so many games: the level that (a) is measured from.
Then every seed trains for so many hours (not with --random), with --until-blocked only until it is well beyond (b). In the mean of
so many games, a seed

    (a) chases once its hidden fraction is 15 points below that level; then it
    (f) builds forts once its hidden fraction is above 50 % again with all hiders enclosed in 30 % of the games at the end of the
        preparation, and
    (b) blocks doors once that is so with all doors blocked in 30 % of the games.

A run that is there already goes on from its newest checkpoint until it has its hours, and seeds that OUT/NAME.json has of the same
configuration, comments aside, stay there: a series may be cut and begun again. Writes OUT/NAME.json (every seed), OUT/NAME.md (the
tables) and OUT/curves/NAME-SEED.csv; with --random OUT/NAME-random.json and .md.
"""
import functools
import json
import statistics
import sys

from series import (finish, kept, lines_of, mean_of, moment_of, moments_spread, newest, parser, spread, start, train_until, when,
                    windows, write, write_curve)

NUMBERS = ["hidden_fraction", "doors_blocked_prep", "enclosed_prep", "max_box_move_prep", "num_box_lock_prep",
           "box_lock_fraction_prep", "max_box_move", "num_ramp_lock_prep", "max_ramp_move", "ramp_far_prep", "ramp_in_room_prep",
           "seeker_high_fraction", "wall_cross", "surf_distance", "held_fraction", "outside_fraction", "discarded"]
STAGES = {"chase": "(a) chase", "fort": "(f) fort", "doors": "(b) doors blocked"}
RANDOM = ["policies={default: {model: {type: mlp, hidden: [16]}}}", "agents=[{match: \".*\", policy: default}]",
          "algorithm={type: ppo, learning_rate: 0, epochs: 1}",
          "workers={actor: {count: 2, environments: 16, groups: 1, inference: inline}, "
          "trainer: {batch_env_steps: 2560, unroll: 80, max_policy_lag: 1}}", "report={stages: []}", "stop.wall_seconds=null"]


def games_of(run):
    """The lines of metrics.jsonl that say how games went."""
    return lines_of(run, "hidden_fraction")


def blocked(arguments, run):
    """Whether the newest games are well beyond (b)."""
    means = newest(games_of(run), arguments.games, ["hidden_fraction", "doors_blocked_prep"])
    return means is not None and means["hidden_fraction"] > 0.55 and (means["doors_blocked_prep"] or 0) > 0.35


def last_of(run):
    return next(reversed(games_of(run)), {"env_steps": 0, "elapsed_seconds": 0})


def random_level(arguments, seed):
    """{number: mean over the games of one seed}, and how many agents a game has in the mean."""
    name = f"{arguments.config.stem}-random-{seed}"
    steps = 0   # the first batches say how long a game is
    for games in (100, arguments.games):
        wanted = games * 240 if steps == 0 else games * steps
        run = arguments.runs_dir / name
        if last_of(run)["env_steps"] < wanted:
            finish(*start(arguments, name, [f"seed={seed}", *RANDOM, *arguments.set, f"stop.env_steps={round(wanted)}"]))
        lines = games_of(run)
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


def judge(arguments, run, moments):
    """When the stages were reached, and the extremes."""
    summary = json.loads((run / "summary.json").read_text())
    reached = {stage["name"]: stage for stage in summary.get("stages") or []}
    if not moments:
        sys.exit(f"{run}: no {arguments.games} games were played")
    result = {name: reached.get(name) for name in STAGES}
    result["lowest_hidden"] = min(means["hidden_fraction"] for _, means in moments)
    for name in ("enclosed_prep", "doors_blocked_prep"):
        said = [means for _, means in moments if means[name] is not None]   # no doors where there is no room
        most = max(said, key=lambda means: means[name], default=None)
        result[name] = most and dict(most=most[name], hidden=most["hidden_fraction"])
    result["end"] = moment_of(moments[-1][0])
    return result


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
            f"`tests/learning/hide_and_seek.py --hours {arguments.hours:g} --games {arguments.games}"
            f"{' --until-blocked' if arguments.until_blocked else ''}`, two cores.", "",
            f"Random policies: hidden fraction {spread([level['hidden_fraction'] for level in levels.values()])}, enclosed "
            f"{spread([level['enclosed_prep'] for level in levels.values()])}, doors blocked "
            f"{spread([level['doors_blocked_prep'] for level in levels.values()])}.", "",
            f"| seed | {' | '.join(STAGES.values())} | least hidden | most enclosed | most doors blocked | trained |",
            "|---|---|---|---|---|---|---|---|"]
    for seed, result in sorted(results.items()):
        text.append(f"| {seed} | {when(result['chase'])} | {when(result['fort'])} | {when(result['doors'])} | "
                    f"{result['lowest_hidden']:.3f} | {extreme(result['enclosed_prep'])} | "
                    f"{extreme(result['doors_blocked_prep'])} | {when(result['end'])} |")
    for stage, words in STAGES.items():
        moments = [result[stage] for result in results.values()]
        if all(moments):
            text += ["", f"{words}, mean and deviation of {len(moments)}: {moments_spread(moments)}."]
    return "\n".join(text) + "\n"


def main():
    options = parser(__doc__, "hide_and_seek_laptop.yaml", hours=2)
    options.add_argument("--games", type=int, default=2000)
    options.add_argument("--random", action="store_true", help="random policies alone")
    options.add_argument("--until-blocked", action="store_true", help="end a seed once it is well beyond (b)")
    arguments = options.parse_args()
    name = arguments.config.stem
    data = kept(arguments, name, ["random", "seeds"])
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
        run = arguments.runs_dir / f"{name}-{seed}"
        enough = functools.partial(blocked, arguments) if arguments.until_blocked else lambda _: False
        if not enough(run) and last_of(run)["elapsed_seconds"] < seconds - 5:
            train_until(arguments, run.name,
                        [f"seed={seed}", *arguments.set, f"stop.wall_seconds={seconds}", stages(arguments, level, agents)], enough)
        moments = list(windows(games_of(run), arguments.games, NUMBERS))
        results[seed] = judge(arguments, run, moments)
        write_curve(moments, NUMBERS, arguments.out / "curves" / f"{name}-{seed}.csv")
        print(seed, results[seed], flush=True)
        write(arguments, name, data, table(arguments, levels, results))


if __name__ == "__main__":
    main()
