"""What a rival tells run.py: JSON lines on its standard output, which carries nothing else."""
import argparse
import collections
import json
import os
import time

GOAL = 475.0    # mean return of the last WINDOW finished episodes
WINDOW = 100


class EpisodeLog:
    def __init__(self):
        # Libraries print as well: what they and their processes write goes to standard error.
        self._lines = os.fdopen(os.dup(1), "w", buffering=1)
        os.dup2(2, 1)
        self._returns = collections.deque(maxlen=WINDOW)
        self._episodes = 0
        self._goal_reached = False

    def finish_episode(self, episode_return, env_steps):
        """In the order in which episodes end; env_steps: of all environments so far."""
        self._returns.append(float(episode_return))
        self._episodes += 1
        mean = self._mean()
        if not self._goal_reached and mean is not None and mean >= GOAL:
            self._goal_reached = True
            self.report(env_steps)

    def report(self, env_steps):
        """Once per batch that was trained on; the rates are taken between these lines."""
        line = dict(time=time.monotonic(), env_steps=int(env_steps), episodes=self._episodes,
                    episode_return_mean=self._mean())
        self._lines.write(json.dumps(line) + "\n")

    def _mean(self):
        return sum(self._returns) / WINDOW if len(self._returns) == WINDOW else None


def parse_arguments(description, **choices):
    """--steps and --seed, and one required option for each of `choices`."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--steps", type=int, required=True, help="environment steps of the run")
    parser.add_argument("--seed", type=int, default=1)
    for name, values in choices.items():
        parser.add_argument(f"--{name}", choices=values, type=type(values[0]), required=True)
    return parser.parse_args()
