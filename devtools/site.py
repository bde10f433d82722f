"""What the template database holds, and the program that builds it.

``python -m devtools.site -c trytond.conf -d NAME`` activates the modules as
``trytond-admin`` does and creates the smallest Nereid site. It runs in a process of
its own, so that the pool of the test process never sees an update.
"""

from __future__ import annotations

import argparse
import datetime
from decimal import Decimal
from importlib.util import find_spec
from typing import Any

#: The website's name; being the only one, it answers to every host name.
WEBSITE = "shop.example.com"

#: Accounts of visitors: email address to password.
VISITORS = {
    "ada@example.com": "correct horse battery",
    "grace@example.com": "staple of nanoseconds",
}

#: A Tryton user besides the administrator: login name.
CLERK = "clerk"

#: The password of the Tryton users.
PASSWORD = "known to the tests only"

#: The locales of the website, the default one first.
LOCALES = ("en", "de")

#: The text of the message ``async_test.msg_greeting``, by language.
GREETINGS = {"en": "Good morning", "de": "Guten Morgen"}

#: Whether Nereid is there: not for each series of Tryton.
HAS_NEREID = find_spec("nereid") is not None

MODULES = (
    "async_test",
    "async_test_override",
    *(["nereid_base"] if HAS_NEREID else []),
)


def main() -> None:
    """Build a database."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-c", "--config", required=True)
    parser.add_argument("-d", "--database", required=True)
    options = parser.parse_args()

    from nereid_async.tryton_config import config

    config.update_etc(options.config)
    _activate(options.config, options.database)

    from trytond.transaction import Transaction

    with Transaction().start(options.database, 0, context={"_skip_warnings": True}):
        create_site()


def create_site() -> None:
    """Create what the modules need in the open transaction: company, users, website."""
    company = _create_company()
    clerk = _create_clerk(company)
    _translate_message()
    if HAS_NEREID:
        _create_website(company, clerk)
        _create_visitors(company)
        _translate_template()


def _create_website(company: Any, clerk: Any) -> None:
    from trytond.pool import Pool

    locales = _create_locales(company.currency)
    Pool().get("nereid.website").create(
        [
            {
                "name": WEBSITE,
                "company": company.id,
                "application_user": clerk.id,
                "default_locale": locales[0].id,
                "locales": [("add", [locale.id for locale in locales])],
            }
        ]
    )


def _create_visitors(company: Any) -> None:
    from trytond.pool import Pool

    pool = Pool()
    for address, password in VISITORS.items():
        name = address.partition("@")[0].title()
        (party,) = pool.get("party.party").create([{"name": name}])
        pool.get("nereid.user").create(
            [
                {
                    "party": party.id,
                    "name": name,
                    "email": address,
                    "password": password,
                    "company": company.id,
                    "active": True,
                    "email_verified": True,
                }
            ]
        )


def _activate(config: str, database: str) -> None:
    import io
    import os
    import sys
    import tempfile

    from trytond import admin, commandline

    # Tryton 8.0 asks for the administrator's address even if it is given as empty.
    sys.stdin = io.StringIO("\n")
    with tempfile.NamedTemporaryFile("w", suffix=".password") as file:
        file.write(PASSWORD)
        file.flush()
        os.environ["TRYTONPASSFILE"] = file.name
        admin.run(
            commandline.get_parser_admin().parse_args(
                ["-c", config, "-d", database, "-u", *MODULES,
                 "--activate-dependencies", "--email", ""]
            )
        )  # fmt: skip


def _create_company() -> Any:
    from trytond.pool import Pool

    pool = Pool()
    (currency,) = pool.get("currency.currency").create(
        [
            {
                "name": "Euro",
                "symbol": "€",
                "code": "EUR",
                "rates": [
                    ("create", [{"date": datetime.date.min, "rate": Decimal(1)}])
                ],
            }
        ]
    )
    (party,) = pool.get("party.party").create([{"name": "The Shop"}])
    (company,) = pool.get("company.company").create(
        [{"party": party.id, "currency": currency.id}]
    )
    return company


def _create_clerk(company: Any) -> Any:
    from trytond.pool import Pool

    (clerk,) = (
        Pool()
        .get("res.user")
        .create(
            [
                {
                    "name": "Clerk",
                    "login": CLERK,
                    "password": PASSWORD,
                    "companies": [("add", [company.id])],
                    "company": company.id,
                }
            ]
        )
    )
    return clerk


def _create_locales(currency: Any) -> list[Any]:
    from trytond.pool import Pool

    pool = Pool()
    languages = {
        language.code: language
        for language in pool.get("ir.lang").search([("code", "in", LOCALES)])
    }
    created: list[Any] = pool.get("nereid.website.locale").create(
        [
            {"code": code, "language": languages[code].id, "currency": currency.id}
            for code in LOCALES
        ]
    )
    return created


def _translate_message() -> None:
    from trytond.pool import Pool
    from trytond.tools import file_open
    from trytond.transaction import Transaction

    pool = Pool()
    languages = pool.get("ir.lang").search([("code", "in", LOCALES)])
    pool.get("ir.lang").write(languages, {"translatable": True})
    Message = pool.get("ir.message")
    with file_open("async_sqs/locale/de.po") as file:
        pool.get("ir.translation").translation_import("de", "async_sqs", file.name)
    message = Message(pool.get("ir.model.data").get_id("async_test", "msg_greeting"))
    with Transaction().set_context(language="de"):
        Message.write([Message(message.id)], {"text": GREETINGS["de"]})


def _translate_template() -> None:
    from trytond.pool import Pool

    Pool().get("ir.translation").create(
        [
            {
                "name": "templates/greeting.jinja",
                "type": "nereid_template",
                "module": "async_test",
                "lang": "de",
                "res_id": 1,
                "src": GREETINGS["en"],
                "value": GREETINGS["de"],
                "fuzzy": False,
            }
        ]
    )


if __name__ == "__main__":
    main()
