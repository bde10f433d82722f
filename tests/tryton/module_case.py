"""What trytond asks of every module, of ours; run by unittest in a process."""

# trytond has no types.
# mypy: allow-subclassing-any
from __future__ import annotations

import re
from pathlib import Path

from trytond.pool import Pool
from trytond.tests.test_tryton import ModuleTestCase, with_transaction

LOCALE = Path(__file__).parents[2] / "nereid_async" / "module" / "locale"
#: What only the module of Tryton 7.0 has.
SERIES_7_0 = {('"field:ir.model.field.access,model:"', "Model")}
_ENTRY = re.compile(r"^msgctxt (.*)\nmsgid ((?:.+\n)+)msgstr ((?:.+\n?)+)", re.M)


def entries(text: str) -> dict[tuple[str, str], str]:
    """The texts of a file of gettext, by context and English text."""
    return {
        (context, _joined(english)): _joined(translated)
        for context, english, translated in _ENTRY.findall(text)
    }


def _joined(written: str) -> str:
    return "".join(line.strip()[1:-1] for line in written.splitlines())


class AsyncSqsTestCase(ModuleTestCase):
    """Views, access rights, buttons, wizards, menus, and translations."""

    module = "async_sqs"

    @with_transaction()
    def test_all_is_translated(self) -> None:
        wizard = Pool().get("ir.translation.set", type="wizard")
        wizard(wizard.create()[0]).transition_set_()
        Translation = Pool().get("ir.translation")
        exported = entries(Translation.translation_export("en", self.module).decode())
        template = entries((LOCALE / "async_sqs.pot").read_text())
        self.assertEqual(set(template) - SERIES_7_0, set(exported) - SERIES_7_0)
        for language in ("de", "es", "fr"):
            translated = entries((LOCALE / f"{language}.po").read_text())
            assert set(translated) == set(template), language
            for (_, english), text in translated.items():
                assert re.findall(r"%\(\w+\)s", english) == re.findall(
                    r"%\(\w+\)s", text
                ), text
                assert text, english


del ModuleTestCase
