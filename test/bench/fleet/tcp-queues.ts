import { readFileSync } from 'node:fs';

/** Unsent data in the kernel for the connections of a listener. */
export interface SendQueues {
  /** Number of connections with unsent data, because the other side has closed its window. */
  readonly full: number;
  /** Number of unsent bytes on them. */
  readonly bytes: number;
}

const ESTABLISHED = '01';
/** Timer of a connection on which the kernel probes whether the window has opened again. */
const ZERO_WINDOW_PROBE = '04';

/**
 * Parses a table of connections for a local port. @see
 * https://docs.kernel.org/networking/proc_net_tcp.html
 */
export const parseSendQueues = (table: string, port: number): SendQueues => {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  const waiting = table
    .split('\n')
    .slice(1)
    .map((line) => line.trim().split(/\s+/))
    .filter(([, local = '', , state, , timer]) => local.endsWith(suffix) && state === ESTABLISHED && timer?.startsWith(ZERO_WINDOW_PROBE))
    .map(([, , , , queues = '']) => Number.parseInt(queues, 16));
  return { full: waiting.length, bytes: waiting.reduce((sum, bytes) => sum + bytes, 0) };
};

/** Reads the send queues of the listener on a local port; Linux only. */
export const readSendQueues = (port: number): SendQueues => parseSendQueues(readFileSync('/proc/net/tcp', 'utf8'), port);
