import type { IncomingMessage } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { createServer as createTlsListener } from 'node:tls';
import { createAuthority, makeAgentCa } from '../../hub/identity/index.ts';

interface KeyPair {
  readonly cert: string;
  readonly key: string;
}

/** CA of a test, which issues certificates for server names. */
export interface TestCa {
  readonly cert: string;
  issue(...names: readonly string[]): Promise<KeyPair>;
}

const DAY_MS = 86_400_000;

export const makeTestCa = async (): Promise<TestCa> => {
  const pair = await makeAgentCa(new Date());
  const validity = { notBefore: new Date(Date.now() - DAY_MS), notAfter: new Date(Date.now() + DAY_MS) };
  return { cert: pair.cert, issue: (...names) => createAuthority(pair).issueServer(names, validity) };
};

const listen = (server: Server, port = 0, host = '127.0.0.1'): Promise<number> =>
  new Promise((resolve) => server.listen(port, host, () => resolve((server.address() as AddressInfo).port)));

/**
 * Address that programs must not connect to, because they should use a proxy for it. It is an
 * address of this machine that their settings do not recognize as local.
 */
export interface AvoidedAddress extends AsyncDisposable {
  /** `host:port` */
  readonly address: string;
  /** Number of connections that were made nevertheless. */
  readonly dials: number;
}

const AVOIDED_HOST = '127.0.0.2';

export const startAvoidedAddress = async (): Promise<AvoidedAddress> => {
  let dials = 0;
  const server = createServer((socket) => {
    dials += 1;
    socket.destroy();
  });
  const port = await listen(server, 0, AVOIDED_HOST);
  return {
    address: `${AVOIDED_HOST}:${port}`,
    get dials() {
      return dials;
    },
    [Symbol.asyncDispose]: () => new Promise((resolve) => server.close(() => resolve())),
  };
};

const join = (one: Duplex, other: Duplex): void => {
  one.on('error', () => other.destroy());
  one.on('close', () => other.destroy());
  one.pipe(other);
};

/** Starts a server that terminates TLS in front of a plain HTTP server on this machine. */
export const startTlsFront = async (target: number, { cert, key }: KeyPair): Promise<AsyncDisposable & { readonly port: number }> => {
  const sockets = new Set<Duplex>();
  const server = createTlsListener({ cert, key }, (socket) => {
    const upstream = connect(target, '127.0.0.1');
    sockets.add(socket);
    join(socket, upstream);
    join(upstream, socket);
  });
  const port = await listen(server);
  return {
    port,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
};

export interface ConnectProxyOptions {
  readonly certificate: KeyPair;
  readonly user: string;
  /** Current password, which a test may change. */
  password: string;
  /** Ports on this machine by the `host:port` that programs request. */
  readonly hosts: Readonly<Record<string, number>>;
}

/**
 * HTTP proxy over TLS that accepts only CONNECT, from one user. The names that it knows are
 * reachable only through it.
 */
export interface ConnectProxy extends AsyncDisposable {
  readonly url: string;
  /** Targets of the CONNECT requests, in order. */
  readonly tunnels: readonly string[];
  /** Other requests, and refused ones. */
  readonly refused: readonly string[];
  /** Ends all tunnels, and does not respond until {@link start}. */
  stop(): Promise<void>;
  start(): Promise<void>;
}

export const startConnectProxy = async (options: ConnectProxyOptions): Promise<ConnectProxy> => {
  const { certificate, user, hosts } = options;
  const wanted = (): string => `Basic ${Buffer.from(`${user}:${options.password}`).toString('base64')}`;
  const [tunnels, refused]: [string[], string[]] = [[], []];
  const sockets = new Set<Duplex>();
  const refuse = (client: Duplex, status: string, what: string): void => {
    refused.push(`${status} ${what}`);
    client.end(`HTTP/1.1 ${status}\r\n\r\n`);
  };
  const open = (client: Duplex, head: Buffer, { url, port }: { url: string; port: number }): void => {
    tunnels.push(url);
    const upstream: Socket = connect(port, '127.0.0.1', () => {
      client.write('HTTP/1.1 200 Connection established\r\n\r\n');
      upstream.write(head);
      join(client, upstream);
      join(upstream, client);
    });
    upstream.on('error', () => client.destroy());
    sockets.add(client);
  };
  const onConnect = ({ url = '', headers }: IncomingMessage, client: Duplex, head: Buffer): void => {
    const port = hosts[url];
    if (headers['proxy-authorization'] !== wanted()) refuse(client, '407 Proxy Authentication Required', url);
    else if (port === undefined) refuse(client, '502 Bad Gateway', url);
    else open(client, head, { url, port });
  };
  const server = createTlsServer({ cert: certificate.cert, key: certificate.key }, (request, response) => {
    refused.push(`${request.method} ${request.url}`);
    response.writeHead(405).end();
  });
  server.on('connect', onConnect);
  const port = await listen(server);
  const stop = async (): Promise<void> => {
    const closed = new Promise((resolve) => server.close(resolve));
    server.closeAllConnections();
    for (const socket of sockets) socket.destroy();
    sockets.clear();
    await closed;
  };
  return {
    get url() {
      return `https://${user}:${encodeURIComponent(options.password)}@localhost:${port}`;
    },
    tunnels,
    refused,
    stop,
    start: async () => void (await listen(server, port)),
    [Symbol.asyncDispose]: stop,
  };
};
