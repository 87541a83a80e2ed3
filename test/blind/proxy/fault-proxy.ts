import { writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { pipeline } from 'node:stream';
import { stringify } from 'yaml';
import { deformList } from './deform.ts';
import { Evidence } from './evidence.ts';
import { type Bites, beginningOf, endingOf, type Fault, NO_BITES, treatmentOf } from './faults.ts';
import { LaggingLists, versionOfList } from './lagging-lists.ts';
import { type KindRequest, type Resource, readKindRequest } from './requests.ts';
import { type Answer, readBody, Upstream, withoutHops } from './upstream.ts';
import { WatchRelay } from './watch-relay.ts';

export interface FaultProxyOptions {
  /** Kubeconfig of the cluster's administrator, as whom the proxy sends all requests. */
  readonly kubeconfig: string;
  /** Gets the kubeconfig of the proxy. */
  readonly folder: string;
  readonly lagMs: number;
}

const statusOf = (code: number, reason: string): string =>
  JSON.stringify({ kind: 'Status', apiVersion: 'v1', status: 'Failure', code, reason, message: `the fault of the proxy: ${reason}` });

/** Failures in turn, so that a client meets all of them; undefined: the connection breaks. */
const FAILURES: readonly (readonly [number, string] | undefined)[] = [[500, 'InternalError'], [503, 'ServiceUnavailable'], undefined];

/**
 * Number of times that watches expire within the lag of lists: a client lists only when it must.
 */
const EXPIRIES_IN_LAG = 3;

/**
 * Stands between an agent and the API server, over plain HTTP on this machine, and can take the
 * sight of one kind from the agent. Everything else goes through.
 */
export class FaultProxy {
  /** Path of the agent's. */
  readonly kubeconfig: string;
  readonly evidence = new Evidence();
  readonly #upstream: Upstream;
  readonly #server: Server;
  readonly #lagMs: number;
  readonly #lagging: LaggingLists;
  readonly #relays = new Map<WatchRelay, Resource>();
  #fault: Fault | undefined;
  #bites: Bites = NO_BITES;
  #expiry: NodeJS.Timeout | undefined;

  private constructor(upstream: Upstream, server: Server, { folder, lagMs }: FaultProxyOptions) {
    this.#upstream = upstream;
    this.#server = server;
    this.#lagMs = lagMs;
    this.kubeconfig = join(folder, 'fault-proxy.kubeconfig');
    this.#lagging = new LaggingLists({
      lagMs,
      read: async (collection) => (await this.#readWhole(collection)).body,
      seenVersion: (collection) => this.evidence.seenVersion(collection),
    });
    server.on('request', (request: IncomingMessage, response: ServerResponse) => {
      // A client that goes away, or a server that does: the connection shows it.
      this.#serve(request, response).catch(() => response.destroy());
    });
  }

  static async start(options: FaultProxyOptions): Promise<FaultProxy> {
    const upstream = await Upstream.open(options.kubeconfig);
    const server = createServer({ keepAliveTimeout: 120_000 });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const proxy = new FaultProxy(upstream, server, options);
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const config = {
      apiVersion: 'v1',
      kind: 'Config',
      'current-context': 'proxy',
      clusters: [{ name: 'proxy', cluster: { server: url } }],
      users: [{ name: 'proxy', user: {} }],
      contexts: [{ name: 'proxy', context: { cluster: 'proxy', user: 'proxy' } }],
    };
    await writeFile(proxy.kubeconfig, stringify(config), { mode: 0o600 });
    return proxy;
  }

  async close(): Promise<void> {
    this.#endFault();
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await closed;
    this.#upstream.close();
  }

  /** Effects of faults since {@link forgetBites}. */
  get bites(): Bites {
    return this.#bites;
  }

  /** Resets the count of the effects. */
  forgetBites(): void {
    this.#bites = NO_BITES;
  }

  async begin(fault: Fault): Promise<void> {
    this.#endFault();
    if (fault.name === 'list-lags') {
      await this.#lagging.start(this.evidence.collectionsOf(fault.resource));
      this.#expiry = setInterval(() => this.#eachRelay(fault.resource, (relay) => relay.expire()), this.#lagMs / EXPIRIES_IN_LAG);
    }
    this.#fault = fault;
    const beginning = beginningOf(fault);
    if (beginning !== 'keep') this.#eachRelay(fault.resource, (relay) => relay[beginning]());
  }

  end(): void {
    const fault = this.#fault;
    this.#endFault();
    if (fault === undefined) return;
    this.#eachRelay(fault.resource, (relay) => relay[endingOf(fault)]());
  }

  #endFault(): void {
    clearInterval(this.#expiry);
    this.#lagging.stop();
    this.#fault = undefined;
  }

  #eachRelay(resource: Resource, act: (relay: WatchRelay) => void): void {
    for (const [relay, watched] of this.#relays) if (watched === resource) act(relay);
  }

  #bite(kind: keyof Bites, count = 1): void {
    this.#bites = { ...this.#bites, [kind]: this.#bites[kind] + count };
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const asked = readKindRequest(request);
    if (asked === undefined) return this.#forward(request, response);
    this.evidence.ask(asked.resource, asked.collection);
    const fault = this.#faultOf(asked);
    if (fault !== undefined && refuses(fault)) return this.#refuse(fault, response);
    if (asked.access === 'watch') return this.#watch(asked, request, response);
    const answer = await this.#list(asked, request);
    // A fault that began meanwhile counts for this answer too.
    const now = this.#faultOf(asked);
    if (now !== undefined && refuses(now)) return this.#refuse(now, response);
    send(response, answer);
    this.#noteList(asked, answer);
  }

  #faultOf({ resource }: KindRequest): Fault | undefined {
    return this.#fault?.resource === resource ? this.#fault : undefined;
  }

  #refuse({ name }: Fault, response: ServerResponse): void {
    const failure = name === 'forbidden' ? ([403, 'Forbidden'] as const) : FAILURES[this.#bites.failed % FAILURES.length];
    this.#bite('failed');
    if (failure === undefined) response.destroy();
    else send(response, { status: failure[0], body: statusOf(...failure) });
  }

  async #list(asked: KindRequest, request: IncomingMessage): Promise<Answer> {
    const fault = this.#faultOf(asked);
    if (fault?.name === 'list-lags') return this.#lag(asked);
    const { method = 'GET', url = '/', headers } = request;
    const response = await this.#upstream.send({ method, path: url, headers });
    const answer = { status: response.statusCode ?? 0, body: await readBody(response) };
    const { deformation } = this.#faultOf(asked) ?? {};
    if (deformation === undefined || answer.status !== 200) return answer;
    const list = JSON.parse(answer.body) as { items?: unknown };
    this.#bite('deformed', deformList(list, deformation));
    return { ...answer, body: JSON.stringify(list) };
  }

  async #lag({ collection, limit }: KindRequest): Promise<Answer> {
    const { body, isStale } = await this.#lagging.serve(collection);
    if (isStale) this.#bite('stale');
    if (limit !== 1) return { status: 200, body };
    const list = JSON.parse(body) as { items: unknown[] };
    return { status: 200, body: JSON.stringify({ ...list, items: list.items.slice(0, 1) }) };
  }

  async #readWhole(collection: string): Promise<Answer> {
    const answer = await this.#upstream.read(collection);
    if (answer.status !== 200) throw new Error(`${collection}: HTTP ${answer.status}`);
    return answer;
  }

  /**
   * Records a list as evidence. Only the last page makes a list whole, and one with wrong values is
   * not whole.
   */
  #noteList(asked: KindRequest, { status, body }: Answer): void {
    if (status !== 200 || this.#fault?.deformation !== undefined) return;
    this.evidence.see(asked.collection, versionOfList(body));
    const { metadata } = JSON.parse(body) as { metadata?: { continue?: string } };
    if ((metadata?.continue ?? '') === '' && !(asked.limit === 1 && !asked.isPage)) this.evidence.hear(asked.resource);
  }

  async #watch(asked: KindRequest, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = 'GET', url = '/', headers } = request;
    const upstream = await this.#upstream.send({ method, path: url, headers });
    if (upstream.statusCode !== 200) return passOn(upstream, response);
    response.writeHead(200, { 'content-type': 'application/json' });
    response.flushHeaders();
    const relay = new WatchRelay(upstream, response, {
      treatment: () => treatmentOf(this.#faultOf(asked), this.#lagMs),
      onPassed: (version) => {
        this.evidence.hear(asked.resource);
        this.evidence.see(asked.collection, Number(version));
      },
      onHeld: () => this.#bite('held'),
      onDeformed: () => this.#bite('deformed'),
    });
    this.#relays.set(relay, asked.resource);
    response.on('close', () => this.#relays.delete(relay));
  }

  async #forward(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = 'GET', url = '/', headers } = request;
    const hasBody = method !== 'GET' && method !== 'HEAD';
    passOn(await this.#upstream.send({ method, path: url, headers, ...(hasBody ? { body: request } : {}) }), response);
  }
}

const refuses = ({ name }: Fault): boolean => name === 'forbidden' || name === 'list-fails';

const send = (response: ServerResponse, { status, body }: Answer): void => {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(body);
};

const passOn = (upstream: IncomingMessage, response: ServerResponse): void => {
  response.writeHead(upstream.statusCode ?? 502, withoutHops(upstream.headers));
  // An answer that the server breaks off is broken off here too.
  pipeline(upstream, response, () => undefined);
};
