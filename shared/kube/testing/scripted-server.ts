import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { listen } from '../../runtime/index.ts';
import type { KubeClient } from '../client/client.ts';
import { createKubeClient } from '../client/client.ts';

/** Handler that answers a request. */
export type Answer = (url: URL, response: ServerResponse) => unknown;

/** Creates an answer in JSON. */
export const json = (body: unknown, status = 200, headers: Record<string, string> = {}): Answer => {
  return (_, response) => response.writeHead(status, headers).end(JSON.stringify(body));
};
/** Builds a ConfigMap. */
export const object = (name: string, resourceVersion: string, value = '') => ({
  metadata: { namespace: 'a', name, resourceVersion },
  data: { value },
});
/** Creates the answer of a page of a list. @param next token of the next page */
export const list = (resourceVersion: string, items: unknown[], next?: string): Answer =>
  json({ metadata: { resourceVersion, continue: next }, items });
/** Creates the answer of an error, with its Status. */
export const failure = (code: number, reason: string, headers = {}): Answer =>
  json({ kind: 'Status', code, reason, message: reason }, code, headers);
/** A watch that sends its events and ends, or stays open. */
export const events = (entries: unknown[], end: boolean): Answer => {
  return (_, response) => {
    response.writeHead(200);
    for (const entry of entries) response.write(`${JSON.stringify(entry)}\n`);
    if (end) response.end();
  };
};
/** Watch event of an expired resourceVersion: the client has to list again. */
export const gone = { type: 'ERROR', object: { kind: 'Status', code: 410, reason: 'Expired', message: 'too old resource version' } };

/** An API server that answers from a script. */
export class ScriptedServer {
  /** Answers in the order of the requests; after the last one watches stay open. */
  script: Answer[] = [];
  /** Requests so far: `list`, `list <continue>` or `watch <version>`. */
  readonly requests: string[] = [];
  readonly #stop = new AbortController();
  readonly #folder = mkdtempSync(join(tmpdir(), 'fso-scripted-'));
  #client: KubeClient | undefined;

  static async open(): Promise<ScriptedServer> {
    const server = new ScriptedServer();
    const { url } = await listen(
      createServer((request, response) => server.#answer(request, response)),
      '127.0.0.1:0',
      server.signal,
    );
    const kubeconfig = join(server.#folder, 'config');
    const clusters = [{ name: 'k', cluster: { server: url } }];
    const users = [{ name: 'u', user: { token: 't' } }];
    const contexts = [{ name: 'c', context: { cluster: 'k', user: 'u' } }];
    writeFileSync(kubeconfig, stringify({ clusters, users, contexts, 'current-context': 'c' }));
    server.#client = createKubeClient({ kubeconfig });
    return server;
  }

  get client(): KubeClient {
    if (this.#client === undefined) throw new Error('the server is not open');
    return this.#client;
  }

  /** Aborted when the server closes. */
  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.client.close();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    // A request of the previous test.
    if (this.signal.aborted) {
      response.destroy();
      return;
    }
    const url = new URL(request.url ?? '/', 'http://x');
    const { searchParams: query } = url;
    const verb = query.has('watch') ? `watch ${query.get('resourceVersion')}` : `list ${query.get('continue') ?? ''}`.trim();
    this.requests.push(verb);
    (this.script.shift() ?? events([], false))(url, response);
  }
}
