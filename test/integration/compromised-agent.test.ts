/** What the agent of one cluster can do to the hub and to the other clusters, with an identity that is good. */
import pino from 'pino';
import { afterEach, expect, it } from 'vitest';
import { type HubBench, openHubBench } from '../support/hub-bench.ts';
import { basicRepository } from '../support/policy-files.ts';
import { policyReport } from '../support/policy-reports.ts';
import type { StreamClient } from '../support/stream-client.ts';

let bench: HubBench;
afterEach(() => bench.close());

type StartOptions = NonNullable<Parameters<HubBench['startHub']>[0]>;

const start = async ({ deps, ...change }: StartOptions = {}) => {
  bench = await openHubBench();
  const revision = await bench.repository.commit(basicRepository(), 'first');
  const messages: unknown[] = [];
  const logger = pino({}, { write: (line: string) => void messages.push(JSON.parse(line).msg) });
  const hub = await bench.startHub({ ...change, deps: { logger, ...deps } });
  return { hub, revision, messages };
};

const report = { type: 'report' as const, seq: 1, full: true, policies: [], removed: [], events: [] };
/** Whether it is taken or the stream is closed for it. */
const answered = (stream: StreamClient) => Promise.race([stream.closed, stream.next('reported')]);

it('numbers and texts that no column of the ledger holds never reach it', async () => {
  const { hub, revision, messages } = await start();
  const violations = 3_000_000_000;
  const poisoned = await bench.agent(hub, 'eu');
  await poisoned.next('offer');
  poisoned.send({ ...report, policies: [policyReport('x', { phase: 'Failed', violations })] });
  await answered(poisoned);
  const second = await bench.agent(hub, 'eu');
  await second.next('offer');
  second.send({ type: 'ack', revision, digest: 'nul \u0000 in it' });
  second.send(report);
  await answered(second);
  const other = await bench.agent(hub, 'us');
  other.send(report);
  expect((await other.next('reported')).seq).toBe(1);
  expect(messages).not.toContain('write refused by the ledger database');
});
