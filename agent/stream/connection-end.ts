import type { IncomingMessage } from 'node:http';
import { CLOSE_CODES, readReturn } from '@fso/shared/protocol';
import { parseRetryAfter } from '@fso/shared/runtime';
import { explainTls, isOtherCa } from './tls-errors.ts';

/** End of a connection, with its reason. */
export interface ConnectionEnd {
  /** `renewed`: the agent has a new certificate and reconnects with it at once. */
  readonly kind: 'rejected' | 'untrusted' | 'lost' | 'resend' | 'renewed';
  readonly reason: string;
  /**
   * Time in ms within which the agent reconnects at a random moment. Set by a hub that stops or has
   * too many agents at once.
   */
  readonly returnMs?: number | undefined;
}

const MAX_REASON = 300;

const REJECTIONS: readonly number[] = [CLOSE_CODES.unauthorized, CLOSE_CODES.unsupportedProtocol];
const REFUSED_STATUS: readonly (number | undefined)[] = [401, 403];

/** Reads the reason of a refusal from the hub's response, cut to one line. */
const readReason = async (response: IncomingMessage): Promise<string> => {
  let text = '';
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      text += chunk.toString('utf8');
      if (text.length > MAX_REASON) break;
    }
  } catch {
    // The part received so far is better than nothing.
  }
  return text.slice(0, MAX_REASON).replaceAll(/\s+/g, ' ').trim();
};

/** End by an HTTP response other than an upgrade. */
export const endOfResponse = async (response: IncomingMessage): Promise<ConnectionEnd> => {
  const reason = await readReason(response);
  return {
    kind: REFUSED_STATUS.includes(response.statusCode) ? 'rejected' : 'lost',
    reason: `the hub answered with HTTP status ${response.statusCode}${reason && `: ${reason}`}`,
    returnMs: parseRetryAfter(response.headers['retry-after'], { now: new Date() }),
  };
};

/** End by a close frame, or without one. */
export const endOfClose = (code: number, reason: Buffer): ConnectionEnd => {
  const why = reason.toString('utf8').slice(0, 200);
  return {
    kind: REJECTIONS.includes(code) ? 'rejected' : 'lost',
    reason: `the hub closed the stream with code ${code}${why && `: ${why}`}`,
    returnMs: readReturn(code, why),
  };
};

/** End by an error of the network or of TLS. */
export const endOfError = (error: Error, hostname: string): ConnectionEnd => ({
  kind: isOtherCa(error) ? 'untrusted' : 'lost',
  reason: explainTls(error, hostname),
});
