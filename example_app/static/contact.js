/** The contact form: shows what happens after it was sent, as it happens. */

import {asyncResult} from '../async/client.js';
import {post, readMailbox} from './post.js';

export function watchContact() {
  const form = document.getElementById('contact');
  form?.addEventListener('submit', async (event) => {
    event.preventDefault();
    const button = form.querySelector('button');
    button.disabled = true;
    try {
      await send(form);
    } finally {
      button.disabled = false;
    }
  });
}

async function send(form) {
  const to = form.elements.email.value.trim();
  clear(form);
  const begin = performance.now();
  let answer;
  try {
    answer = await post(form);
  } catch (error) {
    showErrors(form, error);
    return;
  }
  const seconds = () => ((performance.now() - begin) / 1000).toFixed(1);
  step('answer', 'done',
    `After ${Math.round(performance.now() - begin)} ms. ${answer.message}`);
  step('mail', 'now', 'The worker has it next.');
  form.elements.message.value = '';
  try {
    await asyncResult(answer.id, {
      onState: (state) => step('mail', 'now',
        state === 'running' ? 'The worker is sending it.' : 'The worker has it next.'),
    });
  } catch (error) {
    step('mail', 'failed', `It was not sent: ${error.message}`);
    return;
  }
  step('mail', 'done', `Sent ${seconds()} s after you pressed the button.`);
  const mails = await readMailbox();
  const mail = mails.find((each) => each.to.includes(to));
  if (mail) showMail(mail);
}

function clear(form) {
  for (const id of ['answer', 'mail', 'arrival']) step(id, '');
  document.getElementById('contact-mail').hidden = true;
  for (const control of form.querySelectorAll('[aria-invalid]')) {
    control.setAttribute('aria-invalid', 'false');
    document.getElementById(`${control.id}-error`).textContent = '';
  }
}

function showErrors(form, error) {
  const wrong = [...form.elements].filter(({id, name}) => id && error.errors?.[name]);
  for (const control of wrong) {
    control.setAttribute('aria-invalid', 'true');
    document.getElementById(`${control.id}-error`).textContent =
      error.errors[control.name].join(' ');
  }
  if (wrong.length) wrong[0].focus();
  else step('answer', 'failed', error.message);
}

/** Mark a step of the list; its text stays if none is given. */
function step(name, state, text) {
  const item = document.querySelector(`#contact-trace [data-step=${name}]`);
  item.className = state;
  if (text) item.querySelector('span').textContent = text;
}

function showMail({to, subject, body}) {
  const article = document.getElementById('contact-mail');
  const title = document.createElement('h3');
  title.textContent = subject;
  const address = document.createElement('p');
  address.className = 'to';
  address.textContent = `to ${to}`;
  const text = document.createElement('pre');
  text.textContent = body;
  article.replaceChildren(title, address, text);
  article.hidden = false;
  step('arrival', 'done');
}
