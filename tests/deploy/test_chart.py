"""The chart gives valid objects for every shape of a deployment, and refuses those that lose data.

Objects are compared with the schemas of Kubernetes. Those of other projects' kinds (Gateway API, Prometheus
operator, KEDA) are in no package, so only what they name is compared. No cluster runs here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import kubernetes_validate
import pytest
import yaml
from django.conf import settings
from django.urls import resolve

import bazaar
from bazaar.celery import app
from tests.deploy.rendered import CHART, Rendered, render
from tests.servers.remote import ROOT

# The oldest and the newest Kubernetes that the chart is checked against.
VERSIONS = ("1.29", "1.37")
FOREIGN = {"HTTPRoute", "ServiceMonitor", "PrometheusRule", "ScaledObject"}
DIGEST = "sha256:" + "0123456789abcdef" * 4
REQUIRED: dict[str, Any] = {
    "publicUrl": "https://hub.example.org",
    "image": {"repository": "registry.example.org/model-bazaar"},
    "existingSecret": "bazaar",
}
SHARED: dict[str, Any] = {"git": {"mode": "shared", "accessMode": "ReadWriteMany"}, "web": {"replicas": 3}}
S3: dict[str, Any] = {"bucket": "bazaar", "endpoint": "https://s3.example.org", "region": "cn-north-1"}
LEASES: dict[str, Any] = {"enabled": True, "url": "https://leases.example.org"}
MATRIX: dict[str, dict[str, Any]] = {
    "single": {},
    "single-leases": {"leases": LEASES, "ingress": {"enabled": True}},
    "shared": SHARED,
    "shared-claim": {"git": {**SHARED["git"], "existingClaim": "repositories"}, "web": {"replicas": 2}},
    "sentinel": {**SHARED, "redis": {"mode": "sentinel"}},
    "s3": {**SHARED, "s3": {**S3, "publicEndpoint": "https://objects.example.org", "presign": True}},
    "tls": {**SHARED, "leases": LEASES, "ingress": {"enabled": True, "tlsSecret": "hub-tls"}},
    "autoscaling": {**SHARED, "web": {"autoscaling": {"enabled": True}}},
    "keda": {**SHARED, "keda": {"enabled": True, "prometheusAddress": "http://prometheus.monitoring:9090"}},
    "gateway": {
        **SHARED,
        "leases": LEASES,
        "gateway": {"enabled": True, "parentRefs": [{"name": "public", "namespace": "infra"}]},
    },
    "otel": {**SHARED, "otel": {"endpoint": "http://collector.monitoring:4318"}},
    "restricted": {
        "image": {**REQUIRED["image"], "digest": DIGEST, "pullSecrets": [{"name": "registry"}]},
        "networkPolicy": {
            "ingressFrom": [{"namespaceSelector": {"matchLabels": {"name": "ingress"}}}],
            "metricsFrom": [{"namespaceSelector": {"matchLabels": {"name": "monitoring"}}}],
        },
        "metrics": {"enabled": True, "dashboards": True, "labels": {"release": "prometheus"}},
        "env": {"BAZAAR_SIGN_UP_OPEN": "no"},
        "envFromSecrets": {"BAZAAR_BACKUP_KEY": {"secret": "backup", "key": "key"}},
    },
}
# Values that are refused → words of the reason.
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "several-pods-on-one-node": ({"web": {"replicas": 2}}, "git.mode: shared"),
    "autoscaling-on-one-node": ({"web": {"autoscaling": {"enabled": True}}}, "git.mode: shared"),
    "shared-without-a-word": ({"git": {"mode": "shared"}}, "ReadWriteMany"),
    "shared-on-one-node": ({"git": {"mode": "shared", "accessMode": "ReadWriteOnce"}}, "ReadWriteMany"),
    "read-only-volume": ({"git": {"accessMode": "ReadOnlyMany"}}, "writes"),
    "no-secret": ({"existingSecret": ""}, "existingSecret is missing"),
    "no-address": ({"publicUrl": ""}, "publicUrl is missing"),
    "no-image": ({"image": {"repository": ""}}, "image.repository is missing"),
    "plain-secret": ({"env": {"BAZAAR_SECRET_KEY": "abc"}}, "env.BAZAAR_SECRET_KEY is a secret"),
    "plain-password": ({"env": {"DATABASE_URL": "postgresql://a:b@c/d"}}, "env.DATABASE_URL is a secret"),
    "redis-cluster": ({"redis": {"mode": "cluster"}}, "Redis Cluster does not work"),
    "forgotten-queue": ({**SHARED, "market": {"shards": 3}}, "no worker takes the queue market-3"),
    "unknown-queue": ({**SHARED, "market": {"shards": 1}}, "there is no queue market-2"),
    "variable-twice": ({"env": {"BAZAAR_WEB_WORKERS": "8"}}, "BAZAAR_WEB_WORKERS is set twice"),
    "worker-twice": (
        {**SHARED, "workers": [{"name": "all", "queues": ["celery"], "replicas": 1, "concurrency": 1}] * 2},
        "two workers are named all",
    ),
    "keda-without-prometheus": ({**SHARED, "keda": {"enabled": True}}, "keda.prometheusAddress is missing"),
    "two-ways-in": ({"ingress": {"enabled": True}, "gateway": {"enabled": True}}, "choose one"),
    "no-gateway": ({"gateway": {"enabled": True}}, "gateway.parentRefs is missing"),
    "no-bucket": ({"s3": {"endpoint": "https://s3.example.org"}}, "s3.bucket is not"),
    "misspelt": ({"web": {"replica": 2}}, "replica"),
    "short-digest": ({"image": {**REQUIRED["image"], "digest": "sha256:12"}}, "digest"),
}


@pytest.fixture(scope="module")
def charts() -> dict[str, Rendered]:
    """The name of each set of values → what the chart makes of it."""
    sets = {**MATRIX, **{name: values for name, (values, _) in REFUSED.items()}}
    return dict(zip(sets, render([{**REQUIRED, **values} for values in sets.values()]), strict=True))


@pytest.fixture(params=list(MATRIX))
def chart(request: pytest.FixtureRequest, charts: dict[str, Rendered]) -> Rendered:
    found = charts[request.param]
    assert found.refusal == ""
    return found


def containers(chart: Rendered) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, pod in chart.pods().items():
        for container in pod["containers"]:
            yield name, container


def variables(chart: Rendered, pod: str, container: str) -> dict[str, Any]:
    """The variables of one container: the name → the value, or where it comes from."""
    (found,) = [one for name, one in containers(chart) if name.endswith(pod) and one["name"] == container]
    return {entry["name"]: entry.get("value", entry.get("valueFrom")) for entry in found["env"]}


class TestObjects:
    def test_fit_the_schemas_of_kubernetes(self, chart: Rendered) -> None:
        own = [item for item in chart.objects if item["kind"] not in FOREIGN]
        assert own
        for item in own:
            for version in VERSIONS:
                kubernetes_validate.validate(item, version, strict=True)

    def test_with_a_misspelt_field_do_not_fit(self, charts: dict[str, Rendered]) -> None:
        service = {**charts["single"].of("Service")[0]}
        service["spec"] = {**service["spec"], "prts": []}
        with pytest.raises(kubernetes_validate.ValidationError, match="prts"):
            kubernetes_validate.validate(service, VERSIONS[-1], strict=True)

    def test_have_names_of_their_own(self, chart: Rendered) -> None:
        names = [(item["kind"], item["metadata"]["name"]) for item in chart.objects]
        assert len(set(names)) == len(names)

    def test_select_pods_that_there_are(self, chart: Rendered) -> None:
        """All selectors but that of the Service that is closed on purpose."""
        labels = [
            item["spec"]["template"]["metadata"]["labels"]
            for item in chart.objects
            if "template" in item.get("spec", {})
        ]
        for item in chart.of("Service"):
            selector = item["spec"]["selector"].items()
            found = [one for one in labels if selector <= one.items()]
            assert bool(found) != item["metadata"]["name"].endswith("-closed"), item["metadata"]["name"]
        for item in chart.of("Deployment") + chart.of("StatefulSet"):
            selector = item["spec"]["selector"]["matchLabels"].items()
            assert len([one for one in labels if selector <= one.items()]) == 1

    def test_lead_to_services_and_ports_that_there_are(self, chart: Rendered) -> None:
        services = {item["metadata"]["name"]: item["spec"]["ports"] for item in chart.of("Service")}
        for ingress in chart.of("Ingress"):
            for rule in ingress["spec"]["rules"]:
                for path in rule["http"]["paths"]:
                    service = path["backend"]["service"]
                    assert service["port"]["name"] in {port["name"] for port in services[service["name"]]}
        for route in chart.of("HTTPRoute"):
            for rule in route["spec"]["rules"]:
                for backend in rule["backendRefs"]:
                    assert backend["port"] in {port["port"] for port in services[backend["name"]]}

    def test_serve_the_ports_that_containers_open(self, chart: Rendered) -> None:
        opened = {port["name"] for _, one in containers(chart) for port in one.get("ports", [])}
        for item in chart.of("Service"):
            if not item["metadata"]["name"].endswith("-closed"):
                assert {port["targetPort"] for port in item["spec"]["ports"]} <= opened


class TestPods:
    def test_meet_the_restricted_standard(self, chart: Rendered) -> None:
        """The rules of the Pod Security Standard `restricted`, and a root file system that is read-only."""
        for name, pod in chart.pods().items():
            assert pod["securityContext"]["runAsNonRoot"] is True, name
            assert pod["securityContext"]["runAsUser"] == 10001, name
            assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
            assert pod["automountServiceAccountToken"] is False, name
            kinds = {next(key for key in volume if key != "name") for volume in pod["volumes"]}
            assert kinds <= {"emptyDir", "persistentVolumeClaim"}, name
            assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod), name
        for name, container in containers(chart):
            own = container["securityContext"]
            assert own["allowPrivilegeEscalation"] is False, name
            assert own["readOnlyRootFilesystem"] is True, name
            assert own["capabilities"] == {"drop": ["ALL"]}, name
            assert container["resources"]["limits"]["memory"], name
            assert container["resources"]["requests"], name

    def test_ask_for_variables_that_the_program_reads(self, chart: Rendered) -> None:
        documented = set(re.findall(r"`([A-Z][A-Z0-9_]+)`", (ROOT / "docs/configuration.md").read_text()))
        # The shell's, the kubelet's, and those of OpenTelemetry's own documentation.
        others = {"HOME", "POD_IP"}
        for name, container in containers(chart):
            asked = {entry["name"] for entry in container["env"]}
            assert {one for one in asked if not one.startswith("OTEL_")} <= documented | others, name
            assert len(asked) == len(container["env"]), name

    def test_take_every_secret_by_reference(self, chart: Rendered) -> None:
        for name, container in containers(chart):
            for entry in container["env"]:
                is_secret = re.search(r"_URL$|SECRET|TOKEN$|ACCESS_KEY|BACKUP_KEY", entry["name"])
                is_address = entry["name"] in {"BAZAAR_PUBLIC_URL", "BAZAAR_LEASES_URL", "BAZAAR_WEB_URL"}
                if is_secret and not is_address:
                    assert "secretKeyRef" in entry["valueFrom"], (name, entry["name"])

    def test_are_probed_at_routes_that_there_are(self, chart: Rendered) -> None:
        found = set()
        for _, container in containers(chart):
            for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
                found |= (
                    {container[probe]["httpGet"]["path"]} if "httpGet" in container.get(probe, {}) else set()
                )
        assert found == {"/healthz", "/readyz?ignore=redis,objects"}
        assert {resolve(path.partition("?")[0]).func.__name__ for path in found} == {"healthz", "readyz"}

    def test_run_modules_and_programs_that_there_are(self, chart: Rendered) -> None:
        for _, container in containers(chart):
            words = container.get("command", ["python3", "-m", "bazaar.server.web"])
            if words[:2] == ["python3", "-m"]:
                module = ROOT / words[2].replace(".", "/")
                assert module.with_suffix(".py").exists() or (module / "__main__.py").exists(), words
            else:
                assert words[0] == "celery" or "exec celery " in words[2], words

    def test_mount_only_volumes_that_they_have(self, chart: Rendered) -> None:
        for name, pod in chart.pods().items():
            for container in pod["containers"]:
                mounted = {mount["name"] for mount in container["volumeMounts"]}
                assert mounted == {volume["name"] for volume in pod["volumes"]}, name

    def test_have_time_to_drain(self, chart: Rendered) -> None:
        """The kubelet kills only after the time for the balancers and the time for running requests."""
        for name, pod in chart.pods().items():
            for container in pod["containers"]:
                if container["name"] == "web":
                    (pause,) = (e["value"] for e in container["env"] if e["name"] == "BAZAAR_DRAIN_SECONDS")
                    (drain,) = (
                        e["value"] for e in container["env"] if e["name"] == "BAZAAR_GRACEFUL_SECONDS"
                    )
                    assert pod["terminationGracePeriodSeconds"] > int(pause) + int(drain), name


class TestSingle:
    def test_has_one_pod_with_all_parts(self, charts: dict[str, Rendered]) -> None:
        chart = charts["single-leases"]
        assert chart.of("Deployment") == []
        pod = chart.one("StatefulSet")["spec"]["template"]["spec"]
        assert [one["name"] for one in pod["containers"]] == ["web", "worker", "beat", "tunnels", "ssh"]
        assert pod["shareProcessNamespace"] is True
        worker = pod["containers"][1]["command"]
        assert "--queues" not in worker
        assert chart.one("PersistentVolumeClaim")["spec"]["accessModes"] == ["ReadWriteOnce"]


class TestShared:
    def test_replaces_web_pods_without_a_gap(self, charts: dict[str, Rendered]) -> None:
        chart = charts["shared"]
        web = chart.one("Deployment", "-web")
        assert web["spec"]["replicas"] == 3
        assert web["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
        assert chart.one("PodDisruptionBudget")["spec"]["maxUnavailable"] == 1
        assert "replicas" not in charts["autoscaling"].one("Deployment", "-web")["spec"]
        assert charts["autoscaling"].one("HorizontalPodAutoscaler")["spec"]["minReplicas"] == 2

    def test_has_one_beat_and_workers_for_every_queue(self, charts: dict[str, Rendered]) -> None:
        chart = charts["shared"]
        beat = chart.one("Deployment", "-beat")["spec"]
        assert (beat["replicas"], beat["strategy"]) == (1, {"type": "Recreate"})
        taken = set()
        for _, container in containers(chart):
            words = container.get("command", [])
            if "--queues" in words:
                taken |= set(words[words.index("--queues") + 1].split(","))
        assert settings.MARKET_SHARDS == 2, "the chart's default is that of the settings"
        assert taken == set(app.amqp.queues)

    def test_gives_each_pod_a_folder_of_its_own_for_what_git_reads(self, charts: dict[str, Rendered]) -> None:
        for name, container in containers(charts["shared"]):
            found = {entry["name"]: entry.get("value") for entry in container["env"]}
            (volume,) = [
                mount["name"]
                for mount in container["volumeMounts"]
                if mount["mountPath"] == found["BAZAAR_GIT_FRONT_DIR"]
            ]
            assert {"name": volume, "emptyDir": {}} in charts["shared"].pods()[name]["volumes"]
        assert "BAZAAR_GIT_FRONT_DIR" not in variables(charts["single"], "model-bazaar", "web")

    def test_uses_a_claim_that_is_there(self, charts: dict[str, Rendered]) -> None:
        chart = charts["shared-claim"]
        assert chart.of("PersistentVolumeClaim") == []
        volumes = [volume for pod in chart.pods().values() for volume in pod["volumes"]]
        claims = {v["persistentVolumeClaim"]["claimName"] for v in volumes if "persistentVolumeClaim" in v}
        assert claims == {"repositories"}

    def test_scales_workers_by_a_metric_that_exists(self, charts: dict[str, Rendered]) -> None:
        described = (ROOT / "docs/operate/monitoring.md").read_text()
        scaled = charts["keda"].of("ScaledObject")
        workloads = {item["metadata"]["name"] for item in charts["keda"].of("Deployment")}
        assert {item["spec"]["scaleTargetRef"]["name"] for item in scaled} <= workloads
        for item in scaled:
            for trigger in item["spec"]["triggers"]:
                (metric,) = re.findall(r"bazaar_\w+", trigger["metadata"]["query"])
                assert f"| `{metric}` |" in described


class TestMigration:
    def test_runs_before_the_pods_and_never_in_them(self, chart: Rendered) -> None:
        job = chart.one("Job", "-migrate")
        assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
        # A hook runs before the release's own objects are there.
        assert all("persistentVolumeClaim" not in v for v in job["spec"]["template"]["spec"]["volumes"])
        for name, container in containers(chart):
            if not name.endswith("-migrate"):
                assert "prepare" not in " ".join(container.get("command", []))


class TestVariables:
    def test_of_s3_name_the_bucket_and_keys(self, charts: dict[str, Rendered]) -> None:
        found = variables(charts["s3"], "-web", "web")
        assert found["BAZAAR_S3_BUCKET"] == "bazaar"
        assert found["BAZAAR_S3_PRESIGN"] == "yes"
        assert found["BAZAAR_S3_SECRET_KEY"]["secretKeyRef"] == {"name": "bazaar", "key": "s3-secret-key"}
        assert not [name for name in variables(charts["shared"], "-web", "web") if "_S3_" in name]

    def test_accept_the_pods_own_address_and_the_public_name(self, charts: dict[str, Rendered]) -> None:
        found = variables(charts["shared"], "-web", "web")
        assert found["BAZAAR_ALLOWED_HOSTS"].split(",")[:2] == ["hub.example.org", "$(POD_IP)"]
        assert found["BAZAAR_SECURE_COOKIES"] == "yes"
        names = [entry["name"] for _, one in containers(charts["shared"]) for entry in one["env"]]
        assert names.index("POD_IP") < names.index("BAZAAR_ALLOWED_HOSTS"), "only earlier ones are put in"

    def test_of_traces_are_there_only_with_an_endpoint(self, charts: dict[str, Rendered]) -> None:
        found = variables(charts["otel"], "-web", "web")
        assert found["OTEL_EXPORTER_OTLP_ENDPOINT"] == "http://collector.monitoring:4318"
        assert not [name for name in variables(charts["shared"], "-web", "web") if "OTEL" in name]


class TestWaysIn:
    def test_pass_bodies_of_any_size_at_once(self, charts: dict[str, Rendered]) -> None:
        prefix = "nginx.ingress.kubernetes.io/"
        given = charts["tls"].one("Ingress")["metadata"]["annotations"]
        assert given[f"{prefix}proxy-body-size"] == "0"
        assert given[f"{prefix}proxy-request-buffering"] == given[f"{prefix}proxy-buffering"] == "off"
        assert int(given[f"{prefix}proxy-read-timeout"]) >= 3600

    def test_close_the_metrics(self, charts: dict[str, Rendered]) -> None:
        path = charts["tls"].one("Ingress")["spec"]["rules"][0]["http"]["paths"][0]
        assert (path["path"], path["pathType"]) == ("/metrics", "Exact")
        assert path["backend"]["service"]["name"].endswith("-closed")
        rule = charts["gateway"].one("HTTPRoute", "bazaar")["spec"]["rules"][0]
        assert rule["matches"] == [{"path": {"type": "Exact", "value": "/metrics"}}]
        assert rule["backendRefs"][0]["name"].endswith("-closed")

    def test_lead_streams_of_leases_to_their_one_pod(self, charts: dict[str, Rendered]) -> None:
        """The same addresses that the front server of docker-compose.yml treats as streams."""
        for name in ("tls", "gateway"):
            text = yaml.safe_dump(charts[name].of("Ingress") + charts[name].of("HTTPRoute"))
            for path in ("/leases/", "/api/market/v1/agent/tunnel", "/api/market/v1/agent/wakeups"):
                assert path in text
            assert "*.leases.example.org" in text


class TestRestricted:
    def test_names_the_image_by_its_digest(self, charts: dict[str, Rendered]) -> None:
        images = {one["image"] for _, one in containers(charts["restricted"])}
        assert images == {f"registry.example.org/model-bazaar@{DIGEST}"}
        plain = {one["image"] for _, one in containers(charts["single"])}
        assert plain == {f"registry.example.org/model-bazaar:{bazaar.__version__}"}

    def test_lets_only_named_pods_in_and_nobody_out_to_metadata(self, charts: dict[str, Rendered]) -> None:
        policy = charts["restricted"].one("NetworkPolicy")["spec"]
        assert policy["policyTypes"] == ["Ingress", "Egress"]
        sources = [one["namespaceSelector"]["matchLabels"]["name"] for one in policy["ingress"][0]["from"]]
        assert sources == ["ingress", "monitoring"]
        blocks = [peer["ipBlock"] for peer in policy["egress"][1]["to"]]
        assert {block["cidr"]: block["except"] for block in blocks} == {
            "0.0.0.0/0": ["169.254.0.0/16"],
            "::/0": ["fd00:ec2::254/128"],
        }

    def test_watches_with_the_alerts_and_dashboards_of_the_project(self, charts: dict[str, Rendered]) -> None:
        chart = charts["restricted"]
        folder = ROOT / "deploy" / "observability"
        assert chart.one("PrometheusRule")["spec"] == yaml.safe_load((folder / "alerts.yml").read_text())
        boards = {path.name: path.read_text() for path in (folder / "dashboards").glob("*.json")}
        assert chart.one("ConfigMap")["data"] == boards
        (endpoint,) = chart.one("ServiceMonitor")["spec"]["endpoints"]
        assert resolve(endpoint["path"]).func.__name__ == "metrics"
        assert endpoint["authorization"]["credentials"] == {"name": "bazaar", "key": "metrics-token"}


class TestRefusals:
    @pytest.mark.parametrize("name", list(REFUSED))
    def test_say_what_is_wrong(self, name: str, charts: dict[str, Rendered]) -> None:
        found = charts[name]
        assert found.objects == []
        assert REFUSED[name][1] in found.refusal


class TestFiles:
    def test_have_the_version_of_the_release(self) -> None:
        chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
        assert chart["appVersion"] == bazaar.__version__
        assert chart["version"].replace("-", "") == bazaar.__version__

    def test_are_one_source_with_the_observability_folder(self) -> None:
        assert (CHART / "files" / "alerts.yml").resolve() == ROOT / "deploy/observability/alerts.yml"
        assert (CHART / "files" / "dashboards").resolve() == ROOT / "deploy/observability/dashboards"

    def test_describe_every_value_in_the_schema(self) -> None:
        schema = yaml.safe_load((CHART / "values.schema.json").read_text())
        values = yaml.safe_load((CHART / "values.yaml").read_text())
        assert set(values) == set(schema["properties"]) - {"global"}
        for name, value in values.items():
            known = schema["properties"][name].get("properties")
            if isinstance(value, dict) and known is not None:
                assert set(value) == set(known), name
