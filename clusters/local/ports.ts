import { randomInt } from 'node:crypto';
import { connect, createServer, type Server } from 'node:net';
import { CommandError } from '../toolchain/command-error.ts';

/** Listening ports of one cluster, all on 127.0.0.1. */
export interface ClusterPorts {
  readonly etcd: number;
  readonly etcdPeer: number;
  readonly apiServer: number;
  readonly webhook: number;
  readonly gatekeeperHealth: number;
  readonly gatekeeperMetrics: number;
}

/**
 * Ports in a block. The last one is held while the cluster starts, so that no other start takes the
 * block.
 */
export const BLOCK = 8;
// Both ranges are below the ephemeral ports (Linux 32768, macOS 49152), so that a restarted process
// finds its port free.
/** Ports of single programs. */
const SINGLE = { lowest: 12_000, highest: 19_999 };
const LOWEST = 20_000;
const BLOCKS = 1_500;
const ATTEMPTS = 200;

/** Block of ports that no other cluster on this machine takes meanwhile. */
export interface PortClaim {
  readonly ports: ClusterPorts;
  /** Releases the block. Call it when every process listens. */
  release(): Promise<void>;
}

const listen = (port: number): Promise<Server> =>
  new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => resolve(server));
  });

const close = (server: Server): Promise<void> => new Promise((resolve) => server.close(() => resolve()));

/**
 * Checks whether a port is free.
 *
 * @returns reason why the port cannot be listened on; undefined if it can
 */
export async function portProblem(port: number): Promise<string | undefined> {
  try {
    await close(await listen(port));
    return undefined;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? String(error);
  }
}

/** Whether a process accepts connections on a port. */
export const isListening = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' });
    const answer = (listening: boolean): void => {
      socket.destroy();
      resolve(listening);
    };
    socket.once('connect', () => answer(true));
    socket.once('error', () => answer(false));
  });

const portsFrom = (base: number): ClusterPorts => ({
  apiServer: base,
  etcd: base + 1,
  etcdPeer: base + 2,
  webhook: base + 3,
  gatekeeperHealth: base + 4,
  gatekeeperMetrics: base + 5,
});

async function claimBlock(base: number): Promise<PortClaim | { busy: number; reason: string }> {
  const claim = base + BLOCK - 1;
  let held: Server;
  try {
    held = await listen(claim);
  } catch (error) {
    return { busy: claim, reason: (error as NodeJS.ErrnoException).code ?? String(error) };
  }
  const ports = portsFrom(base);
  for (const port of Object.values(ports)) {
    const reason = await portProblem(port);
    if (reason === undefined) continue;
    await close(held);
    return { busy: port, reason };
  }
  held.unref();
  return { ports, release: () => close(held) };
}

/** Claims a free block of ports, or the block that starts at `base`. */
export async function claimPorts(base?: number): Promise<PortClaim> {
  if (base !== undefined) {
    const claim = await claimBlock(base);
    if ('ports' in claim) return claim;
    throw new CommandError(
      `port ${claim.busy} of 127.0.0.1 cannot be used (${claim.reason}); ports ${base} to ${base + BLOCK - 1} are needed. ` +
        'End the program that uses it, choose another --base-port, or leave the option out to have free ports picked.',
    );
  }
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const claim = await claimBlock(LOWEST + BLOCK * randomInt(BLOCKS));
    if ('ports' in claim) return claim;
  }
  throw new Error(`found no ${BLOCK} free ports in a row on 127.0.0.1 from ${LOWEST} to ${LOWEST + BLOCK * BLOCKS}`);
}

/**
 * Finds a free port on 127.0.0.1. The system does not use it for outgoing connections, so that a
 * restarted program finds it free again.
 *
 * @throws Error if none was found
 */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const port = randomInt(SINGLE.lowest, SINGLE.highest + 1);
    if ((await portProblem(port)) === undefined) return port;
  }
  throw new Error(`found no free port on 127.0.0.1 from ${SINGLE.lowest} to ${SINGLE.highest}`);
}
