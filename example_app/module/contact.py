"""What visitors write to the shop, and the mail that answers them."""

from __future__ import annotations

from email.message import EmailMessage
from typing import Any

from nereid import flash, jsonify, redirect, render_template, route, url_for
from trytond.exceptions import UserError
from trytond.model import ModelSQL, ModelView, fields

from nereid_async import AsyncResult
from nereid_async.mail import send_mail

from .back_office import list_task
from .forms import ContactForm
from .negotiation import wants_json

REFUSED = (
    "The order was refused after its mail had been deferred. The stored record and "
    "the mail went with the transaction: nothing is sent."
)


class Contact(ModelSQL, ModelView):
    "Contact"

    __name__ = "example.contact"

    name = fields.Char("Name", required=True)
    email = fields.Char("E-mail", required=True)
    message = fields.Text("Message", required=True)

    @classmethod
    @route("/contact", methods=["POST"])
    def receive(cls) -> Any:
        """Store what the form holds, defer the mail, and answer at once."""
        form = ContactForm()
        if not form.validate():
            return cls._ask_again(form)
        (contact,) = cls.create(
            [
                {
                    "name": form.name.data,
                    "email": form.email.data,
                    "message": form.message.data,
                }
            ]
        )
        result = contact.send_mail()
        list_task(result, f"Mail to {contact.email}")
        thanks = f"Thank you, {contact.name}. A mail to {contact.email} is on its way."
        if wants_json():
            answer = jsonify(id=result.id, url=result.url, message=thanks)
            answer.status_code = 202
            return answer
        flash(thanks)
        return redirect(url_for("nereid.website.home"), 303)

    @classmethod
    def _ask_again(cls, form: ContactForm) -> Any:
        """The form once more, with what was typed and what is wrong with it."""
        if wants_json():
            answer = jsonify(errors=form.errors)
            answer.status_code = 400
            return answer
        page = render_template("home.jinja", form=form)
        page.status = 400
        return page

    @classmethod
    @route("/fail", methods=["POST"])
    def refuse(cls) -> Any:
        """Store a record, defer its mail, and then fail: nothing may be sent."""
        (contact,) = cls.create(
            [
                {
                    "name": "Nobody",
                    "email": "nobody@example.com",
                    "message": "This mail must never arrive.",
                }
            ]
        )
        contact.send_mail()
        raise UserError(REFUSED)

    def send_mail(self) -> AsyncResult[dict[str, Any]]:
        """Have the confirmation sent, once what the request stores is committed."""
        mail = EmailMessage()
        mail["To"] = self.email
        mail["Subject"] = f"We have your message, {self.name}"
        mail.set_content(str(render_template("mail/contact.txt", contact=self)))
        return send_mail(mail)
