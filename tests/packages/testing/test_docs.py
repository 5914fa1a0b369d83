"""The examples of docs/testing.md, run as they stand there."""

from __future__ import annotations

import re

from tests.packages.testing.conftest import RunTests
from tests.servers.remote import ROOT

[SHORT] = re.findall(
    r"```python\n(.*?)```", (ROOT / "packages" / "testing" / "README.md").read_text(), re.DOTALL
)
EXAMPLES = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "testing.md").read_text(), re.DOTALL)


class TestDocs:
    def test_have_their_examples(self) -> None:
        assert len(EXAMPLES) == 8

    def test_examples_pass(self, run_tests: RunTests) -> None:
        assert " passed" in run_tests(SHORT, *EXAMPLES)
