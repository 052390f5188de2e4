"""Checks a source tree: lint.py ROOT. Prints every violation; exit code 1 if there is one."""

import sys

import include_edges
import tree_rules


def main(root):
    problems = include_edges.check(root)
    for rule in tree_rules.RULES:
        problems += rule(root)
    print("\n".join(problems) if problems else "no violations")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
