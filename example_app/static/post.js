/** Sends forms to the shop the way its scripts do: JSON back, CSRF token along. */

/** The answer of the shop to a form it does not accept. */
export class RefusedError extends Error {
  /** @param {number} status @param {object} body */
  constructor(status, body) {
    super(body.error ?? body.message ?? `The shop answered with status ${status}.`);
    this.status = status;
    /** By field name, the messages for the visitor. */
    this.errors = body.errors ?? {};
  }
}

/**
 * @param {HTMLFormElement} form
 * @returns {Promise<object>} the body of the answer
 * @throws {RefusedError} if the shop refuses
 */
export async function post(form) {
  const response = await fetch(form.action, {
    method: 'POST',
    body: new URLSearchParams(new FormData(form)),
    credentials: 'same-origin',
    headers: {
      Accept: 'application/json',
      'X-CSRFToken': form.elements.csrf_token.value,
    },
  });
  const body = await response.json().catch(() => ({}));
  if (!response.ok) throw new RefusedError(response.status, body);
  return body;
}

/** @returns {Promise<{to: string, subject: string, body: string}[]>} latest first */
export async function readMailbox() {
  const mailbox = new URL('../mailbox', import.meta.url);
  const response = await fetch(mailbox, {headers: {Accept: 'application/json'}});
  return response.json();
}
