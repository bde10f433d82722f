"""A shop's database: made, its modules activated, with the records of one site."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from trytond import backend
from trytond.cache import Cache
from trytond.modules import get_module_info
from trytond.pool import Pool
from trytond.tools import file_open
from trytond.transaction import Transaction

from ..errors import ConfigurationError
from ..start import explained
from ..texts import one_line
from ..tryton_config import config, unnamed_database
from . import libmagic

#: What a Nereid shop with tasks has to activate besides its own modules.
MODULES = ("ir", "res", "nereid_base", "async_sqs")


def create_database(name: str) -> bool:
    """Create an empty database where trytond.conf says; keep one that is there.

    :returns: whether it was made.
    :raises ConfigurationError: it may not be made there.
    """
    if exists(name):
        return False
    if backend.name == "sqlite":
        _create_file(_sqlite(name))
    else:
        _create_on_server(name)
    return True


def _create_file(path: Path) -> None:
    try:
        path.touch(mode=0o600)
    except OSError as error:
        raise ConfigurationError(
            f"database {path}: {error.strerror}; path in section [database] of "
            f"trytond.conf is to name a folder that is there{unnamed_database()}"
        ) from error


def _create_on_server(name: str) -> None:
    insufficient_privilege = "42501"
    try:
        with _server() as transaction:
            transaction.database.create(transaction.connection, name)
    except Exception as error:
        if getattr(error, "pgcode", None) != insufficient_privilege:
            raise
        raise ConfigurationError(
            f"database {name!r}: {one_line(error)}; let an administrator make it "
            f"(createdb --owner=ROLE {name}), or give the role CREATEDB"
        ) from error


def exists(name: str) -> bool:
    """Whether there is a database of that name, be it empty."""
    if backend.name == "sqlite":
        return _sqlite(name).exists()
    with _server() as transaction, transaction.connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,))
        return cursor.fetchone() is not None


def activate(name: str, modules: Sequence[str], language: str = "en") -> None:
    """Activate modules with all they depend on, or update them.

    :param language: code of the language of a new database, such as ``en``.
    :raises ConfigurationError: a module is not installed.
    """
    libmagic.provide()
    with explained():
        for module in modules:
            get_module_info(module)
    database = backend.Database(name)
    database.connect()
    if not database.test():
        database.init()
    Pool(name).init(update=[*MODULES, *modules], lang=[language], activatedeps=True)


def check_site(language: str, currency: str) -> None:
    """Check what a site is to have, while there is no database to ask.

    :raises ConfigurationError: Tryton does not know the language, or the currency is
        no code.
    """
    if language not in _languages():
        raise ConfigurationError(_NO_LANGUAGE.format(language))
    _check_currency(currency)


def _languages() -> Iterator[str | None]:
    """The codes of the languages that Tryton brings."""
    for name in ("ir/ir.xml", "ir/lang.xml"):
        with file_open(name, "rb") as it:
            tree = ElementTree.parse(it)
        for field in tree.iterfind(".//record[@model='ir.lang']/field[@name='code']"):
            yield field.text


_NO_LANGUAGE = "Tryton has no language with the code {!r}"


def _check_currency(code: str) -> None:
    if len(code) != len("EUR"):
        raise ConfigurationError(f"{code!r} is no ISO code of a currency, such as EUR")


def create_site(name: str, *, locale: str = "en", currency: str = "EUR") -> bool:
    """Create what Nereid needs to answer, unless there is a website.

    Needs an open transaction. The site has a default locale and no list of locales, so
    its addresses carry no locale; being the only one, it answers to every host name.

    :param name: of the website and of the company.
    :param locale: code of a language of Tryton.
    :param currency: its ISO code.
    :returns: whether it was made.
    :raises ConfigurationError: Tryton does not know the language, or the currency is
        no code.
    """
    pool = Pool()
    Website = pool.get("nereid.website")
    if Website.search([], limit=1):
        return False
    languages = pool.get("ir.lang").search([("code", "=", locale)])
    if not languages:
        raise ConfigurationError(_NO_LANGUAGE.format(locale))
    money = _currency(currency)
    (party,) = pool.get("party.party").create([{"name": name}])
    (company,) = pool.get("company.company").create(
        [{"party": party, "currency": money}]
    )
    Locale = pool.get("nereid.website.locale")
    found = Locale.search([("code", "=", locale)], limit=1)
    (spoken,) = found or Locale.create(
        [{"code": locale, "language": languages[0], "currency": money}]
    )
    Website.create([{"name": name, "company": company, "default_locale": spoken}])
    return True


def _currency(code: str) -> Any:
    _check_currency(code)
    Currency = Pool().get("currency.currency")
    found = Currency.search([("code", "=", code)])
    if not found:
        found = Currency.create([{"name": code, "code": code, "symbol": code}])
    return found[0]


def let_go(name: str) -> None:
    """Forget what this process knows of a database, and its connections."""
    Pool.stop(name)
    Cache.drop(name)
    backend.Database(name).close()


def _sqlite(name: str) -> Path:
    return Path(config.get("database", "path"), f"{name}.sqlite")


@contextmanager
def _server() -> Iterator[Any]:
    """A transaction on the server's own database, where nothing is undone."""
    with Transaction().start(None, 0, close=True, autocommit=True) as transaction:
        yield transaction
