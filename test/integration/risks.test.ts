import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LocalCluster } from '@fso/clusters/local';
import { type PolicyRisks, REGION_LABEL, type Risk } from '@fso/shared/api';
import { byText } from '@fso/shared/encoding';
import { NODE_KIND } from '@fso/shared/kube';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AgentHarness } from '../harness/agent-harness.ts';
import { startTestCluster } from '../harness/local-cluster.ts';
import { eventually } from '../harness/waiting.ts';
import { startPlacementWebhook } from '../restart/placement-webhook.ts';
import { PodAudit } from '../restart/refusals.ts';
import {
  isUntemplated,
  keyOf,
  type Placement,
  type PodLabels,
  setField,
  setPlacement,
  specOf,
  WORKLOAD_KINDS,
  type WorkloadKind,
} from '../restart/workload.ts';
import { WorkloadCluster } from '../restart/workload-cluster.ts';

const EU = ['eu-central-1', 'eu-west-1'];
const [INSIDE, OUTSIDE] = ['eu-west-1', 'us-east-1'];

/** Kinds with a template, which alone can be mended before the next pod is made. */
const ALL = (Object.keys(WORKLOAD_KINDS) as WorkloadKind[]).filter((of) => !isUntemplated(of));
const namespaceOf = (of: WorkloadKind): string => `of-${of.toLowerCase()}`;

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

const LABELS: Partial<Record<string, PodLabels>> = { mended: { webhook: 'mend' }, spoiled: { webhook: 'spoil' } };

const specIn = (of: WorkloadKind, name: string, placement: Placement) => specOf(of, { name, placement, labels: LABELS[name] ?? {} });

describe('the next restart', () => {
  const stop = new AbortController();
  const { signal } = stop;
  let folder: string;
  let cluster: LocalCluster;
  let world: AgentHarness;
  let audit: PodAudit;
  let pods: WorkloadCluster;
  let endWebhook: () => Promise<void>;

  const ref = (kind: WorkloadKind, name: string) => ({ kind, namespace: namespaceOf(kind), name });
  const create = (of: WorkloadKind, name: string, placement: Placement, fields: object = {}) =>
    pods.create(ref(of, name), { ...specIn(of, name, placement), ...fields });
  const risksOf = async (of: WorkloadKind): Promise<PolicyRisks | undefined> => (await world.policy(namespaceOf(of)))?.status?.risks;
  const said = async (risk: Risk['risk']): Promise<readonly Risk[]> =>
    (await Promise.all(ALL.map(risksOf))).flatMap((risks) => risks?.named.filter((each) => each.risk === risk) ?? []);

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'fso-risks-'));
    audit = await PodAudit.open(folder, 'risks');
    const { apiServerArgs } = audit;
    cluster = await startTestCluster(
      { name: 'risks', stateDir: join(folder, 'cluster'), regions: [...EU, OUTSIDE], gatekeeper: true, apiServerArgs },
      signal,
    );
    world = new AgentHarness(cluster.kubeconfig, signal);
    pods = new WorkloadCluster(world.client, signal);
    endWebhook = await startPlacementWebhook(world.client, { inside: INSIDE, outside: OUTSIDE }, signal);
    for (const name of ['eu-central-1-a', 'eu-central-1-b'])
      await world.client.mergePatch(
        NODE_KIND,
        { name },
        { spec: { taints: [{ key: 'dedicated', value: 'db', effect: 'NoSchedule' }] } },
        signal,
      );
    await Promise.all(ALL.map((of) => world.makeNamespace(namespaceOf(of))));
    await Promise.all(ALL.flatMap((of) => Object.entries(CASES).map(([name, placement]) => create(of, name, placement))));
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

  const isPlaced = (of: WorkloadKind, name: string) => eventually(async () => (await pods.outcomes()).bound.includes(keyOf(ref(of, name))));

  const createSpecialCases = async (): Promise<void> => {
    await create('Deployment', 'stopped', CASES.anywhere, { replicas: 0 });
    // Paused after a change of the template, the ReplicaSet makes the next pods; below the
    // partition the old revision does.
    const paused = setField('/spec/paused', true);
    const partition = setField('/spec/updateStrategy', { type: 'RollingUpdate', rollingUpdate: { partition: 1 } });
    for (const [of, name, before, after] of [
      ['Deployment', 'paused-on-bad', CASES.anywhere, CASES.fine],
      ['Deployment', 'paused-on-good', CASES.fine, CASES.anywhere],
      ['StatefulSet', 'old-is-bad', CASES.anywhere, CASES.fine],
      ['StatefulSet', 'old-is-good', CASES.fine, CASES.anywhere],
    ] as const) {
      await create(of, name, before);
      await isPlaced(of, name);
      await pods.patch(ref(of, name), [of === 'Deployment' ? paused : partition, ...setPlacement(after)]);
    }
  };

  const SPECIAL = [
    ref('Deployment', 'stopped'),
    ...['paused-on-bad', 'paused-on-good'].map((name) => ref('Deployment', name)),
    ...['old-is-bad', 'old-is-good'].map((name) => ref('StatefulSet', name)),
  ];
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
    const [refusedBefore, pendingBefore] = [(await said('Refused')).map(keyOf).sort(byText), (await said('Pending')).map(keyOf)];
    const began = new Date().toISOString();
    await pods.restart([...ALL.flatMap((of) => Object.keys(CASES).map((name) => ref(of, name))), ...SPECIAL]);
    const refused = async (): Promise<readonly string[]> => [...(await audit.read(began)).refused].sort(byText);
    await eventually(async () => expect(await refused()).toEqual(refusedBefore));
    const waiting = pendingBefore.filter((key) => !key.startsWith('DaemonSet')).sort(byText);
    await eventually(async () => expect((await pods.outcomes()).unschedulable).toEqual(waiting));
    // What runs again by now was said to be fine: all of it, and nothing else.
    const fine = ALL.filter((of) => of !== 'DaemonSet').flatMap((of) => ['fine', 'mended'].map((name) => keyOf(ref(of, name))));
    const more = [keyOf(ref('Deployment', 'paused-on-good')), keyOf(ref('StatefulSet', 'old-is-good'))];
    const bound = async () => (await pods.outcomes()).bound.filter((key) => !key.startsWith('DaemonSet'));
    await eventually(async () => expect(await bound()).toEqual([...fine, ...more].sort(byText)));
    expect(await refused()).toEqual(EXPECTED_REFUSED);
    // That a webhook moves the pods of a DaemonSet away from their nodes is not known beforehand.
    const daemons = Object.fromEntries(['anywhere', 'mended', 'outside', 'spoiled'].map((name) => [keyOf(ref('DaemonSet', name)), 2]));
    await eventually(async () => expect((await pods.outcomes()).waiting).toEqual(daemons));
  });
});
