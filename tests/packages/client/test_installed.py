"""The client on its own: installed into an empty environment, against a live hub, as its README says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bazaar_client import amounts, cli
from compute_market import amounts as market_amounts
from tests.servers.installed import Environment, build
from tests.servers.live import LiveBazaar
from tests.servers.remote import ROOT

README = (ROOT / "packages" / "client" / "README.md").read_text()
LINES = re.findall(r"^\$ market (.+?)(?:\s{2,}#.*)?$", README, re.MULTILINE)
[PROGRAM] = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
SCENERY = "tests.web.scenery"


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    folder = tmp_path_factory.mktemp("client")
    return Environment(folder / "environment", build("packages/client", folder))


@pytest.fixture
def variables(live_sqlite: LiveBazaar) -> dict[str, str]:
    """The environment of somebody with money, on a hub where GPUs are offered."""
    live_sqlite.remote.call(f"{SCENERY}:stock", live_sqlite.user().name)
    buyer = live_sqlite.user(scopes="write,trade")
    live_sqlite.remote.call(f"{SCENERY}:fund", buyer.name, 10_000)
    return {"BAZAAR_URL": live_sqlite.url, "BAZAAR_TOKEN": buyer.token}


class TestInstalled:
    def test_has_nothing_beside_it(self, environment: Environment, tmp_path: Path) -> None:
        script = "from importlib.metadata import distributions as all; print(*(d.name for d in all()))"
        assert environment.run("python", "-c", script, cwd=tmp_path).split() == ["model-bazaar-client"]

    def test_commands_of_the_readme_work(
        self, environment: Environment, variables: dict[str, str], tmp_path: Path
    ) -> None:
        assert len(LINES) >= 6
        told = {line: environment.run("market", *line.split(), cwd=tmp_path, **variables) for line in LINES}
        bought = next(text for line, text in told.items() if line.startswith("buy"))
        number = re.search(r"Order (\d+)", bought)
        assert number
        assert number[1] in told["orders --all"]
        assert "available" in told["balance"]

    def test_program_of_the_readme_works(
        self, environment: Environment, variables: dict[str, str], tmp_path: Path
    ) -> None:
        (tmp_path / "program.py").write_text(PROGRAM)
        told = environment.run("python", "program.py", cwd=tmp_path, **variables).splitlines()
        assert re.fullmatch(r"\d+ (pending|filled)", told[0])

    def test_is_called_market(self) -> None:
        assert cli.parser().prog == "market"


class TestAmounts:
    @pytest.mark.parametrize("micros", [0, 1, -60, 999_999, 1_250_000, -1_000_000, 12_345_678_901_234_567])
    def test_are_written_as_on_the_markets_pages(self, micros: int) -> None:
        """The client has its own copy of this function, since it is installed without the market."""
        assert amounts.credits_of(micros) == market_amounts.credits_of(micros)
        assert amounts.MICROS_PER_CREDIT == market_amounts.MICROS_PER_CREDIT
