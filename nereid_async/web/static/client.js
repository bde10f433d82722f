/**
 * Waits in the browser for the result of a deferred task, and shows it.
 *
 *     import {asyncResult} from '/async/client.js';
 *     const report = await asyncResult(id, {onProgress: (p) => show(p)});
 *
 *     <async-result uuid="…" label="Sales report"></async-result>
 *
 * It asks GET /async/result/<uuid> again and again, more and more slowly, until
 * the answer is final. Every time is in milliseconds, but `wait`.
 */

/** The first pause, and the shortest. */
const FIRST_INTERVAL = 250;
/** As long as pauses become by themselves. */
const SLOW_INTERVAL = 5000;
/** As long as a page or a server can make them. */
const LONGEST_PAUSE = 3_600_000;
/** After that it asks even where the browser says that it is offline: some err. */
const OFFLINE_PAUSE = 10_000;
const GROWTH = 1.5;
/** A pause is longer by up to this share, so that many browsers do not ask at once. */
const JITTER = 0.2;
/** How many seconds a server may hold an answer, and how long one may take beside. */
const LONGEST_WAIT_S = 300;
const ANSWER_TIME = 30_000;
/** The time for a reload or another tab, before the server may forget the result. */
const ACKNOWLEDGE_AFTER = 600_000;
/** What a timer of a browser holds; a longer one would be over at once. */
const LONGEST_TIMER = 2 ** 31 - 1;
/**
 * What may come in a row that is no answer, until that is an error: so many times
 * what a server calls temporary, or a tenth of it of anything else.
 */
const PATIENCE = 120;
const IMPATIENCE = 10;
/** What a server or a proxy answers while it is restarting or overloaded. */
const TEMPORARY = new Set([429, 502, 503, 504]);
/** Beside this module, below whatever path the app is mounted at. */
const BASE = new URL(import.meta.url).pathname.endsWith('/async/client.js')
  ? new URL('result/', import.meta.url).pathname : '/async/result/';

/**
 * @typedef {{done: number|null, total: number|null, message: string|null}} Progress
 *
 * @typedef {object} Options
 * @property {number} [timeout] give up after this time; without it, or with Infinity,
 *     never
 * @property {AbortSignal} [signal] stops waiting; the promise rejects with its reason
 * @property {number} [interval] the first pause between two questions: 250 at least,
 *     an hour at most
 * @property {number} [wait] how many seconds the server may hold each answer
 * @property {(progress: Progress) => void} [onProgress] called with what the task
 *     has said of its progress; not before it has said something
 * @property {(state: string, progress: Progress|null) => void} [onState]
 *     called after each answer that is not final; state is 'pending' or 'running'
 * @property {boolean} [acknowledge] whether to tell the server at once that the result
 *     has arrived, so that it is kept no longer; without it, where the answer asks for
 *     that, after ten minutes, if the page is still there
 * @property {typeof globalThis.fetch} [fetch]
 * @property {string} [base] what comes before the uuid in the address
 */

/** What all errors of this module have in common. */
export class AsyncResultError extends Error {
  /** @param {string} message */
  constructor(message) {
    super(message);
    this.name = new.target.name;
  }
}

/**
 * The task failed for good. `type` is the name of an error that is meant for visitors;
 * of any other it is 'TaskFailed', and `id` is its number in the server's log.
 */
export class TaskFailedError extends AsyncResultError {
  /** @param {{type?: string, message?: string, id?: string}|null} [error] */
  constructor(error) {
    super(error?.message || 'The task failed.');
    this.type = error?.type || 'Error';
    this.id = error?.id ?? null;
  }
}

/**
 * No request gets an answer that a script may read, though the browser is online: the
 * server is away, something blocks the requests, or they lead to a login elsewhere.
 */
export class UnreachableError extends AsyncResultError {}

/** There is no such result, or it belongs to another visitor. */
export class NotFoundError extends AsyncResultError {}

/** The result was there, and has expired or was acknowledged. */
export class GoneError extends AsyncResultError {}

/** The time allowed by `timeout` is over; the task itself goes on. */
export class ResultTimeoutError extends AsyncResultError {}

/** The server answered something that is not part of the protocol. */
export class UnexpectedAnswerError extends AsyncResultError {
  /** @param {string} message @param {number} status */
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

/**
 * Wait for the result of a task.
 *
 * A hidden tab does not ask, a browser that is offline slowly. A connection that drops,
 * or an answer that is none, is an error only if it is not the only one: twelve in a
 * row, or 120 times that a server calls it temporary. A number that cannot be read is
 * as none, and a warning in the console.
 *
 * @param {string} uuid the id of the task
 * @param {Options} [options]
 * @returns {Promise<any>} what the task returned
 * @throws {TaskFailedError|NotFoundError|GoneError|ResultTimeoutError
 *     |UnexpectedAnswerError|UnreachableError} or the reason of the signal
 */
export async function asyncResult(uuid, options = {}) {
  const interval = between(
    FIRST_INTERVAL, number(options, 'interval', FIRST_INTERVAL), LONGEST_PAUSE);
  const wait = between(0, number(options, 'wait', 0), LONGEST_WAIT_S);
  const url = address(uuid, options) + (wait > 0 ? `?wait=${wait}` : '');
  const limit = wait * 1000 + ANSWER_TIME;
  const ending = endingSignal(number(options, 'timeout', Infinity), options.signal);
  let lost = 0;
  try {
    for (let pause = interval; ; pause = longer(pause)) {
      const answer = await ask(url, options, limit, ending.signal);
      if (answer.status === 200) {
        settle(uuid, options, answer.body.acknowledge);
        return outcome(answer.body);
      }
      if (answer.status === 202) report(answer.body, options);
      lost = answer.problem ? lost + (answer.temporary ? 1 : IMPATIENCE) : 0;
      if (lost >= PATIENCE) throw answer.problem;
      await rest(Math.max(spread(pause), leastPause(answer)), ending.signal);
    }
  } finally {
    ending.release();
  }
}

/** Timers by address: one acknowledgement, counted from the last time it was shown. */
const acknowledging = new Map();

function settle(uuid, options, wanted) {
  if (options.acknowledge) acknowledge(uuid, options);
  if (!wanted || typeof options.acknowledge === 'boolean') return;
  const url = address(uuid, options);
  clearTimeout(acknowledging.get(url));
  const timer = setTimeout(() => acknowledge(uuid, options), ACKNOWLEDGE_AFTER);
  // No reason for a script outside of a browser to go on.
  timer.unref?.();
  acknowledging.set(url, timer);
}

/**
 * Tell the server that the result has arrived and need not be kept.
 *
 * Nobody has to wait for this, and it never fails: what is not acknowledged
 * expires by itself. It goes out even if the page is left at once.
 *
 * @param {string} uuid the id of the task
 * @param {Pick<Options, 'fetch'|'base'>} [options]
 * @returns {Promise<void>}
 */
export async function acknowledge(uuid, options = {}) {
  const {fetch = globalThis.fetch} = options;
  const url = address(uuid, options);
  clearTimeout(acknowledging.get(url));
  acknowledging.delete(url);
  try {
    await fetch(url, {
      method: 'DELETE',
      keepalive: true,
      credentials: 'same-origin',
      cache: 'no-store',
    });
  } catch {
    // See above.
  }
}

function address(uuid, {base = BASE}) {
  return base + encodeURIComponent(uuid);
}

/**
 * A number among the options; a page may give text that is one.
 *
 * @param {number} otherwise where there is none
 */
function number(options, name, otherwise) {
  const given = options[name] ?? otherwise;
  const text = typeof given === 'string' && given.trim() !== '';
  const value = text ? Number(given) : given;
  if (typeof value === 'number' && !Number.isNaN(value)) return value;
  console.warn(`async-result: ${name} is no number:`, given);
  return otherwise;
}

function between(least, value, most) {
  return Math.min(Math.max(value, least), most);
}

/**
 * One question.
 *
 * @returns status and body of what is part of the protocol; else the `problem`, and
 *     whether it is `temporary`; neither if the browser is offline. In any case
 *     Retry-After, if there is one.
 */
async function ask(url, {fetch = globalThis.fetch}, limit, signal) {
  signal.throwIfAborted();
  const asking = endingSignal(limit, signal);
  let response, text;
  try {
    response = await fetch(url, {
      credentials: 'same-origin',
      cache: 'no-store',
      headers: {Accept: 'application/json'},
      signal: asking.signal,
    });
    text = await response.text();
  } catch {
    signal.throwIfAborted();
    if (isOffline()) return {};
    return {problem: new UnreachableError('The server cannot be reached.')};
  } finally {
    asking.release();
  }
  return read(response.status, text, response.headers.get('Retry-After'));
}

function read(status, text, retryAfter) {
  if (status === 404) throw new NotFoundError('There is no such result.');
  if (status === 410) throw new GoneError('The result is no longer kept.');
  const body = parse(text);
  if (isAnswer(status, body?.state)) return {status, body, retryAfter};
  const problem = new UnexpectedAnswerError(
    `Unexpected answer (status ${status}).`, status);
  return {problem, temporary: TEMPORARY.has(status), retryAfter};
}

function isAnswer(status, state) {
  if (status === 202) return typeof state === 'string';
  return status === 200 && (state === 'done' || state === 'failed');
}

/** @returns undefined for what is no JSON: a page of a proxy or a login form */
function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function report({state, progress}, {onState, onProgress}) {
  onState?.(state, progress ?? null);
  if (progress) onProgress?.(progress);
}

function outcome(body) {
  if (body.state === 'failed') throw new TaskFailedError(body.error);
  return body.result;
}

// -- pauses ----------------------------------------------------------------------

function spread(pause) {
  return pause * (1 + JITTER * Math.random());
}

function longer(pause) {
  return Math.max(pause, Math.min(pause * GROWTH, SLOW_INTERVAL));
}

/**
 * The pause the server asks for. A running task is looked at more often than
 * its default of one second; a longer wish, or that of a server in need, holds.
 */
function leastPause({retryAfter, problem}) {
  const pause = Math.min(retryAfterTime(retryAfter), LONGEST_PAUSE);
  return pause > 1000 || problem ? pause : 0;
}

/**
 * @param {string|null|undefined} header seconds, or a date
 * @returns {number} milliseconds from now; 0 if it says nothing that can be read
 */
export function retryAfterTime(header, now = Date.now()) {
  if (!header) return 0;
  if (/^[\d.]+$/.test(header)) return Number(header) * 1000 || 0;
  // A date has a name of a month; what else Date reads is nonsense here.
  const time = /[a-z]{3}/i.test(header) ? Date.parse(header) - now : 0;
  return time > 0 ? time : 0;
}

/**
 * A timer of any length.
 *
 * @returns {() => void} ends it
 */
function after(duration, call) {
  let timer;
  const wait = (left) => {
    timer = left > LONGEST_TIMER
      ? setTimeout(() => wait(left - LONGEST_TIMER), LONGEST_TIMER)
      : setTimeout(call, left);
  };
  if (duration !== Infinity) wait(Math.max(duration, 0));
  return () => clearTimeout(timer);
}

/** A signal that follows the caller's and also ends when the time is over. */
function endingSignal(time, signal) {
  const controller = new AbortController();
  const follow = () => controller.abort(signal.reason);
  const stop = after(time, () => {
    controller.abort(new ResultTimeoutError(`No result after ${time} ms.`));
  });
  if (signal?.aborted) follow();
  signal?.addEventListener('abort', follow);
  return {
    signal: controller.signal,
    release() {
      stop();
      signal?.removeEventListener('abort', follow);
    },
  };
}

/** Pause; for as long as nobody looks; and longer where the browser is offline. */
async function rest(duration, signal) {
  await until(signal, (resume) => after(duration, resume));
  while (globalThis.document?.hidden) {
    await until(signal, (resume) => all(
      onEvent(document, 'visibilitychange', resume),
      // Not every browser tells a page from its cache that it is seen again.
      onEvent(globalThis, 'pageshow', resume)));
  }
  if (isOffline()) {
    await until(signal, (resume) => all(
      after(OFFLINE_PAUSE, resume), onEvent(globalThis, 'online', resume)));
  }
}

function all(...ends) {
  return () => ends.forEach((end) => end());
}

function isOffline() {
  return globalThis.navigator?.onLine === false;
}

/** @returns {() => void} ends it */
function onEvent(target, name, call) {
  target.addEventListener?.(name, call);
  return () => target.removeEventListener?.(name, call);
}

/**
 * @param {AbortSignal} signal rejects with its reason
 * @param {(resume: () => void) => (() => void)} begin starts to wait; returns what
 *     ends that
 * @returns {Promise<void>}
 */
function until(signal, begin) {
  return new Promise((resolve, reject) => {
    const stop = () => finish(() => reject(signal.reason));
    const end = begin(() => finish(resolve));
    function finish(settle) {
      end();
      signal.removeEventListener('abort', stop);
      settle();
    }
    signal.addEventListener('abort', stop);
    if (signal.aborted) stop();
  });
}

// -- the element -----------------------------------------------------------------

/** What the element says; to be replaced, or translated, by the page. */
export const texts = {
  label: 'Progress',
  pending: 'Waiting …',
  running: 'Working …',
  done: 'Done.',
  failed: 'It did not work: ',
  notFound: 'There is no such result.',
  gone: 'This result is no longer kept.',
  interrupted: 'There is no answer. ',
  retry: 'Try again',
};

const STYLE = `
  :host { display: block; color-scheme: light dark; }
  [hidden] { display: none !important; }
  [part=progress] {
    height: var(--async-result-height, .6em);
    border-radius: var(--async-result-radius, .3em);
    background: var(--async-result-track, light-dark(#d8dee4, #3d444d));
    overflow: hidden;
  }
  [part=bar] {
    height: 100%;
    width: calc(var(--share, 0) * 100%);
    border-radius: inherit;
    background: var(--async-result-color, light-dark(#0b57d0, #8ab4f8));
    transition: width .3s;
  }
  [part=progress]:not([aria-valuenow]) [part=bar] {
    width: 30%;
    animation: sweep 1.6s ease-in-out infinite alternate;
  }
  @keyframes sweep { to { transform: translateX(233%); } }
  @media (prefers-reduced-motion: reduce) {
    [part=bar] { transition: none; animation: none !important; }
  }
  p { margin: .4em 0; }
  [part=message] { color: var(--async-result-text, inherit); }
  [part=error] { color: var(--async-result-error, light-dark(#b3261e, #f2b8b5)); }
  .announcement {
    position: absolute; width: 1px; height: 1px; overflow: hidden;
    clip-path: inset(50%); white-space: nowrap;
  }
`;

/** What the shadow tree consists of: tag, and attributes. */
const PARTS = {
  progress: ['div', {part: 'progress', role: 'progressbar', 'aria-valuemin': '0'}],
  message: ['p', {part: 'message'}],
  announcement: ['p', {class: 'announcement', role: 'status'}],
  error: ['p', {part: 'error', role: 'alert'}],
  retry: ['button', {part: 'retry', type: 'button'}],
  result: ['slot', {}],
};

/**
 * What was shown on this page, by id, for copies of the element. A new element asks.
 *
 * @type {Map<string, {value: any}|{error: TaskFailedError}>}
 */
const outcomes = new Map();
const MOST_OUTCOMES = 100;

function remember(uuid, outcome) {
  outcomes.delete(uuid);
  outcomes.set(uuid, outcome);
  if (outcomes.size > MOST_OUTCOMES) outcomes.delete(outcomes.keys().next().value);
}

/** Comments around what the element puts into the page: copies of it have them, too. */
const MARK = 'async-result';
const END_MARK = '/async-result';

function mark(uuid, state) {
  return `${MARK} ${state} ${encodeURIComponent(uuid)}`;
}

/** Put an outcome into an element, marked as what it is. */
function append(element, content, uuid, state) {
  element.append(
    document.createComment(mark(uuid, state)), content,
    document.createComment(END_MARK));
}

/** @returns {ChildNode[]} what was put into an element, marks included */
function appended(element) {
  const nodes = [...element.childNodes];
  const says = (node) => (node.nodeType === Node.COMMENT_NODE ? node.data : '');
  const first = nodes.findIndex((node) => says(node).startsWith(`${MARK} `));
  const last = nodes.findIndex((node) => says(node) === END_MARK);
  return first < 0 ? [] : nodes.slice(first, Math.max(first, last) + 1);
}

/**
 * `<async-result uuid="…">` shows how far a task is, then its result or its error.
 *
 * Attributes: `uuid`, `label` (what the bar is called), `timeout`, `interval`,
 * `wait`, `base`, `no-acknowledge`, and `retry` (offers a failed task again: the page
 * listens to `async-retry`). A `<template>` inside is filled with the result:
 * `data-bind="path.to.value"` sets an element's text, `data-bind-href` a link.
 * Without one the result is shown as text. Events, which bubble: `async-progress`,
 * `async-result`, `async-error`, with the progress, result or error as `detail`.
 * Parts: progress, bar, message, error, retry. Custom properties:
 * `--async-result-color`, `-track`, `-height`, `-radius`, `-text`, `-error`.
 *
 * What it shows stays where the element is moved, put back or copied; a copy asks for
 * what its original has shown no more, and sends no events for it.
 */
export class AsyncResultElement extends (globalThis.HTMLElement ?? Object) {
  static observedAttributes = ['uuid'];

  /** @type {AbortController|null} while it asks */
  #waiting = null;
  /** @type {string|null|undefined} what it asks for or shows; undefined at first */
  #uuid = undefined;
  /** Whether there is an outcome, or an error, to look at. */
  #settled = false;
  /** Whether that is the failure of the task. */
  #failed = false;
  #parts = {};
  #announced = '';

  /** What the task returned, as soon as it is there. */
  result = undefined;

  constructor() {
    super();
    const root = this.attachShadow({mode: 'open'});
    // Unlike a style element, this is open to pages with a strict content policy.
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(STYLE);
    root.adoptedStyleSheets = [sheet];
    for (const [name, [tag, attributes]] of Object.entries(PARTS)) {
      const part = document.createElement(tag);
      for (const [key, value] of Object.entries(attributes)) {
        part.setAttribute(key, value);
      }
      root.append(this.#parts[name] = part);
    }
    const bar = document.createElement('div');
    bar.setAttribute('part', 'bar');
    this.#parts.progress.append(bar);
    this.#parts.retry.addEventListener('click', () => this.#retry());
  }

  connectedCallback() {
    const same = this.getAttribute('uuid') === this.#uuid;
    if (!same || !(this.#waiting || this.#settled)) this.#start();
  }

  /** Without it, a move by moveBefore() would take it out and put it back. */
  connectedMoveCallback() {}

  disconnectedCallback() {
    // One that is only moved is connected again by then.
    queueMicrotask(() => {
      if (!this.isConnected) this.#stop();
    });
  }

  attributeChangedCallback(name, before, after) {
    const begun = this.#uuid !== undefined;
    if (this.isConnected && begun && before !== after) this.#start();
  }

  /** Show the task that the attribute names; what is shown of it already stays. */
  #start() {
    this.#stop();
    const uuid = this.getAttribute('uuid');
    if (uuid !== this.#uuid) {
      this.#uuid = uuid;
      if (uuid && this.#adopt()) return;
      this.#clear();
    }
    if (uuid) this.#ask();
  }

  #stop() {
    this.#waiting?.abort();
    this.#waiting = null;
  }

  async #ask() {
    const waiting = this.#waiting = new AbortController();
    try {
      const value = await asyncResult(this.#uuid, this.#options(waiting.signal));
      if (!waiting.signal.aborted) this.#succeed(value);
    } catch (error) {
      if (!waiting.signal.aborted) this.#fail(error);
    }
  }

  /** @returns {boolean} whether this is a copy of an element that has shown the task */
  #adopt() {
    const [first] = appended(this);
    const outcome = outcomes.get(this.#uuid);
    if (first?.data === mark(this.#uuid, 'done')) {
      this.result = outcome?.value;
      this.#settle({});
      return true;
    }
    if (first?.data !== mark(this.#uuid, 'failed') || !outcome?.error) return false;
    this.#showError(outcome.error);
    return true;
  }

  #options(signal) {
    const options = {
      signal,
      onState: (state, progress) => {
        if (signal.aborted) return;
        this.#progress(progress, state);
        this.#tell('async-progress', {progress, state});
      },
    };
    for (const name of ['timeout', 'interval', 'wait']) {
      if (this.hasAttribute(name)) options[name] = this.getAttribute(name);
    }
    if (this.hasAttribute('base')) options.base = this.getAttribute('base');
    if (this.hasAttribute('no-acknowledge')) options.acknowledge = false;
    return options;
  }

  #clear() {
    for (const node of appended(this)) node.remove();
    this.result = undefined;
    this.#settled = this.#failed = false;
    this.#announced = '';
    if (this.#uuid) this.#progress(null, 'pending');
    else this.#show({});
  }

  #settle(shown) {
    this.#waiting = null;
    this.#settled = true;
    this.#show(shown);
  }

  /** Show these parts, with these texts, and hide the others. */
  #show({progress = false, message = '', error = '', retry = false}) {
    const parts = this.#parts;
    parts.progress.hidden = !progress;
    parts.message.hidden = !message;
    parts.message.textContent = message;
    parts.error.hidden = !error;
    parts.error.textContent = error;
    parts.retry.hidden = !retry;
    parts.retry.textContent = texts.retry;
  }

  #progress(progress, state) {
    const message = progress?.message || texts[state] || texts.running;
    this.#show({progress: true, message});
    const bar = this.#parts.progress;
    bar.setAttribute('aria-label', this.getAttribute('label') || texts.label);
    const share = shareOf(progress);
    if (share === null) {
      bar.removeAttribute('aria-valuenow');
      bar.removeAttribute('aria-valuemax');
    } else {
      bar.setAttribute('aria-valuemax', progress.total);
      bar.setAttribute('aria-valuenow', Math.min(progress.done, progress.total));
      bar.setAttribute('aria-valuetext', `${Math.floor(share * 100)} %`);
    }
    bar.firstChild.style.setProperty('--share', share ?? 0);
    // Every quarter is enough for who listens.
    this.#announce(`${state} ${Math.floor((share ?? 0) * 4)}`, message);
  }

  #announce(step, message) {
    if (step === this.#announced) return;
    this.#announced = step;
    this.#parts.announcement.textContent = message;
  }

  #succeed(value) {
    this.result = value;
    remember(this.#uuid, {value});
    this.#settle({});
    this.#announce('done', texts.done);
    const template = this.querySelector(':scope > template');
    const content = template
      ? fill(template.content.cloneNode(true), value)
      : asParagraph(value);
    append(this, content, this.#uuid, 'done');
    this.#tell('async-result', value);
  }

  #fail(error) {
    if (error instanceof TaskFailedError) {
      remember(this.#uuid, {error});
      append(this, '', this.#uuid, 'failed');
    }
    this.#showError(error);
    this.#tell('async-error', error);
  }

  #showError(error) {
    const final = error instanceof NotFoundError || error instanceof GoneError;
    this.#failed = error instanceof TaskFailedError;
    this.#settle({
      error: errorText(error),
      retry: this.#failed ? this.hasAttribute('retry') : !final,
    });
    this.#announced = 'failed';
    this.#parts.announcement.textContent = '';
  }

  /** Ask again; or, for a task that has failed, let the page defer another one. */
  #retry() {
    if (this.#failed) {
      this.#tell('async-retry', null);
    } else {
      this.#clear();
      this.#ask();
    }
  }

  #tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, {detail, bubbles: true, composed: true}));
  }
}

function errorText(error) {
  if (error instanceof NotFoundError) return texts.notFound;
  if (error instanceof GoneError) return texts.gone;
  const start = error instanceof TaskFailedError ? texts.failed : texts.interrupted;
  return start + error.message;
}

/** @returns {number|null} between 0 and 1; null where that is not known */
export function shareOf(progress) {
  if (typeof progress?.done !== 'number' || !(progress.total > 0)) return null;
  return Math.min(Math.max(progress.done / progress.total, 0), 1);
}

function asParagraph(value) {
  const content = document.createDocumentFragment();
  if (value === null || value === undefined) return content;
  const simple = typeof value !== 'object';
  const element = document.createElement(simple ? 'p' : 'pre');
  element.textContent = asText(value);
  content.append(element);
  return content;
}

/** Put a value into the places of a template; as text, never as markup. */
function fill(content, value) {
  for (const element of content.querySelectorAll('[data-bind]')) {
    element.textContent = asText(valueAt(value, element.dataset.bind));
  }
  for (const element of content.querySelectorAll('[data-bind-href]')) {
    const href = safeHref(valueAt(value, element.dataset.bindHref));
    if (href !== null) element.setAttribute('href', href);
  }
  return content;
}

/**
 * @param {any} value
 * @param {string} path names and numbers with dots between; empty for the value
 */
export function valueAt(value, path) {
  return path.split('.').filter(Boolean).reduce(
    (inner, name) => (inner !== null && typeof inner === 'object'
      && Object.hasOwn(inner, name) ? inner[name] : undefined),
    value);
}

/** @returns {string} */
export function asText(value) {
  if (value === null || value === undefined) return '';
  return typeof value === 'object' ? JSON.stringify(value, null, 2) : String(value);
}

/** @returns {string|null} the address, if following it can do no harm */
export function safeHref(value) {
  const here = globalThis.location?.href ?? 'http://localhost/';
  try {
    const {protocol} = new URL(String(value), here);
    return ['http:', 'https:', 'mailto:'].includes(protocol) ? String(value) : null;
  } catch {
    return null;
  }
}

if (globalThis.customElements && !customElements.get('async-result')) {
  customElements.define('async-result', AsyncResultElement);
}
