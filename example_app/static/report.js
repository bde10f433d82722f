/** The sales report: asks for it, lets the element follow it, shows it. */

import {texts} from '../async/client.js';
import {post} from './post.js';
import {drawReport} from './chart.js';

/** The address keeps the id, so that a reload shows the report again. */
const FRAGMENT = '#report=';

let begin = 0;

export function watchReport() {
  const form = document.getElementById('report-form');
  if (!form) return;
  Object.assign(texts, {
    pending: 'Waiting for a worker …',
    notFound: 'This report belongs to another visitor, or there is none.',
    gone: 'This report is no longer kept. Build it again.',
  });
  const element = document.querySelector('#report async-result');
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    document.getElementById('report-result').hidden = true;
    try {
      const {id} = await post(form);
      history.replaceState(null, '', FRAGMENT + id);
      follow(element, id);
    } catch (error) {
      say(error.message, 'bad');
    }
  });
  element.addEventListener('async-result', ({detail}) => show(detail));
  element.addEventListener('async-error', () => busy(false));
  element.addEventListener('async-cancelled', () => busy(false));
  document.getElementById('report-stop').addEventListener('click', () => stop(element));
  if (location.hash.startsWith(FRAGMENT)) {
    follow(element, location.hash.slice(FRAGMENT.length));
  }
}

function follow(element, id) {
  begin = performance.now();
  say('');
  busy(true);
  element.closest('.progress').hidden = false;
  element.setAttribute('uuid', id);
}

function stop(element) {
  element.removeAttribute('uuid');
  element.closest('.progress').hidden = true;
  busy(false);
  say('You stopped waiting. The worker goes on; reload the page to look again.');
}

function show(report) {
  busy(false);
  document.getElementById('report-progress').hidden = true;
  say(`Here it is, after ${((performance.now() - begin) / 1000).toFixed(1)} s.`, 'good');
  document.getElementById('report-result').hidden = false;
  drawReport(report);
}

function busy(yes) {
  document.getElementById('report-stop').hidden = !yes;
  document.querySelector('#report-form button').disabled = yes;
}

function say(text, kind = '') {
  const status = document.getElementById('report-status');
  status.className = `status ${kind}`;
  status.textContent = text;
}
