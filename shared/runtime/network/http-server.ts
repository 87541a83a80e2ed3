import type { RequestListener, Server } from 'node:http';
import { Server as TlsServer } from 'node:https';
import { type AddressInfo, isIP, type Socket } from 'node:net';
import { z } from 'zod';

/** Address to listen on. */
export interface ListenAddress {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
}

/**
 * Parses `host:port`, `:port` or `[::1]:port`.
 *
 * @throws Error that describes the expected form
 */
export const parseAddress = (address: string): ListenAddress => {
  const match = /^(?:\[([0-9a-fA-F:]+)\]|([^:\s[\]]*)):(\d{1,5})$/.exec(address);
  const port = Number(match?.[3]);
  if (match === null || port > 65_535) throw new Error(`listen address "${address}": expected host:port, e.g. 127.0.0.1:8080`);
  return { host: match[1] ?? (match[2] || '0.0.0.0'), port };
};

/** Schema of a variable with a listen address. Its default is text as well (`prefault`). */
export const Address: z.ZodType<ListenAddress, string> = z.string().transform((text, context): ListenAddress => {
  try {
    return parseAddress(text);
  } catch {
    context.addIssue({ code: 'custom', message: 'must be host:port, for instance 127.0.0.1:8080 or [::1]:8080' });
    return z.NEVER;
  }
});

/**
 * Whether traffic to or from a host stays on this machine. IPv6 with or without the brackets of a
 * URL.
 */
export const isLoopback = (host: string): boolean => {
  const name = host.replace(/^\[(.*)\]$/, '$1');
  return name === 'localhost' || name === '::1' || (isIP(name) === 4 && name.startsWith('127.'));
};

/**
 * node:http without an import. An import reads every export, and some of them load Node's own fetch
 * and WebSocket, 13 MiB that no server uses.
 */
export const nodeHttp = process.getBuiltinModule('node:http');

/** Listening server, with its actual address. */
export interface Listening {
  /** URL, e.g. `http://127.0.0.1:8080`. A wildcard address is shown as loopback. */
  readonly url: string;
  readonly host: string;
  readonly port: number;
  readonly server: Server | TlsServer;
  /** Resolves when the signal aborted and every connection is closed. */
  readonly closed: Promise<void>;
}

/** Time for requests in flight after the signal aborted, in ms. */
const GRACE_MS = 5_000;
const SWEEP_MS = 20;

/**
 * Most connections that the kernel queues until they are accepted, which is one per turn of the
 * event loop. The kernel has its own limit (net.core.somaxconn). Beyond it, clients retry after 1,
 * 3 and 7 s.
 */
const BACKLOG = 4_096;

const reachableHost = (host: string): string => {
  if (host === '0.0.0.0') return '127.0.0.1';
  if (host === '::') return '[::1]';
  return host.includes(':') ? `[${host}]` : host;
};

const explain = (error: NodeJS.ErrnoException, { host, port }: ListenAddress): Error => {
  if (error.code === 'EADDRINUSE') return new Error(`cannot listen on ${host}:${port}: the port is in use`, { cause: error });
  if (error.code === 'EACCES') return new Error(`cannot listen on ${host}:${port}: not permitted`, { cause: error });
  return new Error(`cannot listen on ${host}:${port}: ${error.message}`, { cause: error });
};

const bind = (server: Server | TlsServer, address: ListenAddress): Promise<void> =>
  new Promise((resolve, reject) => {
    const onError = (error: Error): void => reject(explain(error, address));
    server.once('error', onError);
    server.listen(address.port, address.host, BACKLOG, () => {
      server.off('error', onError);
      resolve();
    });
  });

/**
 * Closes a server when the signal aborts: no new connections, {@link GRACE_MS} for requests in
 * flight, then everything is cut. That includes what Node does not count as HTTP connections: TLS
 * handshakes in progress and upgraded connections (WebSockets), which their owners should have
 * closed.
 */
const closeWithSignal = (server: Server | TlsServer, signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    const sockets = new Set<Socket>();
    server.on('connection', (socket: Socket) => {
      sockets.add(socket);
      socket.once('close', () => sockets.delete(socket));
    });
    const cutAll = (): void => {
      server.closeAllConnections();
      for (const socket of sockets) socket.destroy();
    };
    const close = (): void => {
      const cut = setTimeout(cutAll, GRACE_MS);
      // A kept-alive connection becomes idle when its last request ends, and would then wait for
      // another.
      const sweep = setInterval(() => server.closeIdleConnections(), SWEEP_MS);
      server.close(() => {
        clearTimeout(cut);
        clearInterval(sweep);
        resolve();
      });
    };
    if (signal.aborted) close();
    else signal.addEventListener('abort', close, { once: true });
  });

/**
 * Serves a request listener (e.g. an Express application) or a prepared server until the signal
 * aborts.
 *
 * @throws Error if the address cannot be bound
 */
export const listen = async (
  target: Server | TlsServer | RequestListener,
  address: string | ListenAddress,
  signal: AbortSignal,
): Promise<Listening> => {
  const wanted = typeof address === 'string' ? parseAddress(address) : address;
  const server = typeof target === 'function' ? nodeHttp.createServer(target) : target;
  await bind(server, wanted);
  const { port } = server.address() as AddressInfo;
  const url = `${server instanceof TlsServer ? 'https' : 'http'}://${reachableHost(wanted.host)}:${port}`;
  return { url, host: wanted.host, port, server, closed: closeWithSignal(server, signal) };
};
