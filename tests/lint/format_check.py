#!/usr/bin/env python3
"""Whether .clang-format would change a source: format_check.py CLANG_FORMAT ROOT. Exit code 1 if it would."""
import pathlib
import subprocess
import sys

from source_tree import list_files


def main(clang_format, root):
    sources = [str(pathlib.Path(root) / path) for path in list_files(root) if path.suffix in (".cc", ".h")]
    return subprocess.run([clang_format, "--dry-run", "--Werror", *sources]).returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
