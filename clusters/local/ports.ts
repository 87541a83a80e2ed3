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
 * Ports of a block; the last one is held while the cluster starts, so that no other start takes the
 * block.
 */
export const BLOCK = 8;
// Both below the range from which systems take ports for outgoing connections (Linux 32768, macOS
// 49152): a process that is restarted must find its port free again.
/** Ports of single programs. */
const SINGLE = { lowest: 12_000, highest: 19_999 };
const LOWEST = 20_000;
const BLOCKS = 1_500;
const ATTEMPTS = 200;

/** Block of ports that no other cluster of this machine takes meanwhile. */
export interface PortClaim {
  readonly ports: ClusterPorts;
  /** Lets the block go; to be called when every process listens. */
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
 * Tries whether a port is free.
 *
 * @returns why the port cannot be listened on; undefined when it can.
 */
export async function portProblem(port: number): Promise<string | undefined> {
  try {
    await close(await listen(port));
    return undefined;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? String(error);
  }
}

/** Whether something accepts connections there. */
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
 * A port of 127.0.0.1 that is free now. The system gives it to no other program, so that a program
 * that is restarted finds it free again.
 *
 * @throws Error when none was found
 */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const port = randomInt(SINGLE.lowest, SINGLE.highest + 1);
    if ((await portProblem(port)) === undefined) return port;
  }
  throw new Error(`found no free port on 127.0.0.1 from ${SINGLE.lowest} to ${SINGLE.highest}`);
}
