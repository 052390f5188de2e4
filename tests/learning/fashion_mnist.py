#!/usr/bin/env python3
"""What N:M sparsity costs in accuracy on Fashion-MNIST, by every network, method and seed, equal epochs.

    tests/learning/fashion_mnist.py [--networks NAME ...] [--methods NAME ...] [--seeds 1 2 3 4 5] [--epochs 10] [--parallel 2]
                                    [--images /usr/share/datasets/fashion-mnist] [--binary build/release/bin/fashion_mnist]
                                    [--out docs/results]

The images are Debian's package dataset-fashion-mnist. Weights are chosen anew in every step, or once in 20 where the name says so.
Methods and seeds that OUT/fashion_mnist.json has, with as many epochs, stay there. Writes OUT/fashion_mnist.json (every epoch) and
OUT/fashion_mnist.md (the tables).
"""
import argparse
import concurrent.futures
import gzip
import json
import pathlib
import statistics
import subprocess
import tempfile

from runs import ROOT
from series import spread

FILES = ["train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"]
REFERENCE = "dense"
CNN = "filters 3 x 3: {} and {} with stride 2, {}, then {} - 10, float32; all but the first filters and the last layer are sparse"
ATTENTION = ("16 patches of 7 x 7, embedded in {}, two layers of self-attention with 4 heads, then {} - 10, float32; projections of the "
             "attention and the layer of {} are sparse")
# {name: (words for the program, what it is)}
NETWORKS = {"mlp": (["mlp"], "784 - 512 - 512 - 512 - 10, bfloat16; the two 512 x 512 layers are sparse"),
            "cnn": (["cnn"], CNN.format(32, 64, 64, 128)),
            "wide cnn": (["cnn", "--width", "2"], CNN.format(64, 128, 128, 256)),
            "attention": (["attention"], ATTENTION.format(64, 128, 128)),
            "wide attention": (["attention", "--width", "2"], ATTENTION.format(128, 256, 256))}
STEP = "refresh=per_step"


def methods():
    """{name: words for the program}"""
    made = {"dense, LibTorch's float32": ["--backend", "dense"], REFERENCE: ["--set", "pattern=dense"]}
    for pattern in ["2:4", "2:8", "1:8"]:
        forward = f"pattern={pattern}"
        made |= {
            f"{pattern} BDWP": ["--set", forward, STEP],
            f"{pattern} BDWP, every 20 steps": ["--set", forward],
            f"{pattern} BDWP, pull to zero": ["--set", forward, STEP, "decay=1e-3"],
            f"{pattern} BDWP, pull to zero, every 20 steps": ["--set", forward, "decay=1e-3"],
            f"{pattern} BDWP, fading pull": ["--set", forward, STEP, "decay=1e-3", "decay_fades=true"],
            f"{pattern} BDWP, fading pull, every 20 steps": ["--set", forward, "decay=1e-3", "decay_fades=true"],
            f"{pattern} BDWP, by 4 outputs": ["--set", forward, STEP, "shared_by=4"],
            f"{pattern} tile-wise": ["--set", forward, STEP, "tiles=true"],
            f"{pattern} BDWP, dense last sixth": ["--set", forward, STEP, "dense_from=0.83"],
            f"{pattern} BDWP, STEP": ["--set", forward, STEP, "dense_until=0.2", "freeze_variance=true"],
            f"{pattern} SR-STE (forward)": ["--set", forward, STEP, "backward_pattern=forward", "decay=2e-4"],
            f"{pattern} backward alone": ["--set", "pattern=dense", f"backward_pattern={pattern}", STEP],
            f"{pattern} fixed after half": ["--set", forward, "backward_pattern=forward", "refresh=never", "dense_until=0.5"],
        }
    made["2:8 forward, 2:4 backward"] = ["--set", "pattern=2:8", "backward_pattern=2:4", STEP]
    made["2:8 forward, 4:8 backward"] = ["--set", "pattern=2:8", "backward_pattern=4:8", STEP]
    return made


def train(arguments, images, network, method, seed):
    """The program's lines."""
    words = [arguments.binary, images, "--network", *NETWORKS[network][0], "--epochs", arguments.epochs, "--seed", seed, *methods()[method]]
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{network}, {method}, seed {seed}: {done.stderr.strip()}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def table(network, results):
    """`results`: {method: {seed: lines}}"""
    accuracies = {name: [100 * lines[-1]["test_accuracy"] for lines in seeds.values()] for name, seeds in results.items()}
    dense = accuracies.get(REFERENCE)
    text = ["", f"## {network}", "", f"{NETWORKS[network][1]}.", "",
            "| method | seeds | accuracy, % | lost | flips, % |", "|---|---|---|---|---|"]
    for name in methods():
        if name not in accuracies:
            continue
        lost = f"{statistics.mean(dense) - statistics.mean(accuracies[name]):.2f}" if dense else "-"
        flips = [100 * lines[-1]["flip_rate"] for lines in results[name].values() if "flip_rate" in lines[-1]]
        text.append(f"| {name} | {len(accuracies[name])} | {spread(accuracies[name], '.2f')} | {lost} | "
                    f"{f'{statistics.mean(flips):.2f}' if flips else '-'} |")
    return text


def page(arguments, results):
    """`results`: {network: {method: {seed: lines}}}"""
    text = ["# Fashion-MNIST", "",
            f"`tests/learning/fashion_mnist.py --epochs {arguments.epochs}`: accuracy on the 10,000 test images after the last epoch, mean",
            "and standard deviation of the seeds; points lost against dense weights in the same kernels; share of the forward weights that",
            "change their part in 20 steps, mean of the last epoch."]
    for network in NETWORKS:
        if network in results:
            text += table(network, results[network])
    return "\n".join(text) + "\n"


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--networks", nargs="+", choices=list(NETWORKS), default=list(NETWORKS))
    options.add_argument("--methods", nargs="+", choices=list(methods()), metavar="NAME", default=list(methods()))
    options.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    options.add_argument("--epochs", type=int, default=10)
    options.add_argument("--parallel", type=int, default=2, help="trainings at a time, of one thread each")
    options.add_argument("--images", type=pathlib.Path, default=pathlib.Path("/usr/share/datasets/fashion-mnist"))
    options.add_argument("--binary", default=str(ROOT / "build" / "release" / "bin" / "fashion_mnist"))
    options.add_argument("--out", type=pathlib.Path, default=ROOT / "docs" / "results")
    arguments = options.parse_args()
    file = arguments.out / "fashion_mnist.json"
    data = json.loads(file.read_text()) if file.exists() else {}
    results = data.get("results", {}) if data.get("epochs") == arguments.epochs else {}
    wanted = [(network, method, str(seed)) for network in arguments.networks for seed in arguments.seeds for method in arguments.methods
              if str(seed) not in results.get(network, {}).get(method, {})]
    arguments.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as images, concurrent.futures.ThreadPoolExecutor(arguments.parallel) as pool:
        for name in FILES:
            (pathlib.Path(images) / name).write_bytes(gzip.decompress((arguments.images / f"{name}.gz").read_bytes()))
        trainings = {pool.submit(train, arguments, images, *one): one for one in wanted}
        for training in concurrent.futures.as_completed(trainings):
            network, method, seed = trainings[training]
            if training.exception():
                pool.shutdown(cancel_futures=True)
            results.setdefault(network, {}).setdefault(method, {})[seed] = training.result()
            print(f"{network}, {method}, seed {seed}: {training.result()[-1]}", flush=True)
            file.write_text(json.dumps({"epochs": arguments.epochs, "results": results}, indent=1) + "\n")
            (arguments.out / "fashion_mnist.md").write_text(page(arguments, results))


if __name__ == "__main__":
    main()
