#!/usr/bin/env python3
"""What sending only the largest gradients gains on a slow link, and what it costs: two ranks train an mlp on Fashion-MNIST.

    sudo tests/learning/top_k_exchange.py [--rate 100mbit] [--densities 0.25 0.01] [--seeds 1 2 3 4 5] [--epochs 5] [--timed-steps 100]
                                          [--images /usr/share/datasets/fashion-mnist] [--binary build/release/bin/fashion_mnist]
                                          [--out docs/results]

Each rank is in a network namespace of its own; a pair of virtual Ethernet devices joins them. A step is timed with both devices
throttled to --rate (token bucket), arms in turn, and again with a link as fast as the machine makes it. Losses, which do not depend on
the link, are of whole trainings over the fast one: with all gradients, with the largest and error feedback, and without. Writes
OUT/top_k_exchange.json and .md. Debian: dataset-fashion-mnist, iproute2.
"""
import argparse
import contextlib
import gzip
import json
import os
import pathlib
import statistics
import subprocess
import tempfile

from fashion_mnist import FILES
from runs import ROOT
from series import spread

SPACES = ["millrace-0", "millrace-1"]
ADDRESSES = ["10.201.7.1", "10.201.7.2"]
ROUNDS = 3   # of timings


def call(*words):
    subprocess.run([str(word) for word in words], check=True)


@contextlib.contextmanager
def two_hosts():
    """Namespaces that reach one another at ADDRESSES."""
    try:
        for space in SPACES:
            call("ip", "netns", "add", space)
        call("ip", "link", "add", "eth0", "netns", SPACES[0], "type", "veth", "peer", "name", "eth0", "netns", SPACES[1])
        for space, address in zip(SPACES, ADDRESSES):
            call("ip", "-n", space, "addr", "add", f"{address}/24", "dev", "eth0")
            for device in ["lo", "eth0"]:
                call("ip", "-n", space, "link", "set", device, "up")
        yield
    finally:
        for space in SPACES:
            subprocess.run(["ip", "netns", "del", space], check=False, stderr=subprocess.DEVNULL)


@contextlib.contextmanager
def throttled(rate):
    for space in SPACES:
        call("tc", "-n", space, "qdisc", "add", "dev", "eth0", "root", "tbf", "rate", rate, "burst", "64kb", "latency", "50ms")
    yield
    for space in SPACES:
        call("tc", "-n", space, "qdisc", "del", "dev", "eth0", "root")


def train(arguments, images, density, feedback, seed, steps=0):
    """The lines of rank 0."""
    ranks = []
    for rank, (space, address) in enumerate(zip(SPACES, ADDRESSES)):
        words = ["ip", "netns", "exec", space, arguments.binary, images, "--backend", "dense", "--epochs", arguments.epochs,
                 "--steps", steps, "--seed", seed, "--rank", rank, "--ranks", 2, "--address", address, "--store", ADDRESSES[0],
                 "--set", f"gradient_density={density}", f"error_feedback={'true' if feedback else 'false'}"]
        ranks.append(subprocess.Popen([str(word) for word in words], stdout=subprocess.PIPE, text=True,
                                      env=os.environ | {"TORCH_CPP_LOG_LEVEL": "ERROR"}))
    outputs = [rank.communicate()[0] for rank in ranks]
    if any(rank.returncode != 0 for rank in ranks):
        raise RuntimeError(f"density {density}, seed {seed}: a rank failed")
    return [json.loads(line) for line in outputs[0].splitlines()]


def milliseconds(arguments, images, density):
    last = train(arguments, images, density, True, seed=1, steps=arguments.timed_steps)[-1]
    return 1e3 * last["seconds"] / last["steps"]


def arms(arguments):
    """{name: (density, feedback)}"""
    made = {"all gradients": (1, True)}
    for density in arguments.densities:
        made[f"{100 * density:g} %"] = (density, True)
        made[f"{100 * density:g} %, no error feedback"] = (density, False)
    return made


def table(arguments, data):
    text = ["# The largest gradients alone", "",
            f"`tests/learning/top_k_exchange.py --rate {arguments.rate} --epochs {arguments.epochs}`: two ranks, each in a network namespace,",
            "an mlp 784 - 512 - 512 - 512 - 10 in LibTorch (930,000 parameters), 64 images a rank and step. Milliseconds a step, medians of",
            f"{ROUNDS} rounds; loss over the last epoch and accuracy on the test images, mean and standard deviation of the seeds.", "",
            f"| sent | ms at {arguments.rate} | of all gradients' | ms, fast link | seeds | loss | accuracy, % |", "|---|---|---|---|---|---|---|"]
    dense = None
    for name, (density, feedback) in arms(arguments).items():
        slow = fast = share = "-"
        if feedback:
            times = {kind: statistics.median(data["milliseconds"][kind][str(density)]) for kind in ["slow", "fast"]}
            dense = dense or times["slow"]
            slow, fast, share = f"{times['slow']:.1f}", f"{times['fast']:.1f}", f"{100 * times['slow'] / dense:.0f} %"
        last = [lines[-1] for lines in data["trainings"].get(name, {}).values()]
        text.append(f"| {name} | {slow} | {share} | {fast} | {len(last)} | {spread([line['loss'] for line in last])} | "
                    f"{spread([100 * line['test_accuracy'] for line in last], '.2f')} |")
    return "\n".join(text) + "\n"


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rate", default="100mbit")
    options.add_argument("--densities", type=float, nargs="+", default=[0.25, 0.01])
    options.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    options.add_argument("--epochs", type=int, default=5)
    options.add_argument("--timed-steps", type=int, default=100)
    options.add_argument("--images", type=pathlib.Path, default=pathlib.Path("/usr/share/datasets/fashion-mnist"))
    options.add_argument("--binary", default=str(ROOT / "build" / "release" / "bin" / "fashion_mnist"))
    options.add_argument("--out", type=pathlib.Path, default=ROOT / "docs" / "results")
    arguments = options.parse_args()
    data = {"milliseconds": {"slow": {}, "fast": {}}, "trainings": {}}
    densities = [1, *arguments.densities]
    with tempfile.TemporaryDirectory() as images, two_hosts():
        for name in FILES:
            (pathlib.Path(images) / name).write_bytes(gzip.decompress((arguments.images / f"{name}.gz").read_bytes()))
        for kind in ["slow", "fast"]:
            with throttled(arguments.rate) if kind == "slow" else contextlib.nullcontext():
                for _ in range(ROUNDS):
                    for density in densities:
                        data["milliseconds"][kind].setdefault(str(density), []).append(milliseconds(arguments, images, density))
            print(kind, data["milliseconds"][kind], flush=True)
        for seed in arguments.seeds:
            for name, (density, feedback) in arms(arguments).items():
                lines = train(arguments, images, density, feedback, seed)
                data["trainings"].setdefault(name, {})[str(seed)] = lines
                print(f"{name}, seed {seed}: {lines[-1]}", flush=True)
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "top_k_exchange.json").write_text(json.dumps(data, indent=1) + "\n")
    (arguments.out / "top_k_exchange.md").write_text(table(arguments, data))


if __name__ == "__main__":
    main()
