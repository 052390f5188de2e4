#!/usr/bin/env python3
"""Reruns the rivals that PyPI has beside Millrace: CartPole-v1 with PPO, one table.

Each rival is installed once, in a virtual environment of its own. The runs are interleaved: run 1
of all, run 2 of all, and so on. What fails or hangs is killed and reported, and the rest goes on.
"""
import argparse
import dataclasses
import json
import os
import pathlib
import shlex
import sys
import time

import report
from arms import ARMS, ROOT
from measurement import RunFailed
from virtual_environment import InstallFailed, VirtualEnvironment

EPILOG = """\
example: tests/benchmarks/peers/run.py --runs 3 --only cleanrl millrace_fast
needs:   Python 3.11 or 3.12, pip's package index for the first run, build/release (README.md)
exit:    0 all ran, 1 something failed, 2 you must change something"""
NAMES = [arm.name for arm in ARMS]
PYTHONS = ((3, 11), (3, 12))    # for which every pinned version has a wheel


@dataclasses.dataclass
class Context:
    millrace: pathlib.Path
    runs_dir: pathlib.Path
    steps: int | None
    pythons: dict    # package: its interpreter


def positive(text):
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected at least 1, got {number}")
    return number


def path(text):
    return pathlib.Path(text).absolute()


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, epilog=EPILOG,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=NAMES, default=NAMES, metavar="NAME",
                        help=f"of {', '.join(NAMES)}")
    parser.add_argument("--runs", type=positive, default=5, help="of each (default 5)")
    parser.add_argument("--steps", type=positive, metavar="N",
                        help="of a rival's run (default 500,000; RLlib 300,000, Stable-Baselines3 "
                        "tuned 100,000); Millrace's grow in proportion")
    parser.add_argument("--json", type=path, metavar="FILE", help="every run's figures")
    parser.add_argument("--markdown", type=path, metavar="FILE",
                        help="the table (default docs/results/peers.md, if all ran with all steps)")
    parser.add_argument("--runs-dir", type=path, default=ROOT / "runs/peers", metavar="DIR",
                        help="logs and Millrace's runs, below the time (default runs/peers)")
    parser.add_argument("--venvs", type=path, default=ROOT / ".venv/peers", metavar="DIR",
                        help="the rivals' virtual environments (default .venv/peers)")
    parser.add_argument("--binary", type=path, default=ROOT / "build/release/bin/millrace",
                        metavar="FILE", help="Millrace (default build/release/bin/millrace)")
    parser.add_argument("--install-only", action="store_true", help="make the virtual environments")
    arguments = parser.parse_args()
    check(parser, arguments)
    return arguments


def check(parser, arguments):
    if sys.version_info[:2] not in PYTHONS:
        parser.error(f"the rivals need Python 3.11 or 3.12, this is {sys.version.split()[0]}")
    uses_millrace = any(name.startswith("millrace") for name in arguments.only)
    if uses_millrace and not arguments.install_only and not os.access(arguments.binary, os.X_OK):
        parser.error(f"{arguments.binary} is not there: build it (README.md), or use --only")


def install(arms, directory):
    """The virtual environments by package, and why others could not be made."""
    environments, failures = {}, {}
    for package in dict.fromkeys(arm.package for arm in arms if arm.package):
        environment = VirtualEnvironment(package, directory / package)
        try:
            environment.install()
            environments[package] = environment
        except InstallFailed as error:
            failures[package] = f"not installed: {error}"
            print(f"{package}: {failures[package]}", file=sys.stderr, flush=True)
    return environments, failures


def measure(arm, run, context, install_failures):
    try:
        if arm.package in install_failures:
            raise RunFailed(install_failures[arm.package])
        figures = arm.measure(run, context)
    except RunFailed as error:
        figures = {"failed": str(error)}
    except (OSError, ValueError, KeyError) as error:    # of what the program was to write
        figures = {"failed": repr(error)}
    print(f"run {run}: {arm.name}: {describe(figures)}", flush=True)
    return figures


def describe(figures):
    if "failed" in figures:
        return f"FAILED: {figures['failed']}"
    numbers = {key: value for key, value in figures.items() if value is not None}
    return ", ".join(f"{key} {value:,.1f}" for key, value in numbers.items())


def describe_run(environments):
    return dict(command=shlex.join(["tests/benchmarks/peers/run.py", *sys.argv[1:]]),
                machine=report.describe_machine(), commit=report.describe_commit(ROOT),
                date=report.today(),
                versions={name: made.versions() for name, made in environments.items()})


def save(arguments, arms, results, provenance):
    """After every round, so that an interrupted comparison keeps what it has."""
    full = arguments.only == NAMES and arguments.steps is None
    markdown = arguments.markdown or (ROOT / "docs/results/peers.md" if full else None)
    by_label = {arm.label: results[arm.name] for arm in arms}
    if markdown:
        write(markdown, report.for_markdown(by_label, provenance))
    if arguments.json:
        write(arguments.json, json.dumps(provenance | {"runs": results}, indent=1) + "\n")
    return by_label


def write(file, text):
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def compare(arguments, arms, environments, install_failures):
    pythons = {name: environment.python for name, environment in environments.items()}
    runs_dir = arguments.runs_dir / time.strftime("%Y-%m-%d-%H%M%S")
    runs_dir.mkdir(parents=True)
    context = Context(arguments.binary, runs_dir, arguments.steps, pythons)
    provenance = describe_run(environments)
    results = {arm.name: [] for arm in arms}
    for run in range(1, arguments.runs + 1):
        for arm in arms:
            results[arm.name].append(measure(arm, run, context, install_failures))
        by_label = save(arguments, arms, results, provenance)
    print("\n" + report.for_terminal(by_label))
    return bool(report.failures_of(by_label))


def main():
    arguments = parse_arguments()
    arms = [arm for arm in ARMS if arm.name in arguments.only]
    environments, install_failures = install(arms, arguments.venvs)
    if arguments.install_only:
        return int(bool(install_failures))
    return int(compare(arguments, arms, environments, install_failures))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("\ninterrupted")
