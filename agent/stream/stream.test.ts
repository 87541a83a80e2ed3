import { AGENT_STATE, type SovereignPolicy } from '@fso/shared/api';
import { objectId } from '@fso/shared/git';
import { type Informer, type KubeClient, keyOfObject } from '@fso/shared/kube';
import type { Offer } from '@fso/shared/protocol';
import { type Clock, createLogger, systemClock } from '@fso/shared/runtime';
import { parseSigners } from '@fso/shared/signatures';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { makeKey } from '../../shared/trust/testing/commits.ts';
import { makeObjectRepository } from '../../test/harness/git-objects.ts';
import { clusterFile, policyFile } from '../../test/harness/policy-files.ts';
import { startScriptedHub } from '../../test/harness/scripted-hub.ts';
import { RevisionSlot } from '../control/index.ts';
import { bodyOf } from '../enforce/hub-policies.ts';
import { type AgentSnapshot, LiveObservatory } from '../observe/index.ts';
import { EventOutbox } from '../report/index.ts';
import { PROFILE } from '../report/testing/seen-cluster.ts';
import { RevisionTracker } from '../status/revision-tracker.ts';
import { type StreamConfig, type StreamDeps, startStream } from './stream.ts';

const FACTS = {
  agentVersion: 'test',
  kubernetesVersion: 'v1',
  gatekeeper: { state: 'Absent' },
  nodesByRegion: {},
  conditions: [],
} as const;
const SNAPSHOT: AgentSnapshot = { policies: new Map(), cluster: { ...FACTS, conditions: [] } };
const DIGEST_MS = 60_000;
const SIGNER = `ana@example.org ${makeKey().line}\n`;

const shown = (body: SovereignPolicy): SovereignPolicy => ({
  ...body,
  metadata: { ...body.metadata, uid: body.metadata.name, resourceVersion: '1', generation: 1 },
});

type StartOptions = Partial<StreamConfig & StreamDeps & { observatory: LiveObservatory; onApply: (name: string) => void }>;

/**
 * A stream with nothing around it: a cluster that has what it should at once, and a hub that is not
 * there.
 */
const start = (
  clock: Clock,
  signal: AbortSignal,
  { hubUrl = 'ws://127.0.0.1:1', trust = { mode: 'off' }, onApply = () => undefined, ...more }: StartOptions = {},
) => {
  const config = { hubUrl, token: 'secret', cluster: 'eu', agentVersion: 'test', trust };
  const written = new Map<string, SovereignPolicy>();
  const client = {
    get: async (kind: { kind: string }) => (kind.kind === 'Namespace' ? {} : undefined),
    apply: async (_kind: unknown, body: SovereignPolicy) => {
      onApply(body.metadata.name);
      return { object: shown(body) };
    },
  } as unknown as KubeClient;
  const policies = {
    ready: async () => undefined,
    onChange: () => () => undefined,
    get: (key: string) => written.get(key),
    list: () => [],
  } as unknown as Informer<SovereignPolicy>;
  const observatory = more.observatory ?? new LiveObservatory(SNAPSHOT);
  const tracker = new RevisionTracker(policies);
  const revisions: RevisionSlot = new RevisionSlot(clock, {
    onTarget: () => {
      for (const desired of revisions.commit?.desired.values() ?? []) written.set(keyOfObject(bodyOf(desired)), shown(bodyOf(desired)));
      revisions.noteWritten();
    },
    onAccepted: () => {
      const snapshot = observatory.snapshot();
      observatory.publish({ ...snapshot, revision: tracker.look(revisions, snapshot.policies) });
    },
  });
  const logger = createLogger({ name: 'test', level: 'silent' });
  return startStream(
    {
      runtime: { client, clock, random: () => 0.5, logger },
      config,
      policies,
      places: { judgeBy: () => undefined },
      revisions,
      outbox: new EventOutbox({ clock, logger }),
      ...more,
      observatory,
    },
    signal,
  );
};

const offerUnsigned = (n: number): Offer => {
  const data = Buffer.from(`tree ${'0'.repeat(40)}\nauthor a <a> 1767433800 +0000\ncommitter a <a> 1767433800 +0000\n\n${n}\n`);
  const id = objectId('commit', data);
  return { type: 'offer', revision: id, anchor: null, chain: [id], objects: [{ id, type: 'commit', data: data.toString('base64') }] };
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

describe('an accepted commit', () => {
  it('is the list of the reports: policies that the cluster does not show are Pending, and the hub may request all', async () => {
    const [hub, repository, ended] = [await startScriptedHub(), makeObjectRepository(), new AbortController()];
    onTestFinished(async () => {
      ended.abort();
      repository.remove();
      await hub.close();
    });
    const observatory = new LiveObservatory({ ...SNAPSHOT, profile: PROFILE, asOf: new Date('2026-01-01T00:00:00Z') });
    await start(systemClock, ended.signal, { hubUrl: hub.url, observatory });
    await expect.poll(() => hub.got('report')).toMatchObject([{ baseline: null, policies: [] }]);
    const revision = repository.commit({
      'clusters/eu.yaml': clusterFile('eu', ['eu-west-1']),
      'policies/finance.yaml': policyFile('finance'),
    });
    hub.send(await repository.offer(revision, null));
    await expect.poll(() => hub.got('ack')).toHaveLength(1);
    const { digest = '' } = hub.got('ack')[0] ?? {};
    await expect
      .poll(() => hub.got('report').at(-1))
      .toMatchObject({
        baseline: { list: digest, profile: PROFILE, missing: '' },
        total: { count: 1 },
        deviations: [{ deviation: { phase: 'Pending', reason: 'NotJudged' }, policies: ['finance'] }],
      });
    hub.send({ type: 'list', list: 'f'.repeat(64) });
    hub.send({ type: 'list', list: digest });
    await expect.poll(() => hub.got('listed')).toMatchObject([{ list: digest, policies: [['finance', expect.any(String)]] }]);
  });
});

it('acks a commit once it is persisted, and raises an alert the third time that the API server refuses', async () => {
  const [hub, repository, ended] = [await startScriptedHub(), makeObjectRepository(), new AbortController()];
  onTestFinished(async () => {
    ended.abort();
    repository.remove();
    await hub.close();
  });
  let left = 3;
  const acksBefore: unknown[] = [];
  const onEvent = vi.fn();
  const onApply = (name: string): void => {
    if (name !== AGENT_STATE || left === 0) return;
    left -= 1;
    acksBefore.push(...hub.got('ack'));
    throw new Error('not now');
  };
  await start(systemClock, ended.signal, { hubUrl: hub.url, onApply, onEvent });
  await expect.poll(() => hub.got('hello')).toHaveLength(1);
  const revision = repository.commit({
    'clusters/eu.yaml': clusterFile('eu', ['eu-west-1']),
    'policies/finance.yaml': policyFile('finance'),
  });
  hub.send(await repository.offer(revision, null));
  await expect.poll(() => hub.got('ack')).toMatchObject([{ revision }]);
  expect([left, acksBefore]).toEqual([0, []]);
  expect(onEvent.mock.calls).toMatchObject([[{ reason: 'PolicyWriteFailed', severity: 'alert', revision }]]);
});

describe('refused revisions', () => {
  it('become ten events at most, and are all counted', async () => {
    const COUNT = 25;
    const hub = await startScriptedHub();
    const ended = new AbortController();
    onTestFinished(async () => {
      ended.abort();
      await hub.close();
    });
    const onEvent = vi.fn();
    const trust = { mode: 'strict', signers: parseSigners({ allowedSigners: SIGNER }) } as const;
    await start(systemClock, ended.signal, { hubUrl: hub.url, trust, onEvent });
    await expect.poll(() => hub.got('hello')).toHaveLength(1);
    for (let n = 0; n < COUNT; n += 1) {
      hub.send(offerUnsigned(n));
      await expect.poll(() => hub.got('nack')).toHaveLength(n + 1);
    }
    const told = () => hub.got('report').flatMap(({ events }) => events.filter(({ reason }) => reason === 'RevisionNotTrusted'));
    await expect.poll(told).toHaveLength(10);
    expect(onEvent).toHaveBeenCalledTimes(COUNT);
  });
});
