/** A real HTTP server whose answers a test lays out beforehand. */

import {createServer} from 'node:http';

export class Server {
  /** Requests that came: method, url, headers. */
  requests = [];
  /** What a DELETE is answered: a status, or an answer as below. */
  deletes = 204;
  #answers = [];
  #server = createServer((request, response) => this.#answer(request, response));

  /**
   * What is answered, one after the other; the last one for ever.
   *
   * @param {...({status?: number, body?: any, headers?: object, drop?: boolean})} answers
   */
  answer(...answers) {
    this.#answers = answers;
  }

  async start() {
    await new Promise((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    this.base = `http://127.0.0.1:${this.#server.address().port}/async/result/`;
  }

  async stop() {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  of(method) {
    return this.requests.filter((request) => request.method === method);
  }

  #answer({method, url, headers, socket}, response) {
    this.requests.push({method, url, headers, at: performance.now()});
    if (method === 'DELETE') {
      const {status = 200, body} = this.deletes.body
        ? this.deletes : {status: this.deletes};
      response.writeHead(status).end(body && JSON.stringify(body));
      return;
    }
    const [next] = this.#answers;
    if (this.#answers.length > 1) this.#answers.shift();
    if (next.drop) {
      socket.destroy();
      return;
    }
    const text = typeof next.body === 'string' ? next.body : JSON.stringify(next.body);
    response.writeHead(next.status ?? 200, next.headers).end(text);
  }
}

export const pending = {status: 202, body: {state: 'pending', progress: null}};
export const running = (done) => ({
  status: 202, body: {state: 'running', progress: {done, total: 10, message: 'm'}},
});
export const done = (result, more = {}) => ({body: {state: 'done', result, ...more}});
export const failed = {
  body: {state: 'failed', error: {type: 'ValueError', message: 'the reason'}},
};
export const cancelled = {body: {state: 'cancelled'}};
