"""Python's safetensors writes, safetensors_tool reads and writes again, Python reads that."""
import subprocess
import sys
import tempfile

try:
    import numpy as np
    from safetensors import safe_open
    from safetensors.numpy import save_file
except ImportError as error:
    print(f"skipped: {error}")
    sys.exit(77)

tensors = {
    "policy/actor.0.weight": np.arange(12, dtype=np.float32).reshape(3, 4) / 8,
    "policy/log_std": np.array([0.5, -0.25], dtype=np.float64),
    "step": np.array(42, dtype=np.int64),
    "choices": np.array([[1, 2], [3, -4]], dtype=np.int32),
    "mask": np.array([0, 1, 255], dtype=np.uint8),
    "nothing": np.zeros((0, 5), dtype=np.float32),
}
metadata = {"format": "millrace", "title": "gr\u00fc\u00dfe \"quoted\""}

with tempfile.TemporaryDirectory() as folder:
    path = f"{folder}/model.safetensors"
    save_file(tensors, path, metadata=metadata)
    printed = subprocess.run([sys.argv[1], path], check=True, capture_output=True, text=True).stdout
    seen = {}
    for line in printed.splitlines():
        description, total = line.rsplit(" = ", 1)
        name, dtype, *shape = description.split(" ")
        seen[name] = (dtype, tuple(map(int, shape)), float(total))
    expected = {
        name: (str(value.dtype), value.shape, float(value.sum())) for name, value in tensors.items()
    }
    assert seen == expected, (seen, expected)
    with safe_open(path + ".again", framework="numpy") as file:
        assert file.metadata() == metadata, file.metadata()
        assert set(file.keys()) == set(tensors), file.keys()
        for name, value in tensors.items():
            np.testing.assert_array_equal(file.get_tensor(name), value)
            assert file.get_tensor(name).dtype == value.dtype
