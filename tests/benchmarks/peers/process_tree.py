"""CPU time and memory of a process and everything it started, dead processes included.

This process becomes a sub-reaper: what a descendant leaves behind becomes its child, so nothing
escapes by a double fork or a session of its own. The CPU time is what the kernel counts:
  - of every living descendant, its own and that of the children it waited for (/proc/PID/stat);
  - of every process that this one has reaped, the same (wait4).
Missing are children whose parent ignores SIGCHLD: the kernel drops their time. So every process's
own time as of the last look is summed as well, which misses only what came after that look. Both
sums are lower bounds, and the larger one counts.
"""
import ctypes
import dataclasses
import os
import pathlib
import signal
import subprocess
import time

PR_SET_CHILD_SUBREAPER = 36
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
KILL_SECONDS = 10


@dataclasses.dataclass(frozen=True)
class Sample:
    time: float    # time.monotonic()
    cpu_seconds: float
    rss_bytes: int    # summed over the processes: pages they share count for each


@dataclasses.dataclass(frozen=True)
class Process:
    pid: int
    parent: int
    started: int    # tells a process from an earlier one with the same number
    cpu_seconds: float
    reaped_cpu_seconds: float
    rss_bytes: int


def read_process(stat_file):
    """None if it has ended."""
    try:
        stat = stat_file.read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # Numbered as in proc(5), from 3 on: the second, a name in parentheses, may contain anything.
    fields = [None, None, None, *stat.rpartition(")")[2].split()]
    user, system, reaped_user, reaped_system = map(int, fields[14:18])
    return Process(pid=int(stat.partition(" ")[0]), parent=int(fields[4]), started=int(fields[22]),
                   cpu_seconds=(user + system) / TICKS_PER_SECOND,
                   reaped_cpu_seconds=(reaped_user + reaped_system) / TICKS_PER_SECOND,
                   rss_bytes=int(fields[24]) * PAGE_BYTES)


def descendants():
    """All of this process's, zombies included."""
    # /proc lists by number, so parents before most of their children: the time of a child that ends
    # meanwhile is missed once rather than counted twice.
    children = {}
    for stat_file in pathlib.Path("/proc").glob("[0-9]*/stat"):
        process = read_process(stat_file)
        if process is not None:
            children.setdefault(process.parent, []).append(process)
    found, waiting = [], [os.getpid()]
    while waiting:
        for process in children.get(waiting.pop(), []):
            found.append(process)
            waiting.append(process.pid)
    return found


class ProcessTree:
    """One at a time: all descendants of this process are taken for the tree's."""

    def __init__(self, command, **popen_arguments):
        if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "this kernel has no sub-reapers")
        self._reaped_cpu_seconds = 0.0
        self._last_seen = {}    # (pid, start): CPU seconds
        self._most_cpu_seconds = 0.0
        self.exit_code = None    # of `command`; negative: the signal that ended it
        self.started = time.monotonic()
        self._root = subprocess.Popen(command, start_new_session=True, **popen_arguments)
        self.stdout = self._root.stdout

    def sample(self):
        now = time.monotonic()
        processes = descendants()
        for process in processes:
            self._last_seen[process.pid, process.started] = process.cpu_seconds
        counted = self._reaped_cpu_seconds + sum(
            process.cpu_seconds + process.reaped_cpu_seconds for process in processes)
        seen = sum(self._last_seen.values())
        self._most_cpu_seconds = max(self._most_cpu_seconds, counted, seen)
        self._reap()
        return Sample(now, self._most_cpu_seconds, sum(process.rss_bytes for process in processes))

    def kill(self):
        """Every process of the tree, until none is left. TimeoutError if one cannot be killed."""
        deadline = time.monotonic() + KILL_SECONDS
        while processes := descendants():
            for process in processes:
                try:
                    os.kill(process.pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            self._reap()
            if time.monotonic() > deadline:
                raise TimeoutError(f"processes {[p.pid for p in processes]} survive SIGKILL")
            time.sleep(0.01)

    def _reap(self):
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            self._reaped_cpu_seconds += usage.ru_utime + usage.ru_stime
            if pid == self._root.pid:
                self.exit_code = self._root.returncode = os.waitstatus_to_exitcode(status)
