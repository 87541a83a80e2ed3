import type { Duplex } from 'node:stream';
import { type Clock, WAIT_OVERTAKEN } from '@fso/shared/runtime';
import type { Denial } from '../../identity/index.ts';

/** Longest time for which an answer may take to be sent, in milliseconds. */
const FLUSH_MS = 1_000;

/** HTTP response to a connection that is refused. */
export interface UpgradeRefusal {
  /** e.g. `404 Not Found` */
  readonly status: string;
  /** Reason for the agent's log. */
  readonly reason?: string;
  /** Header lines, each ending with CRLF. */
  readonly headers?: string;
}

/** Converts a denial of an identity to the HTTP response for it. */
export const toUpgradeRefusal = ({ status, reason }: Denial): UpgradeRefusal => {
  if (status === 403) return { status: '403 Forbidden', reason };
  if (status === 503) return { status: '503 Service Unavailable', reason, headers: 'Retry-After: 30\r\n' };
  return { status: '401 Unauthorized', reason, headers: 'WWW-Authenticate: Bearer\r\n' };
};

/**
 * Answers an upgrade with an error and closes the connection. A socket that was to be upgraded is
 * out of reach of the server's timeouts, and its client may keep its own half open: it is destroyed
 * once the answer is sent, and after a second in any case.
 */
export const refuseUpgrade = (socket: Duplex, clock: Pick<Clock, 'sleep'>, refusal: UpgradeRefusal): void => {
  const { status, reason = '', headers = '' } = refusal;
  const closed = new AbortController();
  socket.once('close', () => closed.abort(WAIT_OVERTAKEN));
  const length = Buffer.byteLength(reason);
  const head = `HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Type: text/plain\r\nContent-Length: ${length}\r\n${headers}\r\n`;
  socket.end(`${head}${reason}`, () => socket.destroy());
  clock.sleep(FLUSH_MS, closed.signal).then(
    () => socket.destroy(),
    () => undefined,
  );
};
