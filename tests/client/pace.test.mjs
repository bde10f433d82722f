/** How often it asks, and for how long, on a clock that runs at once. */

import assert from 'node:assert/strict';
import {afterEach, beforeEach, describe, test} from 'node:test';

import * as client from '../../nereid_async/web/static/client.js';
import {Clock} from './clock.mjs';
import {done, pending} from './server.mjs';

const ID = '00000000-0000-8000-8000-000000000001';
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

let clock, asked, removed, warned;
const online = Object.getOwnPropertyDescriptor(globalThis, 'navigator');

beforeEach((context) => {
  clock = new Clock(context);
  asked = [];
  removed = [];
  warned = [];
  context.mock.method(console, 'warn', (text) => warned.push(text));
});

afterEach((context) => {
  context.mock?.restoreAll();
  if (online) Object.defineProperty(globalThis, 'navigator', online);
  else delete globalThis.navigator;
});

const offline = () => Object.defineProperty(
  globalThis, 'navigator', {value: {onLine: false}, configurable: true});

/** Answers, one after the other; the last for ever. An Error is a request that fails. */
const answering = (...answers) => async (url, {signal, method}) => {
  if (method === 'DELETE') {
    removed.push(clock.now);
    return new Response(null, {status: 204});
  }
  asked.push({url, at: clock.now});
  const answer = answers.length > 1 ? answers.shift() : answers[0];
  if (answer instanceof Error) throw answer;
  if (answer === 'hangs') {
    return new Promise((_, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason));
    });
  }
  const {status = 200, body, headers} = answer;
  return {
    status,
    headers: new Headers(headers),
    text: async () => (typeof body === 'string' ? body : JSON.stringify(body)),
  };
};

/** Begins to ask; how it ended is in `end` as soon as it has. */
function asking(options, ...answers) {
  const it = {};
  client.asyncResult(ID, {fetch: answering(...answers), ...options}).then(
    (result) => { it.end = {result, at: clock.now}; },
    (error) => { it.end = {error, at: clock.now}; });
  return it;
}

/** How many questions there were from this moment on, on average a second. */
const rate = (from = 0) => {
  const later = asked.filter(({at}) => at >= from);
  return later.length / ((clock.now - from) / 1000);
};

const blocked = new TypeError('Failed to fetch');
const login = {body: '<html>log in</html>'};

describe('the time-out', () => {
  for (const never of [Infinity, null, undefined, 'Infinity', 1e300]) {
    test(`${never} is never over`, async () => {
      const it = asking({timeout: never}, pending);
      await clock.run(HOUR);
      assert.equal(it.end, undefined);
      assert.ok(asked.length > 100, `${asked.length}`);
    });
  }

  for (const odd of [NaN, '', '60s', {}, true]) {
    test(`${JSON.stringify(odd)} is none, and said to be none`, async () => {
      const it = asking({timeout: odd}, pending);
      await clock.run(HOUR);
      assert.equal(it.end, undefined);
      assert.equal(warned.length, 1);
      assert.match(warned[0], /timeout/);
    });
  }

  test('may be 30 days, which is more than a timer holds', async () => {
    const it = asking({timeout: 30 * DAY, interval: HOUR}, pending);
    await clock.run(31 * DAY);
    assert.ok(it.end.error instanceof client.ResultTimeoutError);
    assert.equal(it.end.at, 30 * DAY);
    assert.equal(clock.waiting, 0);
  });

  test('may be text that is a number, as an attribute is', async () => {
    const it = asking({timeout: '5000'}, pending);
    await clock.run(MINUTE);
    assert.equal(it.end.at, 5000);
  });

  test('that is over already ends at once', async () => {
    const it = asking({timeout: -1}, pending);
    await clock.run(MINUTE);
    assert.ok(it.end.at < 250);
  });
});

describe('pauses', () => {
  const pausesOf = () => asked.slice(1).map(({at}, index) => at - asked[index].at);

  for (const odd of [0, -1, 1, NaN, '', '250ms', null, -Infinity, [], false]) {
    test(`with ${JSON.stringify(odd)} for the interval they have their least`, async () => {
      asking({interval: odd, timeout: MINUTE}, pending);
      await clock.run(2 * MINUTE);
      assert.ok(Math.min(...pausesOf()) >= 250, `${pausesOf()}`);
      assert.ok(asked.length > 10 && asked.length < 30, `${asked.length}`);
    });
  }

  for (const long of [Infinity, 30 * DAY, 2 ** 31]) {
    test(`of ${long} ms are an hour and a bit`, async () => {
      asking({interval: long}, pending);
      await clock.run(10 * HOUR);
      assert.ok(asked.length >= 8 && asked.length <= 11, `${asked.length}`);
    });
  }

  test('become longer and longer, with jitter, and never too long', async () => {
    asking({}, ...Array(20).fill(pending), done(1));
    await clock.run(HOUR);
    const pauses = pausesOf();
    assert.equal(pauses.length, 20);
    pauses.forEach((pause, at) => {
      const least = Math.min(250 * 1.5 ** at, 5000);
      assert.ok(pause >= Math.floor(least) && pause <= least * 1.2, `${at}: ${pause}`);
    });
    assert.ok(new Set(pauses.slice(12)).size > 1, 'no jitter');
  });

  test('that are long do not become shorter', async () => {
    asking({interval: MINUTE}, pending);
    await clock.run(10 * MINUTE);
    assert.ok(Math.min(...pausesOf()) >= MINUTE, `${pausesOf()}`);
  });

  for (const long of ['2592000', 'Wed, 25 Nov 2099 10:00:07 GMT', '9'.repeat(400)]) {
    test(`that the server wishes have an end: ${long.slice(0, 40)}`, async () => {
      const headers = {'Retry-After': long};
      asking({}, {status: 503, body: '', headers}, {...pending, headers});
      await clock.run(10 * HOUR);
      assert.ok(asked.length >= 8 && asked.length <= 11, `${asked.length}`);
    });
  }

  test('of no length that can be read are the usual ones', async () => {
    for (const text of ['Infinity', '-Infinity', '1e9', '0x7fffffff', 'NaN', '-5']) {
      assert.equal(client.retryAfterTime(text), 0, text);
    }
  });

  test('that the server holds are bounded and readable', async () => {
    for (const [wait, query] of [
      [20, '?wait=20'], ['20', '?wait=20'], [Infinity, '?wait=300'], [1e9, '?wait=300'],
      [0, ''], [-3, ''], [NaN, ''], ['20s', ''], [null, ''], ['', ''],
    ]) {
      asking({wait}, done(1));
      await clock.run(clock.now + 1);
      assert.equal(asked.pop().url, `/async/result/${ID}${query}`);
    }
  });
});

describe('a browser that says that it is offline', () => {
  test('asks all the same, slowly', async () => {
    offline();
    const it = asking({}, ...Array(9).fill(pending), done('here'));
    await clock.run(HOUR);
    assert.equal(it.end.result, 'here');
    assert.ok(rate() < 0.15, `${rate()}`);
  });

  test('goes on for as long as that takes', async () => {
    offline();
    const it = asking({}, ...Array(500).fill(blocked), done('here'));
    await clock.run(DAY);
    assert.equal(it.end.result, 'here');
  });
});

describe('what is no answer', () => {
  for (const [name, answer, kind] of [
    ['a blocked request, or a login at another address', blocked, 'UnreachableError'],
    ['a login page', login, 'UnexpectedAnswerError'],
    ['a state nobody knows', {body: {state: 'odd'}}, 'UnexpectedAnswerError'],
    ['null', {body: 'null'}, 'UnexpectedAnswerError'],
    ['a list', {body: '[]'}, 'UnexpectedAnswerError'],
    ['500', {status: 500, body: ''}, 'UnexpectedAnswerError'],
    ['403', {status: 403, body: {}}, 'UnexpectedAnswerError'],
    ['a request that hangs', 'hangs', 'UnreachableError'],
  ]) {
    test(`ends in an error after a while: ${name}`, async () => {
      const it = asking({}, answer);
      await clock.run(HOUR);
      assert.ok(it.end.error instanceof client.AsyncResultError);
      assert.equal(it.end.error.name, kind);
      assert.ok(it.end.at > 20_000 && it.end.at < 10 * MINUTE, `${it.end.at}`);
      assert.ok(asked.length > 5 && asked.length < 20, `${asked.length}`);
      assert.equal(clock.waiting, 0);
    });

    test(`is borne in between: ${name}`, async () => {
      const few = Array(4).fill(answer);
      const answers = Array.from({length: 9}, () => [...few, pending]).flat();
      const it = asking({}, ...answers, done('here'));
      await clock.run(HOUR);
      assert.equal(it.end.result, 'here');
    });
  }

  test('is borne for longer where the server says that it will pass', async () => {
    const short = asking({}, ...Array(60).fill({status: 503, body: ''}), done('here'));
    await clock.run(clock.now + HOUR);
    assert.equal(short.end.result, 'here');
    const begin = clock.now;
    const long = asking({}, {status: 503, body: ''});
    await clock.run(clock.now + HOUR);
    assert.equal(long.end.error.status, 503);
    const lasted = long.end.at - begin;
    assert.ok(lasted > 5 * MINUTE && lasted < 20 * MINUTE, `${lasted}`);
  });

  test('is not acknowledged', async () => {
    asking({}, {body: {state: 'odd', acknowledge: true}});
    await clock.run(HOUR);
    assert.deepEqual(removed, []);
  });
});

describe('the acknowledgement that an answer asks for', () => {
  const body = {state: 'failed', error: {type: 'E', message: 'm'}, acknowledge: true};
  for (const [name, answer] of [
    ['result', done(1, {acknowledge: true})], ['failure', {body}],
  ]) {
    test(`leaves time for a reload and another tab: ${name}`, async () => {
      const it = asking({}, answer);
      await clock.run(9 * MINUTE);
      assert.ok(it.end);
      assert.deepEqual(removed, []);
      await clock.run(11 * MINUTE);
      assert.equal(removed.length, 1);
    });
  }

  test('does not go out against the will of the caller, nor unasked', async () => {
    asking({acknowledge: false}, done(1, {acknowledge: true}));
    asking({}, done(1));
    await clock.run(HOUR);
    assert.deepEqual(removed, []);
  });

  test('goes out once where the caller sends it meanwhile', async () => {
    const fetch = answering(done(1, {acknowledge: true}));
    asking({fetch}, done(1));
    await clock.run(MINUTE);
    await client.acknowledge(ID, {fetch});
    await clock.run(HOUR);
    assert.deepEqual(removed, [MINUTE]);
  });

  test('goes out once for several that wait', async () => {
    const answer = done(1, {acknowledge: true});
    asking({}, answer);
    await clock.run(5 * MINUTE);
    asking({}, answer);
    await clock.run(HOUR);
    assert.equal(removed.length, 1);
    assert.ok(removed[0] >= 15 * MINUTE);
  });
});
