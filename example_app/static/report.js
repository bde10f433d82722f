/** The sales report: asks for it, follows its progress, shows it. */

import {asyncResult, GoneError, NotFoundError} from '/async/client.js';
import {post} from './post.js';
import {drawReport} from './chart.js';

/** The address keeps the id, so that a reload shows the report again. */
const FRAGMENT = '#report=';

let stop = null;

export function watchReport() {
  const form = document.getElementById('report-form');
  if (!form) return;
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    document.getElementById('report-result').hidden = true;
    try {
      const {id} = await post(form);
      history.replaceState(null, '', FRAGMENT + id);
      await follow(id);
    } catch (error) {
      say(error.message, 'bad');
    }
  });
  document.getElementById('report-stop').addEventListener('click', () => stop?.abort());
  if (location.hash.startsWith(FRAGMENT)) follow(location.hash.slice(FRAGMENT.length));
}

async function follow(id) {
  stop?.abort();
  const mine = stop = new AbortController();
  const begin = performance.now();
  busy(true);
  progress(null, 'pending');
  try {
    const report = await asyncResult(id, {signal: mine.signal, onProgress: progress});
    const seconds = ((performance.now() - begin) / 1000).toFixed(1);
    say(`Here it is, after ${seconds} s.`, 'good');
    document.getElementById('report-result').hidden = false;
    drawReport(report);
  } catch (error) {
    if (mine === stop) explain(error);
  } finally {
    if (mine === stop) busy(false);
  }
}

function progress(state, phase) {
  const bar = document.querySelector('#report-progress progress');
  if (state) {
    bar.max = state.total || 1;
    bar.value = state.done;
  } else {
    bar.removeAttribute('value');
  }
  say(state?.message || (phase === 'running' ? 'Working …' : 'Waiting for a worker …'));
}

function explain(error) {
  if (error.name === 'AbortError') {
    say('You stopped waiting. The worker goes on; reload the page to look again.');
  } else if (error instanceof NotFoundError) {
    say('This report belongs to another visitor, or there is none.', 'bad');
  } else if (error instanceof GoneError) {
    say('This report is no longer kept. Build it again.', 'bad');
  } else {
    say(error.message, 'bad');
  }
}

function busy(yes) {
  document.getElementById('report-progress').hidden = !yes;
  document.querySelector('#report-form button').disabled = yes;
}

function say(text, kind = '') {
  const status = document.getElementById('report-status');
  status.className = `status ${kind}`;
  status.textContent = text;
}
