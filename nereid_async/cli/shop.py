"""``setup-shop``: a database with the modules and the site of a Nereid shop."""

from __future__ import annotations

import warnings

import click

from ..start import read_config
from .groups import main
from .loading import config_option, reporting


@main.command("setup-shop")
@config_option
@click.option("-d", "--database", required=True, metavar="NAME")
@click.option(
    "-u",
    "--update",
    "modules",
    multiple=True,
    metavar="MODULE",
    help="A module of the shop; repeatable. What it depends on comes along.",
)
@click.option("--name", default="Shop", show_default=True, help="Of the website.")
@click.option("--language", default="en", show_default=True, help="Its code.")
@click.option("--currency", default="EUR", show_default=True, help="Its ISO code.")
def setup_shop(
    config_files: tuple[str, ...],
    database: str,
    modules: tuple[str, ...],
    name: str,
    language: str,
    currency: str,
) -> None:
    """Make the database of a Nereid shop, or update it.

    Creates the database where trytond.conf says, activates nereid_base, async_sqs and
    the named modules, and creates a website with its locale, currency and company. What
    is there is kept, so that it may be called again after a change of a module.
    """
    with reporting():
        read_config(config_files)
        from trytond.transaction import Transaction

        from ..shop import database as databases

        if not databases.exists(database):
            databases.check_site(language, currency)
        if databases.create_database(database):
            click.echo(f"database {database}: created")
        with warnings.catch_warnings():
            # SQLite cannot alter tables, of which trytond warns for each of them.
            warnings.filterwarnings("ignore", module=r"trytond\.backend\.sqlite")
            databases.activate(database, modules, language)
        click.echo(f"modules: {', '.join((*databases.MODULES, *modules))}")
        with Transaction().start(database, 0):
            if databases.create_site(name, locale=language, currency=currency):
                click.echo(f"website {name}: created")
        databases.let_go(database)
