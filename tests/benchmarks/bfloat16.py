#!/usr/bin/env python3
"""Whether LibTorch trains dense layers faster in bfloat16 than in float32 on this CPU.

One thread; forward, backward and Adam of 64 -> D -> D -> 8 under autocast and without, interleaved.
Needs PyTorch, for example that of .venv/peers/cleanrl (tests/benchmarks/peers/run.py).
"""
import argparse
import statistics
import time

import torch

WIDTHS = (64, 256, 512, 1024, 2048)
MINIBATCHES = (256, 2048)


class Arm:
    def __init__(self, width, rows, bfloat16):
        self.network = torch.nn.Sequential(
            torch.nn.Linear(64, width), torch.nn.ReLU(), torch.nn.Linear(width, width),
            torch.nn.ReLU(), torch.nn.Linear(width, 8))
        self.optimizer = torch.optim.Adam(self.network.parameters(), fused=True)
        self.x = torch.randn(rows, 64)
        self.bfloat16 = bfloat16
        self.microseconds = []

    def step(self):
        self.optimizer.zero_grad(set_to_none=False)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=self.bfloat16):
            loss = self.network(self.x).float().square().mean()
        loss.backward()
        self.optimizer.step()

    def measure(self, seconds):
        begin, steps = time.perf_counter(), 0
        while time.perf_counter() - begin < seconds:
            self.step()
            steps += 1
        self.microseconds.append(1e6 * (time.perf_counter() - begin) / steps)


def compare(width, rows, rounds, seconds):
    arms = [Arm(width, rows, bfloat16) for bfloat16 in (False, True)]
    for _ in range(rounds):
        for arm in arms:
            arm.measure(seconds)
    return [statistics.median(arm.microseconds) for arm in arms]


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7, help="of which the median counts")
    parser.add_argument("--seconds", type=float, default=0.15, help="of each measurement")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print(f"LibTorch {torch.__version__}, {torch.backends.cpu.get_cpu_capability()}")
    for width in WIDTHS:
        for rows in MINIBATCHES:
            single, half = compare(width, rows, arguments.rounds, arguments.seconds)
            print(f"width {width}, minibatch {rows}: float32 {single:,.0f} us, "
                  f"bfloat16 {half:,.0f} us, {single / half:.2f} times as fast", flush=True)


if __name__ == "__main__":
    main()
