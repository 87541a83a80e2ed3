import { randomUUID } from 'node:crypto';

/**
 * Calls of the API that change something, each of which the hub has in its audit log once it has
 * answered.
 */
export interface ApiCalls {
  /** Ids of requests that were answered as done. */
  readonly acknowledged: ReadonlySet<string>;
  /** @throws Error `HTTP <status>: …`, or of the connection */
  post(path: string, body?: unknown): Promise<unknown>;
}

/**
 * Longest call, in ms: longer than the database is ever gone. A call that was given up could still
 * be done later.
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
      // The status came after the record.
      acknowledged.add(id);
      return answer.json();
    },
  };
};
