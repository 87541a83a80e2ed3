import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LocalCluster } from '@fso/clusters/local';
import type { KubeObject } from '@fso/shared/api';
import {
  CONFIG_MAP_KIND,
  type ConfigMap,
  CRD_KIND,
  type CustomResourceDefinition,
  createInformers,
  EVENT_KIND,
  EventRecorder,
  isConflict,
  isForbidden,
  type KindDescriptor,
  type KubeApiError,
  type KubeClient,
  LEASE_KIND,
  NAMESPACE_KIND,
  POD_KIND,
  type Pod,
  runAsLeader,
} from '@fso/shared/kube';
import { createLogger, untilAborted } from '@fso/shared/runtime';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openKubeClient } from '../harness/kube-client.ts';
import { startTestCluster } from '../harness/local-cluster.ts';
import { never, printMs, waitFor } from '../harness/waiting.ts';

const logger = createLogger({ name: 'test', level: 'silent' });

const WIDGET_KIND: KindDescriptor<KubeObject> = { apiVersion: 'test.example/v1', kind: 'Widget', plural: 'widgets', namespaced: false };
const WIDGET_CRD: CustomResourceDefinition & { spec: Record<string, unknown> } = {
  metadata: { name: 'widgets.test.example' },
  spec: {
    group: 'test.example',
    scope: 'Cluster',
    names: { kind: 'Widget', plural: 'widgets' },
    versions: [
      { name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: { type: 'object' } } } as { name: string; served: boolean },
    ],
  },
};

const configMap = (name: string, value: string, namespace = 'default'): ConfigMap => ({ metadata: { namespace, name }, data: { value } });

let cluster: LocalCluster;
let connections = 0;
let client: KubeClient;
let stop: AbortController;

beforeAll(async () => {
  const stateDir = mkdtempSync(join(tmpdir(), 'fso-kube-'));
  const options = { name: 'kube', stateDir, regions: ['eu-west-1'], gatekeeper: false };
  cluster = await startTestCluster(options, never);
  return async () => {
    await cluster.stop();
    rmSync(stateDir, { recursive: true, force: true });
  };
});

beforeEach(() => {
  stop = new AbortController();
  connections = 0;
  const connection = (): void => {
    connections += 1;
  };
  client = openKubeClient({ kubeconfig: cluster.kubeconfig, metrics: { request: () => undefined, connection } });
});

afterEach(async () => {
  stop.abort();
  await client.close();
});

describe('client', () => {
  it('sends 100 requests over kept-alive connections', async () => {
    for (let n = 0; n < 100; n += 1) await client.get(NAMESPACE_KIND, { name: 'default' }, stop.signal);
    // The second connection opens if a request starts in the tick in which the previous one ends.
    expect(connections).toBeLessThanOrEqual(2);
  });

  it('reads existing objects, and undefined for missing ones', async () => {
    expect(await client.version(stop.signal)).toMatch(/^v1\./);
    expect((await client.get(NAMESPACE_KIND, { name: 'default' }, stop.signal))?.metadata.name).toBe('default');
    expect(await client.get(NAMESPACE_KIND, { name: 'nowhere' }, stop.signal)).toBeUndefined();
    expect(await client.get({ ...WIDGET_KIND, plural: 'unknowns' }, { name: 'x' }, stop.signal)).toBeUndefined();
    await expect(client.delete(NAMESPACE_KIND, { name: 'nowhere' }, stop.signal)).resolves.toBeUndefined();
  });

  it('reports a server-side-apply conflict by field and manager, and takes over by force', async () => {
    await client.apply(CONFIG_MAP_KIND, configMap('ssa', 'one'), { fieldManager: 'first' }, stop.signal);
    const second = client.apply(CONFIG_MAP_KIND, configMap('ssa', 'two'), { fieldManager: 'second' }, stop.signal);
    const error = await second.catch((caught: unknown) => caught);
    expect(isConflict(error)).toBe(true);
    expect((error as KubeApiError).causes[0]).toMatchObject({ field: '.data.value', message: expect.stringContaining('first') });
    const forced = await client.apply(CONFIG_MAP_KIND, configMap('ssa', 'two'), { fieldManager: 'second', force: true }, stop.signal);
    expect(forced.object.data).toEqual({ value: 'two' });
  });

  it('changes nothing in a dry run', async () => {
    await client.apply(CONFIG_MAP_KIND, configMap('dry', 'one'), { fieldManager: 'first', dryRun: true }, stop.signal);
    expect(await client.get(CONFIG_MAP_KIND, { namespace: 'default', name: 'dry' }, stop.signal)).toBeUndefined();
  });

  it('returns warnings of the API server', async () => {
    const labels = { 'pod-security.kubernetes.io/warn': 'restricted' };
    await client.apply(NAMESPACE_KIND, { metadata: { name: 'warned', labels } }, { fieldManager: 'test' }, stop.signal);
    const pod: Pod = { metadata: { namespace: 'warned', name: 'loose' }, spec: { containers: [{ name: 'c', image: 'none' }] } };
    const { warnings } = await waitFor(() => client.create(POD_KIND, pod, { dryRun: true }, stop.signal));
    expect(warnings.join()).toContain('would violate PodSecurity "restricted:latest"');
  });

  it('names the missing right of a user', async () => {
    const kubeconfig = await cluster.createUserKubeconfig('nobody-special');
    const powerless = openKubeClient({ kubeconfig });
    const error = await powerless.list(NAMESPACE_KIND, {}, stop.signal).catch((caught: unknown) => caught);
    await powerless.close();
    expect(isForbidden(error)).toBe(true);
    expect((error as Error).message).toContain('User "nobody-special" cannot list resource "namespaces"');
  });

  it('writes events, and raises the count of one that repeats', async () => {
    const recorder = new EventRecorder({ client, component: 'fso-test', instance: 'a', logger });
    const involved = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { namespace: 'default', name: 'ssa' } };
    const fact = { type: 'Warning', reason: 'Tried', message: 'it was tried' } as const;
    await recorder.record(involved, fact, stop.signal);
    await recorder.record(involved, fact, stop.signal);
    const events = await client.list(EVENT_KIND, { namespace: 'default', fieldSelector: 'reason=Tried' }, stop.signal);
    expect(events).toMatchObject([{ count: 2, involvedObject: { name: 'ssa' }, reportingComponent: 'fso-test' }]);
  });
});

describe('informer', () => {
  it('follows objects from list to change to delete', async () => {
    await client.apply(CONFIG_MAP_KIND, configMap('followed', 'one'), { fieldManager: 'test' }, stop.signal);
    const informer = createInformers(client, { logger }, stop.signal).informer(CONFIG_MAP_KIND, { namespace: 'default' });
    await informer.ready(stop.signal);
    expect(informer.get('default/followed')?.data).toEqual({ value: 'one' });
    await client.apply(CONFIG_MAP_KIND, configMap('followed', 'two ✓'), { fieldManager: 'test' }, stop.signal);
    await waitFor(() => expect(informer.get('default/followed')?.data).toEqual({ value: 'two ✓' }));
    await client.delete(CONFIG_MAP_KIND, { namespace: 'default', name: 'followed' }, stop.signal);
    await waitFor(() => expect(informer.get('default/followed')).toBeUndefined());
  });

  it('pages through more objects than a page holds', async () => {
    const names = Array.from({ length: 520 }, (_, n) => `paged-${n}`);
    const labelled = (name: string): ConfigMap => ({ metadata: { namespace: 'default', name, labels: { paged: 'yes' } } });
    const write = (part: string[]): Promise<unknown> =>
      Promise.all(part.map((name) => client.create(CONFIG_MAP_KIND, labelled(name), {}, stop.signal)));
    for (let start = 0; start < names.length; start += 40) await write(names.slice(start, start + 40));
    const found = await client.list(CONFIG_MAP_KIND, { labelSelector: 'paged=yes' }, stop.signal);
    expect(new Set(found.map((object) => object.metadata.name))).toEqual(new Set(names));
  });

  it('reads a kind that is served later, and drops its objects when it is removed', async () => {
    const informers = createInformers(client, { logger, absentRetryMs: 1_000 }, stop.signal);
    const informer = informers.informer(WIDGET_KIND);
    await informer.ready(stop.signal);
    expect(informer).toMatchObject({ served: false, synced: false });
    await client.apply(CRD_KIND, WIDGET_CRD, { fieldManager: 'test' }, stop.signal);
    await waitFor(() => client.apply(WIDGET_KIND, { metadata: { name: 'w' } }, { fieldManager: 'test' }, stop.signal));
    await waitFor(() => expect(informer.get('w')).toBeDefined());
    expect(informer).toMatchObject({ served: true, synced: true });
    await client.delete(CRD_KIND, WIDGET_CRD.metadata, stop.signal);
    await waitFor(() => expect(informer).toMatchObject({ served: false }));
    await waitFor(() => expect(informer.list()).toEqual([]));
  });

  it('survives a restart of the API server and sees the changes made meanwhile', async () => {
    const informer = createInformers(client, { logger }, stop.signal).informer(CONFIG_MAP_KIND, { namespace: 'default' });
    await informer.ready(stop.signal);
    const deleted: string[] = [];
    informer.onChange((key, current) => current === undefined && deleted.push(key));
    await cluster.kill('apiserver');
    // The port of a killed process becomes free a moment after its end.
    await waitFor(() => cluster.start('apiserver'));
    // Written through another client: the informer of this one must reconnect by itself.
    const writer = openKubeClient({ kubeconfig: cluster.kubeconfig });
    await writer.apply(CONFIG_MAP_KIND, configMap('meanwhile', 'here'), { fieldManager: 'test' }, stop.signal);
    await writer.close();
    await waitFor(() => expect(informer.get('default/meanwhile')?.data).toEqual({ value: 'here' }));
    expect(deleted).toEqual([]);
  });
});

interface Candidate {
  readonly signal: AbortSignal;
  readonly stop: AbortController;
  readonly ended: Promise<void>;
}

describe('leader election', () => {
  const candidates = (lease: string, timing: { leaseDurationMs: number; renewDeadlineMs: number; retryPeriodMs: number }) => {
    const leading: string[] = [];
    const stepped: string[] = [];
    const start = (identity: string, via: KubeClient): Candidate => {
      const own = new AbortController();
      const signal = AbortSignal.any([own.signal, stop.signal]);
      const run = (leader: AbortSignal): Promise<void> => {
        leading.push(identity);
        return untilAborted(leader).then(() => void stepped.push(identity));
      };
      const ended = runAsLeader({ client: via, namespace: 'default', name: lease, identity, ...timing }, run, signal);
      return { signal, stop: own, ended };
    };
    return { leading, stepped, start };
  };

  it('has one leader; a graceful stop hands over at once', async () => {
    const { leading, start } = candidates('graceful', { leaseDurationMs: 15_000, renewDeadlineMs: 10_000, retryPeriodMs: 2_000 });
    const first = start('a', client);
    await waitFor(() => expect(leading).toEqual(['a']));
    const second = start('b', client);
    // A candidate looks at the lease more often than its leader renews it.
    const renewedAt = async () => (await client.get(LEASE_KIND, { namespace: 'default', name: 'graceful' }, stop.signal))?.spec?.renewTime;
    const before = await renewedAt();
    await waitFor(async () => expect(leading.length > 1 || (await renewedAt()) !== before).toBe(true));
    expect(leading).toEqual(['a']);
    first.stop.abort();
    await first.ended;
    const released = performance.now();
    await waitFor(() => expect(leading).toEqual(['a', 'b']));
    printMs('lease released → the next one leads', performance.now() - released);
    second.stop.abort();
    await second.ended;
  });

  it('hands over after the lease when the leader vanishes, which then detects its loss', async () => {
    const { leading, stepped, start } = candidates('crash', { leaseDurationMs: 6_000, renewDeadlineMs: 4_000, retryPeriodMs: 500 });
    const doomedClient = openKubeClient({ kubeconfig: cluster.kubeconfig });
    const doomed = start('a', doomedClient);
    await waitFor(() => expect(leading).toEqual(['a']));
    const second = start('b', client);
    await doomedClient.close();
    const vanished = performance.now();
    await waitFor(() => expect(leading).toEqual(['a', 'b']));
    const waited = performance.now() - vanished;
    expect(waited).toBeGreaterThan(4_000);
    printMs('leader vanished → the next one leads', waited);
    expect(stepped).toEqual(['a']);
    doomed.stop.abort();
    second.stop.abort();
    await Promise.all([doomed.ended, second.ended]);
  });
});
