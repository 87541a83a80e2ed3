import { fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { BenchFleet } from './fleet.ts';

/**
 * Milliseconds in which all agents open a stream to a server with the hub's TLS settings that does
 * nothing else.
 */
export const measureHandshakes = async (fleet: BenchFleet): Promise<number> => {
  const server = fork(new URL('./bare-server.ts', import.meta.url));
  try {
    const listening = once(server, 'message');
    server.send({ cert: fleet.ca, key: readFileSync(join(fleet.dataDir, 'identity/ca.key'), 'utf8') });
    const [{ url }] = (await listening) as [{ readonly url: string }];
    return await fleet.handshakes(url);
  } finally {
    const ended = once(server, 'exit');
    server.disconnect();
    await ended;
  }
};
