"""Rules about the tree as a whole: nothing unbuilt, nothing out of place, nothing left open."""

import os
import pathlib
import re

from source_tree import list_files, read_lines

ROOT_ENTRIES = {
    "CMakeLists.txt", "CMakePresets.json", "LICENSE", "README.md", "configs", "docs", "examples",
    "include", "proto", "scripts", "src", "tests",
    ".ci", ".clang-format", ".clang-tidy", ".gitignore",
}
EXEMPT = pathlib.PurePosixPath("tests/lint")  # it names what it forbids
FORBIDDEN = [
    (re.compile(r"(?<![\w.$}])/(work|root|home|Users)/\w"), "a path of one machine"),
    (re.compile(r"\b(TODO|FIXME|XXX|HACK)\b"), "work left open"),
    (re.compile(r"\b([Ii]ssue|[Tt]icket) #?\d+|\bthis session\b"), "a reference readers cannot follow"),
    (re.compile(r"https?://\S+/simple\b|\bdeb https?://"), "a package registry's address"),
]
VAGUE_NAMES = {"utils", "util", "helpers", "helper", "common", "misc"}
LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)(?:#[^)]*)?\)")


def unbuilt_sources(root):
    """A .cc under src/ or tests/ that no CMakeLists.txt at or above it names."""
    problems = []
    for path in list_files(root):
        if path.suffix != ".cc" or path.parts[0] not in ("src", "tests"):
            continue
        named = False
        for folder in list(path.parents)[:-1]:
            lists = pathlib.Path(root) / folder / "CMakeLists.txt"
            relative = re.escape(str(path.relative_to(folder)))
            named |= lists.is_file() and bool(
                re.search(rf"(?<![\w/.-]){relative}(?![\w.])", lists.read_text()))
        if not named:
            problems.append(f"{path}: in no CMakeLists.txt, so nothing builds it")
    return problems


def forbidden_text(root):
    problems = []
    for path in list_files(root):
        if path == EXEMPT or EXEMPT in path.parents or path.name == "LICENSE":
            continue
        for number, line in enumerate(read_lines(root, path), 1):
            problems += [f"{path}:{number}: {meaning}: {line.strip()}"
                         for pattern, meaning in FORBIDDEN if pattern.search(line)]
    return problems


def root_entries(root):
    entries = {path.parts[0] for path in list_files(root)}
    problems = [f"{entry}: not one of the root's fixed entries" for entry in sorted(entries - ROOT_ENTRIES)]
    problems += [f"{name}: missing" for name in ("LICENSE", "README.md") if name not in entries]
    return problems


def vague_file_names(root):
    return [f"{path}: a file is named after one noun, not \"{path.stem}\"" for path in list_files(root)
            if path.stem in VAGUE_NAMES and path.suffix in (".h", ".cc", ".py")]


def broken_links(root):
    """Relative Markdown links to files that do not exist."""
    problems = []
    for path in list_files(root):
        if path.suffix != ".md":
            continue
        for number, line in enumerate(read_lines(root, path), 1):
            for target in LINK.findall(line):
                if "://" in target or target.startswith("mailto:"):
                    continue
                if not os.path.exists(pathlib.Path(root) / path.parent / target):
                    problems.append(f"{path}:{number}: links to {target}, which does not exist")
    return problems


RULES = [unbuilt_sources, forbidden_text, root_entries, vague_file_names, broken_links]
