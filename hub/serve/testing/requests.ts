import type { ProblemDetails } from '@fso/shared/api';
import { expect } from 'vitest';
import { fillLedger, startApiHarness } from './api-harness.ts';

export const problem = async (response: Response): Promise<ProblemDetails> => {
  expect(response.headers.get('content-type')).toMatch(/^application\/problem\+json/);
  return (await response.json()) as ProblemDetails;
};

export const started = async (config: Parameters<typeof startApiHarness>[0] = {}) => {
  const server = await startApiHarness(config);
  await fillLedger(server.ledger);
  return server;
};
