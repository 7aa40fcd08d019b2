"""The files of deploy/ are valid for the tools that read them, and agree with the server."""

import json
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from edgetally.cli import commands, flags
from edgetally.service.service import openapi
from edgetally.telemetry.metrics import METRICS
from tests.support.pages import ROOT, anchors
from tests.support.programs import skip_or_fail

DEPLOY = ROOT / "deploy"
UNIT = DEPLOY / "systemd" / "edgetally.service"
ALERTS = DEPLOY / "prometheus" / "alerts.yml"
CONTAINERFILE = DEPLOY / "container" / "Containerfile"
MANIFEST = DEPLOY / "kubernetes" / "edgetally.yaml"

EXPOSURE = 12
"""The largest exposure of the unit, in tenths of what `systemd-analyze security` reports."""


def run(*command: str | Path) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


# --- systemd --------------------------------------------------------------------------------------------------------


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit with a program that exists here."""
    path = tmp_path / UNIT.name
    path.write_text(UNIT.read_text("utf-8").replace("/opt/edgetally/bin/edgetally", "/bin/true"), "utf-8")
    return path


class TestUnit:
    pytestmark = skip_or_fail("systemd-analyze")

    def test_systemd_accepts_every_line(self, unit: Path) -> None:
        assert run("systemd-analyze", "verify", unit) == ""

    def test_its_exposure_is_small(self, unit: Path) -> None:
        run("systemd-analyze", "security", "--offline=true", "--no-pager", f"--threshold={EXPOSURE}", unit)


def test_every_line_of_the_unit_is_explained() -> None:
    service = UNIT.read_text("utf-8").partition("[Service]")[2].partition("[Install]")[0]
    lines = set(re.findall(r"^(\w+)=", service, re.MULTILINE)) - {"ExecStart"}
    section = (DEPLOY / "README.md").read_text("utf-8").partition("## systemd")[2].partition("\n## ")[0]
    explained = {
        name for row in re.findall(r"^\| (`.*?) \|", section, re.MULTILINE) for name in re.findall(r"`(\w+)", row)
    }

    assert explained == lines


def test_the_unit_starts_the_server() -> None:
    (command,) = re.findall(r"^ExecStart=(.*)$", UNIT.read_text("utf-8"), re.MULTILINE)

    program, *arguments = shlex.split(command)
    assert Path(program).name == "edgetally"
    assert arguments[0] == "serve"


# --- Prometheus -----------------------------------------------------------------------------------------------------


class TestPrometheus:
    pytestmark = skip_or_fail("promtool")

    def test_the_configuration_is_valid(self) -> None:
        run("promtool", "check", "config", DEPLOY / "prometheus" / "scrape.yml")

    def test_every_alert_fires_when_it_has_to_and_only_then(self) -> None:
        run("promtool", "test", "rules", ROOT / "tests" / "deploy" / "alerts.yml")


def alerts() -> list[str]:
    return re.findall(r"- alert: (\w+)", ALERTS.read_text("utf-8"))


def test_every_alert_is_tested_both_ways() -> None:
    tested = re.findall(r"- name: (.*)", (ROOT / "tests" / "deploy" / "alerts.yml").read_text("utf-8"))

    assert tested == [f"{alert} {what}" for alert in alerts() for what in ("fires", "does not fire")]


def test_alerts_use_metrics_that_exist() -> None:
    known = {metric.name for metric in METRICS} | {f"{one.name}_bucket" for one in METRICS if one.kind == "histogram"}
    named = set(re.findall(r"\b((?:edgetally|process)_\w+)\b", ALERTS.read_text("utf-8")))

    assert named <= known
    assert len(named) > 10


def test_every_alert_links_to_a_section_of_operating() -> None:
    runbooks = re.findall(r'runbook: "docs/operating\.md#(.*)"', ALERTS.read_text("utf-8"))

    assert len(runbooks) == len(alerts())
    assert set(runbooks) <= anchors(ROOT / "docs" / "operating.md")


# --- the container --------------------------------------------------------------------------------------------------


def test_the_container_copies_what_is_in_the_tree() -> None:
    steps = CONTAINERFILE.read_text("utf-8")
    copied = {
        source
        for line in re.findall(r"^COPY (.*)$", steps, re.MULTILINE)
        for source in line.split()[:-1]
        if not source.startswith("--")
    }
    sent = set(re.findall(r"^!(.*)$", (ROOT / ".dockerignore").read_text("utf-8"), re.MULTILINE))

    assert [source for source in copied if not (ROOT / source).exists()] == []
    assert {source.partition("/")[0] for source in copied} == sent


def test_the_container_installs_no_package_without_a_hash() -> None:
    steps = CONTAINERFILE.read_text("utf-8").replace("\\\n", " ")
    installs = re.findall(r"pip install [^&\n]*", steps)

    assert len(installs) == 3
    assert all("--require-hashes" in one or "--no-index" in one for one in installs)


def test_the_container_does_not_run_as_root() -> None:
    last = CONTAINERFILE.read_text("utf-8").rpartition("\nFROM ")[2]

    assert re.findall(r"^USER (\d+):(\d+)$", last, re.MULTILINE) == [("8480", "8480")]


# --- Kubernetes -----------------------------------------------------------------------------------------------------


@pytest.fixture
def pod() -> Any:  # noqa: ANN401 - YAML
    """The specification of the pods in the manifest."""
    return yaml.safe_load(MANIFEST.read_text("utf-8"))["spec"]["template"]["spec"]


def test_the_manifest_runs_the_container_as_its_user(pod: Any) -> None:  # noqa: ANN401 - YAML
    (user, group) = re.findall(r"^USER (\d+):(\d+)$", CONTAINERFILE.read_text("utf-8"), re.MULTILINE)[-1]
    (init,), (server,) = pod["initContainers"], pod["containers"]

    assert (pod["securityContext"]["runAsUser"], pod["securityContext"]["runAsGroup"]) == (int(user), int(group))
    assert {f"--owner={user}", f"--group={group}"} < set(init["command"])
    assert init["image"] == server["image"]
    assert "command" not in server  # its arguments are those of the entry point
    assert [port["containerPort"] for port in server["ports"]] == [8480]


def test_the_manifest_starts_a_server_whose_files_are_mounted(pod: Any) -> None:  # noqa: ANN401 - YAML
    (server,) = pod["containers"]
    arguments = commands.parser().parse_args(server["args"])
    config = flags.given(arguments).config()
    mounts = {mount["mountPath"]: mount.get("readOnly", False) for mount in server["volumeMounts"]}

    assert server["args"][0] == "serve"
    assert mounts == {"/var/lib/edgetally": False, "/etc/edgetally": True, "/var/log": True}
    assert str(config.token_file.parent) == "/etc/edgetally"
    assert [Path(one.path).is_relative_to("/var/log") for one in config.sources.follow] == [True]
    assert {mount["name"] for mount in server["volumeMounts"]} == {volume["name"] for volume in pod["volumes"]}
    assert server["securityContext"]["readOnlyRootFilesystem"]


def test_the_probes_of_the_manifest_ask_paths_of_the_api(pod: Any) -> None:  # noqa: ANN401 - YAML
    (server,) = pod["containers"]
    probes = [server[name]["httpGet"] for name in ("livenessProbe", "readinessProbe", "startupProbe")]

    assert {probe["path"] for probe in probes} <= set(json.loads(openapi())["paths"])
    assert {probe["port"] for probe in probes} == {port["name"] for port in server["ports"]}
