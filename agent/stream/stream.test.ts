import type { SovereignPolicy } from '@fso/shared/api';
import type { Informer, KubeClient } from '@fso/shared/kube';
import { type Clock, createLogger, systemClock } from '@fso/shared/runtime';
import { describe, expect, it } from 'vitest';
import { LiveObservatory } from '../observe/index.ts';
import { EventOutbox } from '../report/index.ts';
import { startStream } from './stream.ts';

const FACTS = {
  agentVersion: 'test',
  kubernetesVersion: 'v1',
  gatekeeper: { state: 'Absent' },
  nodesByRegion: {},
  conditions: [],
} as const;
const DIGEST_MS = 60_000;

/** A stream with nothing around it: an empty cluster, and a hub that is not there. */
const start = (clock: Clock, signal: AbortSignal) => {
  const config = { hubUrl: 'ws://127.0.0.1:1', token: 'secret', cluster: 'eu', agentVersion: 'test', trust: { mode: 'off' } as const };
  const client = { get: async (kind: { kind: string }) => (kind.kind === 'Namespace' ? {} : undefined) } as unknown as KubeClient;
  const policies = {
    ready: async () => undefined,
    onChange: () => () => undefined,
    get: () => undefined,
    list: () => [],
  } as unknown as Informer<SovereignPolicy>;
  const observatory = new LiveObservatory({ policies: new Map(), cluster: { ...FACTS, conditions: [] } });
  const logger = createLogger({ name: 'test', level: 'silent' });
  return startStream(
    { runtime: { client, clock, random: () => 0.5, logger }, config, policies, observatory, outbox: new EventOutbox({ clock, logger }) },
    signal,
  );
};

describe('done', () => {
  it('rejects when a part breaks down, so that the program ends', async () => {
    const ended = new AbortController();
    const sleep: Clock['sleep'] = async (ms, signal) => {
      if (ms === DIGEST_MS) throw new Error('broken');
      await systemClock.sleep(ms, signal);
    };
    const { done } = await start({ ...systemClock, sleep }, ended.signal);
    await expect(done).rejects.toThrow('broken');
    ended.abort();
  });

  it('resolves when the signal aborts', async () => {
    const ended = new AbortController();
    const { done } = await start(systemClock, ended.signal);
    ended.abort();
    await expect(done).resolves.toBeUndefined();
  });
});
