"""What trytond asks of every module, of ours; run by unittest in a process."""

# trytond has no types.
# mypy: allow-subclassing-any
from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from trytond.pool import Pool
from trytond.tests.test_tryton import ModuleTestCase, with_transaction

from nereid_async import versions

LOCALE = Path(__file__).parents[2] / "nereid_async" / "module" / "locale"
Text = tuple[str, str]

_ONLY_7_0 = re.compile(r'"model:.*,name:"|"field:ir.model.field.access,model:"')
_MODEL_NAME = re.compile(r'"model:async[^,]*,name:"')
_MODEL_STRING = re.compile(r'"model:async[^,]*,string:"')
_ONLY_8_0 = re.compile(r'"model:.*,string:"')
_ENTRY = re.compile(r"^msgctxt (.*)\nmsgid ((?:.+\n)+)msgstr ((?:.+\n?)+)", re.M)


def entries(text: str) -> dict[tuple[str, str], str]:
    """The texts of a file of gettext, by context and English text."""
    return {
        (context, _joined(english)): _joined(translated)
        for context, english, translated in _ENTRY.findall(text)
    }


def of_this_series(found: Iterable[Text]) -> set[Text]:
    """Without what another series of Tryton asks for.

    A model's name is its docstring in 7.0, and ``__string__`` in 8.0.
    """
    strange = _ONLY_8_0 if versions.series() == "7.0" else _ONLY_7_0
    return {text for text in found if not strange.fullmatch(text[0])}


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
        self.assertEqual(of_this_series(template), set(exported))
        # Each series exports only one of them, and both are wanted.
        names, strings = (
            {
                text[0].replace(kind, "")
                for text in template
                if re.fullmatch(one, text[0])
            }
            for kind, one in ((",name:", _MODEL_NAME), (",string:", _MODEL_STRING))
        )
        self.assertEqual(names, strings)
        for language in ("de", "es", "fr"):
            translated = entries((LOCALE / f"{language}.po").read_text())
            assert set(translated) == set(template), language
            for (_, english), text in translated.items():
                assert re.findall(r"%\(\w+\)s", english) == re.findall(
                    r"%\(\w+\)s", text
                ), text
                assert text, english


del ModuleTestCase
