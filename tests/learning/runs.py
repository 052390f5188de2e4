"""What scripts that watch runs share: where they lie, how they are begun, what they have written, which processes they are."""
import argparse
import json
import os
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]


def parser(doc):
    """With --binary, --runs-dir and --out."""
    made = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--binary", default=str(ROOT / "build" / "release" / "bin" / "millrace"))
    made.add_argument("--runs-dir", type=pathlib.Path, default=ROOT / "runs")
    made.add_argument("--out", type=pathlib.Path, default=ROOT / "docs" / "results")
    return made


def overrides(settings):
    return [word for setting in settings for word in ("--set", setting)]


def begin(arguments, config, name, settings):
    """The launcher's process."""
    words = [arguments.binary, "run", config, "--runs-dir", arguments.runs_dir, "--name", name, "--progress", "none",
             *overrides(settings)]
    return subprocess.Popen([str(word) for word in words], stdout=subprocess.DEVNULL)


def metrics(run):
    """The lines of metrics.jsonl; none while there is no file."""
    file = run / "metrics.jsonl"
    lines = []
    for text in file.read_text().splitlines() if file.exists() else []:
        try:
            lines.append(json.loads(text))
        except ValueError:
            pass   # half written
    return lines


def processes(run):
    """{process id: words of its command line} of all that name the run's directory: launcher, controller and workers."""
    found = {}
    for entry in pathlib.Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            words = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue   # gone
        if str(run) in words:
            found[int(entry.name)] = words
    return found
