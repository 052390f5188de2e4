"""One virtual environment per rival, with what requirements/NAME.txt pins."""
import json
import os
import pathlib
import subprocess
import sys

REQUIREMENTS = pathlib.Path(__file__).resolve().parent / "requirements"
INSTALL_SECONDS = 1800
CUDA_PREFIXES = ("nvidia", "cuda", "triton")


class InstallFailed(Exception):
    """The reason, in one line."""


class VirtualEnvironment:
    def __init__(self, name, directory):
        self.name = name
        self.python = directory / "bin" / "python"
        self._directory = directory
        self._requirements = REQUIREMENTS / f"{name}.txt"
        self._installed = directory / "installed_requirements.txt"

    def install(self):
        """Needs no network where the same requirements are installed already."""
        wanted = self._requirements.read_text()
        if self._installed.exists() and self._installed.read_text() == wanted:
            return
        print(f"installing {self.name}: {', '.join(wanted.split())}", flush=True)
        self._make()
        torch = next(line for line in wanted.split() if line.startswith("torch=="))
        self._pip("install", "--quiet", self._without_cuda(torch))
        self._pip("install", "--quiet", "--requirement", self._requirements)
        self._installed.write_text(wanted)

    def versions(self):
        """{"python": "3.11.2", "torch": "2.13.0+cpu", ...} of what is pinned."""
        packages = json.loads(self._pip("list", "--format", "json"))
        requirements = self._requirements.read_text().split()
        pinned = {line.partition("==")[0].partition("[")[0] for line in requirements}
        python = {"python": sys.version.split()[0]}
        return python | {package["name"]: package["version"] for package in packages
                         if package["name"].replace("_", "-") in pinned}

    def _make(self):
        try:
            run([sys.executable, "-m", "venv", self._directory])
        except subprocess.CalledProcessError as error:
            raise InstallFailed("this Python makes no virtual environments (Debian's package for "
                                f"that is python3-venv): {last_line(error)}") from error
        self._pip("install", "--quiet", "--upgrade", "pip>=23.2")

    def _without_cuda(self, torch):
        """As scripts/install_dependencies.sh does it: CUDA's wheels are gigabytes, unused here."""
        try:
            self._pip("install", "--quiet", "--dry-run", "--no-deps", f"{torch}+cpu")
            return f"{torch}+cpu"
        except InstallFailed:
            pass
        report = json.loads(self._pip("install", "--quiet", "--dry-run", "--ignore-installed",
                                      "--report", "-", torch))
        names = [item["metadata"]["name"] for item in report["install"]]
        cuda = [name for name in names if name.lower().startswith(CUDA_PREFIXES)]
        if cuda and os.environ.get("MILLRACE_ALLOW_CUDA") != "1":
            raise InstallFailed(f"pip offers only the CUDA build of {torch}; give it an index with "
                                "CPU builds (PIP_EXTRA_INDEX_URL), or permit gigabytes with "
                                "MILLRACE_ALLOW_CUDA=1")
        return torch

    def _pip(self, *arguments):
        try:
            return run([self.python, "-m", "pip", "--disable-pip-version-check", *arguments])
        except subprocess.CalledProcessError as error:
            raise InstallFailed(f"pip {arguments[0]} failed; is the package index reachable? "
                                f"{last_line(error)}") from error
        except subprocess.TimeoutExpired as error:
            raise InstallFailed(f"pip {arguments[0]} took more than {INSTALL_SECONDS} s") from error


def run(command):
    return subprocess.run(command, check=True, capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, timeout=INSTALL_SECONDS).stdout


def last_line(error):
    lines = [line for line in (error.stdout + error.stderr).splitlines() if line.strip()]
    errors = [line for line in lines if "ERROR" in line or "Error" in line]
    return (errors or lines or ["it said nothing"])[-1].strip()[:300]
