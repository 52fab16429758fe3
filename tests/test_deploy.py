"""The files of `deploy/` can be read by what reads them, and fit each other and the app."""

from __future__ import annotations

import ast
import base64
import hashlib
import os
import re
import subprocess
import tomllib
from importlib.metadata import requires
from pathlib import Path
from typing import Any

import pytest
import streamlit
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.conftest import ROOT
from tests.deployed import DEPLOY, RENDERS, copied, instructions

COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
PARTS = yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text(encoding="utf-8"))
KUBERNETES = {part["kind"]: part for part in PARTS}
CONFIG = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text(encoding="utf-8"))
PROXY = (DEPLOY / "haproxy.cfg").read_text(encoding="utf-8")


def policy(text: str) -> str:
    """The one Content-Security-Policy in a text."""
    (found,) = re.findall(r'Content-Security-Policy "([^"]+)"', text)
    return found


def directives(text: str) -> dict[str, list[str]]:
    """A Content-Security-Policy, directive by directive."""
    return {name: sources for name, *sources in (part.split() for part in policy(text).split(";"))}


def snippet() -> str:
    """What the Service adds to the ingress controller's HAProxy."""
    return str(KUBERNETES["Service"]["metadata"]["annotations"]["haproxy.org/backend-config-snippet"])


def only_container() -> dict[str, Any]:
    (container,) = KUBERNETES["Deployment"]["spec"]["template"]["spec"]["containers"]
    return dict(container)


def check(haproxy: str, config: Path, environment: dict[str, str]) -> str:
    """What HAProxy has to say against a file; nothing where it takes it."""
    done = subprocess.run(
        [haproxy, "-c", "-f", str(config)], env=os.environ | environment, capture_output=True, text=True
    )
    return done.stderr if done.returncode else ""


def test_haproxy_takes_its_file(haproxy: str) -> None:
    replicas = {"LAB_REPLICA_1": "127.0.0.1:8501", "LAB_REPLICA_2": "127.0.0.1:8502"}
    assert check(haproxy, DEPLOY / "haproxy.cfg", replicas) == ""


def test_haproxy_takes_what_the_service_adds_to_a_backend(haproxy: str, tmp_path: Path) -> None:
    config = tmp_path / "haproxy.cfg"
    head = "defaults\n timeout connect 1s\n timeout client 1s\n timeout server 1s\n mode http\n"
    backend = "backend lab\n default-server check\n"
    for added, right in ((snippet(), True), (snippet() + "option nonsense\n", False)):
        config.write_text(f"{head}{backend}{added} server one 127.0.0.1:8501\n")
        assert (check(haproxy, config, {}) == "") is right


def test_compose_gives_haproxy_what_its_file_asks_for() -> None:
    services = COMPOSE["services"]
    proxy = services["proxy"]
    replicas = set(services) - {"proxy"}
    asked = dict(re.findall(r'server \S+ "\$\{(\w+)\}" cookie (\S+)', PROXY))
    assert set(asked) == set(proxy["environment"])
    assert {address.split(":")[0] for address in proxy["environment"].values()} == replicas
    assert {address.split(":")[1] for address in proxy["environment"].values()} == {exposed()}
    assert set(proxy["depends_on"]) == replicas
    assert len(set(asked.values())) == len(replicas)
    (bound,) = re.findall(r'bind "\$\{LAB_BIND-:(\d+)\}"', PROXY)
    assert [port.rsplit(":", 1)[1] for port in proxy["ports"]] == [bound]
    mounted = proxy["volumes"][0].split(":")[0]
    assert (DEPLOY / mounted).read_text(encoding="utf-8") == PROXY
    for replica in replicas:
        build = services[replica]["build"]
        assert (DEPLOY / build["context"]).resolve() == ROOT
        assert (ROOT / build["dockerfile"]).is_file()


def exposed() -> str:
    """The port that the container says it serves, which is Streamlit's own."""
    ((_, port),) = [line for line in instructions() if line[0] == "EXPOSE"]
    return port


def test_kubernetes_names_and_ports_fit_each_other() -> None:
    deployment, service = KUBERNETES["Deployment"], KUBERNETES["Service"]
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    name = deployment["metadata"]["name"]
    assert deployment["spec"]["selector"]["matchLabels"] == labels
    assert service["spec"]["selector"] == labels
    assert KUBERNETES["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == labels
    target = KUBERNETES["HorizontalPodAutoscaler"]["spec"]["scaleTargetRef"]
    assert (target["kind"], target["name"]) == ("Deployment", name)
    (port,) = only_container()["ports"]
    (served,) = service["spec"]["ports"]
    assert (str(port["containerPort"]), served["targetPort"]) == (exposed(), port["name"])
    (rule,) = KUBERNETES["Ingress"]["spec"]["rules"]
    (path,) = rule["http"]["paths"]
    assert path["backend"]["service"] == {
        "name": service["metadata"]["name"],
        "port": {"name": served["name"]},
    }
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert only_container()[probe]["httpGet"]["port"] == port["name"]
    volumes = {volume["name"] for volume in deployment["spec"]["template"]["spec"]["volumes"]}
    assert {mount["name"] for mount in only_container()["volumeMounts"]} == volumes


def test_nothing_runs_as_root_or_writes_outside_of_tmp() -> None:
    users = [line[1] for line in instructions() if line[0] == "USER"]
    pod = KUBERNETES["Deployment"]["spec"]["template"]["spec"]["securityContext"]
    assert users == [f"{pod['runAsUser']}:{pod['runAsGroup']}"]
    assert pod["runAsNonRoot"]
    security = only_container()["securityContext"]
    assert security["readOnlyRootFilesystem"]
    assert not security["allowPrivilegeEscalation"]
    assert security["capabilities"] == {"drop": ["ALL"]}
    for service in COMPOSE["services"].values():
        assert service["read_only"]
        assert service["cap_drop"] == ["ALL"]


def test_ready_is_who_draws_a_page_and_alive_is_who_answers() -> None:
    renders, answers = "/_stcore/script-health-check", "/_stcore/health"
    environment = dict(
        pair.split("=", 1) for line in instructions() if line[0] == "ENV" for pair in line[1:] if pair.strip()
    )
    assert RENDERS.items() <= environment.items()
    (healthy,) = [" ".join(line) for line in instructions() if line[0] == "HEALTHCHECK"]
    assert f"127.0.0.1:{exposed()}{renders}" in healthy
    assert f"option httpchk GET {renders}" in PROXY
    container = only_container()
    for probe, path in (("startupProbe", renders), ("readinessProbe", renders), ("livenessProbe", answers)):
        assert container[probe]["httpGet"]["path"] == path
    assert KUBERNETES["Service"]["metadata"]["annotations"]["haproxy.org/check-http"] == renders


def test_the_container_runs_the_command_of_the_readme() -> None:
    (command,) = [line[1:] for line in instructions() if line[0] == "CMD"]
    words = [word.strip("[],") for word in command]
    assert f".venv/bin/{' '.join(words)}\n" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_what_the_container_copies_is_there_and_let_through() -> None:
    sources = [source for source, _ in copied()]
    assert all((ROOT / source).exists() for source in sources)
    ignored = (DEPLOY / "Containerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    assert ignored[0] == "*"
    assert {line[1:] for line in ignored if line.startswith("!")} == set(sources)


def test_the_image_is_pinned() -> None:
    images = [line[1] for line in instructions() if line[0] == "FROM"]
    assert len(images) == 1
    assert re.fullmatch(r"python:3\.\d+\.\d+-slim-\w+", images[0])


def locked() -> dict[str, str]:
    """The lock's packages and their versions."""
    lines = (DEPLOY / "requirements.lock").read_text(encoding="utf-8").splitlines()
    pins = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(name): version for name, version in pins}


def needed(requirement: Requirement) -> set[str]:
    """The names of a package and of all that it needs, here and now."""
    found, waiting = set(), [requirement]
    while waiting:
        one = waiting.pop()
        name = canonicalize_name(one.name)
        if name in found or (one.marker is not None and not one.marker.evaluate({"extra": ""})):
            continue
        found.add(name)
        waiting += [Requirement(text) for text in requires(name) or []]
    return found


def test_the_lock_holds_what_is_required_and_nothing_else() -> None:
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    asked = [Requirement(line) for line in lines if line]
    versions = locked()
    for requirement in asked:
        assert requirement.specifier.contains(versions[canonicalize_name(requirement.name)])
    assert set().union(*(needed(requirement) for requirement in asked)) == set(versions)


def test_the_policy_is_the_same_in_both_and_trusts_no_host_and_no_string() -> None:
    headers = KUBERNETES["Ingress"]["metadata"]["annotations"]["haproxy.org/response-set-header"]
    assert policy(headers) == policy(PROXY)
    sources = directives(PROXY)
    assert sources["default-src"] == ["'none'"]
    allowed = {"'none'", "'self'", "blob:", "data:"}
    for name, given in sources.items():
        extra = {source for source in given if source not in allowed and not source.startswith("'sha256-")}
        assert extra == ({"'unsafe-inline'"} if name == "style-src" else set())


def test_the_policy_knows_streamlit_s_one_inline_script() -> None:
    index = Path(streamlit.__file__).parent / "static" / "index.html"
    scripts = re.findall(r"<script>(.*?)</script>", index.read_text(encoding="utf-8"), flags=re.DOTALL)
    hashes = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
    given = [source for source in directives(PROXY)["script-src"] if source.startswith("'sha256-")]
    assert given == [f"'sha256-{one}'" for one in hashes]


def test_the_settings_that_guard_the_app() -> None:
    assert CONFIG["client"]["showErrorDetails"] == "none"
    assert CONFIG["browser"]["gatherUsageStats"] is False
    server = CONFIG["server"]
    assert {"enableCORS", "enableXsrfProtection"} & set(server) == set()  # on, as Streamlit has them
    assert server["maxUploadSize"] <= server["maxMessageSize"] <= 10  # megabytes; Streamlit: 200


WALL_CLOCKS = {("time", "time"), ("time", "time_ns"), ("time", "localtime"), ("time", "gmtime")}


def wall_clocks(source: str) -> list[str]:
    """What a source reads of the wall clock: `time.time` and its like, and anything of `datetime`."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [name.name for name in node.names if name.name == "datetime"]
        elif isinstance(node, ast.ImportFrom):
            found += [f"{node.module}" for name in node.names if node.module == "datetime"]
            found += [f"time.{name.name}" for name in node.names if (node.module, name.name) in WALL_CLOCKS]
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            found += [f"time.{node.attr}"] if (node.value.id, node.attr) in WALL_CLOCKS else []
    return found


def test_no_page_reads_the_wall_clock() -> None:
    read = {}
    for folder in ("core", "pages"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            read[path.name] = wall_clocks(path.read_text(encoding="utf-8"))
    read["dashboard.py"] = wall_clocks((ROOT / "dashboard.py").read_text(encoding="utf-8"))
    assert {name: found for name, found in read.items() if found} == {}


@pytest.mark.parametrize(
    "source",
    [
        "import time\nnow = time.time()",
        "from time import time",
        "import datetime",
        "from datetime import date",
    ],
)
def test_a_wall_clock_is_found(source: str) -> None:
    assert wall_clocks(source)
