"""What trytond asks of every module, of ours; run by unittest in a process."""

from __future__ import annotations

# trytond has no types.
# mypy: allow-subclassing-any
from trytond.tests.test_tryton import ModuleTestCase


class AsyncSqsTestCase(ModuleTestCase):
    """Views, access rights, buttons, wizards and menus."""

    module = "async_sqs"


del ModuleTestCase
