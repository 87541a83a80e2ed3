import type { ProblemDetails } from '@fso/shared/api';
import { expect } from 'vitest';
import { fillLedger, startApiHarness } from './api-harness.ts';

/** Reads the problem in a response, which must be of its content type. */
export const problem = async (response: Response): Promise<ProblemDetails> => {
  expect(response.headers.get('content-type')).toMatch(/^application\/problem\+json/);
  return (await response.json()) as ProblemDetails;
};

/** Starts an API server on a filled ledger. */
export const started = async (config: Parameters<typeof startApiHarness>[0] = {}) => {
  const server = await startApiHarness(config);
  await fillLedger(server.ledger);
  return server;
};

/** Reads answers of a server, which ends with it. @param server as {@link started} */
export const readerOf = (server: Awaited<ReturnType<typeof started>>) => {
  const get = async (path: string): Promise<string> => (await fetch(`${server.url}/api/v1/${path}`)).text();
  return {
    server,
    get,
    read: async (path: string): Promise<unknown> => JSON.parse(await get(path)),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
};
