"""Each sample on each page of docs/ is run, or read as what reads it in earnest does.

A block says in which language it is; one that does not is output or a drawing. What a
page has besides a language's rules is told in :data:`ELSEWHERE`: another test runs it.
"""

from __future__ import annotations

import configparser
import importlib
import json
import re
import shlex
import subprocess
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import dropwhile
from pathlib import Path
from typing import Any

import click
import docutils.nodes
import jinja2
import pytest

from devtools.databases import PROJECT
from nereid_async.cli import flask_group, main
from nereid_async.settings import loading
from tests.pages import document

DOCS = PROJECT / "docs"
PAGES = sorted(
    path
    for path in DOCS.rglob("*.rst")
    if "_build" not in path.parts and "performance" not in path.parts
)

#: Pages whose samples of some languages are run by tests of their own.
ELSEWHERE = {
    ("tutorial/first-shop", ...): "tests/acceptance/test_tutorial.py",
    ("how-to/types", ...): "tests/types/test_checkers.py",
    ("how-to/testing", "python"): "tests/acceptance/test_testing_samples.py",
    ("how-to/production", ...): "tests/acceptance/test_deployment.py",
    ("how-to/tracing", "python"): "tests/acceptance/test_tracing_sample.py",
    ("how-to/monitoring", "sql"): "tests/integration/test_autoscaling.py",
    ("reference/commands", ""): "tests/unit/test_readme.py",
}

#: The class of a block with code for another package.
THEIRS = "theirs"

#: What begins a line of a sample, and none of output or a drawing.
_SAMPLE = re.compile(
    r"^\s*(import |from \w+ import|def |class |@\w|pip |nereid-async (?!\d)"
    r"|flask |make |export |\{\{|\{%|\[\w+\]$)",
    re.MULTILINE,
)


@dataclass(frozen=True)
class Sample:
    """One block of a page."""

    page: str
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}: {self.text.partition(chr(10))[0]}"


def samples(path: Path) -> Iterator[Sample]:
    page = path.relative_to(DOCS).with_suffix("").as_posix()
    for block in document(path.read_text()).findall(docutils.nodes.literal_block):
        classes = [it for it in block["classes"] if it != "code"]
        # Code for another package, which is not installed here.
        theirs = THEIRS in classes
        language = THEIRS if theirs else classes[0] if classes else ""
        if not {(page, ...), (page, language)} & ELSEWHERE.keys():
            yield Sample(page, language, block.astext())


def check_output(text: str) -> None:
    found = _SAMPLE.search(text)
    assert found is None, f"a sample without a language: {found and found[0]}"


def check_syntax(text: str) -> None:
    compile(text, "sample", "exec")


def check_shell(text: str) -> None:
    subprocess.run(["bash", "-n"], input=text, text=True, check=True)
    for words in commands(text):
        check_command(*words)


def commands(text: str) -> Iterator[list[str]]:
    """The words of each command; what is given to a name is one as well."""
    begun = ""
    for line in text.replace("\\\n", " ").splitlines():
        begun += re.sub(r"^\w+=\$\((.*)\)$", r"\1", line.strip()) + "\n"
        try:
            words = shlex.split(begun, comments=True)
        except ValueError:
            continue  # A quotation goes on in the next line.
        begun = ""
        # A variable for one command stands before it.
        words = list(dropwhile(re.compile(r"[A-Z_]+=").match, words))
        if words:
            yield words
    assert not begun, begun


def check_command(name: str, *arguments: str) -> None:
    """Our own commands take these arguments; others are known to be there."""
    if name == "nereid-async":
        check_click(main, list(arguments))
    elif name == "flask":
        before, _, ours = " ".join(arguments).partition("async ")
        assert re.fullmatch(r"(--app \w+ )?(run)?", before), before
        if ours:
            check_click(flask_group, shlex.split(ours))
    elif name == "pip":
        check_pip(*arguments)
    elif name == "make":
        check_make(arguments[0])
    else:
        assert name in OTHER_COMMANDS, f"{name}: no test knows this command"


#: Commands of others that the pages show.
OTHER_COMMANDS = {"aws", "curl", "export", "psql", "python", "trytond-admin"}


def check_click(group: click.Group, arguments: list[str]) -> None:
    """The command exists and takes these options; nothing is run."""
    with click.Context(group) as context:
        name, command, rest = group.resolve_command(context, arguments)
        assert command is not None
        if isinstance(command, click.Group):
            check_click(command, rest)
        else:
            command.make_context(name, rest)


def check_pip(command: str, *arguments: str) -> None:
    assert command in ("install", "uninstall")
    pyproject = (PROJECT / "pyproject.toml").read_text()
    for argument in arguments:
        for extra in re.findall(r"nereid_async\[(.*)\]", argument):
            assert f"\n{extra} = [" in pyproject


def check_make(target: str) -> None:
    makefile = (PROJECT / "Makefile").read_text()
    assert re.search(rf"^[\w -]*\b{target}\b[^=]*:", makefile, re.MULTILINE), target


def check_ini(text: str) -> None:
    parser = configparser.ConfigParser()
    parser.read_string(text)
    assert parser.sections()
    if "async_sqs" in parser:
        given = {
            f"ASYNC_{it.upper()}": parser["async_sqs"][it] for it in parser["async_sqs"]
        }
        loading.load({"SECRET_KEY": "for these tests only", **given})


def check_template(text: str) -> None:
    jinja2.Environment(extensions=["jinja2.ext.i18n"]).parse(text)
    for script in re.findall(r'<script type="module">\n(.*?)</script>', text, re.S):
        check_javascript(re.sub(r"\{\{.*?\}\}", "x", script))


def check_javascript(text: str) -> None:
    node = ["node", "--input-type=module", "--check"]
    subprocess.run(node, input=text, text=True, check=True)


def check_xml(text: str) -> None:
    ElementTree.fromstring(f"<page>{text}</page>")


def check_nginx(text: str) -> None:
    """Blocks are closed, and each directive ends."""
    assert text.count("{") == text.count("}")
    for line in text.splitlines():
        assert re.fullmatch(r"\s*(?:[\w]+ .*[;{]|\})", line), line


def check_toml(text: str) -> None:
    if tomllib := optional("tomllib"):
        tomllib.loads(text)


def check_yaml(text: str) -> None:
    assert isinstance(optional("yaml").safe_load(text), (dict, list))


def check_sql(text: str) -> None:
    """Its names are those of PostgreSQL: which has no reader of statements alone."""
    assert re.fullmatch(r"ALTER ROLE \w+ SET \w+_timeout = \d+;", text)


def optional(name: str) -> Any:
    return importlib.import_module(name)


CHECKS: dict[str, Callable[[str], object]] = {
    "": check_output,
    THEIRS: check_syntax,
    "sh": check_shell,
    "ini": check_ini,
    "html+jinja": check_template,
    "js": check_javascript,
    "json": json.loads,
    "xml": check_xml,
    "nginx": check_nginx,
    "toml": check_toml,
    "yaml": check_yaml,
    "sql": check_sql,
}


def check(sample: Sample) -> None:
    """
    :raises Exception: the sample is wrong, or no check is for its language.
    """
    assert sample.language in CHECKS, f"no test claims {sample.language!r}"
    CHECKS[sample.language](sample.text)


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the files are that commands name."""
    for name in ("trytond.conf", "staging.conf"):
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_samples(path: Path) -> None:
    for sample in samples(path):
        if sample.language != "python":
            try:
                check(sample)
            except Exception as error:
                raise AssertionError(f"{sample}: {error}") from error


PLANTED = [
    ("", "pip install nereid_async"),
    ("sh", "nereid-async worker -c trytond.conf -d shop --thread 4"),
    ("sh", "nereid-async work -c trytond.conf -d shop"),
    ("sh", "pip install 'nereid_async[postgres]'"),
    ("sh", "if then"),
    ("sh", "make demmo"),
    ("ini", "[async_sqs]\nbrocker = sqs"),
    ("ini", "broker = sqs"),
    ("html+jinja", "{{ async_result(report }}"),
    ("html+jinja", '<script type="module">\nconst = 1;</script>'),
    ("js", "const = 1"),
    ("json", "{'a': 1}"),
    ("xml", "<record>"),
    ("nginx", "location / {"),
    ("toml", "a = "),
    ("yaml", "a: ["),
    ("sql", "ALTER ROL worker;"),
    (THEIRS, "task.delay("),
    ("cobol", "STOP RUN."),
]


@pytest.mark.parametrize(("language", "text"), PLANTED)
def test_a_mistake_is_seen(language: str, text: str) -> None:
    with pytest.raises((Exception, SystemExit)):
        check(Sample("page", language, text))
