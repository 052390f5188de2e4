"""tensorboard_tool writes events, TensorBoard's own reader reads them."""
import subprocess
import sys
import tempfile

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

with tempfile.TemporaryDirectory() as folder:
    subprocess.run([sys.argv[1], folder], check=True)
    events = EventAccumulator(folder)
    events.Reload()
    tags = events.Tags()["scalars"]
    assert "run/episode_return_mean" in tags and "loss/policy" in tags, tags
    returns = events.Scalars("run/episode_return_mean")
    assert [(event.step, event.value) for event in returns] == [(1000, 10.5), (2000, 21.0), (3000, 31.5)], returns
    assert [event.wall_time for event in returns] == [1700000001, 1700000002, 1700000003], returns
    assert [event.value for event in events.Scalars("loss/policy")] == [-0.25, -0.5, -0.75]
