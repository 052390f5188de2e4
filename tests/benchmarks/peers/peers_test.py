"""What the comparison rests on: CPU time of a whole process tree, deadlines, rates and goals."""
import json
import pathlib
import subprocess
import sys
import tempfile
import textwrap
import time
import unittest

from episode_log import GOAL, WINDOW
from measurement import Limits, RunFailed, Watched, rates, run_watched, way_to_goal
from process_tree import Sample, descendants

HERE = pathlib.Path(__file__).resolve().parent
BURN = textwrap.dedent("""
    import os, signal, sys, time
    def burn(seconds):
        end = time.process_time() + seconds
        while time.process_time() < end:
            pass
    def child(work):
        pid = os.fork()
        if pid == 0:
            work()
            os._exit(0)
        return pid
""")


def run_code(code, total_seconds=30, silent_seconds=None):
    with tempfile.TemporaryDirectory() as directory:
        return run_watched([sys.executable, "-c", BURN + textwrap.dedent(code)],
                           pathlib.Path(directory) / "log", Limits(total_seconds, silent_seconds),
                           cwd=HERE)


def cpu_seconds(code):
    return run_code(code).samples[-1].cpu_seconds


class ProcessTreeTest(unittest.TestCase):
    def test_counts_children_too_short_to_be_seen_while_their_parent_lives(self):
        before_its_end = run_code("""
            for _ in range(12):
                os.waitpid(child(lambda: burn(0.05)), 0)
            time.sleep(1)""").samples[-2]
        self.assertGreater(before_its_end.cpu_seconds, 0.6)

    def test_counts_what_left_the_session_and_lost_its_parent(self):
        self.assertGreater(cpu_seconds("""
            def leave():
                os.setsid()
                child(lambda: burn(0.05))
            for _ in range(12):
                done, held = os.pipe()
                os.waitpid(child(leave), 0)
                os.close(held)
                os.read(done, 1)    # ends when no process has the other end any more
                os.close(done)"""), 0.6)

    def test_counts_children_whose_parent_ignores_their_end(self):
        self.assertGreater(cpu_seconds("""
            signal.signal(signal.SIGCHLD, signal.SIG_IGN)
            for _ in range(2):
                child(lambda: burn(1.0))
                try:
                    os.wait()
                except ChildProcessError:    # says that none is left
                    pass"""), 1.5)

    def test_counts_nothing_twice(self):
        self.assertLess(cpu_seconds("""
            for _ in range(4):
                os.waitpid(child(lambda: burn(0.25)), 0)"""), 1.5)

    def test_leaves_nothing_behind(self):
        run_code("child(lambda: (os.setsid(), time.sleep(60)))")
        self.assertEqual(descendants(), [])


class RunWatchedTest(unittest.TestCase):
    def test_kills_what_hangs_with_all_it_started(self):
        began = time.monotonic()
        with self.assertRaisesRegex(RunFailed, "reported nothing"):
            run_code("child(lambda: time.sleep(60)); time.sleep(60)", silent_seconds=1)
        self.assertLess(time.monotonic() - began, 10)
        self.assertEqual(descendants(), [])

    def test_kills_what_talks_for_ever(self):
        with self.assertRaisesRegex(RunFailed, "ran for more than 1 s"):
            run_code("while True: print('{}', flush=True); time.sleep(0.1)", total_seconds=1,
                     silent_seconds=1)

    def test_tells_how_a_program_failed(self):
        with self.assertRaisesRegex(RunFailed, "exit code 3: no luck"):
            run_code("print('no luck', file=sys.stderr); sys.exit(3)")


def report(time_, env_steps, mean=None):
    return dict(time=time_, env_steps=env_steps, episode_return_mean=mean)


class FiguresTest(unittest.TestCase):
    def test_rates_leave_the_start_up_out(self):
        # From 2 s to 6 s: 2000 steps in 4 s, and 1 CPU-second in 2 s throughout: 2 CPU-seconds.
        samples = [Sample(moment, 0.5 * moment, 7) for moment in range(9)]
        reports = [report(0, 0), report(2, 500), report(6, 2500)]
        figures = rates(Watched(0, samples, reports), reports)
        self.assertAlmostEqual(figures["steps_per_second"], 500)
        self.assertAlmostEqual(figures["steps_per_cpu_second"], 1000)

    def test_one_batch_makes_no_rate(self):
        reports = [report(0, 0), report(2, 500)]
        with self.assertRaises(RunFailed):
            rates(Watched(0, [Sample(0, 0, 0)], reports), reports)

    def test_the_goal_is_the_first_report_that_reaches_it(self):
        reports = [report(11, 50), report(12, 100, GOAL - 0.1), report(13, 150, GOAL),
                   report(14, 200, GOAL + 1)]
        self.assertEqual(way_to_goal(Watched(10, [], reports)),
                         dict(steps_to_goal=150, seconds_to_goal=3, final_return_mean=GOAL + 1))

    def test_a_goal_not_reached_is_none(self):
        self.assertIsNone(way_to_goal(Watched(0, [], [report(1, 50, 20.0)]))["steps_to_goal"])


class EpisodeLogTest(unittest.TestCase):
    def lines(self, code):
        out = subprocess.run([sys.executable, "-c", "from episode_log import EpisodeLog\n" + code],
                             cwd=HERE, capture_output=True, text=True, check=True).stdout
        return [json.loads(line) for line in out.splitlines()]

    def test_reports_the_goal_only_when_the_window_is_full_and_once(self):
        lines = self.lines(f"log = EpisodeLog()\nfor episode in range({2 * WINDOW}):\n"
                           "    log.finish_episode(500, episode + 1)")
        self.assertEqual([line["env_steps"] for line in lines], [WINDOW])

    def test_the_mean_is_that_of_the_last_episodes(self):
        # The first 10 of 110 episodes return 0, the other 100 return 1.
        lines = self.lines(f"log = EpisodeLog()\nfor episode in range({WINDOW} + 10):\n"
                           "    log.finish_episode(episode >= 10, 5)\nlog.report(6)")
        self.assertEqual([line["episode_return_mean"] for line in lines], [1.0])

    def test_what_libraries_print_is_not_in_the_way(self):
        lines = self.lines("import os\nlog = EpisodeLog()\nprint('hello')\n"
                           "os.system('echo hello')\nlog.report(7)")
        self.assertEqual([line["env_steps"] for line in lines], [7])


if __name__ == "__main__":
    unittest.main()
