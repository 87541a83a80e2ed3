import { type AnsweredPreview, type PreviewedClass, REGION_LABEL } from '@fso/shared/api';
import { beforeEach, describe, expect, it } from 'vitest';
import type { Owner, OwnerSet } from '../risk/index.ts';
import { MAX_SOURCES } from '../risk/judge-namespace.ts';
import { CENTRAL, denying, PreviewedCluster, put, US, WEST } from './testing/previewed-cluster.ts';
import { WorkloadEffects } from './workload-effects.ts';

let cluster: PreviewedCluster;

beforeEach(() => {
  cluster = new PreviewedCluster();
});

const EU = [WEST, CENTRAL];
const inRegion = (region = '') => ({ [REGION_LABEL]: region });

const answered = async (...asked: Parameters<PreviewedCluster['ask']>): Promise<AnsweredPreview> => {
  const answer = await cluster.ask(...asked);
  if (answer.state !== 'Answered') throw new Error(`${answer.reason}: ${answer.message}`);
  return answer;
};

/** `now→after +begins -ends: owners that begin` */
const textOf = ({ now, after, begins, ends, owners = [] }: PreviewedClass): string =>
  `${now}→${after} +${begins} -${ends}: ${owners.map((owner) => `${owner.kind} ${owner.namespace}/${owner.name}`).join(', ')}`;

const told = ({ outside, refused, pending }: AnsweredPreview) => ({
  outside: textOf(outside),
  refused: textOf(refused),
  pending: textOf(pending),
});

const NOTHING = { outside: '0→0 +0 -0: ', refused: '0→0 +0 -0: ', pending: '0→0 +0 -0: ' };

describe('the answer to a change of policies', () => {
  beforeEach(() => {
    cluster.accept({ finance: denying('finance', EU) });
    cluster.addOwner('Deployment', 'finance/central', inRegion(CENTRAL));
    cluster.addOwner('Deployment', 'finance/west', inRegion(WEST));
    cluster.addOwner('Deployment', 'finance/us', inRegion(US));
    cluster.addOwner('Deployment', 'finance/anywhere', undefined);
    cluster.addOwner('CronJob', 'finance/waits', { ...inRegion(CENTRAL), disk: 'none-has-it' });
    cluster.addOwner('DaemonSet', 'finance/logs', inRegion(CENTRAL));
    cluster.addOwner('Deployment', 'hr/us', inRegion(US));
    cluster.addPod('finance/central-1', 'c', { kind: 'ReplicaSet', name: 'central-abc' });
    cluster.addOwner('ReplicaSet', 'finance/central-abc', inRegion(CENTRAL), {
      controller: { kind: 'Deployment', name: 'central', uid: 'Deployment-central' },
    });
    cluster.addPod('finance/us-1', 'u', { kind: 'Deployment', name: 'us' });
  });

  it('names the owners that a tighter rule puts into each class, with its policies', async () => {
    const answer = await answered({ put: put(['finance', 'finance', [WEST]]) });
    expect(told(answer)).toEqual({
      outside: '1→2 +1 -0: Deployment finance/central',
      refused: '2→4 +2 -0: CronJob finance/waits, Deployment finance/central',
      pending: '1→1 +1 -1: DaemonSet finance/logs',
    });
    expect(answer.lookedAt).toEqual({ namespaces: 1, owners: 6, pods: 2 });
    expect(answer.refused.owners?.[1]).toEqual({
      kind: 'Deployment',
      namespace: 'finance',
      name: 'central',
      reason: `spec.nodeSelector allows region "${CENTRAL}"`,
      fix: `replace under spec.template.spec.nodeSelector: ${REGION_LABEL}: ${WEST}`,
      policies: ['finance'],
    });
    expect(answer.outside.owners?.[0]).toMatchObject({
      reason: `runs on node c in ${CENTRAL}, which is not an allowed region`,
      fix: answer.refused.owners?.[1]?.fix,
      pods: 1,
    });
  });

  it('counts what ends where a rule is loosened or removed', async () => {
    expect(told(await answered({ put: put(['finance', 'finance', [...EU, US]]) }))).toEqual({
      outside: '1→0 +0 -1: ',
      refused: '2→1 +0 -1: ',
      pending: '1→1 +0 -0: ',
    });
    expect(told(await answered({ removed: ['finance'] }))).toEqual({
      outside: '1→0 +0 -1: ',
      refused: '2→0 +0 -2: ',
      pending: '1→0 +0 -1: ',
    });
  });

  it('counts as eased what would stay pending and is refused now', async () => {
    cluster.accept({ finance: denying('finance', [WEST]) });
    const { refused, pending } = await answered({ put: put(['finance', 'finance', [CENTRAL]]) });
    expect(textOf(refused)).toBe('4→3 +1 -2: Deployment finance/west');
    expect(pending).toMatchObject({ begins: 1, ends: 1, eased: 1, owners: [{ kind: 'CronJob', name: 'waits', eased: true }] });
  });

  it('concerns only the namespaces whose denying rule differs', async () => {
    const same = { put: put(['finance', 'finance', EU]), removed: ['nobody-has-it'] };
    expect(await answered(same)).toMatchObject({ lookedAt: { namespaces: 0, owners: 0, pods: 0 } });
    const warning = await answered({ put: put(['hr', 'hr', EU, { enforcementAction: 'warn' }]) });
    expect(told(warning)).toEqual(NOTHING);
    const answer = await answered({ put: put(['hr', 'h*', EU]) });
    expect([answer.lookedAt.namespaces, told(answer).refused]).toEqual([1, '0→1 +1 -0: Deployment hr/us']);
    cluster.addNamespace('hr', true);
    expect(await answered({ put: put(['hr', 'h*', EU]) })).toMatchObject({ lookedAt: { namespaces: 0 } });
  });

  it('intersects with the policies of the list and of the cluster, which it leaves alone', async () => {
    const local = { key: 'finance/own', namespace: 'finance', name: 'own', managedBy: 'local', generation: 1, deleting: false } as const;
    cluster.local.push({ ...local, revision: undefined, spec: { ...denying('finance', EU), enforcementAction: 'deny' } as never });
    expect(told(await answered({ put: put(['more', '*', [WEST]]), removed: ['finance'] })).refused).toBe(
      '2→5 +3 -0: CronJob finance/waits, Deployment finance/central, Deployment hr/us',
    );
    expect(told(await answered({ removed: ['finance', 'own'] }))).toMatchObject({ refused: '2→2 +0 -0: ' });
  });

  it('counts policies that have expired by then no more', async () => {
    cluster.accept({ finance: denying('finance', EU), until: denying('finance', [WEST], { expiryDate: '2026-06-01T00:00:00Z' }) });
    expect(told(await answered({ at: '2026-05-31T23:59:59Z' }))).toEqual(NOTHING);
    expect(told(await answered({ at: '2026-06-01T00:00:00Z' }))).toEqual({
      outside: '2→1 +0 -1: ',
      refused: '4→2 +0 -2: ',
      pending: '1→1 +1 -1: CronJob finance/waits',
    });
  });

  it('takes away the nodes of lost regions, and the pods on them', async () => {
    const answer = await answered({ withoutRegions: [CENTRAL, US] });
    expect(told(answer)).toEqual({ outside: '1→0 +0 -1: ', refused: '2→2 +0 -0: ', pending: '1→2 +1 -0: Deployment finance/central' });
    expect(answer.pending.owners?.[0]?.reason).toBe(`no node inside has the label ${REGION_LABEL}=${CENTRAL} of spec.nodeSelector`);
    expect(told(await answered({ withoutRegions: ['sa-east-1'] }))).toEqual(NOTHING);
  });

  it('is of counts alone unless names are wished for', async () => {
    const question = { put: put(['finance', 'finance', [WEST]]) };
    const answer = await answered(question, { previewer: cluster.open({ mode: 'counts' }) });
    expect(answer.refused).toEqual({ now: 2, after: 4, begins: 2, ends: 0 });
    expect(JSON.stringify(answer)).not.toContain('central');
  });

  it('counts owners that were not judged whole', async () => {
    cluster.leftOut.set('finance', 7);
    cluster.addOwner('Deployment', 'finance/huge', undefined, { template: undefined as never });
    expect((await answered({ put: put(['finance', 'finance', [WEST]]) })).omitted).toBe(8);
  });

  it('counts owners of which no dry run has shown a pod yet', async () => {
    cluster.untried.add('Deployment/finance/west').add('DaemonSet/finance/logs').add('Deployment/hr/us');
    const tightened = { put: put(['finance', 'finance', [WEST]]) };
    expect((await answered(tightened)).omitted).toBe(1);
    // Where no policy denies yet, none is made.
    expect((await answered({ put: put(['hr', 'hr', EU]) })).omitted).toBe(0);
    cluster.untried.clear();
    expect((await answered(tightened)).omitted).toBe(0);
  });
});

describe('the cost of an owner', () => {
  it('has the policies that may refuse it, on both sides, and at most those of the templates that are judged', () => {
    const [policies, jobs, nodes] = [1_000, 20, 3];
    const named = (name: string): Owner => {
      const template = cluster.template({ nodeSelector: { ...inRegion(US), for: name } });
      return { metadata: { name, namespace: 'finance', uid: name }, ...(template && { template }) };
    };
    const controller = { kind: 'CronJob', name: 'many', uid: 'many' };
    const made = Array.from({ length: jobs }, (_, index): [string, Owner] => [`many-${index}`, { ...named(`many-${index}`), controller }]);
    const owners: OwnerSet = new Map([
      ['Deployment', new Map([['one', named('one')]])],
      ['CronJob', new Map([['many', named('many')]])],
      ['Job', new Map(made)],
    ]);
    const keys = Array.from({ length: policies }, (_, index) => `p-${index}`);
    const denied = {
      namespace: 'finance',
      deny: { regions: EU, policies: keys, revisions: keys },
      injected: [],
      regions: keys.map(() => EU),
    };
    const facts = EU.concat(US).map((region, index) => ({ name: `n-${index}`, region, labels: inRegion(region), taints: [] }));
    const workloads = { owners: { ownersIn: () => owners, leftOut: new Map() }, podsIn: () => [], nodes: new Map(), facts };
    const effects = new WorkloadEffects({ ...workloads, shapes: cluster.shapes, answer: () => undefined, injects: true }, []);
    const costs = [...effects.count({ namespace: 'finance', before: denied, after: denied })].map((cost = 1) => cost);
    const one = 1 + nodes + policies;
    expect(costs.filter((cost) => cost >= one)).toHaveLength(2 * 2);
    expect(Math.max(...costs)).toBe(1 + MAX_SOURCES * one);
  });
});

describe('workloads', () => {
  const tightened = { put: put(['finance', 'finance', [WEST]]) };

  it('are judged without the requirement that injection added, and keep their own', async () => {
    const injecting = { placementInjection: true };
    cluster.accept({ finance: denying('finance', [CENTRAL], injecting) });
    const term = { key: REGION_LABEL, operator: 'In', values: [CENTRAL] };
    const required = (...matchExpressions: object[]) => ({
      affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [{ matchExpressions }] } } },
    });
    const disk = { key: 'disk', operator: 'DoesNotExist' };
    for (const [name, asked, admitted] of [
      ['anywhere', {}, required(term)],
      ['with-disk', required(disk), required(disk, term)],
      ['own', required(term), required(term)],
    ] as const) {
      cluster.addOwner('Deployment', `finance/${name}`, undefined, { template: cluster.template(asked) as never });
      cluster.answers.set(`Deployment/finance/${name}`, { kind: 'admitted', template: cluster.template(admitted) });
    }
    const moved = await answered({ put: put(['finance', 'finance', [WEST], injecting]) });
    expect(told(moved)).toEqual({ ...NOTHING, refused: '0→1 +1 -0: Deployment finance/own' });
    const without = await answered({ put: put(['finance', 'finance', [CENTRAL]]) });
    expect(told(without).refused).toBe('0→2 +2 -0: Deployment finance/anywhere, Deployment finance/with-disk');
    cluster.injects = false;
    cluster.answers.clear();
    expect(told(await answered({ put: put(['finance', 'finance', [WEST], injecting]) })).refused).toBe('2→3 +1 -0: Deployment finance/own');
  });

  it('are judged as webhooks leave their pods, as far as that follows from dry runs', async () => {
    cluster.accept({ finance: denying('finance', EU) });
    cluster.addOwner('Deployment', 'finance/mended', undefined);
    cluster.answers.set('Deployment/finance/mended', { kind: 'admitted', template: cluster.template({ nodeSelector: inRegion(WEST) }) });
    cluster.addOwner('Deployment', 'finance/spoiled', inRegion(WEST));
    cluster.answers.set('Deployment/finance/spoiled', { kind: 'refused', violation: 'spec.nodeSelector allows region "us-east-1"' });
    cluster.addOwner('Deployment', 'finance/quota', undefined);
    cluster.answers.set('Deployment/finance/quota', { kind: 'admitted' });
    const tighter = await answered(tightened);
    expect([told(tighter).refused, tighter.omitted]).toEqual(['1→2 +1 -0: Deployment finance/quota', 1]);
    const looser = await answered({ put: put(['finance', 'finance', [...EU, US]]) });
    expect([told(looser).refused, looser.omitted]).toEqual(['1→0 +0 -1: ', 1]);
  });

  it('count as omitted where only a shape is known that asks for more than is kept, and nothing else refuses it', async () => {
    cluster.accept({ finance: denying('finance', EU) });
    cluster.addNamespace('finance');
    const values = Array.from({ length: 100 }, (_, n) => `region-${n}-${'x'.repeat(20)}`);
    const nodeSelectorTerms = [{ matchExpressions: [{ key: REGION_LABEL, operator: 'In', values }] }];
    const large = { affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms } } } };
    cluster.shapes.see({ metadata: { namespace: 'finance', name: 'vast-1' }, spec: large });
    const alone = await answered(tightened);
    expect([told(alone).refused, alone.lookedAt.owners, alone.omitted]).toEqual(['0→0 +0 -0: ', 1, 1]);
    cluster.shapes.see({ metadata: { namespace: 'finance', name: 'vast-2' }, spec: { nodeSelector: inRegion(CENTRAL) } });
    const beside = await answered(tightened);
    expect([told(beside).refused, beside.omitted]).toEqual(['0→1 +1 -0: Pod finance/vast-*', 1]);
  });

  it('are also those of which only shapes are known', async () => {
    cluster.accept({ finance: denying('finance', EU) });
    cluster.addNamespace('finance');
    const spec = { nodeSelector: inRegion(CENTRAL) };
    const ownerReferences = [{ apiVersion: 'x/v1', kind: 'Database', name: 'db-2', uid: '1', controller: true }];
    cluster.shapes.see({ metadata: { namespace: 'finance', name: 'db-2-0', uid: '1', ownerReferences }, spec });
    cluster.addPod('finance/db-2-0', 'c', { kind: 'Database', name: 'db-2' });
    cluster.addPod('finance/runner-4711', 'u');
    cluster.addPod('finance/nightly-1-x', 'u', { kind: 'Job', name: 'nightly-1' });
    cluster.addPod('finance/done', 'u', undefined, 'Succeeded');
    expect(told(await answered(tightened))).toMatchObject({
      outside: '2→3 +1 -0: Database finance/db-*',
      refused: '0→1 +1 -0: Database finance/db-*',
    });
    expect(told(await answered({ put: put(['new', 'finance', [WEST]]), removed: ['finance'] })).outside).toContain('2→3');
    cluster.accept({});
    expect(told(await answered(tightened)).outside).toBe('0→3 +3 -0: Database finance/db-*, Job finance/nightly-*, Pod finance/runner-*');
  });
});
