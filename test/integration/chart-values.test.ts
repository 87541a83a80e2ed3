import { globSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { agentWith, hubWith, OPENSHIFT, PEER, SEVERAL_HUBS, umbrellaOf } from '../harness/chart-releases.ts';
import { CHART_NAMES, CHARTS, Helm, makeUmbrella, type Release, type Values } from '../harness/helm.ts';
import { fieldOf, findObject, podOf } from '../harness/pod-template.ts';
import { never } from '../harness/waiting.ts';

let folder: string;
let helm: Helm;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fso-chart-values-'));
  helm = await Helm.open(folder, never);
});

afterAll(() => rm(folder, { recursive: true, force: true }));

const releaseOf = (chart: string, values: Values): Release => (chart === 'fso-agent' ? agentWith(values) : hubWith(values));
const AFFINITY = { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [{ topologyKey: 'rack' }] } };
const SPREAD = [{ maxSkew: 2, topologyKey: 'rack', whenUnsatisfiable: 'DoNotSchedule' }];
const VOLUME = { name: 'bundle', configMap: { name: 'corporate-ca' } };
const MOUNT = { name: 'bundle', mountPath: '/etc/bundle', readOnly: true };
const VARIABLE = { name: 'EXTRA', valueFrom: { secretKeyRef: { name: 'extra', key: 'password' } } };
const SOURCE = { secretRef: { name: 'more' } };
const RESTRICTED = { allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ['ALL'] } };

/** A field of the pod, or of its container, with a value and by default. */
const POD_VALUES: readonly (readonly [value: string, values: Values, field: string, expected: unknown, byDefault: unknown])[] = [
  ['podLabels', { podLabels: { 'mesh/inject': 'true' } }, 'metadata.labels.mesh/inject', 'true', undefined],
  ['podAnnotations', { podAnnotations: { team: 'a' } }, 'metadata.annotations.team', 'a', undefined],
  ['affinity', { affinity: AFFINITY }, 'spec.affinity', AFFINITY, { podAntiAffinity: expect.anything() }],
  [
    'topologySpreadConstraints',
    { topologySpreadConstraints: SPREAD },
    'spec.topologySpreadConstraints',
    SPREAD,
    [expect.objectContaining({ topologyKey: 'topology.kubernetes.io/zone' })],
  ],
  ['nodeSelector', { nodeSelector: { pool: 'system' } }, 'spec.nodeSelector', { pool: 'system' }, undefined],
  ['tolerations', { tolerations: [{ operator: 'Exists' }] }, 'spec.tolerations', [{ operator: 'Exists' }], undefined],
  [
    'podSecurityContext',
    { podSecurityContext: { runAsUser: null, fsGroup: 2000 } },
    'spec.securityContext',
    expect.not.objectContaining({ runAsUser: expect.anything() }),
    expect.objectContaining({ runAsUser: 1000, fsGroup: 1000, runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } }),
  ],
  ['securityContext', { securityContext: { runAsUser: 7 } }, 'container.securityContext', { ...RESTRICTED, runAsUser: 7 }, RESTRICTED],
  [
    'resources',
    { resources: { limits: { cpu: null } } },
    'container.resources.limits',
    { memory: '512Mi' },
    { cpu: '500m', memory: '512Mi' },
  ],
  ['extraEnv', { extraEnv: [VARIABLE] }, 'container.env', expect.arrayContaining([VARIABLE]), expect.not.arrayContaining([VARIABLE])],
  ['extraEnvFrom', { extraEnvFrom: [SOURCE] }, 'container.envFrom', [SOURCE], undefined],
  ['extraVolumes', { extraVolumes: [VOLUME] }, 'spec.volumes', expect.arrayContaining([VOLUME]), expect.not.arrayContaining([VOLUME])],
  [
    'extraVolumeMounts',
    { extraVolumeMounts: [MOUNT] },
    'container.volumeMounts',
    expect.arrayContaining([MOUNT]),
    expect.not.arrayContaining([MOUNT]),
  ],
  [
    'global.imagePullSecrets',
    { global: { imagePullSecrets: ['one', { name: 'two' }] } },
    'spec.imagePullSecrets',
    [{ name: 'one' }, { name: 'two' }],
    undefined,
  ],
  ['priorityClassName', { priorityClassName: 'high' }, 'spec.priorityClassName', 'high', undefined],
  ['serviceAccount.name', { serviceAccount: { create: false, name: 'own' } }, 'spec.serviceAccountName', 'own', undefined],
];

const POD_CASES = POD_VALUES.map(([value, values, field, expected, byDefault]) => ({ value, values, field, expected, byDefault }));

describe.each(CHART_NAMES)('the pods of %s', (chart) => {
  let standard: unknown;
  const podWith = async (values: Values): Promise<unknown> => {
    const pod = podOf(await helm.render(releaseOf(chart, values)));
    return { ...pod, container: pod.spec.containers[0] };
  };
  beforeAll(async () => {
    standard = await podWith({});
  });

  it.each(POD_CASES)('have $value', async ({ value, values, field, expected, byDefault }) => {
    expect(fieldOf(await podWith(values), field)).toEqual(expected);
    // The chart of the agent has names of its own for these.
    if (!/^priorityClassName|^serviceAccount/.test(value)) expect(fieldOf(standard, field)).toEqual(byDefault);
  });

  it('keep the labels by which they are selected', async () => {
    const objects = await helm.render(releaseOf(chart, { podLabels: { 'app.kubernetes.io/name': 'other' } }));
    const workload = objects.find(({ kind }) => kind === 'Deployment' || kind === 'StatefulSet');
    expect(podOf(objects).metadata.labels).toMatchObject(fieldOf(workload, 'spec.selector.matchLabels') as object);
  });

  it('run under the users of a namespace where the chart names none', async () => {
    const { spec } = podOf(await helm.render(releaseOf(chart, OPENSHIFT))) as unknown as { spec: { securityContext: object } };
    expect(Object.keys(spec.securityContext).filter((key) => /^(runAs(User|Group)|fsGroup)$/.test(key))).toEqual([]);
    expect(spec.securityContext).toMatchObject({ runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } });
  });

  it('get the way through a proxy, and the network policy opens its port', async () => {
    const proxy = { url: 'http://proxy.example.com:8888', noProxy: ['.corp.example'], ca: 'a CA of proxies' };
    const objects = await helm.render(releaseOf(chart, { proxy, networkPolicy: { proxy: [PEER] } }));
    const [container] = podOf(objects).spec.containers;
    expect(container?.env).toEqual(
      expect.arrayContaining([
        { name: 'HTTPS_PROXY', value: 'http://proxy.example.com:8888' },
        { name: 'NO_PROXY', value: '.corp.example' },
        { name: 'NODE_EXTRA_CA_CERTS', value: expect.stringMatching(/^\/etc\/fso\/trust\//) },
      ]),
    );
    expect(JSON.stringify(findObject(objects, 'ConfigMap', `${chart}-trust`))).toContain('a CA of proxies');
    const egress = fieldOf(findObject(objects, 'NetworkPolicy'), 'spec.egress');
    expect(egress).toContainEqual({ ports: [{ protocol: 'TCP', port: 8888 }], to: [PEER] });
    const secret = await helm.render(releaseOf(chart, { proxy: { urlSecret: { name: 'proxy', key: 'address' }, port: 3129 } }));
    const pod = podOf(secret);
    expect(pod.spec.containers[0]?.env).toContainEqual({ name: 'HTTPS_PROXY_FILE', value: expect.any(String) });
    expect(JSON.stringify(pod.spec.volumes)).toMatch(
      /"name":"proxy"[^[]*"items":\[\{"key":"address"|"secretName":"proxy","items":\[\{"key":"address"/,
    );
    expect(JSON.stringify(findObject(secret, 'NetworkPolicy'))).toContain('"port":3129');
  });
});

describe.each(CHART_NAMES)('the objects of %s', (chart) => {
  it('have a disruption budget unless it is switched off', async () => {
    expect(findObject(await helm.render(releaseOf(chart, {})), 'PodDisruptionBudget')).toBeDefined();
    const without = await helm.render(releaseOf(chart, { podDisruptionBudget: { enabled: false } }));
    expect(findObject(without, 'PodDisruptionBudget')).toBeUndefined();
  });

  it('have the ServiceAccount of the values', async () => {
    const own = { serviceAccount: { name: 'own', annotations: { role: 'arn' } } };
    const made = await helm.render(releaseOf(chart, own));
    expect(findObject(made, 'ServiceAccount', 'own')?.metadata.annotations).toEqual({ role: 'arn' });
    const taken = await helm.render(releaseOf(chart, { serviceAccount: { create: false, name: 'own' } }));
    expect(findObject(taken, 'ServiceAccount')).toBeUndefined();
    for (const object of taken.filter(({ kind }) => kind?.endsWith('RoleBinding'))) expect(fieldOf(object, 'subjects.0.name')).toBe('own');
    await expect(helm.render(releaseOf(chart, { serviceAccount: { create: false } }))).rejects.toThrow(/serviceAccount\.name/);
  });

  it('are named after fullnameOverride, in no more than 52 characters', async () => {
    const long = 'a'.repeat(51);
    const objects = await helm.render(releaseOf(chart, { fullnameOverride: `${long}-b`, proxy: { ca: 'x' } }));
    const names = objects.map(({ metadata }) => metadata.name);
    expect(names.filter((name) => !name.startsWith(long))).toEqual([]);
    const workload = objects.find(({ kind }) => kind === 'Deployment' || kind === 'StatefulSet');
    expect(workload?.metadata.name).toBe(long);
    expect(JSON.stringify(objects)).not.toContain('"-b');
  });

  it('carry nameOverride in their labels, by which pods are selected', async () => {
    const objects = await helm.render(releaseOf(chart, { nameOverride: 'governance' }));
    for (const { metadata } of objects) expect(metadata.labels).toMatchObject({ 'app.kubernetes.io/name': 'governance' });
    expect(podOf(objects).metadata.labels).toMatchObject({ 'app.kubernetes.io/name': 'governance' });
    expect(fieldOf(findObject(objects, 'NetworkPolicy'), 'spec.podSelector.matchLabels')).toMatchObject({
      'app.kubernetes.io/name': 'governance',
    });
  });

  it('are the same where values are absent, as with --reuse-values over new sections', async () => {
    const needed = releaseOf(chart, {});
    const values = parse(readFileSync(join(CHARTS, chart, 'values.yaml'), 'utf8')) as Values;
    const absent = Object.keys(values).filter((key) => !(key in needed.values));
    expect(absent.length).toBeGreaterThan(20);
    const without = { ...needed, values: { ...needed.values, ...Object.fromEntries(absent.map((key) => [key, null])) } };
    expect(await helm.render(without)).toEqual(await helm.render(needed));
    const nested = Object.entries(values).flatMap(([key, value]) =>
      key in needed.values || typeof value !== 'object' || Object.keys(Object(value)).length === 0 || /ecurityContext|resources/.test(key)
        ? []
        : [[key, Object.fromEntries(Object.keys(Object(value)).map((part) => [part, null]))]],
    );
    const partial = { ...needed, values: { ...needed.values, ...Object.fromEntries(nested) } };
    expect(await helm.render(partial)).toEqual(await helm.render(needed));
  });

  it('refuse a variable that another value sets', async () => {
    const name = chart === 'fso-agent' ? 'FSO_CLUSTER' : 'FSO_GIT_URL';
    await expect(helm.render(releaseOf(chart, { extraEnv: [{ name, value: 'x' }] }))).rejects.toThrow(`${name} is set twice`);
  });

  it('are the same each time they are rendered without a cluster', async () => {
    const release = chart === 'fso-agent' ? agentWith() : SEVERAL_HUBS;
    expect(await helm.render(release)).toEqual(await helm.render(release));
    expect(await helm.hooks(release)).toEqual(await helm.hooks(release));
  });

  it.each(globSync(`${chart}/ci/*.yaml`, { cwd: CHARTS }))('pass with %s', async (file) => {
    const values = parse(readFileSync(join(CHARTS, file), 'utf8')) as Values;
    await helm.lint({ ...releaseOf(chart, {}), values });
  });
});

describe('Services of the hub', () => {
  const CASES: readonly (readonly [value: object, field: string, expected: unknown])[] = [
    [{ type: 'NodePort', nodePort: 30_443 }, 'spec.ports.0.nodePort', 30_443],
    [{ type: 'NodePort' }, 'spec.type', 'NodePort'],
    [{ type: 'LoadBalancer' }, 'spec.externalTrafficPolicy', 'Local'],
    [{ type: 'LoadBalancer', loadBalancerClass: 'example.com/internal' }, 'spec.loadBalancerClass', 'example.com/internal'],
    [{ type: 'LoadBalancer', loadBalancerSourceRanges: ['192.0.2.0/24'] }, 'spec.loadBalancerSourceRanges', ['192.0.2.0/24']],
    [{ ipFamilyPolicy: 'RequireDualStack' }, 'spec.ipFamilyPolicy', 'RequireDualStack'],
    [{ ipFamilies: ['IPv6', 'IPv4'] }, 'spec.ipFamilies', ['IPv6', 'IPv4']],
    [{ annotations: { internal: 'true' } }, 'metadata.annotations.internal', 'true'],
  ];

  it.each(CASES)('have %j', async (service, field, expected) => {
    const agents = await helm.render(hubWith({ agents: { service } }));
    expect(fieldOf(findObject(agents, 'Service', 'fso-hub-agents'), field)).toEqual(expected);
    expect(fieldOf(findObject(agents, 'Service', 'fso-hub'), field)).not.toEqual(expected);
    const api = await helm.render(hubWith({ service }));
    expect(fieldOf(findObject(api, 'Service', 'fso-hub'), field)).toEqual(expected);
    expect(fieldOf(findObject(api, 'Service', 'fso-hub-agents'), field)).not.toEqual(expected);
  });
});

describe('the volume and the keys of the hub', () => {
  it('can be a claim that is there, for one hub', async () => {
    const objects = await helm.render(hubWith({ storage: { existingClaim: 'old' } }));
    expect(fieldOf(findObject(objects, 'StatefulSet'), 'spec.volumeClaimTemplates')).toBeUndefined();
    expect(fieldOf(findObject(objects, 'StatefulSet'), 'spec.template.spec.volumes')).toContainEqual({
      name: 'data',
      persistentVolumeClaim: { claimName: 'old' },
    });
    await expect(helm.render({ ...SEVERAL_HUBS, values: { ...SEVERAL_HUBS.values, storage: { existingClaim: 'old' } } })).rejects.toThrow(
      /claim each/,
    );
  });

  const keysOf = async (release: Release): Promise<unknown> =>
    (
      fieldOf(findObject(await helm.render(release), 'StatefulSet'), 'spec.template.spec.volumes') as { name: string; secret?: object }[]
    ).find(({ name }) => name === 'keys')?.secret;

  it('are made by one hub itself, by a Job for several, and by nothing where there is a Secret', async () => {
    expect(await keysOf(hubWith())).toMatchObject({ secretName: 'fso-hub-keys', optional: true });
    expect(await keysOf(SEVERAL_HUBS)).toMatchObject({ secretName: 'fso-hub-keys', optional: false });
    const existing = { ...SEVERAL_HUBS, values: { ...SEVERAL_HUBS.values, keys: { existingSecret: 'own' } } };
    expect(await keysOf(existing)).toMatchObject({ secretName: 'own', optional: false });
    expect(await helm.hooks(hubWith())).toEqual([]);
    expect(await helm.hooks(existing)).toEqual([]);
    const hooks = await helm.hooks(SEVERAL_HUBS);
    expect(hooks.map(({ kind }) => kind)).toEqual(['ServiceAccount', 'Role', 'RoleBinding', 'Job']);
    for (const { metadata } of hooks)
      expect(metadata.annotations).toMatchObject({ 'helm.sh/hook-delete-policy': 'before-hook-creation,hook-succeeded' });
    expect(fieldOf(findObject(hooks, 'Role'), 'rules')).toEqual([{ apiGroups: [''], resources: ['secrets'], verbs: ['create'] }]);
    expect(fieldOf(findObject(hooks, 'Job'), 'spec.template.spec.containers.0.args')).toEqual(['keys', 'create', 'fso-hub-keys']);
  });

  it('are no part of what a release holds', async () => {
    for (const release of [hubWith(), SEVERAL_HUBS]) {
      const text = JSON.stringify([...(await helm.render(release)), ...(await helm.hooks(release))]);
      expect(text).not.toMatch(/"kind":"Secret"|PRIVATE KEY/);
    }
  });
});

describe('the charts as dependencies of another chart', () => {
  it('take a condition, and globals that are not theirs', async () => {
    const objects = await helm.render(umbrellaOf(makeUmbrella(folder)));
    expect(objects.map(({ kind }) => kind)).not.toContain('Deployment');
    const { metadata } = findObject(objects, 'StatefulSet') ?? expect.fail('no hub');
    expect(metadata.name).toBe('platform-fso-hub');
    const pod = podOf(objects);
    expect(pod.spec.containers[0]?.image).toMatch(/^registry\.example\.com\/fso-hub:/);
    expect(pod.spec).toMatchObject({ imagePullSecrets: [{ name: 'registry' }] });
  });
});
