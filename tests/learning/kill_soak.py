#!/usr/bin/env python3
"""kill -9 of every role, several times at random moments, in one run that must still reach its goal.

    tests/learning/kill_soak.py [--kills 3] [--seed 1] [--goal 475] [--set KEY=VALUE ...] [--binary FILE]

Prints the kills, the restarts and the accounts. Exit code 1 if the goal is missed, a worker is restarted that was not
killed, or an account does not balance.
"""
import argparse
import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
ROLES = ["actor", "policy", "trainer", "parameter_server"]


def pid_of(role, run):
    pattern = f"{role} 0 --run-dir {run} "
    pids = subprocess.run(["pgrep", "-f", pattern], capture_output=True, text=True).stdout.split()
    return int(pids[0]) if pids else None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--goal", type=float, default=475)
    parser.add_argument("--set", action="append", default=[], help="for example workers.trainer.count=2")
    parser.add_argument("--binary", default=str(ROOT / "build/release/bin/millrace"))
    arguments = parser.parse_args()
    moments = random.Random(arguments.seed)
    with tempfile.TemporaryDirectory() as runs:
        run = pathlib.Path(runs) / "soak"
        # The goal counts only once every kill has been dealt: learning is slowed so that the run lasts.
        command = [arguments.binary, "run", str(ROOT / "configs/cartpole_ppo.yaml"), "--name", "soak", "--runs-dir", runs,
                   "--progress", "none", "--set", f"seed={arguments.seed}", "--set", "checkpoint={every_seconds: 0.5}",
                   "--set", "algorithm.learning_rate=5.0e-5",
                   "--set", f"stop={{env_steps: 20000000, episode_return: {arguments.goal}}}"]
        for setting in arguments.set:
            command += ["--set", setting]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        killed = {role: 0 for role in ROLES}
        order = [role for role in ROLES for _ in range(arguments.kills)]
        moments.shuffle(order)
        while not list((run / "checkpoints").glob("[1-9]*")) and process.poll() is None:
            time.sleep(0.05)
        for role in order:
            time.sleep(moments.uniform(0.2, 0.8))
            pid, deadline = None, time.monotonic() + 30
            while pid is None and process.poll() is None and time.monotonic() < deadline:
                pid = pid_of(role, run)  # none while it is being restarted
            if pid is not None:
                os.kill(pid, signal.SIGKILL)
                killed[role] += 1
        code = process.wait(timeout=600)
        summary = json.loads((run / "summary.json").read_text())
    restarts = {role: summary["restarts_by_role"].get(role, 0) for role in ROLES}
    balanced = all(stream["holds"] and stream["in_flight"] == 0 for stream in summary["streams"].values())
    ok = (code == 0 and summary["status"] == "reached_goal" and restarts == killed and balanced
          and min(killed.values()) >= arguments.kills)
    print(json.dumps(dict(ok=ok, killed=killed, restarts=restarts, status=summary["status"],
                          env_steps_to_goal=summary["env_steps_to_goal"], streams=summary["streams"]), indent=1))
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
