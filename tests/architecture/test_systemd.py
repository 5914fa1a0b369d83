"""The units of deploy/systemd are right, and as closed as the hub allows, by systemd's own checks."""

from __future__ import annotations

import configparser
import re
import subprocess
from pathlib import Path

import pytest

from tests.servers import ports

ROOT = Path(__file__).resolve().parents[2]
UNITS = ROOT / "deploy" / "systemd"
SERVICES = sorted(path.name for path in UNITS.glob("*.service"))
LASTING = ("web", "worker", "beat", "tunnels", "ssh")
PROGRAMS = "/opt/model-bazaar/bin"
# Of 10, by `systemd-analyze security`: above 2 something is open that need not be.
EXPOSURE_MAX = 2.0


def analyze(units: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [ports.require_tool("systemd-analyze"), "--no-pager", *words],
        # The colon at the end adds the machine's own units: targets and services that ours name.
        env={"SYSTEMD_UNIT_PATH": f"{units}:", "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """The units, with programs that exist here."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("python", "celery", "bazaar"):
        (programs / name).symlink_to("/bin/true")
    copied = tmp_path / "units"
    for path in UNITS.rglob("*"):
        if path.is_file():
            target = copied / path.relative_to(UNITS)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(path.read_text().replace(PROGRAMS, str(programs)))
    return copied


def section(name: str, of: str = "Service") -> configparser.SectionProxy:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[method-assign,assignment]
    parser.read(UNITS / name)
    return parser[of]


class TestUnits:
    def test_are_what_systemd_understands(self, units: Path) -> None:
        names = [
            str(path) for path in sorted(units.iterdir()) if path.suffix in {".service", ".target", ".timer"}
        ]
        done = analyze(units, "verify", *names)
        assert done.stderr + done.stdout == ""
        assert done.returncode == 0

    def test_with_a_fault_would_be_named(self, units: Path) -> None:
        common = units / "bazaar-.service.d" / "common.conf"
        common.write_text(common.read_text().replace("PrivateTmp=", "PrivateTemp="))
        assert "PrivateTemp" in analyze(units, "verify", str(units / "bazaar-web.service")).stderr

    @pytest.mark.parametrize("name", SERVICES)
    def test_are_closed(self, units: Path, name: str) -> None:
        done = analyze(units, "security", "--offline=yes", str(units / name))
        found = re.search(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
        assert found, done.stdout + done.stderr
        assert float(found[1]) <= EXPOSURE_MAX

    def test_a_stop_waits_longer_than_requests_may_take_to_end(self) -> None:
        example = (UNITS / "bazaar.env.example").read_text()
        graceful = re.search(r"^BAZAAR_GRACEFUL_SECONDS=(\d+)$", example, re.MULTILINE)
        assert graceful
        assert int(section("bazaar-web.service")["TimeoutStopSec"]) > int(graceful[1]) + 10

    def test_all_lasting_parts_belong_to_the_target_and_start_again(self) -> None:
        wanted = section("bazaar.target", "Unit")["Wants"].split()
        assert sorted(wanted) == sorted(f"bazaar-{name}.service" for name in LASTING)
        for name in wanted:
            assert section(name)["Restart"] == "always"
            assert section(name, "Unit")["Requires"] == "bazaar-prepare.service"

    def test_example_names_variables_that_exist(self) -> None:
        documented = (ROOT / "docs" / "configuration.md").read_text()
        texts = [
            (UNITS / "bazaar.env.example").read_text(),
            (UNITS / "bazaar-.service.d/common.conf").read_text(),
        ]
        names = re.findall(
            r"^(?:Environment=)?((?:BAZAAR|DATABASE|REDIS)_\w+)=", "\n".join(texts), re.MULTILINE
        )
        assert len(names) > 5
        assert [name for name in names if f"`{name}`" not in documented] == []
