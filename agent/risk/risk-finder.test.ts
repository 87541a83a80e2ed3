import { type KubeObject, type PolicyRisks, REGION_LABEL } from '@fso/shared/api';
import { beforeEach, describe, expect, it } from 'vitest';
import type { Governance } from '../enforce/index.ts';
import type { TemplateTarget } from '../probe/index.ts';
import { MAX_JUDGED } from './judge-namespace.ts';
import type { OwnerTemplates } from './next-templates.ts';
import type { OwnerSet } from './owners/owner-cache.ts';
import type { Owner, OwnerKind } from './owners/owner-kinds.ts';
import { readTemplate, reduceOwner } from './owners/reduce-owner.ts';
import { MAX_AGE_MS, RiskFinder, type RiskInput } from './risk-finder.ts';
import { governed, NODES, node, ownerIn, ScriptedDryRuns } from './testing/governed-namespace.ts';

let owners: Map<OwnerKind, Map<string, Owner>>;
let answers: ScriptedDryRuns;
/** Shapes of which nothing may be there. */
let gone: readonly OwnerTemplates[];
let finder: RiskFinder;
let nowMs: number;

beforeEach(() => {
  owners = new Map();
  answers = new ScriptedDryRuns();
  gone = [];
  nowMs = 1_000;
  finder = new RiskFinder(answers, { in: () => ({ apartFrom: () => gone }), versionIn: () => gone });
});

const add = (kind: OwnerKind, name: string, region?: string, generation = 1): void => {
  owners = new Map(owners).set(kind, new Map(owners.get(kind)).set(name, ownerIn(kind, { name, region, generation })));
};

const EU = governed({ p: ['eu-central-1', 'eu-west-1'] });

const update = (governance: Governance = EU, more: Partial<RiskInput> = {}): void =>
  finder.update({ governance, ownersIn: () => owners as OwnerSet, nodes: NODES, injects: false, webhooks: '', nowMs, ...more });
const find = (governance: Governance = EU, more: Partial<RiskInput> = {}) => {
  update(governance, more);
  while (!finder.isDone) for (const _step of finder.judge());
  return { ...finder.found(nowMs), targets: answers.asked.get('a') ?? new Map<string, TemplateTarget>() };
};
const known = (risks: PolicyRisks | 'recent' | undefined): PolicyRisks | undefined => (risks === 'recent' ? undefined : risks);
/** Number of owners that are refused, as it would be shown now. */
const shown = (): number | 'recent' | undefined => {
  const found = finder.found(nowMs).policies.get('p');
  return typeof found === 'object' ? found.refused : found;
};
const risks = (policy = 'p', governance = EU): PolicyRisks | undefined => known(find(governance).policies.get(policy));
const named = (policy = 'p', governance = EU) =>
  risks(policy, governance)?.named.map(({ risk, name, confirmation }) => `${risk} ${name} ${confirmation}`);

describe('the risks of a policy', () => {
  it('are the owners whose next pods it refuses, before those that would stay pending', () => {
    add('Deployment', 'anywhere');
    add('Deployment', 'fine', 'eu-west-1');
    add('CronJob', 'none');
    owners.get('CronJob')?.clear();
    expect(named()).toEqual(['Refused anywhere Unconfirmed']);
    expect(risks()).toMatchObject({ refused: 1, pending: 0, untried: 1, unconfirmed: 1, mended: 0 });
    expect(find(EU, { nodes: [node('u', 'us-east-1')] }).policies.get('p')).toMatchObject({ refused: 1, pending: 1 });
  });

  it('are confirmed by a dry run, gone where a webhook mends the pods, and there where one spoils them', () => {
    add('Deployment', 'anywhere');
    add('Deployment', 'fine', 'eu-west-1');
    answers.set('Deployment/a/anywhere', { kind: 'unanswered' });
    expect(risks()).toMatchObject({ refused: 1, unconfirmed: 1 });
    expect(risks()?.untried).toBeUndefined();
    answers.set('Deployment/a/anywhere', { kind: 'refused', violation: 'nothing in the pod confines it to a region' });
    expect(named()).toEqual(['Refused anywhere Confirmed']);
    answers.set('Deployment/a/anywhere', {
      kind: 'admitted',
      template: readTemplate({ spec: { nodeSelector: { [REGION_LABEL]: 'eu-west-1' } } }),
    });
    expect(risks()).toMatchObject({ refused: 0, pending: 0, mended: 1 });
    answers.set('Deployment/a/anywhere', {
      kind: 'admitted',
      template: readTemplate({ spec: { nodeSelector: { disk: 'x', [REGION_LABEL]: 'eu-west-1' } } }),
    });
    expect(named()).toEqual(['Pending anywhere Confirmed']);
    answers.set('Deployment/a/fine', { kind: 'refused', violation: 'spec.nodeSelector allows region "us-east-1"' });
    expect(risks()?.named[0]).toMatchObject({ name: 'fine', reason: 'spec.nodeSelector allows region "us-east-1"' });
    expect(risks()?.named[0]?.fix).toContain('webhook');
    answers.set('Deployment/a/anywhere', { kind: 'admitted' });
    answers.set('Deployment/a/fine', { kind: 'unanswered' });
    expect(named()).toEqual([]);
  });

  it('are none where it only warns, and none of those that injection confines', () => {
    add('Deployment', 'anywhere');
    expect(risks('p', governed({ p: ['eu-west-1'] }, 'warn'))).toBeUndefined();
    const injecting = governed({ p: ['eu-west-1'] }, 'deny', true);
    expect(find(injecting, { injects: true }).policies.get('p')).toMatchObject({ refused: 0, mended: 0 });
    expect(find(injecting).policies.get('p')).toMatchObject({ refused: 1 });
  });

  it('are of the policies whose own regions refuse the pods', () => {
    add('Deployment', 'west', 'eu-west-1');
    const both = governed({ p: ['eu-central-1', 'eu-west-1'], q: ['eu-central-1'] });
    expect(risks('p', both)).toMatchObject({ refused: 0 });
    expect(risks('q', both)).toMatchObject({ refused: 1 });
  });

  it('name 20 and count all, up to a number of owners in a namespace', () => {
    for (let n = 0; n < MAX_JUDGED + 5; n += 1) add('Deployment', `d${`${n}`.padStart(4, '0')}`);
    const found = find();
    expect(found.policies.get('p')).toMatchObject({ refused: MAX_JUDGED });
    expect(known(found.policies.get('p'))?.named).toHaveLength(20);
    expect(found.unjudged).toBe(5);
  });
});

describe('placement injection', () => {
  const fixOf = (injects: boolean) => known(find(EU, { injects }).policies.get('p'))?.named[0]?.fix;

  it('is proposed where it would mend all pods of an owner, and the API server can inject', () => {
    add('Deployment', 'anywhere');
    expect(fixOf(true)).toMatch(/nodeSelector: .*; or set placementInjection: true in the policy, which mends all pods of this owner$/);
    expect(fixOf(false)).not.toContain('placementInjection');
    answers.set('Deployment/a/anywhere', { kind: 'refused', violation: 'x' });
    expect(fixOf(true)).toContain('placementInjection');
  });

  it('is not proposed for pods that it leaves alone, or that a webhook spoils', () => {
    add('Deployment', 'outside', 'us-east-1');
    expect(fixOf(true)).not.toContain('placementInjection');
    owners = new Map();
    add('Deployment', 'fine', 'eu-west-1');
    answers.set('Deployment/a/fine', { kind: 'refused', violation: 'x' });
    expect(fixOf(true)).toContain('webhook');
    expect(fixOf(true)).not.toContain('placementInjection');
  });
});

describe('a shape of pods that came and went', () => {
  it('is at risk as an owner is, with the hour in which it was seen last; no pod of it is asked for', () => {
    const metadata = { name: 'runner-*', namespace: 'a' };
    const lastSeen = '2026-01-01T00:00:00.000Z';
    const source = { kind: 'Shape', object: { metadata }, template: readTemplate({ spec: {} }) } as const;
    gone = [{ kind: 'Workflow', owner: { metadata }, sources: [source], lastSeen }];
    expect(risks()?.named).toMatchObject([{ risk: 'Refused', kind: 'Workflow', name: 'runner-*', confirmation: 'Unconfirmed', lastSeen }]);
    expect([risks()?.untried, answers.asked.get('a')?.size]).toEqual([undefined, 0]);
  });
});

describe('judging in steps', () => {
  it('marks policies as recent until they are judged', () => {
    add('Deployment', 'anywhere');
    expect(risks()).toMatchObject({ refused: 1 });
    add('Deployment', 'another');
    const narrower = governed({ p: ['eu-west-1'] });
    update(narrower);
    expect([finder.isDone, shown(), finder.found(nowMs).recent]).toEqual([false, 'recent', 1]);
    const steps = finder.judge();
    steps.next();
    expect(shown()).toBe('recent');
    expect(risks('p', narrower)).toMatchObject({ refused: 2 });
  });

  it('lets what was judged count for half a minute once owners, shapes, nodes or answers have changed', () => {
    add('Deployment', 'anywhere');
    find();
    nowMs += 60 * MAX_AGE_MS;
    // Nothing has changed until now.
    update();
    add('Deployment', 'another');
    nowMs += MAX_AGE_MS - 1;
    update();
    expect([finder.isDone, shown()]).toEqual([false, 1]);
    nowMs += 1;
    expect([shown(), finder.found(nowMs).recent]).toEqual(['recent', 1]);
    expect(risks()).toMatchObject({ refused: 2 });
  });

  it('keeps risks known of a policy with a namespace whose owners change all the time', () => {
    for (let n = 0; n < 100; n += 1) {
      add('Deployment', 'anywhere', undefined, n);
      update();
      const steps = finder.judge();
      steps.next();
      add('Deployment', `d${n}`);
      update();
      for (const _step of steps);
      nowMs += 1_000;
      expect([finder.isDone, shown()]).toEqual([false, n + 1]);
    }
  });

  it('does not show the sum of before once a namespace is judged by other rules', () => {
    add('Deployment', 'anywhere');
    find();
    update(EU, { webhooks: 'other' });
    expect(shown()).toBe('recent');
    for (const _step of finder.judge()) if (!finder.isDone) expect(shown()).toBe('recent');
    expect([finder.isDone, shown()]).toEqual([true, 1]);
  });

  it('judges a namespace again that changed meanwhile, and forgets one that nothing governs any more', () => {
    add('Deployment', 'anywhere');
    update();
    const steps = finder.judge();
    steps.next();
    add('Deployment', 'another');
    update();
    for (const _step of steps);
    expect([finder.isDone, shown()]).toEqual([false, 1]);
    expect([risks()?.refused, answers.asked.get('a')?.size]).toEqual([2, 2]);
    expect([risks('p', governed({ p: [] }, 'warn')), answers.asked.get('a')?.size, finder.isDone]).toEqual([undefined, 0, true]);
  });

  it('asks for no pods in a namespace that nothing governs any more once it is judged', () => {
    add('Deployment', 'anywhere');
    const two = governed({ p: ['eu-west-1'] });
    const [first] = [...two.namespaces.values()];
    const both = {
      ...two,
      namespaces: new Map([
        ['a', first],
        ['b', { ...first, namespace: 'b' }],
      ] as never),
    } as Governance;
    update(both);
    const steps = finder.judge();
    steps.next();
    // Not governed any more while it is being judged.
    update({ ...both, namespaces: new Map([['b', both.namespaces.get('b')]] as never) } as Governance);
    for (const _step of steps);
    expect([finder.isDone, answers.asked.get('a'), answers.asked.get('b')?.size]).toEqual([true, undefined, 1]);
  });
});

describe('what is found', () => {
  it('is the same object until something that it follows from changes', () => {
    add('Deployment', 'anywhere');
    const before = find();
    expect(find().policies.get('p')).toBe(before.policies.get('p'));
    expect([...find().targets.values()]).toEqual([...before.targets.values()]);
    answers.set('Deployment/a/anywhere', { kind: 'refused', violation: 'x' });
    expect(find().policies.get('p')).not.toBe(before.policies.get('p'));
    add('Deployment', 'anywhere', undefined, 2);
    const [after] = find().targets.values();
    const [first] = before.targets.values();
    // Scaled: the answer counts until the next one is there.
    expect([after?.fingerprint === first?.fingerprint, after?.version, first?.version]).toEqual([true, 2, 1]);
  });

  it('asks for a pod of each template, but not for those that only a DaemonSet may make', () => {
    add('Deployment', 'd');
    add('DaemonSet', 'n');
    expect([...find().targets.values()].map(({ kind, name, controller }) => [kind.kind, name, controller.kind])).toEqual([
      ['Deployment', 'd', 'ReplicaSet'],
    ]);
    expect(named()).toEqual(['Refused d Unconfirmed', 'Pending n Unconfirmed']);
  });

  it('judges eight templates of an owner, and counts an owner with more that is not at risk', () => {
    const jobTemplate = { spec: { template: { spec: { nodeSelector: { [REGION_LABEL]: 'eu-west-1' } } } } };
    const cronJob = { metadata: { name: 'nightly', namespace: 'a', uid: 'nightly' }, spec: { jobTemplate } };
    owners.set('CronJob', new Map([['nightly', reduceOwner('CronJob')(cronJob as unknown as KubeObject)]]));
    const controller = { apiVersion: 'batch/v1', kind: 'CronJob', name: 'nightly', uid: 'nightly', controller: true };
    const addJob = (name: string, region: string): void => {
      const template = { spec: { nodeSelector: { [REGION_LABEL]: region } } };
      const metadata = { name, namespace: 'a', uid: name, ownerReferences: [controller] };
      const job = reduceOwner('Job')({ metadata, spec: { template } } as unknown as KubeObject);
      owners = new Map(owners).set('Job', new Map(owners.get('Job')).set(name, job));
    };
    for (let n = 0; n < 7; n += 1) addJob(`job-${n}`, 'eu-central-1');
    expect([find().unjudged, find().targets.size]).toEqual([0, 8]);
    addJob('job-7', 'us-east-1');
    expect([find().unjudged, find().targets.size, risks()?.refused]).toEqual([1, 8, 0]);
  });

  it('counts a DaemonSet whose placement is larger than what is kept', () => {
    const nodeSelector = Object.fromEntries(Array.from({ length: 60 }, (_, n) => [`label-${n}-${'x'.repeat(40)}`, 'y']));
    const large = { metadata: { name: 'large', namespace: 'a', uid: 'u' }, spec: { template: { spec: { nodeSelector } } } };
    owners.set('DaemonSet', new Map([['large', reduceOwner('DaemonSet')(large as unknown as KubeObject)]]));
    expect(find()).toMatchObject({ unjudged: 1 });
  });

  it('does not judge what is too large, or cannot be read, until a dry run shows its pods', () => {
    const nodeSelectorTerms = Array.from({ length: 40 }, (_, n) => ({
      matchExpressions: [{ key: REGION_LABEL, operator: 'In', values: [`${n}`.repeat(30)] }],
    }));
    const affinity = { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms } } };
    const large = {
      metadata: { name: 'large', namespace: 'a', uid: 'u' },
      spec: { template: { spec: { affinity } } },
    } as unknown as KubeObject;
    owners.set('Deployment', new Map([['large', reduceOwner('Deployment')(large)]]));
    expect(find()).toMatchObject({ unjudged: 1 });
    expect(risks()).toMatchObject({ refused: 0 });
    answers.set('Deployment/a/large', { kind: 'refused', violation: 'x' });
    expect(find()).toMatchObject({ unjudged: 0 });
    expect(named()).toEqual(['Refused large Confirmed']);
  });
});
