import { type KubeObject, type PolicyRisks, REGION_LABEL } from '@fso/shared/api';
import { beforeEach, describe, expect, it } from 'vitest';
import type { Governance } from '../enforce/index.ts';
import type { TemplateAnswer } from '../probe/index.ts';
import type { OwnerSet } from './owner-cache.ts';
import type { Owner, OwnerKind } from './owner-kinds.ts';
import { readTemplate, reduceOwner } from './reduce-owner.ts';
import { MAX_JUDGED, RiskFinder, type RiskInput } from './risk-finder.ts';

const node = (name: string, region: string) => ({ name, region, labels: { [REGION_LABEL]: region }, taints: [] });
const NODES = [node('w', 'eu-west-1'), node('c', 'eu-central-1'), node('u', 'us-east-1')];

let owners: Map<OwnerKind, Map<string, Owner>>;
let answers: Map<string, TemplateAnswer>;
let finder: RiskFinder;
beforeEach(() => {
  owners = new Map();
  answers = new Map();
  finder = new RiskFinder();
});

const add = (kind: OwnerKind, name: string, region?: string, generation = 1): void => {
  const spec = { template: { spec: { ...(region !== undefined && { nodeSelector: { [REGION_LABEL]: region } }) } } };
  const owner = reduceOwner(kind)({ metadata: { name, namespace: 'a', uid: name, generation }, spec } as unknown as KubeObject);
  owners = new Map(owners).set(kind, new Map(owners.get(kind)).set(name, owner));
};

/** Policies that deny in namespace `a`, by name, with their regions. */
const governed = (policies: Readonly<Record<string, readonly string[]>>, action: 'deny' | 'warn' = 'deny', injection = false) => {
  const names = Object.keys(policies);
  const [first = [], ...others] = Object.values(policies);
  const regions = first.filter((region) => others.every((each) => each.includes(region)));
  const governance = {
    namespace: 'a',
    actions: { [action]: { regions, policies: names, revisions: names.map(() => '-') } },
    policies: names,
    injection,
  };
  const outcomes = names.map((name) => [name, { kind: 'governing', regions: policies[name], namespaces: ['a'], conflicts: [] }]);
  return { namespaces: new Map([['a', governance]]), policies: new Map(outcomes as never) } as unknown as Governance;
};
const EU = governed({ p: ['eu-central-1', 'eu-west-1'] });

const find = (governance: Governance = EU, more: Partial<RiskInput> = {}) =>
  finder.find({ governance, ownersIn: () => owners as OwnerSet, nodes: NODES, injects: true, answer: (key) => answers.get(key), ...more });
const risks = (policy = 'p', governance = EU): PolicyRisks | undefined => find(governance).policies.get(policy);
const named = (policy = 'p', governance = EU) =>
  risks(policy, governance)?.named.map(({ risk, name, confirmation }) => `${risk} ${name} ${confirmation}`);

describe('the risks of a policy', () => {
  it('are the owners whose next pods it refuses, before those that would stay pending', () => {
    add('Deployment', 'anywhere');
    add('Deployment', 'fine', 'eu-west-1');
    add('CronJob', 'none');
    owners.get('CronJob')?.clear();
    expect(named()).toEqual(['Refused anywhere Unconfirmed']);
    expect(risks()).toMatchObject({ refused: 1, pending: 0, unconfirmed: 1, mended: 0 });
    expect(find(EU, { nodes: [node('u', 'us-east-1')] }).policies.get('p')).toMatchObject({ refused: 1, pending: 1 });
  });

  it('are confirmed by a dry run, gone where a webhook mends the pods, and there where one spoils them', () => {
    add('Deployment', 'anywhere');
    add('Deployment', 'fine', 'eu-west-1');
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
    expect(risks('p', governed({ p: ['eu-west-1'] }, 'deny', true))).toMatchObject({ refused: 0, mended: 0 });
    expect(find(governed({ p: ['eu-west-1'] }, 'deny', true), { injects: false }).policies.get('p')).toMatchObject({ refused: 1 });
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
    expect(found.policies.get('p')?.named).toHaveLength(20);
    expect(found.unjudged).toBe(5);
  });
});

describe('what is found', () => {
  it('is the same object until something that it follows from changes', () => {
    add('Deployment', 'anywhere');
    const before = find();
    expect(find().policies.get('p')).toBe(before.policies.get('p'));
    expect(find().targets).toBe(before.targets);
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
