import { API_VERSION, type KubeObject, REGION_LABEL, type SovereignPolicy, type SovereignPolicySpecInput } from '@fso/shared/api';
import { GEO_RESIDENCY_KIND, type KindDescriptor, type KubeClient, NAMESPACE_KIND, SOVEREIGN_POLICY_KIND } from '@fso/shared/kube';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ClusterHarness } from '../harness/cluster-harness.ts';
import { refusalOf } from '../harness/kube-client.ts';
import { GATEKEEPER_WEBHOOKS } from '../harness/locks.ts';
import { eventually, printMs } from '../harness/waiting.ts';

const LIMIT_RANGES: KindDescriptor = { apiVersion: 'v1', kind: 'LimitRange', plural: 'limitranges', namespaced: true };

const policy = (namespace: string, name: string, spec: SovereignPolicySpecInput): SovereignPolicy =>
  ({ apiVersion: API_VERSION, kind: 'SovereignPolicy', metadata: { namespace, name }, spec }) as SovereignPolicy;

/** Harm that users of one namespace, or of the cluster, could do to others with ordinary rights. */
describe('abuse of ordinary rights', () => {
  const stop = new AbortController();
  const { signal } = stop;
  let world: ClusterHarness;
  let tenant: KubeClient;

  const labelsOf = async (name: string): Promise<Record<string, string>> => (await world.namespace(name))?.metadata.labels ?? {};

  beforeAll(async () => {
    world = await ClusterHarness.start({ name: 'abuse', gatekeeper: true }, signal);
    await world.startAgent('abuse');
    tenant = await world.openTenant('team');
    for (const name of ['victim', 'crowd', 'ranged', 'disowned']) await world.makeNamespace(name);
    await eventually(() => tenant.list(SOVEREIGN_POLICY_KIND, { namespace: 'team' }, signal));
    // The guard is installed a moment after the first policies can be written.
    const theirs = policy('team', 'theirs', { targetNamespace: 'victim', allowedRegions: ['nowhere'] });
    const isGuarded = async () =>
      (await refusalOf(tenant.create(SOVEREIGN_POLICY_KIND, theirs, { dryRun: true }, signal))).includes('fso-guard-policies');
    await eventually(isGuarded);
  });

  afterAll(async () => {
    await world?.close();
    stop.abort();
  });

  it('lets users with rights on policies of one namespace govern only that namespace', async () => {
    const create = (name: string, targetNamespace: string): Promise<string> =>
      refusalOf(tenant.create(SOVEREIGN_POLICY_KIND, policy('team', name, { targetNamespace, allowedRegions: ['nowhere'] }), {}, signal));
    for (const target of ['victim', 'kube-system', 'team*', '*'])
      expect(await create('theirs', target), target).toContain('fso-guard-policies');
    expect(await create('own', 'team')).toBe('');
    const own = { namespace: 'team', name: 'own' };
    const patch = (name: string, spec: object): Promise<string> =>
      refusalOf(tenant.mergePatch(SOVEREIGN_POLICY_KIND, { namespace: 'team', name }, { spec }, signal));
    expect(await patch('own', { targetNamespace: 'victim' })).toContain('fso-guard-policies');
    expect(await patch('own', { allowedRegions: ['eu-west-1'] })).toBe('');
    // A user with rights in all namespaces may; the tenant may neither change nor remove it.
    const broad = policy('team', 'broad', { targetNamespace: 'victim', allowedRegions: ['eu-west-1'] });
    expect(await refusalOf(world.client.create(SOVEREIGN_POLICY_KIND, broad, {}, signal))).toBe('');
    expect(await patch('broad', { targetNamespace: 'team' })).toContain('fso-guard-policies');
    expect(await refusalOf(tenant.delete(SOVEREIGN_POLICY_KIND, { namespace: 'team', name: 'broad' }, signal))).toContain(
      'fso-guard-policies',
    );
    expect(await refusalOf(tenant.delete(SOVEREIGN_POLICY_KIND, own, signal))).toBe('');
    expect(await refusalOf(world.client.delete(SOVEREIGN_POLICY_KIND, { namespace: 'team', name: 'broad' }, signal))).toBe('');
  });

  it('proves policies whose names and regions are too long for one message, and still explains the fix', async () => {
    const allowedRegions = Array.from({ length: 100 }, (_, index) => (index === 0 ? 'eu-west-1' : `r${index}`.padEnd(63, 'x')));
    const names = Array.from({ length: 40 }, (_, index) => `crowd-${index}`.padEnd(250, 'x'));
    for (const name of names) await world.applyPolicy(name, { targetNamespace: 'crowd', allowedRegions });
    for (const name of names) await world.reaches(name, 'Active');
    expect(await world.tryPod('crowd')).toMatch(
      /policy default\/crowd-.* and more .*nothing in the pod confines it to a region; fix: set spec\.nodeSelector/,
    );
    expect(await world.tryPod('crowd', 'eu-west-1')).toBe('');
    await world.removePolicies(...names);
  });

  it("applies a namespace's 20 oldest own policies, and keeps them out of the constraints of others", async () => {
    const spec = (targetNamespace: string) => ({ targetNamespace, allowedRegions: ['eu-west-1'] });
    await world.applyPolicy('victim', spec('victim'));
    const names = Array.from({ length: 22 }, (_, index) => `own-${index}`);
    for (const name of names)
      expect(await refusalOf(tenant.create(SOVEREIGN_POLICY_KIND, policy('team', name, spec('team')), {}, signal))).toBe('');
    const phases = async () => {
      const all = await tenant.list(SOVEREIGN_POLICY_KIND, { namespace: 'team' }, signal);
      return Object.groupBy(all, ({ status }) => status?.phase ?? 'none');
    };
    await eventually(async () => (await phases())['Active']?.length === 20);
    const { Failed: surplus = [] } = await phases();
    expect(surplus.map(({ status }) => status?.message)).toEqual(
      Array.from({ length: 2 }, () => expect.stringContaining('more than 20 policies')),
    );
    await world.reaches('victim', 'Active');
    await eventually(async () => (await world.conditionOf('victim', 'GatekeeperReady'))?.status === 'True');
    const constraints = await world.client.list(GEO_RESIDENCY_KIND, {}, signal);
    const listed = constraints.map((constraint) => constraint.spec?.parameters?.policies ?? []);
    expect(listed.filter((policies) => policies.includes('default/victim victim'))).toEqual([['default/victim victim']]);
    expect(listed.find((policies) => policies.some((text) => text.startsWith('team/')))).toHaveLength(20);
    await Promise.all(names.map((name) => tenant.delete(SOVEREIGN_POLICY_KIND, { namespace: 'team', name }, signal)));
    await world.removePolicies('victim');
  });

  it('proves a policy in a namespace whose LimitRange requires more than a probe requests', async () => {
    const limits = [{ type: 'Container', min: { cpu: '100m', memory: '64Mi' }, max: { cpu: '2', memory: '4Gi' } }];
    const range = { metadata: { name: 'range', namespace: 'ranged' }, spec: { limits } } as KubeObject;
    await world.client.create(LIMIT_RANGES, range, {}, signal);
    await world.applyPolicy('ranged', { targetNamespace: 'ranged', allowedRegions: ['eu-west-1'] });
    await world.reaches('ranged', 'Active');
    await eventually(async () => (await world.conditionOf('ranged', 'GatekeeperReady'))?.status === 'True');
  });

  it('reverts a label whose ownership was reset', async () => {
    await world.applyPolicy('disowned', { targetNamespace: 'disowned', allowedRegions: ['eu-west-1'] });
    await world.reaches('disowned', 'Active');
    await world.client.mergePatch(NAMESPACE_KIND, { name: 'disowned' }, { metadata: { managedFields: [{}] } }, signal);
    await world.applyPolicy('disowned', { targetNamespace: 'disowned', allowedRegions: ['eu-west-1'], enforcementAction: 'warn' });
    await world.reaches('disowned', 'Active');
    expect(await labelsOf('disowned')).toMatchObject({ 'compliance.gov/floor-deny': 'released', 'compliance.gov/floor-warn': 'active' });
    expect(await world.tryPod('disowned')).toBe('');
  });

  it('judges a pod with both locks, however large the pod is', async () => {
    await world.applyPolicy('team', { targetNamespace: 'team', allowedRegions: ['eu-west-1'] });
    await world.reaches('team', 'Active');
    await eventually(async () => (await world.conditionOf('team', 'GatekeeperReady'))?.status === 'True');
    const on = (operator: string, values: string[]) => ({ key: REGION_LABEL, operator, values });
    const podOf = ({ others = 0, keys = 0, fields = 0 }): KubeObject => {
      const free = Array.from({ length: others }, () => ({ key: 'disk', operator: 'Exists' }));
      const many = on('In', ['eu-west-1', ...Array.from({ length: 480 }, (_, index) => `r-${index}`)]);
      const field = { key: 'metadata.name', operator: 'In', values: ['a'] };
      const matchFields = Array.from({ length: fields }, () => field);
      const nodeSelectorTerms = [{ matchExpressions: [...free, many, on('In', ['eu-west-1'])], matchFields }];
      const nodeSelector = Object.fromEntries(Array.from({ length: keys }, (_, index) => [`k${index}`, '']));
      const nodeAffinity = { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms } };
      const spec = { nodeSelector, affinity: { nodeAffinity }, containers: [{ name: 'main', image: 'app:1' }] };
      return {
        metadata: { name: 'long', namespace: 'team', labels: { 'compliance.gov/canary': 'lock-two' } },
        spec,
      } as unknown as KubeObject;
    };
    // How long Gatekeeper takes is the machine's matter: as long a time as an API server grants a
    // webhook.
    const patience = [{ op: 'replace', path: '/webhooks/0/timeoutSeconds', value: 30 }];
    await world.client.raw(
      { method: 'PATCH', path: GATEKEEPER_WEBHOOKS, contentType: 'application/json-patch+json', body: patience },
      signal,
    );
    const ask = async (pod: KubeObject): Promise<string> => {
      const started = performance.now();
      const request = { method: 'POST', path: '/api/v1/namespaces/team/pods', query: { dryRun: 'All' }, body: pod } as const;
      const refusal = await refusalOf(world.client.raw(request, signal));
      printMs('a large pod was judged', performance.now() - started);
      return refusal;
    };
    // Refused by the canary of lock 2, so Gatekeeper judged it.
    expect(await ask(podOf({ others: 998 }))).toContain('[geo-canary]');
    expect(await ask(podOf({ others: 20_000 }))).toContain('too large to be judged');
    expect(await ask(podOf({ keys: 40_000 }))).toContain('[geo-canary]');
    expect(await ask(podOf({ keys: 20_000, fields: 998 }))).toContain('[geo-canary]');
    expect(await ask(podOf({ fields: 6_000 }))).toContain('too large to be judged');
  });
});
