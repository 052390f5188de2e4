#!/usr/bin/env python3
"""Draws the curves of a series of seeds. Needs matplotlib.

    tests/learning/curves.py NAME COLUMN ... [--out docs/results]

A panel for every column of OUT/curves/NAME-SEED.csv, with a line for every seed. Writes OUT/NAME.svg.
"""
import argparse
import csv
import pathlib

import matplotlib
import matplotlib.pyplot as pyplot

ROOT = pathlib.Path(__file__).resolve().parents[2]
POINTS = 120   # of a line


def read(file):
    with file.open() as stream:
        rows = list(csv.DictReader(stream))
    return rows[::max(1, len(rows) // POINTS)]


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("name")
    options.add_argument("columns", nargs="+")
    options.add_argument("--out", type=pathlib.Path, default=ROOT / "docs" / "results")
    arguments = options.parse_args()
    files = sorted((arguments.out / "curves").glob(f"{arguments.name}-[0-9]*.csv"))
    if not files:
        options.error(f"no {arguments.out}/curves/{arguments.name}-SEED.csv")
    matplotlib.rcParams.update({"svg.hashsalt": arguments.name, "svg.fonttype": "none", "font.family": "sans-serif"})
    figure, panels = pyplot.subplots(1, len(arguments.columns), figsize=(4.5 * len(arguments.columns), 3.2), squeeze=False)
    for column, panel in zip(arguments.columns, panels[0]):
        for file in files:
            rows = [row for row in read(file) if row[column]]
            panel.plot([int(row["env_steps"]) / 1e6 for row in rows], [float(row[column]) for row in rows],
                       label=f"seed {file.stem.rsplit('-', 1)[1]}", linewidth=1.2)
        panel.set(title=column, xlabel="million steps", ylim=(0, 1))
        panel.grid(alpha=0.3)
    panels[0][0].legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(arguments.out / f"{arguments.name}.svg", metadata={"Date": None})


if __name__ == "__main__":
    main()
