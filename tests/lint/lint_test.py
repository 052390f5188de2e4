"""Every rule finds a planted violation and lets the same tree without it pass."""

import pathlib
import tempfile
import unittest

import include_edges
import tree_rules

CLEAN = {
    "LICENSE": "licence",
    "README.md": "see [the glossary](docs/glossary.md#actor)",
    "docs/glossary.md": "words",
    "src/core/CMakeLists.txt": "millrace_module(core SOURCES queue.cc)",
    "src/core/queue.cc": '#include "core/queue.h"\n#include <vector>\n',
    "src/core/queue.h": "",
    "src/data/CMakeLists.txt": "millrace_module(data SOURCES ledger.cc)",
    "src/data/ledger.cc": '#include "core/queue.h"\n#include "millrace/data/schema.h"\n',
    "include/millrace/data/schema.h": '#include "millrace/core/status.h"\n',
    "include/millrace/models/torch.h": "#include <torch/torch.h>\n",
    "include/millrace/millrace.h": '#include "millrace/registry/torch_registry.h"\n',
    "src/workers/trainer/CMakeLists.txt": "millrace_module(trainer SOURCES loop.cc)",
    "src/workers/trainer/loop.cc":
        '#include "workers/trainer/loop.h"\n#include "millrace/models/torch.h"\n',
    "tests/unit/core/CMakeLists.txt": "millrace_test(core SOURCES queue_test.cc)",
    "tests/unit/core/queue_test.cc": "",
}


def run_on(rule, changes):
    with tempfile.TemporaryDirectory() as root:
        for name, text in {**CLEAN, **changes}.items():
            path = pathlib.Path(root) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return rule(root)


class LintTest(unittest.TestCase):
    def expect(self, rule, changes, message):
        self.assertEqual(run_on(rule, {}), [])
        problems = run_on(rule, changes)
        self.assertEqual(len(problems), 1, problems)
        self.assertIn(message, problems[0])

    def test_edge_against_the_table(self):
        self.expect(include_edges.check, {"src/core/queue.h": '\n#include "data/ledger.h"\n'},
                    "src/core/queue.h:2: core may not include data")

    def test_edge_through_a_public_header(self):
        self.expect(include_edges.check, {"src/core/queue.h": '#include "millrace/data/schema.h"\n'},
                    "core may not include data")

    def test_public_header_includes_private_one(self):
        self.expect(include_edges.check,
                    {"include/millrace/data/schema.h": '#include "core/queue.h"\n'}, "private header")

    def test_unknown_module(self):
        self.expect(include_edges.check, {"src/extras/x.h": '#include "core/queue.h"\n'},
                    '"extras" is not a module')

    def test_torch_header_outside_its_modules(self):
        self.expect(include_edges.check, {"src/data/x.h": "#include <torch/torch.h>\n"},
                    "LibTorch is included through")

    def test_torch_module_in_the_actor(self):
        self.expect(include_edges.check,
                    {"src/workers/actor/x.h": '#include "millrace/models/policy.h"\n'},
                    "workers/actor is free of LibTorch")

    def test_algorithms_and_backends_never_meet(self):
        self.expect(include_edges.check,
                    {"src/algorithms/x.h": '#include "millrace/backends/backend.h"\n'},
                    "algorithms may not include backends")

    def test_unbuilt_test(self):
        self.expect(tree_rules.unbuilt_sources, {"tests/unit/core/lost_queue_test.cc": ""},
                    "lost_queue_test.cc: in no CMakeLists.txt")

    def test_name_that_ends_like_a_built_one(self):
        self.expect(tree_rules.unbuilt_sources,
                    {"tests/unit/core/CMakeLists.txt": "SOURCES queue_test.cc lost_queue_test.cc",
                     "tests/unit/core/lost_queue_test.cc": "", "src/core/ue.cc": ""},
                    "src/core/ue.cc")

    def test_path_of_one_machine(self):
        self.expect(tree_rules.forbidden_text, {"docs/glossary.md": "see /home/ann/notes"},
                    "docs/glossary.md:1: a path of one machine")

    def test_work_left_open(self):
        self.expect(tree_rules.forbidden_text, {"src/core/queue.h": "// TODO: finish"}, "work left open")

    def test_registry_host(self):
        self.expect(tree_rules.forbidden_text, {"scripts/x.sh": "pip -i https://index.invalid/simple"},
                    "registry's address")

    def test_reference_nobody_can_follow(self):
        self.expect(tree_rules.forbidden_text, {"src/core/queue.h": "// see issue #12"},
                    "readers cannot follow")

    def test_root_entry(self):
        self.expect(tree_rules.root_entries, {"notes.txt": ""}, "notes.txt: not one of")

    def test_missing_licence(self):
        with tempfile.TemporaryDirectory() as root:
            (pathlib.Path(root) / "README.md").write_text("")
            self.assertEqual(tree_rules.root_entries(root), ["LICENSE: missing"])

    def test_vague_file_name(self):
        self.expect(tree_rules.vague_file_names, {"src/core/utils.h": ""}, "src/core/utils.h")

    def test_broken_link(self):
        self.expect(tree_rules.broken_links, {"docs/glossary.md": "[x](wire.md)"},
                    "docs/glossary.md:1: links to wire.md")


if __name__ == "__main__":
    unittest.main()
