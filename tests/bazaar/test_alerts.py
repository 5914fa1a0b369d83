"""The alerts fire when they should, and only then; alerts, dashboards and runbooks name what there is."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.bazaar.test_metrics import PAGE

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "observability"
RUNBOOKS = ROOT / "docs" / "operate" / "runbooks.md"
ALERTS: list[dict[str, Any]] = [
    rule for group in yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"] for rule in group["rules"]
]
DASHBOARDS = sorted((FOLDER / "dashboards").glob("*.json"))
# Metrics of a quiet day: the series → its values, a minute apart, in promtool's notation.
QUIET = {
    'up{job="bazaar"}': "1+0x120",
    'bazaar_dependency_up{dependency="redis"}': "1+0x120",
    'bazaar_http_requests_total{status="2xx"}': "0+600x120",
    'bazaar_http_requests_total{status="5xx"}': "0+0x120",
    'bazaar_http_request_seconds_bucket{le="0.1",door="hub.web"}': "0+600x120",
    'bazaar_http_request_seconds_bucket{le="2.0",door="hub.web"}': "0+600x120",
    'bazaar_http_request_seconds_bucket{le="10.0",door="hub.web"}': "0+600x120",
    'bazaar_http_request_seconds_bucket{le="+Inf",door="hub.web"}': "0+600x120",
    'bazaar_sign_ins_total{outcome="failed"}': "0+1x120",
    "bazaar_disk_free_bytes": "100000000000+0x120",
    'bazaar_xorbs{state="damaged"}': "0+0x120",
    "bazaar_xorb_unverified_seconds": "86400+60x120",
    'bazaar_queue_oldest_seconds{queue="celery"}': "0+0x120",
    'bazaar_sweep_late{sweep="advance-leases"}': "0+0x120",
    'bazaar_sweep_failed{sweep="advance-leases"}': "0+0x120",
    "bazaar_webhook_calls_late_seconds": "0+0x120",
    "bazaar_figures_age_seconds": "30+0x120",
    "bazaar_database_oldest_transaction_seconds": "1+0x120",
    "bazaar_market_commands_oldest_seconds": "0+0x120",
    "bazaar_market_ledger_imbalance": "0+0x120",
    'bazaar_market_lease_moves_total{state="lost"}': "0+0x120",
    'bazaar_market_nodes{state="ready"}': "10+0x120",
    "bazaar_market_nodes_silent": "1+0x120",
}
ABSENT = ""
# The alerts that fire after two hours → how those two hours differ from a quiet day.
FIRES: list[tuple[set[str], dict[str, str]]] = [
    (set(), {}),
    ({"BazaarDown"}, {'up{job="bazaar"}': "0+0x120"}),
    ({"BazaarDependencyDown"}, {'bazaar_dependency_up{dependency="redis"}': "0+0x120"}),
    (
        {"BazaarServerErrors", "BazaarErrorBudgetBurns"},
        {'bazaar_http_requests_total{status="5xx"}': "0+60x120"},
    ),
    # One answer of sixty is too few for the first of them.
    ({"BazaarErrorBudgetBurns"}, {'bazaar_http_requests_total{status="5xx"}': "0+10x120"}),
    (
        {"BazaarSlow"},
        {
            'bazaar_http_request_seconds_bucket{le="0.1",door="hub.web"}': "0+100x120",
            'bazaar_http_request_seconds_bucket{le="2.0",door="hub.web"}': "0+500x120",
        },
    ),
    ({"BazaarSignInsFail"}, {'bazaar_sign_ins_total{outcome="failed"}': "0+100x120"}),
    ({"BazaarDiskFull"}, {"bazaar_disk_free_bytes": "1000000000+0x120"}),
    ({"BazaarDiskFillsUp"}, {"bazaar_disk_free_bytes": "100000000000-100000000x120"}),
    ({"BazaarDamagedData"}, {'bazaar_xorbs{state="damaged"}': "1+0x120"}),
    ({"BazaarNotVerified"}, {"bazaar_xorb_unverified_seconds": "8000000+60x120"}),
    ({"BazaarQueueStuck"}, {'bazaar_queue_oldest_seconds{queue="celery"}': "0+60x120"}),
    ({"BazaarSweepLate"}, {'bazaar_sweep_late{sweep="advance-leases"}': "1+0x120"}),
    ({"BazaarSweepFails"}, {'bazaar_sweep_failed{sweep="advance-leases"}': "1+0x120"}),
    ({"BazaarWebhooksLate"}, {"bazaar_webhook_calls_late_seconds": "0+60x120"}),
    ({"BazaarFiguresOld"}, {"bazaar_figures_age_seconds": "0+60x120"}),
    ({"BazaarFiguresOld"}, {"bazaar_figures_age_seconds": ABSENT}),
    ({"BazaarLongTransaction"}, {"bazaar_database_oldest_transaction_seconds": "0+60x120"}),
    ({"BazaarMarketBehind"}, {"bazaar_market_commands_oldest_seconds": "0+60x120"}),
    ({"BazaarLedgerImbalance"}, {"bazaar_market_ledger_imbalance": "-5+0x120"}),
    ({"BazaarLeasesLost"}, {'bazaar_market_lease_moves_total{state="lost"}': "0+1x120"}),
    ({"BazaarNodesSilent"}, {"bazaar_market_nodes_silent": "5+0x120"}),
]


def promtool_test(alerts: set[str], changes: dict[str, str]) -> dict[str, Any]:
    """One test of promtool: exactly these alerts fire after two hours of these series."""
    series = {name: values for name, values in (QUIET | changes).items() if values != ABSENT}
    return {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [
            {
                "expr": 'count by (alertname) (ALERTS{alertstate="firing"})',
                "eval_time": "2h",
                "exp_samples": [
                    {"labels": f'{{alertname="{alert}"}}', "value": 1} for alert in sorted(alerts)
                ],
            }
        ],
    }


def run(*words: str | Path) -> None:
    """Skips where promtool is missing; fails in CI, which must have it."""
    program = shutil.which("promtool")
    if program is None and not os.environ.get("CI"):
        pytest.skip("promtool is not installed (Debian: prometheus)")
    assert program is not None, "CI must have promtool."
    done = subprocess.run([program, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


class TestAlerts:
    def test_their_rules_are_sound(self) -> None:
        run("check", "rules", "--lint-fatal", FOLDER / "alerts.yml")

    def test_each_fires_in_its_state_and_no_other_does(self, tmp_path: Path) -> None:
        tests = [promtool_test(alerts, changes) for alerts, changes in FIRES]
        file = tmp_path / "alerts_test.yml"
        file.write_text(json.dumps({"rule_files": [str(FOLDER / "alerts.yml")], "tests": tests}))
        run("test", "rules", file)

    def test_none_is_without_a_state_in_which_it_fires(self) -> None:
        assert {rule["alert"] for rule in ALERTS} == set().union(*(alerts for alerts, _ in FIRES))

    def test_each_has_its_part_in_the_runbooks(self) -> None:
        headings = re.findall(r"^## (\w+)$", RUNBOOKS.read_text(), re.MULTILINE)
        assert headings == [rule["alert"] for rule in ALERTS]
        for rule in ALERTS:
            assert rule["annotations"]["runbook_url"] == f"docs/operate/runbooks.md#{rule['alert'].lower()}"


class TestDashboards:
    def test_there_are_five_that_grafana_can_read(self) -> None:
        assert [path.stem for path in DASHBOARDS] == ["hub", "market", "overview", "storage", "workers"]
        for path in DASHBOARDS:
            board = json.loads(path.read_text())
            ids = [panel["id"] for panel in board["panels"]]
            assert len(set(ids)) == len(ids) >= 8
            assert all(panel["targets"] for panel in board["panels"])


def test_alerts_and_dashboards_name_metrics_that_exist() -> None:
    described = set(re.findall(r"^\| `(bazaar_\w+)` \|", PAGE.read_text(), re.MULTILINE))
    texts = [FOLDER / "alerts.yml", *DASHBOARDS]
    for path in texts:
        named = {
            re.sub(r"_(bucket|count|sum)$", "", name)
            for name in re.findall(r"\bbazaar_\w+", path.read_text())
        }
        assert named - described == set(), path.name
