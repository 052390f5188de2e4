"""Which module may include which: module_table.json, and LibTorch only where it belongs."""

import json
import pathlib
import re

from source_tree import list_files, read_lines

TABLE = json.loads((pathlib.Path(__file__).parent / "module_table.json").read_text())
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
SUFFIXES = {".h", ".cc"}

# LibTorch lives in these modules, and in these folders of the modules that join everything.
TORCH_MODULES = {"models", "algorithms", "backends"}
TORCH_FOLDERS = {("workers", "policy"), ("workers", "trainer"), ("workers", "evaluation"),
                 ("cli", "torch")}
TORCH_PREFIXES = ("torch/", "ATen/", "c10/")


def module_of(path):
    """("core", "") for src/core/x.cc, ("workers", "actor") for src/workers/actor/x.cc."""
    parts = path.parts[2:] if path.parts[0] == "include" else path.parts[1:]
    if len(parts) == 1:
        return ("cli", "torch")  # include/millrace/millrace.h: a user's own main
    return (parts[0], parts[1] if len(parts) > 2 else "")


def included_module(name):
    """The module an include names, or None for a file of the same folder or a foreign one."""
    parts = name.split("/")
    if parts[0] == "millrace":
        return parts[1] if len(parts) > 2 else "cli"
    return parts[0] if len(parts) > 1 and parts[0] in TABLE else None


def may_use_torch(module, folder, path):
    return (module in TORCH_MODULES or (module, folder) in TORCH_FOLDERS or module == "testing"
            or (module == "registry" and "torch" in path.name))


def check_include(path, bracket, name):
    """What is wrong with one #include, or None."""
    module, folder = module_of(path)
    if module not in TABLE:
        return f'"{module}" is not a module of module_table.json'
    if name.startswith(TORCH_PREFIXES):
        return None if module in TORCH_MODULES else (
            f"includes {name}; LibTorch is included through millrace/models/torch.h")
    if bracket == "<":
        return None
    target = included_module(name)
    if target is None:
        return None
    if path.parts[0] == "include" and not name.startswith("millrace/"):
        return f"a public header includes the private header {name}"
    if target != module and target not in TABLE[module]:
        return f"{module} may not include {target} ({name}); it may include {TABLE[module]}"
    torch = target in TORCH_MODULES or name.endswith("registry/torch_registry.h")
    if torch and not may_use_torch(module, folder, path):
        return f"{module}/{folder} is free of LibTorch, but includes {name}"
    return None


def check(root):
    """One line for every include that is not allowed."""
    problems = []
    for path in list_files(root):
        if path.parts[0] not in ("src", "include") or path.suffix not in SUFFIXES:
            continue
        for number, line in enumerate(read_lines(root, path), 1):
            match = INCLUDE.match(line)
            problem = match and check_include(path, match[1], match[2])
            if problem:
                problems.append(f"{path}:{number}: {problem}")
    return problems
