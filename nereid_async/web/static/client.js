/**
 * Waits in the browser for the result of a deferred task.
 *
 *     import {asyncResult} from '/async/client.js';
 *     const report = await asyncResult(id, {onProgress: (p) => show(p)});
 *
 * It asks GET /async/result/<uuid> again and again, more and more slowly, until
 * the answer is final. Every time is in milliseconds.
 */

const FIRST_INTERVAL = 250;
const MAX_INTERVAL = 5000;
const GROWTH = 1.5;
/** Each pause is spread by this share, so that many browsers do not ask at once. */
const JITTER = 0.2;
/** What a server or a proxy answers while it is restarting or overloaded. */
const TEMPORARY = new Set([429, 502, 503, 504]);

/**
 * @typedef {{done: number, total: number|null, message: string|null}} Progress
 *
 * @typedef {object} Options
 * @property {number} [timeout] give up after this time; without it, never
 * @property {AbortSignal} [signal] stops waiting; the promise rejects with its reason
 * @property {number} [interval] the first pause between two questions
 * @property {(progress: Progress|null, state: string) => void} [onProgress]
 *     called after each answer that is not final; state is 'pending' or 'running'
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

/** The task failed for good. `type` is the name of the error on the server. */
export class TaskFailedError extends AsyncResultError {
  /** @param {{type?: string, message?: string}|null} [error] */
  constructor(error) {
    super(error?.message || 'The task failed.');
    this.type = error?.type || 'Error';
  }
}

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
 * @param {string} uuid the id of the task
 * @param {Options} [options]
 * @returns {Promise<any>} what the task returned
 * @throws {TaskFailedError|NotFoundError|GoneError|ResultTimeoutError
 *     |UnexpectedAnswerError} or the reason of the signal
 */
export async function asyncResult(uuid, {
  timeout, signal, interval = FIRST_INTERVAL, onProgress,
  fetch = globalThis.fetch.bind(globalThis), base = '/async/result/',
} = {}) {
  const url = base + encodeURIComponent(uuid);
  const ending = endingSignal(timeout, signal);
  try {
    for (let pause = interval; ; pause = Math.min(pause * GROWTH, MAX_INTERVAL)) {
      const answer = await ask(fetch, url, ending.signal);
      if (answer?.status === 200) {
        if (answer.body.acknowledge) acknowledge(fetch, url);
        return outcome(answer.body);
      }
      if (answer?.status === 202) {
        onProgress?.(answer.body.progress ?? null, answer.body.state);
      }
      await sleep(Math.max(spread(pause), leastPause(answer)), ending.signal);
    }
  } finally {
    ending.release();
  }
}

/**
 * One question.
 *
 * @returns the status, the body if there is one to read, and Retry-After;
 *     null if the server could not be reached
 */
async function ask(fetch, url, signal) {
  signal.throwIfAborted();
  let response, text;
  try {
    response = await fetch(url, {
      credentials: 'same-origin',
      cache: 'no-store',
      headers: {Accept: 'application/json'},
      signal,
    });
    text = await response.text();
  } catch {
    signal.throwIfAborted();
    return null;
  }
  const {status} = response;
  if (status === 404) throw new NotFoundError('There is no such result.');
  if (status === 410) throw new GoneError('The result is no longer kept.');
  const retryAfter = response.headers.get('Retry-After');
  if (TEMPORARY.has(status)) return {status, retryAfter};
  return {status, retryAfter, body: parse(text, status)};
}

/** The body of a 200 or 202; anything else is not part of the protocol. */
function parse(text, status) {
  if (status === 200 || status === 202) {
    try {
      const body = JSON.parse(text);
      if (typeof body?.state === 'string') return body;
    } catch {
      // Falls through: a page of a proxy or a login form, for instance.
    }
  }
  throw new UnexpectedAnswerError(`Unexpected answer (status ${status}).`, status);
}

function outcome(body) {
  if (body.state === 'done') return body.result;
  if (body.state === 'failed') throw new TaskFailedError(body.error);
  throw new UnexpectedAnswerError(`Unexpected state '${body.state}'.`, 200);
}

/** Tell the server that the result has arrived. Nobody waits for this. */
async function acknowledge(fetch, url) {
  const token = globalThis.document?.querySelector('meta[name="csrf-token"]');
  try {
    await fetch(url, {
      method: 'DELETE',
      keepalive: true,
      credentials: 'same-origin',
      cache: 'no-store',
      headers: {'X-CSRFToken': token?.getAttribute('content') ?? ''},
    });
  } catch {
    // The result expires by itself later.
  }
}

function spread(pause) {
  return pause * (1 + JITTER * (2 * Math.random() - 1));
}

/**
 * The pause the server asks for. A running task is looked at more often than
 * its default of one second; a longer wish, or that of a server in need, holds.
 */
function leastPause(answer) {
  const seconds = Number(answer?.retryAfter);
  if (!(seconds > 0)) return 0;
  return seconds > 1 || TEMPORARY.has(answer.status) ? seconds * 1000 : 0;
}

/** A signal that follows the caller's and also ends when the time is over. */
function endingSignal(timeout, signal) {
  const controller = new AbortController();
  const follow = () => controller.abort(signal.reason);
  const timer = timeout === undefined ? undefined : setTimeout(
    () => controller.abort(new ResultTimeoutError(`No result after ${timeout} ms.`)),
    timeout);
  if (signal?.aborted) follow();
  signal?.addEventListener('abort', follow);
  return {
    signal: controller.signal,
    release() {
      clearTimeout(timer);
      signal?.removeEventListener('abort', follow);
    },
  };
}

/** @returns {Promise<void>} */
function sleep(duration, signal) {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', stop);
      resolve();
    }, duration);
    signal.addEventListener('abort', stop);
    if (signal.aborted) stop();
  });
}
