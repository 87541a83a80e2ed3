import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LocalCluster } from '@fso/clusters/local';
import { AGENT_STATE, ANNOTATIONS, LABELS, type SovereignPolicy, SYSTEM_NAMESPACE } from '@fso/shared/api';
import { byText } from '@fso/shared/encoding';
import {
  ADMISSION_POLICY_BINDING_KIND,
  ADMISSION_POLICY_KIND,
  CONFIG_MAP_KIND,
  CRD_KIND,
  type CustomResourceDefinition,
  type KubeClient,
  SOVEREIGN_POLICY_KIND,
} from '@fso/shared/kube';
import { createLogger, systemClock } from '@fso/shared/runtime';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { readDefinitions } from '../../agent/bootstrap.ts';
import { startRounds } from '../../agent/control/testing/rounds.ts';
import { type AgentSnapshot, LiveObservatory } from '../../agent/observe/index.ts';
import { EventOutbox } from '../../agent/report/index.ts';
import { type Stream, startStream } from '../../agent/stream/stream.ts';
import { makeObjectRepository, type ObjectRepository, type WholeOffer } from '../harness/git-objects.ts';
import { openHubHarness, TOKENS } from '../harness/hub-harness.ts';
import { openKubeClient } from '../harness/kube-client.ts';
import { startTestCluster } from '../harness/local-cluster.ts';
import { clusterFile, policyFile, scopeFile } from '../harness/policy-files.ts';
import { type ScriptedHub, startScriptedHub } from '../harness/scripted-hub.ts';
import { never, waitFor } from '../harness/waiting.ts';

const logger = createLogger({ name: 'test', level: 'silent' });
const FACTS: AgentSnapshot['cluster'] = {
  agentVersion: 'test',
  kubernetesVersion: 'v1.36.3',
  gatekeeper: { state: 'Absent' },
  nodesByRegion: { 'eu-west-1': 2 },
  conditions: [],
};

/** A policy that Git does not have; it is always reported by name. */
const LOCAL: SovereignPolicy = {
  apiVersion: 'compliance.federated.io/v1',
  kind: 'SovereignPolicy',
  metadata: { namespace: SYSTEM_NAMESPACE, name: 'local' },
  spec: { targetNamespace: 'local', allowedRegions: ['eu-west-1'], enforcementAction: 'deny' },
};

let stateDir: string;
let cluster: LocalCluster;
let client: KubeClient;
/** What the stream writes with: the audit log counts it as an agent's. */
let asAgent: KubeClient;
let repository: ObjectRepository;
let hub: ScriptedHub;
let agent: Agent | undefined;

interface Agent {
  readonly stream: Stream;
  readonly observatory: LiveObservatory;
  stop(): Promise<void>;
}

/** An agent of a cluster without either lock: it takes commits in, and its rounds write them. */
const startAgent = async (hubUrl = hub.url, token = 'secret', definitions?: CustomResourceDefinition[]): Promise<Agent> => {
  const ended = new AbortController();
  const { signal } = ended;
  const runtime = { client: asAgent, clock: systemClock, random: () => 0, logger };
  const observatory = new LiveObservatory({ policies: new Map(), cluster: FACTS });
  const outbox = new EventOutbox({ clock: systemClock, logger });
  observatory.onEvent((event) => outbox.add(event));
  const rounds = await startRounds({ runtime, observatory, definitions: definitions ?? (await readDefinitions()) }, signal);
  const config = { hubUrl, token, cluster: 'eu', agentVersion: 'test', trust: { mode: 'off' } as const };
  const { revisions } = rounds.controller;
  const stream = await startStream({ runtime, config, policies: rounds.view.policies, revisions, observatory, outbox }, signal);
  agent = {
    stream,
    observatory,
    stop: async () => {
      ended.abort();
      await Promise.all([stream.done, rounds.done]);
    },
  };
  return agent;
};

const live = (): Promise<SovereignPolicy[]> => client.list(SOVEREIGN_POLICY_KIND, { namespace: SYSTEM_NAMESPACE }, never);
const get = (name: string): Promise<SovereignPolicy | undefined> =>
  client.get(SOVEREIGN_POLICY_KIND, { namespace: SYSTEM_NAMESPACE, name }, never);
const connected = (times = 1): Promise<void> => waitFor(() => expect(hub.got('hello').length).toBeGreaterThanOrEqual(times));
const acked = (revision: string): Promise<void> => waitFor(() => expect(hub.got('ack').map((ack) => ack.revision)).toContain(revision));
const nackOf = (revision: string) =>
  waitFor(() => {
    const nack = hub.got('nack').find((each) => each.revision === revision);
    if (nack === undefined) throw new Error('no nack yet');
    return nack;
  });
const offerAndAck = async (revision: string, holds: string | null): Promise<WholeOffer> => {
  const offer = await repository.offer(revision, holds);
  hub.send(offer);
  await acked(revision);
  return offer;
};

beforeAll(async () => {
  stateDir = mkdtempSync(join(tmpdir(), 'fso-stream-'));
  cluster = await startTestCluster({ name: 'stream', stateDir, regions: ['eu-west-1'], gatekeeper: false }, never);
  client = openKubeClient({ kubeconfig: cluster.kubeconfig });
  asAgent = openKubeClient({ kubeconfig: cluster.kubeconfig, userAgent: 'fso-agent/test' });
  const crd = parse(readFileSync(new URL('../../crds/sovereignpolicies.yaml', import.meta.url), 'utf8'));
  await client.apply(CRD_KIND, crd, { fieldManager: 'test' }, never);
  await waitFor(live);
});
afterAll(async () => {
  await Promise.all([client.close(), asAgent.close()]);
  await cluster.stop();
  rmSync(stateDir, { recursive: true, force: true });
});

let first: string;
beforeEach(async () => {
  repository = makeObjectRepository();
  hub = await startScriptedHub();
  first = repository.commit({
    'clusters/eu.yaml': clusterFile('eu', ['eu-west-1', 'eu-central-1']),
    'policies/finance.yaml': policyFile('finance'),
    'policies/hr.yaml': policyFile('hr', ['eu-central-1', 'eu-west-1']),
  });
});
afterEach(async () => {
  await agent?.stop();
  agent = undefined;
  await hub.close();
  repository.remove();
  for (const { metadata } of await live()) {
    const ref = { namespace: SYSTEM_NAMESPACE, name: metadata.name };
    await client.mergePatch(SOVEREIGN_POLICY_KIND, ref, { metadata: { finalizers: null } }, never);
  }
  await client.raw({ method: 'DELETE', path: `/apis/compliance.federated.io/v1/namespaces/${SYSTEM_NAMESPACE}/sovereignpolicies` }, never);
  await client.raw({ method: 'DELETE', path: `/api/v1/namespaces/${SYSTEM_NAMESPACE}/configmaps` }, never);
});

describe('a commit that the hub offers', () => {
  beforeEach(async () => {
    await startAgent();
    await connected();
  });

  it('becomes SovereignPolicies, is acked, and is reported proven', async () => {
    expect(hub.authorizations).toEqual(['Bearer secret']);
    expect(hub.got('hello')[0]).toMatchObject({ cluster: 'eu', revision: null, holds: null });
    await offerAndAck(first, null);
    const policies = await live();
    expect(policies.map(({ metadata }) => metadata.name)).toEqual(['finance', 'hr']);
    expect(policies[1]).toMatchObject({
      metadata: {
        labels: { [LABELS.managedBy]: 'hub' },
        annotations: { [ANNOTATIONS.revision]: first, [ANNOTATIONS.sourcePath]: 'policies/hr.yaml' },
      },
      spec: { targetNamespace: 'hr', allowedRegions: ['eu-central-1', 'eu-west-1'], enforcementAction: 'deny' },
    });
    await waitFor(() => expect(hub.got('report').at(-1)?.cluster).toMatchObject({ revision: first, provenRevision: first }));
    expect(hub.got('report')[0]).toMatchObject({ seq: 1, full: false });
  });

  it('carries and writes only changes', async () => {
    await offerAndAck(first, null);
    const before = await get('hr');
    const second = repository.commit({ 'policies/finance.yaml': policyFile('finance', ['eu-central-1']) });
    const offer = await offerAndAck(second, first);
    expect(offer.objects.map(({ type }) => type).sort(byText)).toEqual(['blob', 'commit', 'tree', 'tree']);
    const after = await get('hr');
    expect([after?.metadata.generation, after?.metadata.annotations]).toEqual([before?.metadata.generation, before?.metadata.annotations]);
    expect(await get('finance')).toMatchObject({
      metadata: { annotations: { [ANNOTATIONS.revision]: second } },
      spec: { allowedRegions: ['eu-central-1'] },
    });
  });

  it('removes policies that it no longer has, and leaves local ones alone', async () => {
    await client.create(SOVEREIGN_POLICY_KIND, LOCAL, {}, never);
    await offerAndAck(first, null);
    await offerAndAck(repository.commit({ 'policies/hr.yaml': undefined }), first);
    expect((await live()).map(({ metadata }) => metadata.name)).toEqual(['finance', 'local']);
  });

  it('is refused if an object was altered, and nothing changes', async () => {
    await offerAndAck(first, null);
    const texts = async () => (await live()).map(({ metadata, spec }) => [metadata.name, metadata.uid, metadata.generation, spec]);
    const before = await texts();
    const second = repository.commit({ 'policies/finance.yaml': policyFile('finance', ['eu-central-1']) });
    const offer = await repository.offer(second, first);
    const data = Buffer.from(policyFile('finance', ['us-east-1'])).toString('base64');
    hub.send({ ...offer, objects: offer.objects.map((object) => (object.type === 'blob' ? { ...object, data } : object)) });
    expect((await nackOf(second)).reasons[0]?.message).toContain('its content has the id');
    expect(await texts()).toEqual(before);
    await offerAndAck(second, first);
  });

  it('is requested in full if objects are missing', async () => {
    await offerAndAck(first, null);
    const second = repository.commit({ 'policies/finance.yaml': policyFile('finance', ['eu-central-1']) });
    const offer = await repository.offer(second, first);
    hub.send({ ...offer, objects: offer.objects.filter(({ type }) => type !== 'blob') });
    expect((await nackOf(second)).reasons[0]?.message).toContain('neither in the offer nor held');
    await connected(2);
    expect(hub.got('hello')[1]).toMatchObject({ revision: first, holds: null });
    await offerAndAck(second, null);
  });

  it('is refused with path, line and column when its YAML is broken', async () => {
    await offerAndAck(first, null);
    const broken = repository.commit({ 'policies/finance.yaml': `${policyFile('finance')}  allowedRegion: [x]\n` });
    hub.send(await repository.offer(broken, first));
    expect((await nackOf(broken)).reasons[0]).toMatchObject({ path: 'policies/finance.yaml', line: 8, column: expect.any(Number) });
    expect(await get('finance')).toMatchObject({ spec: { allowedRegions: ['eu-west-1'] } });
  });

  it('is superseded by a newer one', async () => {
    const second = repository.commit({ 'policies/finance.yaml': policyFile('finance', ['eu-central-1']) });
    const third = repository.commit({ 'policies/finance.yaml': policyFile('finance', ['eu-central-1', 'eu-west-1']) });
    for (const revision of [first, second, third]) hub.send(await repository.offer(revision, null));
    await acked(third);
    expect(hub.got('ack').at(-1)?.revision).toBe(third);
    expect(await get('finance')).toMatchObject({ spec: { allowedRegions: ['eu-central-1', 'eu-west-1'] } });
  });

  it('is acked only once it is written, however long the API server is away', async () => {
    await offerAndAck(first, null);
    await cluster.kill('apiserver');
    const second = repository.commit({ 'policies/finance.yaml': policyFile('finance', ['eu-central-1']) });
    hub.send(await repository.offer(second, first));
    await waitFor(() =>
      expect(hub.got('report').flatMap(({ events }) => events)).toContainEqual(expect.objectContaining({ reason: 'PolicyWriteFailed' })),
    );
    expect(hub.got('ack').map(({ revision }) => revision)).toEqual([first]);
    await cluster.start('apiserver');
    await acked(second);
    expect(await get('finance')).toMatchObject({ spec: { allowedRegions: ['eu-central-1'] } });
  });
});

it('a commit is written, persisted and acked although a part of the rounds fails', async () => {
  const broken = {} as CustomResourceDefinition;
  await startAgent(hub.url, 'secret', [broken]);
  await connected();
  await offerAndAck(first, null);
  expect((await live()).map(({ metadata }) => metadata.name)).toEqual(['finance', 'hr']);
  expect(agent?.observatory.ages().outOfDate).toContain('foundation');
  const state = await client.get(CONFIG_MAP_KIND, { namespace: SYSTEM_NAMESPACE, name: AGENT_STATE }, never);
  expect(state?.data?.['state']).toContain(first);
});

describe('the scopes of a repository', () => {
  const one = { matching: 'clusterSelector: { matchLabels: { tier: one } }', other: 'clusterSelector: { matchLabels: { tier: two } }' };
  const files = {
    'clusters/eu.yaml': clusterFile('eu', ['eu-west-1'], 'tier: one'),
    'clusters/us.yaml': clusterFile('us', ['us-east-1']),
    'policies/free.yaml': policyFile('free'),
    'policies/one/scope.yaml': scopeFile('one', one.matching),
    'policies/one/a.yaml': policyFile('a'),
    'policies/one/deep/b.yaml': policyFile('b'),
    'policies/us/scope.yaml': scopeFile('us', 'clusterNames: [us]'),
    'policies/us/secret.yaml': policyFile('secret'),
  };
  const names = async (): Promise<string[]> => (await live()).map(({ metadata }) => metadata.name);

  it('say what a cluster gets; it leaves by scope, by label and with its registration, also while it is away, and comes back', async () => {
    const bench = await openHubHarness();
    try {
      let real = await bench.startHub();
      const commit = async (change: Record<string, string | null>): Promise<string> => {
        const revision = await bench.repository.commit(change, 'change');
        real.source.hint();
        return revision;
      };
      const holds = (revision: string, wanted: readonly string[]) =>
        waitFor(async () => {
          expect((await real.ledger.cluster('eu'))?.acked?.revision).toBe(revision);
          expect(await names()).toEqual(wanted);
        });
      const left = async (): Promise<readonly string[]> =>
        (await real.ledger.events({ limit: 100 })).filter(({ reason }) => reason === 'ScopeLeft').map(({ message }) => message);

      const begin = await commit(files);
      await startAgent(real.agentUrl, TOKENS.get('eu'));
      await holds(begin, ['a', 'b', 'free']);
      await holds(await commit({ 'policies/one/scope.yaml': scopeFile('one', one.other) }), ['free']);
      await waitFor(async () =>
        expect(await left()).toEqual(['this cluster has left the scope of policies/one: 2 policies do not hold here any more (a, b)']),
      );
      // What lies below was not held meanwhile, and has changed.
      await commit({ 'policies/one/deep/b.yaml': policyFile('b', ['eu-central-1']) });
      await holds(await commit({ 'policies/one/scope.yaml': scopeFile('one', one.matching) }), ['a', 'b', 'free']);
      expect((await get('b'))?.spec.allowedRegions).toEqual(['eu-central-1']);

      await holds(await commit({ 'clusters/eu.yaml': clusterFile('eu', ['eu-west-1'], 'tier: three') }), ['free']);
      const port = Number(new URL(real.agentUrl).port);
      await real.stop();
      const back = await bench.repository.commit(
        { 'clusters/eu.yaml': null, 'clusters/4d/eu.yaml': clusterFile('eu', ['eu-west-1'], 'tier: one') },
        'back, while the agent is cut off',
      );
      real = await bench.startHub({ config: { agentListen: { host: '127.0.0.1', port } } });
      await holds(back, ['a', 'b', 'free']);

      await holds(await commit({ 'clusters/4d/eu.yaml': null }), []);
      await waitFor(async () => expect((await left())[0]).toMatch(/^clusters\/4d\/eu.yaml is gone, .*: 3 policies do not hold here/));
      await holds(await commit({ 'clusters/eu.yaml': clusterFile('eu', ['eu-west-1']) }), ['free']);
      const reasons = (await real.ledger.events({ limit: 100 })).map(({ reason }) => reason);
      expect(reasons).not.toContain('DigestMismatch');
      expect(reasons).not.toContain('RevisionRefused');
    } finally {
      await agent?.stop();
      await bench.close();
    }
  });

  it('keep from a cluster what lies below, and the registrations of others', async () => {
    const bench = await openHubHarness();
    try {
      const real = await bench.startHub();
      await bench.repository.commit(files, 'first');
      real.source.hint();
      const offered = async (cluster: string): Promise<string[]> => {
        const { objects } = await (await bench.agent(real, cluster)).next('offer');
        const texts = objects.map((object) => ('data' in object ? Buffer.from(object.data, 'base64').toString() : ''));
        return texts.flatMap((text) => /^kind: (\w+)\nmetadata:\n {2}name: (\w+)$/m.exec(text)?.slice(1, 3).join(' ') ?? []).sort(byText);
      };
      const shared = ['PolicyScope one', 'PolicyScope us', 'SovereignPolicy free'];
      expect(await offered('eu')).toEqual(['ManagedCluster eu', ...shared, 'SovereignPolicy a', 'SovereignPolicy b'].sort(byText));
      expect(await offered('us')).toEqual(['ManagedCluster us', ...shared, 'SovereignPolicy secret'].sort(byText));
      expect(await offered('stray')).toEqual(shared);
    } finally {
      await bench.close();
    }
  });

  it('a commit in which the cluster is not registered ends nothing that an agent does not know to have been', async () => {
    const { stop } = await startAgent();
    await connected();
    await offerAndAck(first, null);
    await stop();
    const ref = { namespace: SYSTEM_NAMESPACE, name: AGENT_STATE };
    const state = (await client.get(CONFIG_MAP_KIND, ref, never))?.data?.['state'];
    const { registration: _unknown, ...older } = JSON.parse(state ?? '{}') as Record<string, unknown>;
    await client.mergePatch(CONFIG_MAP_KIND, ref, { data: { state: JSON.stringify(older) } }, never);
    await startAgent();
    await connected(2);
    const gone = repository.commit({ 'clusters/eu.yaml': undefined });
    hub.send(await repository.offer(gone, null, first));
    expect((await nackOf(gone)).reasons).toEqual([
      { path: 'clusters/eu.yaml', message: expect.stringContaining('is not registered in this commit') },
    ]);
    expect(await names()).toEqual(['finance', 'hr']);
  });
});

describe('drift of a hub-managed policy', () => {
  const change = async (): Promise<void> => {
    const ref = { namespace: SYSTEM_NAMESPACE, name: 'finance' };
    const patch = {
      metadata: { labels: { [LABELS.managedBy]: null } },
      spec: { allowedRegions: ['us-east-1'], excludedNamespaces: ['*'] },
    };
    await client.mergePatch(SOVEREIGN_POLICY_KIND, ref, patch, never);
    await client.delete(SOVEREIGN_POLICY_KIND, { ...ref, name: 'hr' }, never);
  };
  const putBack = (): Promise<void> =>
    waitFor(async () => {
      const policies = await live();
      expect(policies.map(({ metadata, spec }) => [metadata.name, spec.allowedRegions, spec.excludedNamespaces])).toEqual([
        ['finance', ['eu-west-1'], undefined],
        ['hr', ['eu-central-1', 'eu-west-1'], undefined],
      ]);
      for (const { metadata } of policies) {
        expect(metadata.labels?.[LABELS.managedBy]).toBe('hub');
        expect(metadata.annotations?.[ANNOTATIONS.revision]).toBe(first);
      }
    });

  it('is reverted, and reported to the hub', async () => {
    await startAgent();
    await connected();
    await offerAndAck(first, null);
    await change();
    await putBack();
    const reasons = () => hub.got('report').flatMap(({ events }) => events.map(({ reason, policy }) => `${reason} ${policy}`));
    for (const name of ['finance', 'hr']) {
      await waitFor(() => expect(reasons()).toContain(`TamperingRepaired ${name}`));
    }
  });

  it('is reverted when a foreign finalizer keeps the deleted policy, with an alert at the hub', async () => {
    await startAgent();
    await connected();
    await offerAndAck(first, null);
    const before = await get('hr');
    const ref = { namespace: SYSTEM_NAMESPACE, name: 'hr' };
    const kept = { metadata: { finalizers: ['example.com/keep'] } };
    await client.mergePatch(SOVEREIGN_POLICY_KIND, ref, kept, never);
    await client.delete(SOVEREIGN_POLICY_KIND, ref, never);
    const renewed = async (): Promise<void> => {
      const metadata = (await get('hr'))?.metadata;
      expect(metadata).toMatchObject({ uid: expect.any(String), annotations: { [ANNOTATIONS.revision]: first } });
      expect([metadata?.uid === before?.metadata.uid, metadata?.deletionTimestamp]).toEqual([false, undefined]);
      expect(metadata?.finalizers ?? []).not.toContain('example.com/keep');
    };
    await waitFor(renewed);
    const alert = {
      severity: 'alert',
      reason: 'TamperingRepaired',
      policy: 'hr',
      message: expect.stringContaining('was deleted'),
    };
    const events = () => hub.got('report').flatMap((report) => report.events);
    await waitFor(() => expect(events()).toContainEqual(expect.objectContaining(alert)));
  });

  it('is reverted after a restart without a hub, with the same revision', async () => {
    const before = await startAgent();
    await connected();
    await offerAndAck(first, null);
    await before.stop();
    await change();
    const after = await startAgent('ws://127.0.0.1:1');
    expect(after.observatory.snapshot().revision?.facts).toMatchObject({ revision: first });
    await putBack();
    await after.stop();
    await startAgent();
    await connected(2);
    expect(hub.got('hello')[1]).toMatchObject({ revision: first, holds: null });
  });
});

describe('a change that another rule keeps from being reverted', () => {
  const block = { name: 'keeps-the-change' };

  afterEach(async () => {
    const kinds = [ADMISSION_POLICY_BINDING_KIND, ADMISSION_POLICY_KIND];
    await Promise.all(kinds.map((kind) => client.delete(kind, block, never)));
  });

  it('leaves no revision proven until the policy is as Git has it', async () => {
    await startAgent();
    await connected();
    await offerAndAck(first, null);
    const proven = () =>
      hub
        .got('report')
        .flatMap((report) => report.cluster ?? [])
        .at(-1)?.provenRevision;
    await waitFor(() => expect(proven()).toBe(first));
    const rule = { apiGroups: ['compliance.federated.io'], apiVersions: ['*'], operations: ['UPDATE'], resources: ['sovereignpolicies'] };
    const expression = "object.metadata.name != 'finance' || 'us-east-1' in object.spec.allowedRegions";
    const validations = [{ expression, message: 'not back' }];
    await client.create(
      ADMISSION_POLICY_KIND,
      { metadata: block, spec: { matchConstraints: { resourceRules: [rule] }, validations } },
      {},
      never,
    );
    const binding = { metadata: block, spec: { policyName: block.name, validationActions: ['Deny'] } };
    await client.create(ADMISSION_POLICY_BINDING_KIND, binding, {}, never);
    const change = (regions: readonly string[]) =>
      client.mergePatch(
        SOVEREIGN_POLICY_KIND,
        { namespace: SYSTEM_NAMESPACE, name: 'finance' },
        { spec: { allowedRegions: regions } },
        never,
      );
    await waitFor(() => expect(change(['eu-central-1'])).rejects.toThrow('not back'));
    await change(['us-east-1']);
    await waitFor(() => expect(proven()).toBeNull());
    const alert = { severity: 'alert', reason: 'PolicyWriteFailed' };
    const events = () => hub.got('report').flatMap((report) => report.events);
    await waitFor(() => expect(events()).toContainEqual(expect.objectContaining(alert)));
    expect(proven()).toBeNull();
    await client.delete(ADMISSION_POLICY_BINDING_KIND, block, never);
    const second = repository.commit({ 'policies/hr.yaml': policyFile('hr') });
    await offerAndAck(second, first);
    await waitFor(() => expect(proven()).toBe(second));
  });
});

describe('the stream', () => {
  it('reports in full after a reconnect', async () => {
    await client.create(SOVEREIGN_POLICY_KIND, LOCAL, {}, never);
    await startAgent();
    await connected();
    await offerAndAck(first, null);
    await waitFor(() => expect(hub.got('report').at(-1)?.cluster?.provenRevision).toBe(first));
    const reports = hub.got('report').length;
    hub.drop();
    await connected(2);
    expect(hub.got('hello')[1]).toMatchObject({ revision: first, holds: first });
    await waitFor(() => expect(hub.got('report').length).toBeGreaterThan(reports));
    const report = hub.got('report')[reports];
    expect(report).toMatchObject({ full: true, cluster: { provenRevision: first } });
    expect(report?.policies.map(({ name }) => name)).toEqual(['local']);
  });

  it('reports a rejection, for a wrong token and another protocol', async () => {
    for (const options of [{ refuseWith: 401 }, { protocol: 99 }]) {
      const other = await startScriptedHub(options);
      const { stream, stop } = await startAgent(other.url);
      await waitFor(() => expect(stream.state()).toMatchObject({ state: 'rejected', retryInMs: 15_000 }));
      await stop();
      await other.close();
    }
  });
});
