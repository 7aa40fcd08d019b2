"""One word per thing: every type has a name of its own."""

import ast
from collections import defaultdict
from pathlib import Path

import edgetally

PACKAGE = Path(edgetally.__file__).parent


def test_every_type_name_is_defined_once() -> None:
    """In the package; the core has a test of its own. `Fold` and the like of the library wrap those of the core."""
    defined = defaultdict(list)
    for file in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.ClassDef):
                defined[node.name].append(str(file.relative_to(PACKAGE)))

    assert {name: files for name, files in defined.items() if len(files) > 1} == {}
