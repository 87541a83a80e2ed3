import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Exchange, ExchangeOrder } from './bare-server.ts';
import type { BenchFleet } from './fleet.ts';

/** Runs work with a server that has the hub's TLS settings and otherwise only follows orders. */
const withBareServer = async <T>(fleet: BenchFleet, work: (url: string, server: ChildProcess) => Promise<T>): Promise<T> => {
  const server = fork(new URL('./bare-server.ts', import.meta.url));
  try {
    const listening = once(server, 'message');
    server.send({ cert: fleet.ca, key: readFileSync(join(fleet.dataDir, 'identity/ca.key'), 'utf8') });
    const [{ url }] = (await listening) as [{ readonly url: string }];
    return await work(url, server);
  } finally {
    const ended = once(server, 'exit');
    server.disconnect();
    await ended;
  }
};

/**
 * Measures the time in milliseconds in which all agents open a stream to a server that only accepts
 * them.
 */
export const measureHandshakes = (fleet: BenchFleet): Promise<number> => withBareServer(fleet, (url) => fleet.handshakes(url));

/** Sizes of the messages of a commit, in bytes. */
export interface CommitSizes {
  /** Offer to one agent. */
  readonly offer: number;
  /** Report of one agent about it. */
  readonly report: number;
}

/** Number of uncounted exchanges at the start, during which V8 compiles code. */
const WARM_UP = 2;
const EXCHANGES = 5;

/**
 * Measures the floor of a commit: a message of each size for each agent, over the same TLS and
 * WebSockets, without reading its content.
 *
 * @returns CPU time of the server for one agent, in ms
 */
export const measureExchange = (fleet: BenchFleet, { offer, report }: CommitSizes): Promise<number> =>
  withBareServer(fleet, async (url, server) => {
    await fleet.openBare({ type: 'echo', url, bytes: report });
    let cpuMs = 0;
    for (let n = 0; n < WARM_UP + EXCHANGES; n += 1) {
      const exchanged = once(server, 'message');
      server.send({ bytes: offer } satisfies ExchangeOrder);
      const [exchange] = (await exchanged) as [Exchange];
      if (n >= WARM_UP) cpuMs += exchange.cpuMs / exchange.streams;
    }
    return cpuMs / EXCHANGES;
  });
