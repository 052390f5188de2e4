"""The files of a source tree, as git sees them."""

import pathlib
import subprocess

IGNORED = {".git", ".venv", ".cache", "build", "runs", "__pycache__"}


def list_files(root):
    """Relative paths of all files that are tracked or would be: what git ignores is left out."""
    git = subprocess.run(
        ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        capture_output=True, check=False)
    if git.returncode == 0 and (pathlib.Path(root) / ".git").exists():
        names = [name for name in git.stdout.decode().split("\0") if name]
    else:
        names = [str(path.relative_to(root)) for path in pathlib.Path(root).rglob("*")]
    paths = sorted(pathlib.PurePosixPath(name) for name in names)
    return [path for path in paths
            if not IGNORED & set(path.parts) and (pathlib.Path(root) / path).is_file()]


def read_lines(root, path):
    """The lines of a text file; none if it is binary."""
    try:
        return (pathlib.Path(root) / path).read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError:
        return []
