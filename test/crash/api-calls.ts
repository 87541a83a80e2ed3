import { randomUUID } from 'node:crypto';

/** API calls that change something. Once the hub has answered one, it is in the audit log. */
export interface ApiCalls {
  /** Ids of the requests that succeeded. */
  readonly acknowledged: ReadonlySet<string>;
  /** @throws Error `HTTP <status>: …`, or the error of the connection */
  post(path: string, body?: unknown): Promise<unknown>;
}

/**
 * Timeout of a call in ms, longer than any outage of the database. A call that timed out could
 * still succeed later.
 */
const TIMEOUT_MS = 600_000;

export const createApiCalls = (url: string, token: string): ApiCalls => {
  const acknowledged = new Set<string>();
  return {
    acknowledged,
    post: async (path, body) => {
      const id = randomUUID();
      const answer = await fetch(url + path, {
        method: 'POST',
        headers: {
          'X-Request-Id': id,
          Authorization: `Bearer ${token}`,
          ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
        },
        body: body === undefined ? null : JSON.stringify(body),
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
      if (!answer.ok) throw new Error(`HTTP ${answer.status}: ${await answer.text()}`);
      // The hub sends the status after it has written the record.
      acknowledged.add(id);
      return answer.json();
    },
  };
};
