import assert from 'node:assert/strict';
import {copyFileSync, mkdirSync, mkdtempSync, rmSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {afterEach, beforeEach, describe, test} from 'node:test';
import {pathToFileURL} from 'node:url';

import * as client from '../../nereid_async/web/static/client.js';
import {cancelled, done, failed, pending, running, Server} from './server.mjs';

const {asyncResult, acknowledge} = client;
const ID = '00000000-0000-8000-8000-000000000001';

let server;

beforeEach(async () => {
  server = new Server();
  await server.start();
});

afterEach(async () => {
  await server.stop();
  delete globalThis.document;
});

const ask = (options = {}) => asyncResult(ID, {base: server.base, ...options});

const until = async (condition) => {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 2));
};

describe('what the promise brings', () => {
  test('the result', async () => {
    server.answer(pending, running(3), done({total: '1.10'}));
    assert.deepEqual(await ask(), {total: '1.10'});
    assert.equal(server.requests.length, 3);
  });

  for (const value of [null, false, 0, '', [], {}]) {
    test(`a result that is ${JSON.stringify(value)}`, async () => {
      server.answer(done(value));
      assert.deepEqual(await ask(), value);
    });
  }

  test('progress on the way, once there is some', async () => {
    server.answer(pending, running(3), running(7), done(1));
    const seen = [];
    await ask({onProgress: (progress) => seen.push(progress.done)});
    assert.deepEqual(seen, [3, 7]);
  });

  test('the state on the way', async () => {
    server.answer(pending, running(3), running(7), done(1));
    const seen = [];
    await ask({onState: (state, progress) => seen.push([state, progress?.done])});
    assert.deepEqual(seen, [['pending', undefined], ['running', 3], ['running', 7]]);
  });

  test('the error of a task that failed', async () => {
    server.answer(running(1), failed);
    await assert.rejects(ask(), (error) => error instanceof client.TaskFailedError
      && error instanceof client.AsyncResultError
      && error.type === 'ValueError' && error.message === 'the reason'
      && error.id === null);
    server.answer({
      status: 200,
      body: {state: 'failed', error: {type: 'TaskFailed', message: 'm', id: '1a2b3c4d'}},
    });
    await assert.rejects(ask(), (error) => error.id === '1a2b3c4d');
  });

  test('an end at 404 and 410, at once', async () => {
    server.answer({status: 404, body: {}});
    await assert.rejects(ask(), client.NotFoundError);
    server.answer({status: 410, body: {}});
    await assert.rejects(ask(), client.GoneError);
    assert.equal(server.requests.length, 2);
  });
});

describe('how it asks', () => {
  test('for the id as it is, whatever that is', async () => {
    server.answer(done(1));
    await asyncResult('../a b?c#d/ü', {base: server.base});
    assert.equal(server.requests[0].url, '/async/result/..%2Fa%20b%3Fc%23d%2F%C3%BC');
  });

  test('with wait, where it is asked for', async () => {
    server.answer(done(1));
    await ask({wait: 20});
    await ask();
    assert.deepEqual(server.requests.map(({url}) => url.slice(-12)),
      ['0001?wait=20', '000000000001']);
  });

  test('again after a connection that dropped', async () => {
    server.answer({drop: true}, {drop: true}, done('here'));
    assert.equal(await ask(), 'here');
  });

  test('again after 429, 502, 503 and 504', async () => {
    const unavailable = [429, 502, 503, 504].map((status) => ({status, body: ''}));
    server.answer(...unavailable, done('here'));
    assert.equal(await ask(), 'here');
    assert.equal(server.requests.length, 5);
  });

  test('not before the server wants it', async () => {
    server.answer({status: 503, body: '', headers: {'Retry-After': '1'}}, done(1));
    await ask();
    const [first, second] = server.requests;
    assert.ok(second.at - first.at >= 990, `${second.at - first.at}`);
  });
});

describe('how it ends', () => {
  test('after its time', async () => {
    server.answer(pending);
    await assert.rejects(ask({timeout: 50}), client.ResultTimeoutError);
  });

  test('when it is told to, with the reason', async () => {
    server.answer(pending);
    const controller = new AbortController();
    const asking = ask({signal: controller.signal});
    await until(() => server.requests.length >= 2);
    controller.abort(new Error('enough'));
    await assert.rejects(asking, /enough/);
    const asked = server.requests.length;
    await assert.rejects(ask({signal: controller.signal}), /enough/);
    assert.equal(server.requests.length, asked);
  });

  test('leaving no timer and no listener behind', async () => {
    server.answer(pending, done(1));
    const controller = new AbortController();
    let listeners = 0;
    const {signal} = controller;
    const add = signal.addEventListener.bind(signal);
    const remove = signal.removeEventListener.bind(signal);
    signal.addEventListener = (...args) => (listeners++, add(...args));
    signal.removeEventListener = (...args) => (listeners--, remove(...args));
    await ask({signal, timeout: 100_000});
    assert.equal(listeners, 0);
    const timers = process.getActiveResourcesInfo().filter((it) => it === 'Timeout');
    // Those of the server's connections are short.
    assert.ok(timers.length < 3, timers.join());
  });
});

describe('a hidden tab', () => {
  test('does not ask until it is seen again', async () => {
    const document = Object.assign(new EventTarget(), {
      hidden: true, querySelector: () => null,
    });
    globalThis.document = document;
    server.answer(pending, pending, done('seen'));
    const asking = ask();
    await until(() => server.requests.length === 1);
    // More than a pause.
    await new Promise((resolve) => setTimeout(resolve, 500));
    assert.equal(server.requests.length, 1);
    document.hidden = false;
    document.dispatchEvent(new Event('visibilitychange'));
    assert.equal(await asking, 'seen');
  });
});

test('asks beside its own address, below the path of the app', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'client-'));
  try {
    mkdirSync(join(folder, 'shop', 'async'), {recursive: true});
    const copy = join(folder, 'shop', 'async', 'client.js');
    copyFileSync(new URL('../../nereid_async/web/static/client.js', import.meta.url), copy);
    const mounted = await import(pathToFileURL(copy));
    const asked = [];
    await assert.rejects(mounted.asyncResult(ID, {
      fetch: async (url) => { asked.push(url); return new Response('', {status: 404}); },
    }), mounted.NotFoundError);
    assert.deepEqual(asked, [pathToFileURL(join(folder, 'shop/async/result', ID)).pathname]);
  } finally {
    rmSync(folder, {recursive: true});
  }
});

describe('the acknowledgement', () => {
  test('goes out at once where the caller wants it', async () => {
    server.answer(done(1));
    assert.equal(await ask({acknowledge: true}), 1);
    await until(() => server.of('DELETE').length === 1);
    const [{url}] = server.of('DELETE');
    // It does not cancel what an administrator may have let run again.
    assert.equal(url, `/async/result/${ID}?cancel=0`);
  });

  test('goes out after a failure as well', async () => {
    server.answer(failed);
    await assert.rejects(ask({acknowledge: true}), client.TaskFailedError);
    await until(() => server.of('DELETE').length === 1);
  });

  test('can be called by itself, and is silent when it fails', async () => {
    server.deletes = 400;
    await acknowledge(ID, {base: server.base});
    assert.equal(server.of('DELETE').length, 1);
    await server.stop();
    await acknowledge(ID, {base: server.base});
    await server.start().catch(() => {});
  });

  test('survives the page, with the cookies of this site', async () => {
    let options;
    await acknowledge(ID, {fetch: async (_, given) => { options = given; }});
    assert.equal(options.keepalive, true);
    assert.equal(options.credentials, 'same-origin');
  });
});

describe('cancelling', () => {
  const cancel = (options = {}) => client.cancel(ID, {base: server.base, ...options});

  test('a cancelled task has no result', async () => {
    server.answer(pending, cancelled);
    await assert.rejects(ask(), client.TaskCancelledError);
  });

  for (const [state, answer] of [
    ['pending', pending], ['running', running(3)], ['done', done(1)],
    ['failed', failed], ['cancelled', cancelled],
  ]) {
    test(`tells that it was ${state}`, async () => {
      server.deletes = answer;
      assert.equal(await cancel(), state);
      const [{url}] = server.of('DELETE');
      // A result that has come meanwhile is not removed by this.
      assert.equal(url, `/async/result/${ID}?cancel=1`);
    });
  }

  for (const [status, name] of [
    [409, 'NotCancellableError'], [404, 'NotFoundError'], [410, 'GoneError'],
    [503, 'UnexpectedAnswerError'], [204, 'UnexpectedAnswerError'],
  ]) {
    test(`ends with ${name} at a ${status}`, async () => {
      server.deletes = status;
      await assert.rejects(cancel(), {name});
    });
  }

  test('tells that nobody answers', async () => {
    const fetch = () => { throw new TypeError('Failed to fetch'); };
    await assert.rejects(cancel({fetch}), client.UnreachableError);
  });
});

describe('small parts', () => {
  test('Retry-After in seconds, as a date, and as nonsense', () => {
    const now = Date.parse('2026-11-25T10:00:00Z');
    assert.equal(client.retryAfterTime('3', now), 3000);
    assert.equal(client.retryAfterTime('Wed, 25 Nov 2026 10:00:07 GMT', now), 7000);
    for (const text of [null, '', '0', '-3', 'soon', 'Wed, 25 Nov 2020 10:00:07 GMT']) {
      assert.equal(client.retryAfterTime(text, now), 0, text);
    }
  });

  test('a share of the whole', () => {
    assert.equal(client.shareOf({done: 3, total: 12}), 0.25);
    assert.equal(client.shareOf({done: 30, total: 12}), 1);
    assert.equal(client.shareOf({done: -1, total: 12}), 0);
    const unknown = [
      null, {done: 3, total: null}, {done: 3, total: 0}, {done: null, total: 12},
    ];
    for (const odd of unknown) {
      assert.equal(client.shareOf(odd), null);
    }
  });

  test('a value by its path', () => {
    const value = {a: [{b: 'c'}], n: null};
    assert.equal(client.valueAt(value, 'a.0.b'), 'c');
    assert.equal(client.valueAt(value, ''), value);
    for (const path of ['x', 'a.1', 'n.x', 'a.0.b.length', '__proto__', 'constructor']) {
      assert.equal(client.valueAt(value, path), undefined, path);
    }
  });

  test('a value as text', () => {
    assert.equal(client.asText(undefined), '');
    assert.equal(client.asText(null), '');
    assert.equal(client.asText(0), '0');
    assert.equal(client.asText('<b>'), '<b>');
    assert.equal(client.asText({a: 1}), '{\n  "a": 1\n}');
  });

  test('links that can do no harm', () => {
    for (const good of ['/a', 'a?b', 'https://x/', 'http://x/', 'mailto:a@b']) {
      assert.equal(client.safeHref(good), good);
    }
    for (const bad of ['javascript:alert(1)', ' JaVaScRiPt:alert(1)', 'data:text/html,x',
      'java\nscript:alert(1)', 'vbscript:x', 'blob:x', 'http://']) {
      assert.equal(client.safeHref(bad), null, bad);
    }
  });
});
