"""The files of deploy/ for a cluster agree with the server, and with each other."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from edgetally.cli import commands, flags
from edgetally.config.sections import Config
from edgetally.journal.kafka.topic import SETTINGS
from tests.deploy.test_deploy import CONTAINERFILE, DEPLOY, MANIFEST, UNIT, run
from tests.support.programs import skip_or_fail

COMPOSE = DEPLOY / "container" / "compose.yaml"
CLUSTER = DEPLOY / "kubernetes" / "cluster.yaml"
ROLES = ("ingest", "read")


def settings(arguments: list[str]) -> Config:
    """Return the settings of a command line."""
    return flags.given(commands.parser().parse_args(arguments)).config()


# --- systemd --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ROLES)
class TestDropIn:
    pytestmark = skip_or_fail("systemd-analyze")

    def test_systemd_accepts_it_beside_the_unit(self, role: str, tmp_path: Path) -> None:
        names = {UNIT.name: UNIT, f"{UNIT.name}.d/{role}.conf": DEPLOY / "systemd" / f"{role}.conf"}
        for name, source in names.items():
            (tmp_path / name).parent.mkdir(exist_ok=True)
            text = source.read_text("utf-8").replace("/opt/edgetally/bin/edgetally", "/bin/true")
            (tmp_path / name).write_text(text, "utf-8")

        assert run("systemd-analyze", "verify", tmp_path / UNIT.name) == ""


@pytest.mark.parametrize("role", ROLES)
def test_a_drop_in_starts_the_server_of_the_unit_in_its_role(role: str) -> None:
    (whole,) = re.findall(r"^ExecStart=(.*)$", UNIT.read_text("utf-8"), re.MULTILINE)
    text = (DEPLOY / "systemd" / f"{role}.conf").read_text("utf-8")

    assert re.findall(r"^ExecStart=(.*)$", text, re.MULTILINE) == ["", f"{whole} --role {role}"]


# --- compose --------------------------------------------------------------------------------------------------------


@pytest.fixture
def services() -> Any:  # noqa: ANN401 - YAML
    return yaml.safe_load(COMPOSE.read_text("utf-8"))["services"]


def test_compose_starts_nodes_of_one_journal(services: Any) -> None:  # noqa: ANN401 - YAML
    nodes = {name: settings(services[name]["command"]) for name in ROLES}
    created = settings(services["topic"]["command"])

    assert {name: config.node.role for name, config in nodes.items()} == {name: name for name in ROLES}
    assert {config.journal.kind for config in (*nodes.values(), created)} == {
        "kafka://broker1:9092,broker2:9092,broker3:9092/edgetally"
    }
    assert {config.journal.partitions for config in (*nodes.values(), created)} == {12}
    assert {one["image"] for name, one in services.items() if not name.startswith("broker")} == {"edgetally:cluster"}


def test_the_brokers_of_compose_know_each_other(services: Any) -> None:  # noqa: ANN401 - YAML
    brokers = {name: one["environment"] for name, one in services.items() if name.startswith("broker")}
    voters = ",".join(f"{one['KAFKA_NODE_ID']}@{name}:9093" for name, one in brokers.items())

    assert len(brokers) == 3
    for name, one in brokers.items():
        assert one["KAFKA_CONTROLLER_QUORUM_VOTERS"] == voters
        assert one["KAFKA_ADVERTISED_LISTENERS"] == f"PLAINTEXT://{name}:9092"
        assert services[name]["volumes"] == [f"{name}:{one['KAFKA_LOG_DIRS']}"]
    assert len({one["CLUSTER_ID"] for one in brokers.values()}) == 1


# --- Kubernetes -----------------------------------------------------------------------------------------------------


@pytest.fixture
def found() -> dict[str, Any]:
    """The objects of the manifest, by kind and name."""
    objects = yaml.safe_load_all(CLUSTER.read_text("utf-8"))
    return {f"{one['kind']}/{one['metadata']['name']}": one for one in objects}


def test_the_topic_of_the_manifest_is_what_the_command_creates(found: dict[str, Any]) -> None:
    topic = found["KafkaTopic/edgetally"]["spec"]

    assert topic["config"] == dict(SETTINGS)
    assert (topic["partitions"], topic["replicas"]) == (Config().journal.partitions, 3)


@pytest.mark.parametrize("role", ROLES)
def test_the_manifest_starts_nodes_of_one_journal(role: str, found: dict[str, Any]) -> None:
    deployment = found[f"Deployment/edgetally-{role}"]["spec"]
    pod = deployment["template"]["spec"]
    (server,) = pod["containers"]
    config = settings(server["args"])
    (user, group) = re.findall(r"^USER (\d+):(\d+)$", CONTAINERFILE.read_text("utf-8"), re.MULTILINE)[-1]
    (other,) = yaml.safe_load(MANIFEST.read_text("utf-8"))["spec"]["template"]["spec"]["containers"]

    assert (config.node.role, config.journal.kind) == (role, "kafka://edgetally-kafka-bootstrap:9092/edgetally")
    assert str(config.token_file.parent) == server["volumeMounts"][0]["mountPath"]
    assert (pod["securityContext"]["runAsUser"], pod["securityContext"]["runAsGroup"]) == (int(user), int(group))
    assert (server["image"], server["securityContext"]) == (other["image"], other["securityContext"])
    assert {mount["name"] for mount in server["volumeMounts"]} == {volume["name"] for volume in pod["volumes"]}
    assert "/var/lib/edgetally" in [mount["mountPath"] for mount in server["volumeMounts"]]
    labels = deployment["selector"]["matchLabels"]
    assert labels == deployment["template"]["metadata"]["labels"]
    assert labels == found[f"Service/edgetally-{role}"]["spec"]["selector"]
    assert found["PodDisruptionBudget/edgetally"]["spec"]["selector"]["matchLabels"].items() <= labels.items()
