"""The forms of the shop and what they accept."""

from __future__ import annotations

from flask_wtf import FlaskForm
from wtforms import EmailField, StringField, TextAreaField
from wtforms.validators import InputRequired, Length, Regexp

_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
#: Addresses that any mail server takes: ASCII, and a domain with a dot in it.
EMAIL = rf"(?=.{{1,64}}@){_ATOM}(?:\.{_ATOM})*@{_LABEL}(?:\.{_LABEL})+\Z"
#: A line of text has no control characters: it ends up in a mail's header.
LINE = r"[^\x00-\x1f\x7f]*\Z"
TEXT = r"[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*\Z"

_CONTROL = "Please leave out control characters."


def _strip(value: str | None) -> str | None:
    return value.strip() if value else value


class ContactForm(FlaskForm):
    """What a visitor writes to the shop. It carries the CSRF token as well."""

    name = StringField(
        "Your name",
        [
            InputRequired("Please tell us your name."),
            Length(max=100, message="Please keep the name below 100 characters."),
            Regexp(LINE, message=_CONTROL),
        ],
        filters=[_strip],
    )
    email = EmailField(
        "E-mail address",
        [
            InputRequired("Please give the address the mail should go to."),
            Length(max=254, message="This address is too long to be one."),
            Regexp(EMAIL, message="This is not an address like ada@example.com."),
        ],
        filters=[_strip],
    )
    message = TextAreaField(
        "Message",
        [
            InputRequired("Please write a message."),
            Length(max=5000, message="Please keep the message below 5000 characters."),
            Regexp(TEXT, message=_CONTROL),
        ],
        filters=[_strip],
    )
