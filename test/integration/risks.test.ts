import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LocalCluster } from '@fso/clusters/local';
import { type KubeObject, type PolicyRisks, REGION_LABEL, type Risk } from '@fso/shared/api';
import { byText } from '@fso/shared/encoding';
import { type KindDescriptor, NODE_KIND, POD_KIND, type Pod } from '@fso/shared/kube';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AgentHarness } from '../harness/agent-harness.ts';
import { type AuditEvent, readAuditEvents } from '../harness/audit-logs.ts';
import { startTestCluster } from '../harness/local-cluster.ts';
import { startMutatingWebhook } from '../harness/mutating-webhook.ts';
import { eventually } from '../harness/waiting.ts';

const EU = ['eu-central-1', 'eu-west-1'];
const [INSIDE, OUTSIDE] = ['eu-west-1', 'us-east-1'];

const kind = (apiVersion: string, name: string, plural: string): KindDescriptor => ({ apiVersion, kind: name, plural, namespaced: true });
const KINDS = {
  Deployment: kind('apps/v1', 'Deployment', 'deployments'),
  StatefulSet: kind('apps/v1', 'StatefulSet', 'statefulsets'),
  DaemonSet: kind('apps/v1', 'DaemonSet', 'daemonsets'),
  ReplicaSet: kind('apps/v1', 'ReplicaSet', 'replicasets'),
  Job: kind('batch/v1', 'Job', 'jobs'),
  CronJob: kind('batch/v1', 'CronJob', 'cronjobs'),
  ReplicationController: kind('v1', 'ReplicationController', 'replicationcontrollers'),
} as const;
type Kind = keyof typeof KINDS;
const ALL = Object.keys(KINDS) as Kind[];
const namespaceOf = (of: Kind): string => `of-${of.toLowerCase()}`;

/** Placements of templates, by what is to become of their next pods. */
const CASES = {
  outside: { nodeSelector: { [REGION_LABEL]: OUTSIDE } },
  anywhere: {},
  fine: { nodeSelector: { [REGION_LABEL]: INSIDE } },
  waits: { nodeSelector: { [REGION_LABEL]: INSIDE, disk: 'none-has-it' } },
  tainted: { nodeSelector: { [REGION_LABEL]: 'eu-central-1' } },
  mended: {},
  spoiled: { nodeSelector: { [REGION_LABEL]: INSIDE } },
} as const;
type Case = keyof typeof CASES;
const REFUSED: readonly Case[] = ['outside', 'anywhere', 'spoiled'];
const PENDING: readonly Case[] = ['waits', 'tainted'];

const templateOf = (name: string, placement: object, of: Kind) => ({
  metadata: {
    labels: { app: name, ...(name.startsWith('mended') && { webhook: 'mend' }), ...(name.startsWith('spoiled') && { webhook: 'spoil' }) },
  },
  spec: {
    ...placement,
    containers: [{ name: 'main', image: 'app:1' }],
    ...((of === 'Job' || of === 'CronJob') && { restartPolicy: 'Never' }),
  },
});

const specOf = (of: Kind, name: string, placement: object): object => {
  const template = templateOf(name, placement, of);
  const selector = { matchLabels: { app: name } };
  switch (of) {
    case 'Deployment':
    case 'ReplicaSet':
      return { replicas: 1, selector, template };
    case 'StatefulSet':
      return { replicas: 1, selector, serviceName: name, template };
    case 'DaemonSet':
      return { selector, template };
    case 'ReplicationController':
      return { replicas: 1, selector: selector.matchLabels, template };
    case 'Job':
      return { suspend: true, template };
    case 'CronJob':
      return { schedule: '0 0 1 1 *', suspend: true, jobTemplate: { spec: { template } } };
  }
};

/** A request for a pod, with its body. */
interface PodEvent extends AuditEvent {
  readonly requestObject?: KubeObject;
  readonly requestReceivedTimestamp?: string;
  readonly responseStatus?: { readonly code?: number; readonly message?: string };
}

const isRefusal = (
  { responseStatus: { code = 0, message = '' } = {}, userAgent = '', requestReceivedTimestamp = '' }: PodEvent,
  began: string,
) =>
  !userAgent.startsWith('fso-agent/') &&
  requestReceivedTimestamp >= began &&
  code >= 400 &&
  /fso-floor-|validation\.gatekeeper\.sh/.test(message);

const keyOf = ({ kind: of, namespace, name }: Pick<Risk, 'kind' | 'namespace' | 'name'>): string => `${of} ${namespace}/${name}`;

describe('the next restart', () => {
  const stop = new AbortController();
  const { signal } = stop;
  let folder: string;
  let cluster: LocalCluster;
  let world: AgentHarness;
  let endWebhook: () => Promise<void>;

  const create = (of: Kind, name: string, spec: object) =>
    world.client.create(KINDS[of], { metadata: { name, namespace: namespaceOf(of) }, spec } as KubeObject, {}, signal);
  const patch = (of: Kind, name: string, spec: object) =>
    world.client.mergePatch(KINDS[of], { namespace: namespaceOf(of), name }, { spec }, signal);
  const podsOf = (of: Kind): Promise<Pod[]> => world.client.list(POD_KIND, { namespace: namespaceOf(of) }, signal);
  const risksOf = async (of: Kind): Promise<PolicyRisks | undefined> => (await world.policy(namespaceOf(of)))?.status?.risks;
  const said = async (risk: Risk['risk']): Promise<readonly Risk[]> =>
    (await Promise.all(ALL.map(risksOf))).flatMap((risks) => risks?.named.filter((each) => each.risk === risk) ?? []);

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'fso-risks-'));
    const audited = {
      apiVersion: 'audit.k8s.io/v1',
      kind: 'Policy',
      omitStages: ['RequestReceived'],
      rules: [{ level: 'Request', verbs: ['create'], resources: [{ group: '', resources: ['pods'] }] }, { level: 'None' }],
    };
    await writeFile(join(folder, 'audit.json'), JSON.stringify(audited));
    const apiServerArgs = [`--audit-policy-file=${join(folder, 'audit.json')}`, `--audit-log-path=${join(folder, 'audit.log')}`];
    cluster = await startTestCluster(
      { name: 'risks', stateDir: join(folder, 'cluster'), regions: [...EU, OUTSIDE], gatekeeper: true, apiServerArgs },
      signal,
    );
    world = new AgentHarness(cluster.kubeconfig, signal);
    endWebhook = await startMutatingWebhook(
      world.client,
      ({ metadata, spec }) => {
        const asked = metadata.labels?.['webhook'];
        if (asked === 'mend') return { ...spec.nodeSelector, [REGION_LABEL]: INSIDE };
        return asked === 'spoil' ? { [REGION_LABEL]: OUTSIDE } : undefined;
      },
      signal,
    );
    for (const name of ['eu-central-1-a', 'eu-central-1-b'])
      await world.client.mergePatch(
        NODE_KIND,
        { name },
        { spec: { taints: [{ key: 'dedicated', value: 'db', effect: 'NoSchedule' }] } },
        signal,
      );
    await Promise.all(ALL.map((of) => world.makeNamespace(namespaceOf(of))));
    await Promise.all(ALL.flatMap((of) => Object.entries(CASES).map(([name, placement]) => create(of, name, specOf(of, name, placement)))));
    await createSpecialCases();
    const agent = await world.startAgent('risks');
    await eventually(() => agent.observatory.snapshot().cluster.conditions.length > 0);
    await Promise.all(ALL.map((of) => world.applyPolicy(namespaceOf(of), { targetNamespace: namespaceOf(of), allowedRegions: EU })));
    await Promise.all(ALL.map((of) => world.reaches(namespaceOf(of), 'Active')));
  });

  afterAll(async () => {
    stop.abort();
    await endWebhook();
    await world.close();
    await cluster.stop();
    await rm(folder, { recursive: true, force: true });
  });

  const isScaled = (of: Kind, name: string, count: number) =>
    eventually(async () => (await podsOf(of)).filter(({ metadata }) => metadata.labels?.['app'] === name).length === count);

  const createSpecialCases = async (): Promise<void> => {
    await create('Deployment', 'stopped', { ...specOf('Deployment', 'stopped', CASES.anywhere), replicas: 0 });
    // Paused after a change of the template: the ReplicaSet makes the next pods.
    await create('Deployment', 'paused-on-bad', specOf('Deployment', 'paused-on-bad', CASES.anywhere));
    await create('Deployment', 'paused-on-good', specOf('Deployment', 'paused-on-good', CASES.fine));
    await isScaled('Deployment', 'paused-on-bad', 1);
    await isScaled('Deployment', 'paused-on-good', 1);
    await patch('Deployment', 'paused-on-bad', { paused: true, template: { spec: { nodeSelector: CASES.fine.nodeSelector } } });
    await patch('Deployment', 'paused-on-good', { paused: true, template: { spec: { nodeSelector: null } } });
    // Below the partition the old revision makes the next pods.
    for (const [name, before, after] of [
      ['old-is-bad', CASES.anywhere, CASES.fine.nodeSelector],
      ['old-is-good', CASES.fine, null],
    ] as const) {
      await create('StatefulSet', name, { ...specOf('StatefulSet', name, before), replicas: 1 });
      await isScaled('StatefulSet', name, 1);
      const updateStrategy = { type: 'RollingUpdate', rollingUpdate: { partition: 1 } };
      await patch('StatefulSet', name, { updateStrategy, template: { spec: { nodeSelector: after } } });
    }
  };

  const EXPECTED_REFUSED = [
    ...ALL.filter((of) => of !== 'DaemonSet').flatMap((of) => REFUSED.map((name) => `${of} ${namespaceOf(of)}/${name}`)),
    ...['stopped', 'paused-on-bad'].map((name) => `Deployment of-deployment/${name}`),
    'StatefulSet of-statefulset/old-is-bad',
  ].sort(byText);
  const EXPECTED_PENDING = ALL.filter((of) => of !== 'DaemonSet')
    .flatMap((of) => PENDING.map((name) => `${of} ${namespaceOf(of)}/${name}`))
    .sort(byText);

  it('names each owner, its failing term and the line that mends it, confirmed by dry runs, in the status of its policy', async () => {
    await eventually(async () => {
      const risks = await Promise.all(ALL.filter((of) => of !== 'DaemonSet').map(risksOf));
      return risks.every((each) => each !== undefined && each.unconfirmed === 0 && each.mended === 1);
    });
    expect((await said('Refused')).map(keyOf).sort(byText)).toEqual(EXPECTED_REFUSED);
    const deployments = (await risksOf('Deployment'))?.named ?? [];
    expect(deployments.find(({ name }) => name === 'outside')).toEqual({
      risk: 'Refused',
      kind: 'Deployment',
      namespace: 'of-deployment',
      name: 'outside',
      reason: `spec.nodeSelector allows region "${OUTSIDE}"`,
      fix: `replace under spec.template.spec.nodeSelector: ${REGION_LABEL}: eu-central-1 (or eu-west-1)`,
      confirmation: 'Confirmed',
    });
    expect(deployments.find(({ name }) => name === 'spoiled')?.fix).toContain('webhook');
    const waiting = (await said('Pending')).filter((risk) => risk.kind !== 'DaemonSet');
    expect(waiting.map(keyOf).sort(byText)).toEqual(EXPECTED_PENDING);
    expect(waiting.find(({ name }) => name === 'waits')?.reason).toBe('no node inside has the label disk=none-has-it of spec.nodeSelector');
    expect(waiting.find(({ name }) => name === 'tainted')?.fix).toContain('{key: dedicated, value: db, effect: NoSchedule}');
    const daemons = (await risksOf('DaemonSet'))?.named.map(({ name, nodes }) => `${name} ${nodes}`);
    // Webhooks do not change which nodes the pods are for.
    expect(daemons?.sort(byText)).toEqual(['anywhere 2', 'mended 2', 'outside 2']);
  });

  it('is what the restart of everything brings: refusals in the audit log, and pods that no node takes, both ways', async () => {
    const before = new Set((await Promise.all(ALL.map(podsOf))).flat().map(({ metadata }) => metadata.uid));
    const [refusedBefore, pendingBefore] = [(await said('Refused')).map(keyOf).sort(byText), (await said('Pending')).map(keyOf)];
    const began = new Date().toISOString();
    await Promise.all(ALL.map((of) => world.client.raw({ method: 'DELETE', path: `/api/v1/namespaces/${namespaceOf(of)}/pods` }, signal)));
    await patch('Deployment', 'stopped', { replicas: 1 });
    const jobs = await world.client.list(KINDS.Job, { namespace: namespaceOf('Job') }, signal);
    await Promise.all(jobs.map(({ metadata }) => patch('Job', metadata.name, { suspend: false })));
    await Promise.all(Object.keys(CASES).map((name) => startCronJob(name)));
    await eventually(async () => {
      const pods = (await Promise.all(ALL.map(podsOf))).flat();
      return pods.every(({ metadata }) => !before.has(metadata.uid));
    });
    await eventually(async () => expect([...(await refusedSince(began))].sort(byText)).toEqual(refusedBefore));
    const waiting = pendingBefore.filter((key) => !key.startsWith('DaemonSet')).sort(byText);
    await eventually(async () => expect(await unschedulable()).toEqual(waiting));
    // What runs again by now was said to be fine: all of it, and nothing else.
    const fine = ALL.filter((of) => of !== 'DaemonSet').flatMap((of) =>
      ['fine', 'mended'].map((name) => `${of} ${namespaceOf(of)}/${name}`),
    );
    const more = ['Deployment of-deployment/paused-on-good', 'StatefulSet of-statefulset/old-is-good'];
    await eventually(async () => expect(await bound()).toEqual([...fine, ...more].sort(byText)));
    expect([...(await refusedSince(began))].sort(byText)).toEqual(EXPECTED_REFUSED);
    const unbound = await eventually(async () => {
      const pods = await podsOf('DaemonSet');
      const waits = pods.filter(({ spec }) => spec.nodeName === undefined);
      return Object.entries(Object.groupBy(waits, ({ metadata }) => metadata.labels?.['app'] ?? '')).map(
        ([name, of]) => `${name} ${of?.length}`,
      );
    });
    expect(unbound.length).toBeGreaterThan(0);
  });

  const startCronJob = async (name: string): Promise<void> => {
    const cronJob = (await world.client.get(KINDS.CronJob, { namespace: namespaceOf('CronJob'), name }, signal)) as KubeObject & {
      spec: { jobTemplate: { spec: object } };
    };
    const ownerReferences = [{ apiVersion: 'batch/v1', kind: 'CronJob', name, uid: cronJob.metadata.uid ?? '', controller: true }];
    const job = {
      metadata: { name: `${name}-now`, namespace: namespaceOf('CronJob'), ownerReferences },
      spec: cronJob.spec.jobTemplate.spec,
    };
    await world.client.create(KINDS.Job, job as KubeObject, {}, signal);
  };

  /** The owner that people know, by the name that its pods have in a label. */
  const ownerOf = (namespace: string | undefined, labels: Pod['metadata']['labels']): string => {
    const of = ALL.find((each) => namespaceOf(each) === namespace);
    return `${of} ${namespace}/${labels?.['app']}`;
  };

  /** Owners whose pods a lock refused, by the audit log; the agent's dry runs do not count. */
  const refusedSince = async (began: string): Promise<ReadonlySet<string>> => {
    const owners = new Set<string>();
    for await (const event of readAuditEvents(join(folder, 'audit.log'))) {
      const { requestObject, objectRef } = event as PodEvent;
      if (isRefusal(event as PodEvent, began)) owners.add(ownerOf(objectRef?.namespace, requestObject?.metadata.labels));
    }
    return owners;
  };

  const ownersOfPods = async (is: (pod: Pod) => boolean): Promise<readonly string[]> => {
    const pods = (await Promise.all(ALL.filter((of) => of !== 'DaemonSet').map(podsOf))).flat();
    return [...new Set(pods.filter(is).map(({ metadata }) => ownerOf(metadata.namespace, metadata.labels)))].sort(byText);
  };
  const unschedulable = () =>
    ownersOfPods(({ status }) => {
      const { conditions = [] } = (status ?? {}) as { conditions?: readonly { type: string; status: string; reason?: string }[] };
      return conditions.some(
        ({ type, status: value, reason }) => type === 'PodScheduled' && value === 'False' && reason === 'Unschedulable',
      );
    });
  const bound = () => ownersOfPods(({ spec }) => spec.nodeName !== undefined);
});
