/** Timers that run at once, in the order of their times; what they count is `now`. */

/** What a browser's timers can hold; a longer time, or none, is one millisecond. */
const LONGEST = 2 ** 31 - 1;

const {setImmediate: soon} = globalThis;

export class Clock {
  /** Milliseconds since it was made. */
  now = 0;
  #timers = new Map();
  #last = 0;

  /** @param {import('node:test').TestContext} context ends it with the test */
  constructor(context) {
    context.mock.method(globalThis, 'setTimeout', (call, duration) => {
      const held = duration >= 1 && duration <= LONGEST ? Math.floor(duration) : 1;
      this.#timers.set(++this.#last, {call, at: this.now + held});
      return this.#last;
    });
    context.mock.method(globalThis, 'clearTimeout', (id) => this.#timers.delete(id));
  }

  /** How many timers wait. */
  get waiting() {
    return this.#timers.size;
  }

  /** Let time pass until nothing waits any more, or until this moment. */
  async run(end = Infinity) {
    for (;;) {
      await new Promise((resume) => soon(resume));
      const [id, timer] = [...this.#timers].sort(([, a], [, b]) => a.at - b.at)[0] ?? [];
      if (!timer || timer.at > end) break;
      this.#timers.delete(id);
      this.now = timer.at;
      timer.call();
    }
    if (end < Infinity) this.now = end;
  }
}
