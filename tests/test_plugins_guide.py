"""docs/plugins.md and the example that it goes along."""

from __future__ import annotations

import ast
import re

import pytest

EXAMPLE = "docs/examples/vitrail-insightface"


@pytest.fixture(scope="module")
def guide(root) -> str:
    return (root / "docs" / "plugins.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def sources(root) -> dict[str, str]:
    files = sorted((root / EXAMPLE / "src").rglob("*.py"))
    return {file.name: file.read_text(encoding="utf-8") for file in files}


def test_its_code_is_that_of_the_example(guide, sources):
    blocks = re.findall(r"```python\n(.*?)```", guide, flags=re.DOTALL)
    quoted = [block for block in blocks if "vitrail.testing" not in block]
    assert len(quoted) >= 2
    for block in quoted:
        assert any(block in text for text in sources.values()), block


def test_the_example_uses_nothing_but_what_is_promised(guide, sources):
    promised = guide[guide.index("## 6.") :]
    used = [
        (node.module, alias.name)
        for text in sources.values()
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "vitrail"
        for alias in node.names
    ]
    assert used
    for module, name in used:
        assert f"`{module}`" in promised, module
        if module in ("vitrail.component", "vitrail.files"):
            assert f"`{name}`" in promised, f"{module}.{name}"


def test_the_example_is_short(sources):
    assert sum(text.count("\n") for text in sources.values()) <= 120
