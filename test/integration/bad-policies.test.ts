import { readFile } from 'node:fs/promises';
import {
  ANNOTATIONS,
  API_VERSION,
  type ObjectMeta,
  type SovereignPolicy,
  type SovereignPolicySpecInput,
  SYSTEM_NAMESPACE,
} from '@fso/shared/api';
import { CRD_KIND, type KubeClient, NAMESPACE_KIND, SOVEREIGN_POLICY_KIND } from '@fso/shared/kube';
import pino from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import type { RunningAgent } from '../../agent/agent.ts';
import type { RunningHub } from '../../hub/hub.ts';
import { ClusterHarness } from '../harness/cluster-harness.ts';
import { type HubHarness, openHubHarness, TOKENS } from '../harness/hub-harness.ts';
import { refusalOf } from '../harness/kube-client.ts';
import { basicRepository } from '../harness/policy-files.ts';
import { eventually } from '../harness/waiting.ts';

const TOO_LONG = 'a'.repeat(64);
const NO_OFFSET = '2030-01-01T00:00:00+99:99';

const policy = (metadata: ObjectMeta, spec: Partial<SovereignPolicySpecInput>): SovereignPolicy =>
  ({
    apiVersion: API_VERSION,
    kind: 'SovereignPolicy',
    metadata: { namespace: 'team', ...metadata },
    spec: { targetNamespace: 'team', allowedRegions: ['eu-west-1'], ...spec },
  }) as SovereignPolicy;

/** A tenant with rights on the policies of one namespace, an agent, and a real hub. */
describe('policies that the current schema refuses', () => {
  const stop = new AbortController();
  const { signal } = stop;
  let world: ClusterHarness;
  let bench: HubHarness;
  let hub: RunningHub;
  let agent: RunningAgent;
  let tenant: KubeClient;
  /** Messages of the hub's log. */
  const logged: string[] = [];

  const create = (body: SovereignPolicy) => tenant.create(SOVEREIGN_POLICY_KIND, body, {}, signal);
  const reported = async (key: string) => (await hub.ledger.cluster('eu'))?.policies.get(key);
  /** Checks that a new namespace and its policy reach the hub. */
  const arrives = async (name: string): Promise<void> => {
    await world.makeNamespace(name);
    await world.applyPolicy(name, { targetNamespace: name, allowedRegions: ['eu-west-1'] });
    await eventually(async () => (await reported(`default/${name}`))?.phase === 'Active');
  };
  const startAgent = () =>
    world.startAgent('eu', {
      cluster: 'eu',
      hub: { url: hub.agentUrl, token: TOKENS.get('eu') ?? '', enrolToken: undefined, ca: undefined },
    });

  beforeAll(async () => {
    world = await ClusterHarness.start({ name: 'bad-policies', gatekeeper: false }, signal);
    bench = await openHubHarness();
    await bench.repository.commit(basicRepository(), 'first');
    const logger = pino({ level: 'info' }, { write: (line) => void logged.push((JSON.parse(line) as { msg: string }).msg) });
    hub = await bench.startHub({ deps: { logger } });
    tenant = await world.openTenant('team');
    // The CRD of an earlier version accepted them: stored objects stay when a schema becomes
    // stricter.
    const crd = parse(await readFile(new URL('../../crds/sovereignpolicies.yaml', import.meta.url), 'utf8'));
    const { properties } = crd.spec.versions[0].schema.openAPIV3Schema.properties.spec;
    properties.allowedRegions.items = { type: 'string' };
    properties.expiryDate = { type: 'string' };
    await world.client.apply(CRD_KIND, crd, { fieldManager: 'fso-agent-install', force: true }, signal);
    await world.client.apply(NAMESPACE_KIND, { metadata: { name: SYSTEM_NAMESPACE } }, { fieldManager: 'fso-agent-install' }, signal);
    await eventually(() => tenant.list(SOVEREIGN_POLICY_KIND, { namespace: 'team' }, signal));
    await create(policy({ name: 'long' }, { allowedRegions: [TOO_LONG] }));
    await create(policy({ name: 'long-and-over' }, { allowedRegions: [TOO_LONG], expiryDate: '2020-01-01T00:00:00Z' }));
    await create(policy({ name: 'odd' }, { expiryDate: NO_OFFSET }));
    for (const [name, revision] of Object.entries({ empty: '', wide: 'x'.repeat(65) }))
      await create(policy({ name, annotations: { [ANNOTATIONS.revision]: revision } }, { expiryDate: '2020-01-01T00:00:00Z' }));
    agent = await startAgent();
  });

  afterAll(async () => {
    await world?.close();
    await bench?.close();
    stop.abort();
  });

  it('stay in the cluster, and all its other reports reach the hub over one stream', async () => {
    await arrives('other');
    const phases = async () => {
      const names = ['long', 'long-and-over', 'odd', 'empty', 'wide'];
      return Object.fromEntries(await Promise.all(names.map(async (name) => [name, (await reported(`team/${name}`))?.phase])));
    };
    await expect.poll(phases).toEqual({ long: 'Failed', 'long-and-over': 'Expired', odd: 'Active', empty: 'Expired', wide: 'Expired' });
    const events = (await hub.ledger.events({ limit: 1000 })).filter(({ cluster: of }) => of === 'eu');
    expect(events.filter(({ reason, revision }) => reason === 'Expired' && revision === undefined).map((event) => event.policy)).toEqual(
      expect.arrayContaining(['team/empty', 'team/wide']),
    );
    expect(logged).toContain('agent connected');
    for (const message of ['bad frame', 'agent disconnected', 'entries of a report are not valid']) expect(logged).not.toContain(message);
  });

  it('have a status that describes them', async () => {
    const statusOf = (name: string) =>
      eventually(async () => (await tenant.get(SOVEREIGN_POLICY_KIND, { namespace: 'team', name }, signal))?.status);
    expect(await statusOf('long')).toMatchObject({ phase: 'Failed', message: expect.stringContaining('cannot be the region of a node') });
    expect(await statusOf('long-and-over')).toMatchObject({ phase: 'Expired', effectiveRegions: [] });
    expect((await statusOf('odd')).conditions).toContainEqual(expect.objectContaining({ type: 'Expiring', reason: 'Unreadable' }));
  });

  it('are no longer accepted', async () => {
    const refusal = async (spec: Partial<SovereignPolicySpecInput>): Promise<string> => {
      return refusalOf(create(policy({ name: 'new' }, spec)));
    };
    expect(await refusal({ allowedRegions: [TOO_LONG] })).toContain('spec.allowedRegions[0]');
    expect(await refusal({ allowedRegions: ['group:eu'] })).toContain('a cluster knows no region groups');
    for (const offset of ['+99:99', '+24:00', '-12:60'])
      expect([offset, await refusal({ expiryDate: `2030-01-01T00:00:00${offset}` })]).toEqual([
        offset,
        expect.stringContaining('spec.expiryDate'),
      ]);
    expect(await refusal({ expiryDate: '2030-01-01T00:00:00+23:59' })).toBe('');
  });

  it('are also reported by the next agent', async () => {
    await world.stopAgent(agent);
    agent = await startAgent();
    await arrives('later');
    expect(logged).not.toContain('bad frame');
  });
});
