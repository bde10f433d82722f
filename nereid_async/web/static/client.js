/**
 * Waits in the browser for the result of a deferred task, and shows it.
 *
 *     import {asyncResult} from '/async/client.js';
 *     const report = await asyncResult(id, {onProgress: (p) => show(p)});
 *
 *     <async-result uuid="…" label="Sales report"></async-result>
 *
 * It polls GET /async/result/<uuid> with growing pauses until the answer is final. All
 * times are in milliseconds, except `wait`.
 */

/** The first pause between two polls, and the shortest. */
const FIRST_INTERVAL = 250;
/** The longest pause that growth leads to. */
const SLOW_INTERVAL = 5000;
/** The longest pause that a page or a server can ask for. */
const LONGEST_PAUSE = 3_600_000;
/** The server's usual Retry-After, which is ignored: RETRY_AFTER_S in endpoint.py. */
const USUAL_RETRY_AFTER = 1000;
/** The pause while the browser says that it is offline, which may be wrong. */
const OFFLINE_PAUSE = 10_000;
const GROWTH = 1.5;
/** A pause is longer by up to this share, so that browsers do not poll in step. */
const JITTER = 0.2;
/** The longest wait that is sent, in seconds, and the time an answer takes besides. */
const LONGEST_WAIT_S = 300;
const ANSWER_TIME = 30_000;
/** A reload or another tab can read the result for that long. */
const ACKNOWLEDGE_AFTER = 600_000;
/** The longest timer of browsers; a longer one would fire at once. */
const LONGEST_TIMER = 2 ** 31 - 1;
/**
 * Failed polls in a row that end the wait: 120 temporary ones, or 12 others, each of
 * which counts as ten.
 */
const MOST_FAILURES = 120;
const OTHER_FAILURE = 10;
/** Status codes of a server or proxy that is restarting or overloaded. */
const TEMPORARY = new Set([429, 502, 503, 504]);
/** States after which nothing more happens to a task. */
const FINAL = new Set(['done', 'failed', 'cancelled']);
/** Beside this module, below whatever path the app is mounted at. */
const BASE = new URL(import.meta.url).pathname.endsWith('/async/client.js')
  ? new URL('result/', import.meta.url).pathname : '/async/result/';

/**
 * @typedef {{done: number|null, total: number|null, message: string|null,
 *     failed?: number}} Progress `failed`: of a batch, how many of `done`
 *
 * @typedef {object} Options
 * @property {number} [timeout] give up after this time; without it, or with Infinity,
 *     never
 * @property {AbortSignal} [signal] stops waiting; the promise rejects with its reason
 * @property {number} [interval] the first pause between two polls: 250 at least, an
 *     hour at most
 * @property {number} [wait] how many seconds the server may hold each answer
 * @property {(progress: Progress) => void} [onProgress] called with the progress that
 *     the task has reported; not before it has reported any
 * @property {(state: string, progress: Progress|null) => void} [onState]
 *     called after each answer that is not final; state is 'pending' or 'running'
 * @property {boolean} [acknowledge] whether to acknowledge the result at once, so that
 *     the server deletes it; without it, after ten minutes if the answer asks for that
 *     and the page is still open
 * @property {typeof globalThis.fetch} [fetch]
 * @property {string} [base] the URL before the uuid
 */

/** Base of all errors of this module. */
export class AsyncResultError extends Error {
  /** @param {string} message */
  constructor(message) {
    super(message);
    this.name = new.target.name;
  }
}

/**
 * The task failed for good. `type` is the class of a public error; for any other it is
 * 'TaskFailed', and `id` is the error's number in the server's log.
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
 * No poll gets an answer that a script may read, though the browser is online: the
 * server is down, polls are blocked, or redirected to a login on another host.
 */
export class UnreachableError extends AsyncResultError {}

/** The task was cancelled. */
export class TaskCancelledError extends AsyncResultError {}

/** The task cannot be cancelled from the browser. */
export class NotCancellableError extends AsyncResultError {}

/** There is no such result, or it belongs to another owner. */
export class NotFoundError extends AsyncResultError {}

/** The result was there, and has expired or was acknowledged. */
export class GoneError extends AsyncResultError {}

/** The time of `timeout` is over; the task itself goes on. */
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
 * A hidden tab does not poll; a browser that is offline polls slowly. A failed poll is
 * an error only after twelve in a row, or 120 with a temporary status. An option that
 * is no number is ignored, with a warning in the console.
 *
 * @param {string} uuid the id of the task
 * @param {Options} [options]
 * @returns {Promise<any>} what the task returned
 * @throws {TaskFailedError|TaskCancelledError|NotFoundError|GoneError
 *     |ResultTimeoutError|UnexpectedAnswerError|UnreachableError} or the reason of the signal
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
      lost = answer.problem ? lost + (answer.temporary ? 1 : OTHER_FAILURE) : 0;
      if (lost >= MOST_FAILURES) throw answer.problem;
      await rest(Math.max(spread(pause), leastPause(answer)), ending.signal);
    }
  } finally {
    ending.release();
  }
}

/** Timers of acknowledgements, by URL; restarted each time the result is read. */
const acknowledging = new Map();

function settle(uuid, options, wanted) {
  if (options.acknowledge) acknowledge(uuid, options);
  if (!wanted || typeof options.acknowledge === 'boolean') return;
  const url = address(uuid, options);
  clearTimeout(acknowledging.get(url));
  const timer = setTimeout(() => acknowledge(uuid, options), ACKNOWLEDGE_AFTER);
  // The timer must not keep a script outside of a browser running.
  timer.unref?.();
  acknowledging.set(url, timer);
}

/**
 * Acknowledge a result: tell the server that it need not be kept.
 *
 * Never fails, and need not be awaited: a result that is not acknowledged expires. The
 * request is sent even if the page is left at once.
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
    // What was deferred again meanwhile is not to be cancelled by this.
    await fetch(`${url}?cancel=0`, {
      method: 'DELETE',
      keepalive: true,
      credentials: 'same-origin',
      cache: 'no-store',
    });
  } catch {
    // See above.
  }
}

/**
 * Cancel a task that was declared with `cancellable=True`.
 *
 * One that waits never runs. One that runs is asked to stop, and may finish all the
 * same: `asyncResult` tells how it ends. A result that has come meanwhile is kept.
 *
 * @param {string} uuid the id of the task
 * @param {Pick<Options, 'fetch'|'base'|'signal'>} [options]
 * @returns {Promise<string>} the state in which the task was found: 'pending',
 *     'running', 'done', 'failed' or 'cancelled'
 * @throws {NotCancellableError|NotFoundError|GoneError|UnexpectedAnswerError
 *     |UnreachableError} or the reason of the signal
 */
export async function cancel(uuid, options = {}) {
  const {signal = new AbortController().signal} = options;
  const url = `${address(uuid, options)}?cancel=1`;
  const answer = await ask(url, options, ANSWER_TIME, signal, 'DELETE');
  if (answer.status) return answer.body.state;
  if (answer.problem?.status === 409) {
    throw new NotCancellableError('The task cannot be cancelled.');
  }
  throw answer.problem ?? new UnreachableError('The browser is offline.');
}

function address(uuid, {base = BASE}) {
  return base + encodeURIComponent(uuid);
}

/**
 * A number among the options; text is converted, as attributes are text.
 *
 * @param {number} otherwise the value without the option
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
 * Poll once.
 *
 * @returns status and body of an answer of the protocol; else the `problem`, and
 *     whether it is `temporary`; neither if the browser is offline. Besides,
 *     Retry-After if there is one.
 */
async function ask(url, {fetch = globalThis.fetch}, limit, signal, method = 'GET') {
  signal.throwIfAborted();
  const asking = endingSignal(limit, signal);
  let response, text;
  try {
    response = await fetch(url, {
      method,
      keepalive: method === 'DELETE',
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
  return status === 200 && FINAL.has(state);
}

/** @returns undefined for text that is no JSON, such as a page of a proxy */
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
  if (body.state === 'cancelled') {
    throw new TaskCancelledError('The task was cancelled.');
  }
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
 * The least pause, by the server's Retry-After. The usual one is ignored, so that a
 * short task is polled more often; a longer one counts, and any one of a failed poll.
 */
function leastPause({retryAfter, problem}) {
  const pause = Math.min(retryAfterTime(retryAfter), LONGEST_PAUSE);
  return pause > USUAL_RETRY_AFTER || problem ? pause : 0;
}

/**
 * @param {string|null|undefined} header seconds, or a date
 * @returns {number} milliseconds from now; 0 if it cannot be parsed
 */
export function retryAfterTime(header, now = Date.now()) {
  if (!header) return 0;
  if (/^[\d.]+$/.test(header)) return Number(header) * 1000 || 0;
  // A date has the name of a month; Date.parse() also accepts other texts.
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

/** A signal that aborts with the caller's, and when the time is over. */
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

/** Pause; longer while the page is hidden, and while the browser is offline. */
async function rest(duration, signal) {
  await until(signal, (resume) => after(duration, resume));
  while (globalThis.document?.hidden) {
    await until(signal, (resume) => all(
      onEvent(document, 'visibilitychange', resume),
      // Some browsers do not send visibilitychange to a page from their cache.
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

/** The texts of the element; a page may replace or translate them. */
export const texts = {
  label: 'Progress',
  pending: 'Waiting …',
  running: 'Working …',
  batch: '{done} of {total}',
  batchFailed: ', {failed} failed',
  done: 'Done.',
  failed: 'It did not work: ',
  cancel: 'Cancel',
  cancelling: 'Cancelling …',
  cancelled: 'Cancelled.',
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
  [aria-disabled=true] { opacity: .6; }
  .announcement {
    position: absolute; width: 1px; height: 1px; overflow: hidden;
    clip-path: inset(50%); white-space: nowrap;
  }
`;

/** The elements of the shadow tree: tag and attributes. */
const PARTS = {
  progress: ['div', {part: 'progress', role: 'progressbar', 'aria-valuemin': '0'}],
  message: ['p', {part: 'message'}],
  announcement: ['p', {class: 'announcement', role: 'status'}],
  error: ['p', {part: 'error', role: 'alert'}],
  cancel: ['button', {part: 'cancel', type: 'button'}],
  retry: ['button', {part: 'retry', type: 'button'}],
  result: ['slot', {}],
};

/**
 * Outcomes that were shown on this page, by id, for copies of elements. New elements
 * poll.
 *
 * @type {Map<string, {value: any}|{error: TaskFailedError|TaskCancelledError}>}
 */
const outcomes = new Map();
const MOST_OUTCOMES = 100;

function remember(uuid, outcome) {
  outcomes.delete(uuid);
  outcomes.set(uuid, outcome);
  if (outcomes.size > MOST_OUTCOMES) outcomes.delete(outcomes.keys().next().value);
}

/** Comments around the content that an element adds; a copy of it has them, too. */
const MARK = 'async-result';
const END_MARK = '/async-result';

function mark(uuid, state) {
  return `${MARK} ${state} ${encodeURIComponent(uuid)}`;
}

/** Add the content of an outcome to an element, between two marks. */
function append(element, content, uuid, state) {
  element.append(
    document.createComment(mark(uuid, state)), content,
    document.createComment(END_MARK));
}

/** @returns {ChildNode[]} the content that was added to an element, with its marks */
function appended(element) {
  const nodes = [...element.childNodes];
  const says = (node) => (node.nodeType === Node.COMMENT_NODE ? node.data : '');
  const first = nodes.findIndex((node) => says(node).startsWith(`${MARK} `));
  const last = nodes.findIndex((node) => says(node) === END_MARK);
  return first < 0 ? [] : nodes.slice(first, Math.max(first, last) + 1);
}

/**
 * `<async-result uuid="…">` shows the progress of a task, then its result or error.
 *
 * Attributes: `uuid`, `label` (name of the progress bar), `timeout`, `interval`,
 * `wait`, `base`, `no-acknowledge`, `cancel` (shows a button that cancels the task,
 * which has to be declared with `cancellable=True`), and `retry` (shows a button for a
 * failed or cancelled task; the page listens to `async-retry`). A `<template>` inside is filled with the result:
 * `data-bind="path.to.value"` sets an element's text, `data-bind-href` a link.
 * Without one the result is shown as text. Events, which bubble: `async-progress`,
 * `async-result`, `async-error`, with the progress, result or error as `detail`, and
 * `async-cancelled`. Parts: progress, bar, message, error, cancel, retry. Custom
 * properties:
 * `--async-result-color`, `-track`, `-height`, `-radius`, `-text`, `-error`.
 *
 * The content stays if the element is moved, put back or copied. A copy does not poll
 * for an outcome that its original has shown, and sends no events for it.
 */
export class AsyncResultElement extends (globalThis.HTMLElement ?? Object) {
  static observedAttributes = ['uuid'];

  /** @type {AbortController|null} null while it does not poll */
  #waiting = null;
  /** @type {string|null|undefined} id of the task shown; undefined at first */
  #uuid = undefined;
  /** Whether it shows an outcome or an error. */
  #settled = false;
  /** Whether it shows that the task has failed or was cancelled. */
  #failed = false;
  /** What its button has done: '', 'asked' to cancel, or 'refused' by the server. */
  #cancelling = '';
  /** @type {[Progress|null, string]} progress and state as they were told last */
  #told = [null, 'pending'];
  #parts = {};
  #announced = '';
  /** The largest share shown of a batch, whose members may defer further ones. */
  #share = 0;

  /** The result of the task; undefined before it is done. */
  result = undefined;

  constructor() {
    super();
    const root = this.attachShadow({mode: 'open'});
    // Unlike a style element, this works with a strict Content-Security-Policy.
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
    this.#parts.cancel.addEventListener('click', () => this.#cancel());
    this.#parts.retry.addEventListener('click', () => this.#retry());
  }

  connectedCallback() {
    const same = this.getAttribute('uuid') === this.#uuid;
    if (!same || !(this.#waiting || this.#settled)) this.#start();
  }

  /** With it, moveBefore() does not disconnect and connect the element. */
  connectedMoveCallback() {}

  disconnectedCallback() {
    // An element that is only moved is connected again by then.
    queueMicrotask(() => {
      if (!this.isConnected) this.#stop();
    });
  }

  attributeChangedCallback(name, before, after) {
    const begun = this.#uuid !== undefined;
    if (this.isConnected && begun && before !== after) this.#start();
  }

  /** Show the task of the attribute; content of the same task stays. */
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
    this.#announced = this.#cancelling = '';
    this.#share = 0;
    if (this.#uuid) this.#progress(null, 'pending');
    else this.#show({});
  }

  #settle(shown) {
    const {cancel, retry} = this.#parts;
    const focused = this.shadowRoot.activeElement === cancel;
    this.#waiting = null;
    this.#settled = true;
    this.#show(shown);
    if (focused && shown.retry) retry.focus();
  }

  /** Show these parts, with these texts, and hide the others. */
  #show({progress = false, message = '', error = '', cancel = false, retry = false}) {
    const parts = this.#parts;
    parts.progress.hidden = !progress;
    parts.message.hidden = !message;
    parts.message.textContent = message;
    parts.error.hidden = !error;
    parts.error.textContent = error;
    parts.cancel.hidden = !cancel;
    parts.cancel.textContent = texts.cancel;
    parts.retry.hidden = !retry;
    parts.retry.textContent = texts.retry;
  }

  #progress(progress, state) {
    this.#told = [progress, state];
    const asked = this.#cancelling === 'asked';
    const message = asked
      ? texts.cancelling : progress?.message || ofBatch(progress) || texts[state]
        || texts.running;
    const cancel = this.hasAttribute('cancel') && this.#cancelling !== 'refused';
    this.#show({progress: true, message, cancel});
    this.#nameCancel(asked);
    const bar = this.#parts.progress;
    bar.setAttribute('aria-label', this.getAttribute('label') || texts.label);
    let share = shareOf(progress);
    // The bar of a batch only grows.
    if (isOfBatch(progress)) share = this.#share = Math.max(this.#share, share ?? 0);
    if (share === null) {
      bar.removeAttribute('aria-valuenow');
      bar.removeAttribute('aria-valuemax');
    } else {
      bar.setAttribute('aria-valuemax', progress.total);
      bar.setAttribute('aria-valuenow', Math.min(progress.done, progress.total));
      bar.setAttribute('aria-valuetext', `${Math.floor(share * 100)} %`);
    }
    bar.firstChild.style.setProperty('--share', share ?? 0);
    // To screen readers, each quarter is announced.
    const step = asked ? 'asked' : `${state} ${Math.floor((share ?? 0) * 4)}`;
    this.#announce(step, message);
  }

  /** A page may have several of them; one that has been used keeps the focus. */
  #nameCancel(asked) {
    const {cancel} = this.#parts;
    const label = this.getAttribute('label');
    cancel.setAttribute('aria-label', texts.cancel + (label ? `: ${label}` : ''));
    cancel.setAttribute('aria-disabled', asked);
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
    if (isEnd(error)) {
      remember(this.#uuid, {error});
      append(this, '', this.#uuid, 'failed');
    }
    this.#showError(error);
    if (error instanceof TaskCancelledError) this.#tell('async-cancelled', null);
    else this.#tell('async-error', error);
  }

  #showError(error) {
    const final = error instanceof NotFoundError || error instanceof GoneError;
    const cancelled = error instanceof TaskCancelledError;
    this.#failed = isEnd(error);
    this.#settle({
      [cancelled ? 'message' : 'error']: errorText(error),
      retry: this.#failed ? this.hasAttribute('retry') : !final,
    });
    this.#announced = 'failed';
    this.#parts.announcement.textContent = cancelled ? texts.cancelled : '';
  }

  /** Cancel the task, and look at once what has become of it. */
  async #cancel() {
    const waiting = this.#waiting;
    if (!waiting || this.#cancelling) return;
    this.#cancelling = 'asked';
    this.#progress(...this.#told);
    const base = this.getAttribute('base') ?? undefined;
    try {
      await cancel(this.#uuid, {base});
      if (this.#waiting !== waiting) return;
      this.#stop();
      this.#ask();
    } catch (error) {
      if (this.#waiting !== waiting) return;
      this.#cancelling = error instanceof NotCancellableError ? 'refused' : '';
      this.#progress(...this.#told);
    }
  }

  /** Poll again; for a failed task, send an event, so that the page defers again. */
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

/** Whether the task itself has come to an end without a result. */
function isEnd(error) {
  return error instanceof TaskFailedError || error instanceof TaskCancelledError;
}

function errorText(error) {
  if (error instanceof TaskCancelledError) return texts.cancelled;
  if (error instanceof NotFoundError) return texts.notFound;
  if (error instanceof GoneError) return texts.gone;
  const start = error instanceof TaskFailedError ? texts.failed : texts.interrupted;
  return start + error.message;
}

/** Whether a progress is that of a batch, which tells how many have failed. */
function isOfBatch(progress) {
  return typeof progress?.failed === 'number';
}

/** @returns {string} how many tasks of a batch have ended; empty for a task */
function ofBatch(progress) {
  if (!isOfBatch(progress)) return '';
  const text = texts.batch.replace('{done}', progress.done)
    .replace('{total}', progress.total);
  return progress.failed
    ? text + texts.batchFailed.replace('{failed}', progress.failed) : text;
}

/** @returns {number|null} between 0 and 1; null if unknown */
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

/** Fill the placeholders of a template with a value, as text, never as markup. */
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
 * @param {string} path names and numbers, separated by dots; empty for the value itself
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

/** @returns {string|null} the URL, if its scheme is harmless; else null */
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
