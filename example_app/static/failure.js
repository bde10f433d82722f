/** The button that fails on purpose: counts the mails before and after. */

import {post, readMailbox} from './post.js';

/** How long a mail could take to arrive if one had been sent, in milliseconds. */
const WAIT = 1500;

export function watchFailure() {
  const form = document.getElementById('fail');
  const status = document.getElementById('fail-status');
  form?.addEventListener('submit', async (event) => {
    event.preventDefault();
    const button = form.querySelector('button');
    button.disabled = true;
    const before = (await readMailbox()).length;
    try {
      await post(form);
    } catch (error) {
      show(status, '', error.message);
      await new Promise((resolve) => setTimeout(resolve, WAIT));
      const after = (await readMailbox()).length;
      show(status, after === before ? 'good' : 'bad',
        `${error.message} Mails in the mailbox: ${before} before, ${after} now.`);
    }
    button.disabled = false;
  });
}

function show(status, kind, text) {
  status.className = `status ${kind}`;
  status.textContent = text;
}
