#!/usr/bin/env python3
"""How well DLRM learns TeacherCTR-8, by settings and seed, and how long that takes: held-out samples after equally many trained ones.

    tests/learning/teacher_clicks.py [--settings NAME ...] [--seeds 1 2 3 4 5] [--samples 2000000 3500000]
                                     [--binary build/release/bin/millrace] [--out docs/results]

Settings and seeds that OUT/teacher_clicks.json has stay there. Writes that file and OUT/teacher_clicks.md.
"""
import json
import pathlib
import subprocess
import tempfile

import runs
from series import spread

CONFIG = runs.ROOT / "configs" / "teacher_clicks.yaml"
BEST_AUC, BEST_ENTROPY = 0.8235, 0.7489   # of the teacher itself
TWO_TRAINERS = ["workers.trainer.count=2", "workers.reader.segment_samples=256"]
# {name: settings beside the configuration's}
SETTINGS = {
    "float32": [],
    "float16": ["backend.table_rows=float16"],
    "float16, rounded to the nearest": ["backend.table_rows=float16", "backend.rounding=nearest"],
    "bfloat16": ["backend.table_rows=bfloat16"],
    "two trainers": TWO_TRAINERS,
    "two trainers, float16 exchange": TWO_TRAINERS + ["backend.exchange=float16"],
    "two trainers, int8 exchange": TWO_TRAINERS + ["backend.exchange=int8"],
    "cross network (DCNv2)": ["policies.default.model.interaction=cross"],
}


def train(arguments, settings, seed, samples):
    """What `eval` and the run's summary say."""
    with tempfile.TemporaryDirectory() as folder:
        run = runs.begin(argparse_with(arguments, folder), CONFIG, "run", settings + [f"seed={seed}", f"stop={{samples: {samples}}}"])
        if run.wait() != 0:
            raise SystemExit(f"{settings}, seed {seed}: exit code {run.returncode}")
        directory = pathlib.Path(folder) / "run"
        said = subprocess.run([arguments.binary, "eval", str(directory)], check=True, capture_output=True, text=True).stdout
        summary = json.loads((directory / "summary.json").read_text())
        return json.loads(said) | {"train_seconds": summary["train_seconds"], "cpu_seconds": summary["cpu_seconds"],
                                   "samples_trained": summary["env_steps"]}


def argparse_with(arguments, folder):
    copy = type(arguments)(**vars(arguments))
    copy.runs_dir = pathlib.Path(folder)
    return copy


def table(results):
    lines = ["# TeacherCTR-8", "",
             "Held out, mean and deviation over seeds (`tests/learning/teacher_clicks.py`; `configs/teacher_clicks.yaml`). The best that can",
             f"be known is an AUC of {BEST_AUC} and a normalised entropy of {BEST_ENTROPY}. Seconds are of the processes of this machine at that",
             "time, from the first sample to the last.", "",
             "| settings | samples | seeds | AUC | normalised entropy | seconds |", "|---|---|---|---|---|---|"]
    for name, by_samples in results.items():
        for samples, by_seed in sorted(by_samples.items(), key=lambda item: int(item[0])):
            found = list(by_seed.values())
            numbers = [spread([one[key] for one in found], form) for key, form in
                       (("auc", ".4f"), ("normalized_entropy", ".4f"), ("train_seconds", ".1f"))]
            lines.append(f"| {name} | {int(samples):,} | {len(found)} | " + " | ".join(numbers) + " |")
    return "\n".join(lines) + "\n"


def main():
    parser = runs.parser(__doc__)
    parser.add_argument("--settings", nargs="+", choices=list(SETTINGS), default=list(SETTINGS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    parser.add_argument("--samples", type=int, nargs="+", default=[2_000_000, 3_500_000])
    arguments = parser.parse_args()
    file = arguments.out / "teacher_clicks.json"
    results = json.loads(file.read_text()) if file.exists() else {}
    for seed in arguments.seeds:
        for name in arguments.settings:
            for samples in arguments.samples:
                by_seed = results.setdefault(name, {}).setdefault(str(samples), {})
                if str(seed) in by_seed:
                    continue
                by_seed[str(seed)] = train(arguments, SETTINGS[name], seed, samples)
                print(f"{name}, seed {seed}, {samples}: {by_seed[str(seed)]}", flush=True)
                file.write_text(json.dumps(results, indent=1) + "\n")
    (arguments.out / "teacher_clicks.md").write_text(table(results))


if __name__ == "__main__":
    main()
