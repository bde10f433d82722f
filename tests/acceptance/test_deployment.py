"""The files of examples/deployment/: what they start works as they say."""

from __future__ import annotations

import configparser
import json
import re
import secrets
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import click
import pytest
import requests
import yaml

from devtools.databases import PROJECT
from devtools.processes import Process, free_port, listens
from nereid_async.cli import main
from tests.acceptance.conftest import Commands
from tests.fixtures.scripts import Script
from tests.helpers import labels, states, wait_until
from tests.marks import ONE_BROKER
from tests.samples import samples

FILES = PROJECT / "examples" / "deployment"
PAGE = PROJECT / "docs" / "how-to" / "production.rst"
BIN = "/srv/shop/.venv/bin"
APP = "from tests.acceptance.web_app import create_app\n\napp = create_app()\n"

#: What a worker needs besides its grace to hand back what it has aborted, in seconds.
STOP_MARGIN_S = 10

#: Sending is what clients and threads of a process are for.
ON_SQS = pytest.mark.parametrize("broker_settings", ["sqs"], indirect=True)

#: A view that defers a task; the label of what the task writes.
DEFERS, LABEL = "/en/readwrite-get", "readwrite"


def read(name: str) -> str:
    return (FILES / name).read_text()


def unit(name: str) -> configparser.SectionProxy:
    """The section of a unit that says what is started."""
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(read(f"systemd/{name}.service"))
    return parser["Service"]


def container(name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The first container of a file for Kubernetes, and what stands around it."""
    (deployment,) = [
        it
        for it in yaml.safe_load_all(read(f"kubernetes/{name}.yaml"))
        if it["kind"] in ("Deployment", "Job")
    ]
    pod = deployment["spec"]["template"]["spec"]
    (found,) = pod["containers"]
    return found, pod


def services() -> dict[str, dict[str, Any]]:
    """The services of the compose file."""
    found: dict[str, dict[str, Any]] = yaml.safe_load(read("container/compose.yaml"))
    return found["services"]


def dockerfile() -> list[tuple[str, str]]:
    """The instructions of the Dockerfile, each with what follows it."""
    lines = read("container/Dockerfile").replace("\\\n", " ").splitlines()
    parts = [it.partition(" ") for it in lines if it and not it.startswith("#")]
    return [(name, " ".join(rest.split())) for name, _, rest in parts]


def image_command() -> list[str]:
    (text,) = [rest for name, rest in dockerfile() if name == "CMD"]
    words: list[str] = json.loads(text)
    return words


def procfile() -> dict[str, list[str]]:
    """The words of each line of the Procfile, by its process type."""
    parts = [it.partition(": ") for it in read("Procfile").splitlines()]
    return {name: shlex.split(words) for name, _, words in parts}


def option(words: list[str], name: str) -> str:
    return words[words.index(name) + 1]


class Deployed:
    """A folder with the files that a shop copies, and what runs in it.

    :param port: takes the place of the ports that the files have.
    """

    def __init__(self, commands: Commands, folder: Path) -> None:
        self._commands = commands
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        (folder / "app.py").write_text(APP)
        for name in ("gunicorn.conf.py", "uwsgi.ini"):
            (folder / name).write_text(self.here(read(name)))

    def here(self, text: str) -> str:
        """A text of the files, as it is for this machine."""
        text = re.sub(r"\b(8000|9100)\b|\$PORT", str(self.port), text)
        return text.replace("0.0.0.0", "127.0.0.1")

    def start(self, words: list[str], **env: str) -> Process:
        """Start a command of the files."""
        return self._commands.start(*map(self.here, words), **env)

    def serve(self, words: list[str], **env: str) -> Process:
        """Start a web server, which listens then."""
        process = self.start(words, **env)
        process.wait_until(lambda: listens(self.port), "it listens", 60)
        return process

    def get(self, path: str) -> requests.Response:
        answer = requests.get(f"{self.url}{path}", timeout=20)
        assert answer.status_code == 200, answer.text
        return answer


@pytest.fixture
def deployed(commands: Commands, tmp_path: Path) -> Deployed:
    return Deployed(commands, tmp_path)


class Systemd:
    """Starts units, and listens to what they tell."""

    def __init__(self, deployed: Deployed) -> None:
        self._deployed = deployed
        self._address = f"@nereid_async-{secrets.token_hex(8)}"
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._listener.bind(self._address.replace("@", "\0", 1))
        self._listener.setblocking(False)
        self._told: list[str] = []

    def start(self, name: str, **env: str) -> Process:
        """Start a unit; it is ready then."""
        service = unit(name)
        words = shlex.split(service["ExecStart"])
        assert service["Type"] == "notify"
        if "WatchdogSec" in service:
            env["WATCHDOG_USEC"] = f"{service['WatchdogSec']}000000"
        self._told.clear()
        words[0] = words[0].removeprefix(f"{BIN}/")
        process = self._deployed.start(words, NOTIFY_SOCKET=self._address, **env)
        process.wait_until(lambda: "READY=1" in self.told, "ready", 60)
        return process

    @property
    def told(self) -> list[str]:
        """What the unit that was started last has told."""
        with suppress(BlockingIOError):
            while True:
                self._told += self._listener.recv(4096).decode().split("\n")
        return self._told

    def close(self) -> None:
        self._listener.close()


@pytest.fixture
def systemd(deployed: Deployed) -> Iterator[Systemd]:
    made = Systemd(deployed)
    yield made
    made.close()


@ONE_BROKER
def test_the_units(
    script: Script, systemd: Systemd, deployed: Deployed, tmp_path: Path
) -> None:
    """gunicorn loads the app before it forks: each process of it can defer."""
    log = "--access-logfile - --access-logformat 'by=%(p)s'"
    web = systemd.start("shop-web", GUNICORN_CMD_ARGS=log)
    asked_for = 0

    def answered_by() -> set[str]:
        nonlocal asked_for
        deployed.get(DEFERS)
        asked_for += 1
        return set(re.findall(r"by=(\S+)", web.output))

    assert wait_until(lambda: len(answered_by()) == 2, 30)
    probe = container("web")[0]["readinessProbe"]["httpGet"]["path"]
    assert "asyncResult" in deployed.get(probe).text

    worker = systemd.start("shop-worker")
    wait_until(lambda: labels(script.database) == [LABEL] * asked_for, 30)
    wait_until(lambda: systemd.told.count("WATCHDOG=1") > 2)
    assert "STATUS=ok" in systemd.told
    started, go = tmp_path / "started", tmp_path / "go"
    with script.transaction():
        script.record.wait_for_file.defer(str(started), str(go))
    wait_until(started.exists)
    worker.send_signal(signal.SIGTERM)
    wait_until(lambda: "STOPPING=1" in systemd.told)
    assert "STATUS=draining" in systemd.told
    go.touch()
    assert worker.wait(30) == 0, worker.output
    assert " 1 process(es) " not in worker.output
    web.send_signal(signal.SIGTERM)
    assert web.wait(30) == 0, web.output


def test_the_other_commands_of_the_page() -> None:
    """They need what is not here; what they name is."""
    blocks = samples(PAGE)
    assert set(blocks) == {"uwsgi", "waitress", "systemd", "compose", "kubernetes"}
    units = {path.stem for path in (FILES / "systemd").iterdir()}
    assert set(re.findall(r"shop-\w+", blocks["systemd"])) == units
    text = blocks["kubernetes"]
    files = {path.name for path in (FILES / "kubernetes").iterdir()}
    assert set(re.findall(r"\S+\.yaml", text)) == files
    names = {
        f"{it['kind'].lower()}/{it['metadata']['name']}"
        for name in files
        for it in yaml.safe_load_all(read(f"kubernetes/{name}"))
    }
    assert set(re.findall(r"(?:job|deployment)/\S+", text)) < names
    shown = set(re.findall(r"literalinclude:: ../../(\S+)", PAGE.read_text()))
    there = {it for it in FILES.rglob("*") if it.is_file() and it.suffix != ".rst"}
    hidden = {FILES / "container" / ".dockerignore"}
    assert {PROJECT / it for it in shown} == there - hidden


@pytest.mark.backends("postgresql")
@ON_SQS
@pytest.mark.parametrize("server", ["uwsgi", "waitress"])
def test_other_web_servers(
    script: Script, commands: Commands, deployed: Deployed, server: str
) -> None:
    """They let threads run that the extension starts after the fork."""
    commands.set("send", "background")
    web = deployed.serve(shlex.split(samples(PAGE)[server]))
    for _ in range(6):
        deployed.get(DEFERS)
    wait_until(lambda: states(script.database) == ["sent"] * 6)
    web.send_signal(signal.SIGTERM)
    assert web.wait(30) in (0, -signal.SIGTERM), web.output


@pytest.mark.backends("postgresql")
@ON_SQS
def test_the_procfile(script: Script, commands: Commands, deployed: Deployed) -> None:
    commands.set("send", "background")
    lines = procfile()
    web = deployed.serve(lines["web"])
    deployed.get(DEFERS)
    wait_until(lambda: states(script.database) == ["sent"])
    worker = deployed.start(lines["worker"])
    wait_until(lambda: labels(script.database) == [LABEL], 60)
    for process in (worker, web):
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0, process.output
    # Platforms of that kind kill 30 s after the SIGTERM.
    assert int(option(lines["worker"], "--grace")) + STOP_MARGIN_S <= 30


@pytest.mark.backends("postgresql")
@ONE_BROKER
def test_containers(script: Script, deployed: Deployed) -> None:
    """The worker of both files, and what is asked to see how it fares."""
    there, pod = container("worker")
    composed = services()["worker"]
    words = there["args"]
    assert words == composed["command"]
    grace_s = int(option(words, "--grace"))
    for stop_s in (
        pod["terminationGracePeriodSeconds"],
        int(composed["stop_grace_period"].removesuffix("s")),
    ):
        assert stop_s >= grace_s + STOP_MARGIN_S
    (port,) = there["ports"]
    assert option(words, "--http") == f"0.0.0.0:{port['containerPort']}"

    worker = deployed.start(words)
    worker.wait_for_output("is ready")
    for name in ("startupProbe", "livenessProbe", "readinessProbe"):
        probe = there[name]["httpGet"]
        assert probe["port"] == port["name"]
        assert deployed.get(probe["path"]).text == "ok\n"
    kind, *check = map(deployed.here, composed["healthcheck"]["test"])
    assert (kind, check[0]) == ("CMD", "python")
    check[0] = sys.executable
    assert subprocess.run(check).returncode == 0
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(30) == 0, worker.output
    assert subprocess.run(check, stderr=subprocess.DEVNULL).returncode != 0


def check_command(words: list[str]) -> None:
    """A command of ours is there, and takes these options."""
    name, *arguments = words
    assert name == "nereid-async"
    with click.Context(main) as context:
        found, command, rest = main.resolve_command(context, arguments)
        assert command is not None
        command.make_context(found, rest)


def test_what_sets_up() -> None:
    assert container("set-up")[0]["args"] == services()["set-up"]["command"]
    assert services()["set-up"]["command"] == procfile()["release"]
    check_command(procfile()["release"])


def test_the_image() -> None:
    instructions = dockerfile()
    known = ("FROM", "RUN", "WORKDIR", "COPY", "USER", "ENV", "EXPOSE", "CMD")
    assert {name for name, _ in instructions} <= set(known)
    pyproject = (PROJECT / "pyproject.toml").read_text()
    (base,) = [rest for name, rest in instructions if name == "FROM"]
    (version,) = re.fullmatch(r"python:(3\.\d+)-slim", base).groups()  # type: ignore[union-attr]
    assert f":: Python :: {version}" in pyproject
    pips = [shlex.split(rest) for _, rest in instructions if rest.startswith("pip ")]
    installed = {it for words in pips for it in words if not it.startswith("-")}
    (ours,) = [it for it in installed if it.startswith("nereid_async[")]
    for extra in ours.partition("[")[2].rstrip("]").split(","):
        assert f"\n{extra} = [" in pyproject
    readme = (PROJECT / "README.rst").read_text()
    assert "--no-deps m9s-nereid m9s-nereid-base" in readme
    assert {"m9s-nereid", "m9s-nereid-base"} < installed
    assert all("--no-deps" in words for words in pips if "m9s-nereid" in words)
    # It is the web server of the Procfile, which is started.
    web = [it.replace("$PORT", "8000") for it in procfile()["web"]]
    assert image_command() == web
    assert ("EXPOSE", "8000") in instructions
    assert ("USER", str(container("web")[1]["securityContext"]["runAsUser"])) in (
        instructions
    )


def test_stops_of_the_web_server() -> None:
    (timeout,) = re.findall(r"graceful_timeout = (\d+)", read("gunicorn.conf.py"))
    there, pod = container("web")
    _, before_s = there["lifecycle"]["preStop"]["exec"]["command"]
    stops_s = (
        int(unit("shop-web")["TimeoutStopSec"]),
        int(services()["web"]["stop_grace_period"].removesuffix("s")),
        pod["terminationGracePeriodSeconds"] - int(before_s),
    )
    assert all(it > int(timeout) for it in stops_s)
    (port,) = there["ports"]
    assert port["containerPort"] == 8000
    assert services()["web"]["ports"] == ["127.0.0.1:8000:8000"]
    worker = unit("shop-worker")
    grace_s = int(option(shlex.split(worker["ExecStart"]), "--grace"))
    assert int(worker["TimeoutStopSec"]) >= grace_s + STOP_MARGIN_S


def test_systemd_knows_what_the_units_say(tmp_path: Path) -> None:
    """By systemd's own reader, where that is installed."""
    analyze = shutil.which("systemd-analyze")
    units: list[Path] = []
    for path in (FILES / "systemd").iterdir():
        copy = tmp_path / path.name
        text = path.read_text().replace(BIN, str(Path(sys.executable).parent))
        copy.write_text(text.replace("/srv/shop", str(tmp_path)))
        units.append(copy)
        assert unit(path.stem)["KillMode"] == "mixed"
    if analyze is not None:
        words = [analyze, "verify", "--man=no", *map(str, units)]
        run = subprocess.run(words, capture_output=True, text=True)
        assert (run.returncode, run.stderr) == (0, "")
