import { fixText, REGION_LABEL, VIOLATION_TEXTS } from '@fso/shared/residency';
import { describe, expect, it } from 'vitest';
import { combine, decide } from './decide.ts';
import { findBlamedLines, fixRegions, planFix } from './fix.ts';
import { PASTE_LIMITS } from './pasted-text.ts';
import { readWorkloads } from './workloads.ts';

const DENY = combine([{ key: 'eu', action: 'deny', regions: ['eu-central-1', 'eu-west-1'] }]);

const only = (text: string) => {
  const { workloads, problems } = readWorkloads(text);
  expect(problems).toEqual([]);
  const [workload] = workloads;
  if (workload === undefined) throw new Error('nothing to judge');
  return workload;
};

const violationOf = (text: string, rules = DENY): string => {
  const decision = decide(only(text).placement, rules)[0]?.decision;
  return decision === undefined || decision.admitted ? '' : decision.violation;
};

const DEPLOYMENT = `# how it is run
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  namespace: finance
spec:
  template:
    spec:
      affinity:
        nodeAffinity:
          requiredDuringSchedulingIgnoredDuringExecution:
            nodeSelectorTerms:
              - matchExpressions:
                  - { key: ${REGION_LABEL}, operator: In, values: [eu-west-1] }
              - matchExpressions:
                  - key: ${REGION_LABEL}
                    operator: In
                    values: [us-east-1]
      containers: []
`;

describe('readWorkloads', () => {
  it('finds the pod spec of each kind', () => {
    const spec = { nodeSelector: { [REGION_LABEL]: 'eu-west-1' } };
    const template = { spec };
    const objects = [
      { kind: 'Pod', metadata: { name: 'a' }, spec },
      ...['Deployment', 'StatefulSet', 'DaemonSet', 'ReplicaSet', 'Job'].map((kind) => ({ kind, metadata: {}, spec: { template } })),
      { kind: 'CronJob', spec: { jobTemplate: { spec: { template } } } },
    ];
    const yaml = readWorkloads(objects.map((object) => JSON.stringify(object, null, 2)).join('\n---\n'));
    const list = readWorkloads(JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects }, null, '\t'));
    for (const { workloads, problems } of [yaml, list]) {
      expect(problems).toEqual([]);
      expect(workloads.map(({ kind }) => kind)).toEqual(objects.map(({ kind }) => kind));
      expect(workloads.every(({ placement }) => decide(placement, DENY)[0]?.decision.admitted)).toBe(true);
    }
  });

  it('names the line of a problem, and judges the rest', () => {
    const { workloads, problems } = readWorkloads(
      `${DEPLOYMENT}---\nkind: Service\nspec: {}\n---\nkind: Pod\nspec:\n  nodeSelector:\n    disk: 1\n---\n- a\n---\n# nothing\n`,
    );
    expect(workloads.map(({ name, line }) => [name, line])).toEqual([['web', 2]]);
    expect(problems).toEqual([
      { line: 22, reason: expect.stringContaining('a Service is not judged') },
      { line: 28, reason: expect.stringContaining('spec.nodeSelector.disk') },
      { line: 30, reason: expect.stringContaining('not a Kubernetes object') },
    ]);
    expect(readWorkloads('kind: Pod\nspec: {a: [}\n').problems[0]?.line).toBe(2);
    expect(readWorkloads('kind: Pod\nkind: Pod\n').problems).toEqual([{ line: 2, reason: 'the key kind is there twice' }]);
    expect(readWorkloads('')).toEqual({ workloads: [], problems: [] });
  });

  it('refuses hostile text before anything is built from it', () => {
    const bomb = ['a: &a [x, x]', ...Array.from({ length: 30 }, (_, n) => `k${n}: &b${n} [*a, *a]`)].join('\n');
    expect(readWorkloads(bomb).problems[0]?.reason).toContain('anchors (&name) are not allowed');
    expect(readWorkloads('x'.repeat(PASTE_LIMITS.maxFileBytes + 1)).problems[0]?.reason).toContain('the limit is');
    expect(readWorkloads('['.repeat(100_000)).problems[0]?.reason).toContain('nested deeper');
    expect(readWorkloads('kind: Pod\n---\n'.repeat(101)).problems[0]?.reason).toContain('the limit is 100');
    expect(readWorkloads(`kind: List\nitems:\n${'- kind: Pod\n  spec: {}\n'.repeat(201)}`).problems).toEqual([
      { line: 1, reason: 'there are 201 objects, the first 200 are judged' },
    ]);
    expect(readWorkloads('kind: !!js/function "x"').problems[0]?.reason).toContain('tags');
    expect(readWorkloads('kind: Pod\nspec: {"__proto__": {"nodeName": "n"}}').workloads[0]?.placement.nodeName).toBeUndefined();
  });

  it("treats the node of a bound pod as the scheduler's decision", () => {
    const bound = only('kind: Pod\nmetadata: {name: a, uid: 1-2}\nspec: {nodeName: n1}\n');
    expect([bound.boundTo, bound.placement.nodeName]).toEqual(['n1', undefined]);
    expect(violationOf('kind: Pod\nspec: {nodeName: n1}\n')).toBe(VIOLATION_TEXTS.nodeName);
  });
});

describe('decide', () => {
  it('judges each action by the regions that its own policies share', () => {
    const rules = combine([
      { key: 'a', action: 'deny', regions: ['x', 'y'] },
      { key: 'c', action: 'custom', regions: ['q'] },
      { key: 'b', action: 'deny', regions: ['y', 'z'] },
      { key: 'd', action: 'dryrun', regions: ['x'] },
    ]);
    expect(rules).toEqual([
      { action: 'deny', policies: ['a', 'b'], regions: ['y'] },
      { action: 'dryrun', policies: ['d'], regions: ['x'] },
      { action: 'custom', policies: ['c'], regions: ['q'] },
    ]);
    const decisions = decide({ nodeSelector: { [REGION_LABEL]: 'y' } }, rules);
    expect(decisions.map(({ decision }) => decision.admitted)).toEqual([true, false, false]);
    expect(combine([])).toEqual([]);
  });
});

describe('findBlamedLines', () => {
  it('points at the lines that the violation names', () => {
    expect(violationOf(DEPLOYMENT)).toBe('required node affinity term 2 allows region "us-east-1"');
    expect(findBlamedLines(only(DEPLOYMENT), violationOf(DEPLOYMENT))).toEqual({ from: 16, to: 19 });
    const selected = `kind: Pod\nspec:\n  nodeSelector:\n    a: b\n    ${REGION_LABEL}: us-east-1\n`;
    expect(findBlamedLines(only(selected), violationOf(selected))).toEqual({ from: 5, to: 5 });
    const free = 'kind: Pod\nmetadata:\n  name: a\nspec:\n  containers: []\n  x: 1\n';
    expect(findBlamedLines(only(free), violationOf(free))).toEqual({ from: 4, to: 4 });
  });
});

describe('planFix', () => {
  const fixOf = (text: string, rules = DENY) => {
    const workload = only(text);
    const violation = violationOf(text, rules);
    const [region = ''] = fixRegions(workload.placement, rules);
    return planFix(workload, { region, violation, rules });
  };

  it('confines the pod to a region that it already requests, and changes nothing else', () => {
    const fix = fixOf(DEPLOYMENT);
    expect(fix).toMatchObject({ region: 'eu-west-1', also: [], isEnough: true });
    expect(fix.after).toBe(
      fix.before.replace('      containers: []\n', `      containers: []\n      nodeSelector:\n        ${REGION_LABEL}: eu-west-1\n`),
    );
    expect(fix.after).toContain('# how it is run');
  });

  it('takes the region out of an affinity that would leave no node', () => {
    const term = (values: string) => `{matchExpressions: [{key: ${REGION_LABEL}, operator: In, values: [${values}]}]}`;
    const affinity = (terms: string) =>
      `kind: Pod\nspec:\n  affinity:\n    nodeAffinity:\n      requiredDuringSchedulingIgnoredDuringExecution:\n        nodeSelectorTerms: [${terms}]\n`;
    expect(fixOf(affinity(term('us-east-1'))).after).toBe(`kind: Pod\nspec:\n  nodeSelector:\n    ${REGION_LABEL}: eu-central-1\n`);
    const mixed = fixOf(
      affinity(`{matchExpressions: [{key: ${REGION_LABEL}, operator: In, values: [us-east-1]}, {key: disk, operator: Exists}]}`),
    );
    expect(mixed).toMatchObject({ isEnough: true });
    expect(mixed.after).toContain('disk');
    expect(mixed.after).not.toContain('us-east-1');
  });

  it('removes nodeName, an affinity that is too large, and replaces a wrong selector', () => {
    expect(fixOf('kind: Pod\nspec: {nodeName: n, nodeSelector: null}\n')).toMatchObject({
      also: [expect.stringContaining('nodeName')],
      isEnough: true,
    });
    const terms = `- matchExpressions: [{key: disk, operator: Exists}]\n`.repeat(101);
    const large = `kind: Pod\nspec:\n  affinity:\n    podAffinity: {}\n    nodeAffinity:\n      requiredDuringSchedulingIgnoredDuringExecution:\n        nodeSelectorTerms:\n${terms.replaceAll(/^/gm, '        ').trimEnd()}\n`;
    expect(violationOf(large)).toBe(VIOLATION_TEXTS.tooLarge);
    expect(fixOf(large)).toMatchObject({ isEnough: true, after: expect.stringContaining('podAffinity') });
    const json = fixOf(`{"kind": "Pod", "spec": {"nodeSelector": {"${REGION_LABEL}": "us-east-1"}}}`);
    expect(JSON.parse(json.after)).toEqual({ kind: 'Pod', spec: { nodeSelector: { [REGION_LABEL]: 'eu-central-1' } } });
  });

  it('mends an item of a list for all actions at once, where they share a region', () => {
    const rules = combine([
      { key: 'a', action: 'deny', regions: ['x', 'y'] },
      { key: 'b', action: 'warn', regions: ['y', 'z'] },
    ]);
    const fix = fixOf('kind: List\nitems:\n- kind: Pod\n  spec: {}\n', rules);
    expect(fix).toMatchObject({ region: 'y', isEnough: true });
    const apart = combine([
      { key: 'a', action: 'deny', regions: ['x'] },
      { key: 'b', action: 'warn', regions: ['z'] },
    ]);
    expect(fixOf('kind: Pod\nspec: {}\n', apart)).toMatchObject({ region: 'x', isEnough: false });
    const none = combine([{ key: 'a', action: 'deny', regions: [] }]);
    expect(fixRegions(only('kind: Pod\nspec: {}\n').placement, none)).toEqual([]);
    expect(fixText([])).toContain('no region is allowed');
  });
});
