import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type KubeObject, REGION_LABEL } from '@fso/shared/api';
import { type KubeClient, NAMESPACE_KIND } from '@fso/shared/kube';
import type { PlacementSpec } from '@fso/shared/residency';
import { beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { runAction } from '../../agent/apply/apply-action.ts';
import { planFloor, planGovernance, planNamespaces } from '../../agent/enforce/index.ts';
import { policyOf } from '../../agent/enforce/testing/policies.ts';
import { openKubeClient } from '../harness/kube-client.ts';
import { startTestCluster } from '../harness/local-cluster.ts';
import { eventually } from '../harness/waiting.ts';
import { affinity, on } from './decision-cases.ts';

const NAMESPACE = 'finance';
const PLAIN = 'spec.template.spec';
const OF_CRON_JOB = 'spec.jobTemplate.spec.template.spec';
const SELECTOR = { matchLabels: { app: 'x' } };

type Placement = PlacementSpec & { readonly restartPolicy?: string };

const template = (placement: Placement): object => ({
  metadata: { labels: { app: 'x' } },
  spec: { containers: [{ name: 'main', image: 'example.com/none' }], ...placement },
});
const jobTemplate = (placement: Placement): object => template({ ...placement, restartPolicy: 'Never' });

interface Workload {
  readonly apiVersion: string;
  readonly plural: string;
  /** Path of the pod spec. */
  readonly path: string;
  /** The kind's spec around a placement. */
  specOf(placement: PlacementSpec): object;
}

const withSelector = (placement: PlacementSpec): object => ({ selector: SELECTOR, template: template(placement), serviceName: 'x' });
const withoutService = (placement: PlacementSpec): object => ({ selector: SELECTOR, template: template(placement) });

const DEPLOYMENT: Workload = { apiVersion: 'apps/v1', plural: 'deployments', path: PLAIN, specOf: withoutService };
const WORKLOADS: readonly Workload[] = [
  DEPLOYMENT,
  { apiVersion: 'apps/v1', plural: 'replicasets', path: PLAIN, specOf: withoutService },
  { apiVersion: 'apps/v1', plural: 'statefulsets', path: PLAIN, specOf: withSelector },
  { apiVersion: 'apps/v1', plural: 'daemonsets', path: PLAIN, specOf: withoutService },
  {
    apiVersion: 'v1',
    plural: 'replicationcontrollers',
    path: PLAIN,
    specOf: (placement) => ({ selector: SELECTOR.matchLabels, template: template(placement) }),
  },
  { apiVersion: 'batch/v1', plural: 'jobs', path: PLAIN, specOf: (placement) => ({ template: jobTemplate(placement) }) },
  {
    apiVersion: 'batch/v1',
    plural: 'cronjobs',
    path: OF_CRON_JOB,
    specOf: (placement) => ({ schedule: '* * * * *', jobTemplate: { spec: { template: jobTemplate(placement) } } }),
  },
];

const LINE = `${REGION_LABEL}: eu-central-1`;
const REQUIRED = 'affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution';
const free = { matchExpressions: [{ key: 'disk', operator: 'In', values: ['ssd'] }] };

/** A placement and the expected fix; `<path>` stands for the kind's path of the pod spec. */
const CASES: readonly (readonly [string, PlacementSpec, string])[] = [
  ['no constraint', {}, `put under <path>: nodeSelector: {${LINE}} (or eu-west-1)`],
  ['another nodeSelector', { nodeSelector: { disk: 'ssd' } }, `put under <path>.nodeSelector: ${LINE} (or eu-west-1)`],
  [
    'a nodeSelector outside',
    { nodeSelector: { disk: 'ssd', [REGION_LABEL]: 'us-east-1' } },
    `replace under <path>.nodeSelector: ${LINE} (or eu-west-1)`,
  ],
  ['a term that is free', affinity(free), `put under <path>: nodeSelector: {${LINE}} (or eu-west-1)`],
  [
    'a term with a region too many',
    affinity({ matchExpressions: [on('In', 'eu-west-1', 'us-east-1')] }),
    `put under <path>: nodeSelector: {${REGION_LABEL}: eu-west-1}`,
  ],
  [
    'a term that leaves one out',
    affinity({ matchExpressions: [on('NotIn', 'eu-central-1')] }),
    `put under <path>: nodeSelector: {${REGION_LABEL}: eu-west-1}`,
  ],
  [
    'a term elsewhere',
    affinity({ matchExpressions: [on('In', 'us-east-1')] }),
    `remove <path>.${REQUIRED} and put under <path>: nodeSelector: {${LINE}} (or eu-west-1)`,
  ],
  ['a node', { nodeName: 'us-east-1-a' }, `remove <path>.nodeName and put under <path>: nodeSelector: {${LINE}} (or eu-west-1)`],
  ['a node beside a region', { nodeName: 'us-east-1-a', nodeSelector: { [REGION_LABEL]: 'eu-west-1' } }, 'remove <path>.nodeName'],
];

type Json = Record<string, unknown>;

const at = (object: Json, path: readonly string[]): Json => path.reduce((inner, key) => inner[key] as Json, object);

/** Applies the fix, like a person with an editor. */
const paste = (object: Json, fix: string): void => {
  for (const [, path = ''] of fix.matchAll(/remove (\S+)/g)) {
    const keys = path.split('.');
    delete at(object, keys.slice(0, -1))[keys.at(-1) ?? ''];
  }
  const [, path, line] = /(?:put|replace) under (\S+): (.+?)(?: \(or .*\))?$/.exec(fix) ?? [];
  if (path !== undefined && line !== undefined) Object.assign(at(object, path.split('.')), parse(line));
};

describe('the fix in a warning of a workload', () => {
  const { signal } = new AbortController();
  let client: KubeClient;
  const regions = ['eu-west-1', 'eu-central-1'];
  const policy = policyOf('eu', { targetNamespace: NAMESPACE, allowedRegions: regions });

  beforeAll(async () => {
    const folder = await mkdtemp(join(tmpdir(), 'fso-workload-fix-'));
    const cluster = await startTestCluster({ name: 'fix', stateDir: folder, regions: [], gatekeeper: false }, signal);
    client = openKubeClient({ kubeconfig: cluster.kubeconfig });
    await client.create(NAMESPACE_KIND, { metadata: { name: NAMESPACE } }, {}, signal);
    const namespaces = [{ name: NAMESPACE, terminating: false, labels: {}, annotations: {} }];
    const now = new Date();
    const actions = [...planFloor([], []), ...planNamespaces(planGovernance([policy], namespaces, now), namespaces, now)];
    for (const action of actions) await runAction(client, action, signal);
    await eventually(async () => (await warningsOf(DEPLOYMENT, DEPLOYMENT.specOf({}))).warnings.length > 0);
    return async () => {
      await client.close();
      await cluster.stop();
      await rm(folder, { recursive: true, force: true });
    };
  });

  const warningsOf = async ({ apiVersion, plural }: Workload, spec: object) => {
    const body = { metadata: { name: 'load', namespace: NAMESPACE }, spec: structuredClone(spec) } as unknown as KubeObject;
    const kind = { apiVersion, kind: '', plural, namespaced: true };
    const { warnings } = await client.create(kind, body, { dryRun: true }, signal);
    return { body: body as unknown as Json, warnings };
  };

  describe.each(WORKLOADS)('$plural', (workload) => {
    it.each(CASES)('is ready to paste: %s', async (_name, placement, wanted) => {
      const { body, warnings } = await warningsOf(workload, workload.specOf(placement));
      const [warning = ''] = warnings.filter((text) => text.includes('fso-floor-workloads-deny'));
      expect(warning).toContain('policy team/eu allows regions eu-central-1, eu-west-1 in namespace finance: ');
      const fix = warning.split('; fix: ')[1] ?? '';
      expect(fix).toBe(wanted.replaceAll('<path>', workload.path));
      paste(body, fix);
      expect((await warningsOf(workload, body['spec'] as object)).warnings).toEqual([]);
    });
  });
});
