import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { matchesNode } from '../../test/harness/matches-node.ts';
import { anyPlacement } from '../../test/integration/placements.ts';
import { REGION_LABEL } from '../api/index.ts';
import { decideResidency, type NodeSelectorRequirement, type NodeSelectorTerm } from '../residency/index.ts';
import { injectRegions } from './inject.ts';
import { judgeTemplate, type TemplateQuestion } from './judge.ts';
import type { NodeFacts, PodTemplate, Taint } from './template.ts';

const REGIONS = ['eu-central-1', 'eu-west-1'];
const PATH = 'spec.template.spec';

const nodeOf = (name: string, region: string | undefined, labels: Record<string, string> = {}, taints: Taint[] = []): NodeFacts => ({
  name,
  region,
  labels: { ...labels, ...(region === undefined ? {} : { [REGION_LABEL]: region }) },
  taints,
});
const GPU = { key: 'gpu', value: 'yes', effect: 'NoSchedule' };
const NODES = [
  nodeOf('eu-west-1-a', 'eu-west-1', { disk: 'ssd', zone: 'a' }),
  nodeOf('eu-central-1-a', 'eu-central-1', { zone: 'b', cores: '8' }, [GPU]),
  nodeOf('us-east-1-a', 'us-east-1', { disk: 'ssd', special: 'yes' }),
  nodeOf('stray', undefined),
];
const inRegion = (region: string): PodTemplate => ({ nodeSelector: { [REGION_LABEL]: region } });
const affinity = (...nodeSelectorTerms: NodeSelectorTerm[]): PodTemplate => ({
  affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms } } },
});
const on = (key: string, operator: string, ...values: string[]): NodeSelectorRequirement => ({ key, operator, values });

const judge = (template: PodTemplate, more: Partial<TemplateQuestion> = {}) =>
  judgeTemplate({ template, isDaemonSet: false, path: PATH, regions: REGIONS, injected: [], nodes: NODES, ...more });

describe('the next pods of a template', () => {
  it('are refused where nothing confines them, with the line that mends it', () => {
    expect(judge({})).toEqual({
      risk: 'Refused',
      reason: 'nothing in the pod confines it to a region',
      fix: `put under ${PATH}: nodeSelector: {${REGION_LABEL}: eu-central-1} (or eu-west-1)`,
    });
    expect(judge({ nodeSelector: { disk: 'ssd' } })).toMatchObject({
      fix: `put under ${PATH}.nodeSelector: ${REGION_LABEL}: eu-central-1 (or eu-west-1)`,
    });
    expect(judge(inRegion('us-east-1'))).toMatchObject({
      reason: 'spec.nodeSelector allows region "us-east-1"',
      fix: `replace under ${PATH}.nodeSelector: ${REGION_LABEL}: eu-central-1 (or eu-west-1)`,
    });
    expect(judge({ ...inRegion('eu-west-1'), nodeName: 'eu-west-1-a' })).toMatchObject({ risk: 'Refused', fix: `remove ${PATH}.nodeName` });
    expect(judge(affinity({ matchExpressions: [on(REGION_LABEL, 'In', 'eu-west-1', 'us-east-1')] }))).toMatchObject({
      reason: 'required node affinity term 1 allows region "us-east-1"',
      fix: `put under ${PATH}: nodeSelector: {${REGION_LABEL}: eu-west-1}`,
    });
    expect(judge({}, { regions: [] })).toMatchObject({ fix: 'no region is allowed, ask the owners of the policies' });
  });

  it('are fine where placement injection confines them, and refused where it leaves them alone', () => {
    expect(judge({}, { injected: REGIONS })).toEqual({ risk: 'None' });
    expect(judge(affinity({ matchExpressions: [on('disk', 'In', 'ssd')] }), { injected: REGIONS })).toEqual({ risk: 'None' });
    expect(judge(inRegion('us-east-1'), { injected: REGIONS })).toMatchObject({ risk: 'Refused' });
  });

  it('would stay pending where no node inside has what they ask for', () => {
    expect(judge({ nodeSelector: { [REGION_LABEL]: 'eu-west-1', special: 'yes' } })).toEqual({
      risk: 'Pending',
      reason: 'no node inside has the label special=yes of spec.nodeSelector',
      fix: `label a node inside with special=yes, or remove ${PATH}.nodeSelector["special"]`,
    });
    expect(judge({ nodeSelector: { [REGION_LABEL]: 'eu-central-1', disk: 'ssd' } })).toMatchObject({
      reason: 'no node inside has all labels of spec.nodeSelector',
    });
    expect(judge({ ...inRegion('eu-west-1'), ...affinity({ matchExpressions: [on('cores', 'Gt', '4')] }) })).toMatchObject({
      reason: 'no node inside satisfies the required node affinity',
    });
    expect(judge({ ...inRegion('eu-west-1'), ...affinity({}) })).toMatchObject({ risk: 'Pending' });
    expect(judge(inRegion('eu-west-1'), { nodes: [] })).toMatchObject({ reason: 'no node is in an allowed region' });
  });

  it('would stay pending where every node inside has a taint that they do not tolerate', () => {
    expect(judge(inRegion('eu-central-1'))).toEqual({
      risk: 'Pending',
      reason: 'every node inside that it selects has a taint that it does not tolerate, such as gpu=yes:NoSchedule',
      fix: `put under ${PATH}.tolerations: {key: gpu, value: yes, effect: NoSchedule}, or remove the taint`,
    });
    for (const toleration of [{ key: 'gpu', value: 'yes' }, { key: 'gpu', operator: 'Exists' }, { operator: 'Exists' }])
      expect(judge({ ...inRegion('eu-central-1'), tolerations: [toleration] })).toEqual({ risk: 'None' });
    for (const toleration of [{ key: 'gpu' }, { key: 'gpu', value: 'yes', effect: 'NoExecute' }, { key: 'other', operator: 'Exists' }])
      expect(judge({ ...inRegion('eu-central-1'), tolerations: [toleration] })).toMatchObject({ risk: 'Pending' });
    const preferred = [nodeOf('a', 'eu-west-1', {}, [{ key: 'x', effect: 'PreferNoSchedule' }])];
    expect(judge(inRegion('eu-west-1'), { nodes: preferred })).toEqual({ risk: 'None' });
  });

  it('stay pending on the nodes outside that a DaemonSet selects', () => {
    const ofDaemonSet = (template: PodTemplate) => judge(template, { isDaemonSet: true });
    expect(ofDaemonSet({})).toMatchObject({ risk: 'Pending', nodes: 2 });
    expect(ofDaemonSet({ nodeSelector: { special: 'yes' } })).toMatchObject({
      nodes: 1,
      fix: `put under ${PATH}.nodeSelector: ${REGION_LABEL}: eu-central-1 (or eu-west-1)`,
    });
    expect(ofDaemonSet(inRegion('eu-west-1'))).toEqual({ risk: 'None' });
    expect(ofDaemonSet({ nodeSelector: { zone: 'a' } })).toEqual({ risk: 'None' });
    expect(ofDaemonSet({ nodeName: 'us-east-1-a' })).toMatchObject({ risk: 'Refused' });
  });

  it('does not claim Pending where a template or a node has more than is kept', () => {
    expect(judge({ nodeSelector: { [REGION_LABEL]: 'eu-west-1', special: 'yes' }, isCut: true })).toEqual({ risk: 'None' });
    const large = { ...nodeOf('large', 'eu-west-1'), labels: undefined };
    expect(judge({ nodeSelector: { [REGION_LABEL]: 'eu-west-1', special: 'yes' } }, { nodes: [large] })).toEqual({ risk: 'None' });
  });
});

describe('any template', () => {
  const MANY = [undefined, ...REGIONS, 'us-east-1', 'us-west-2', 'never-named'].flatMap((region) =>
    [undefined, 'ssd', '9'].flatMap((disk) =>
      ['eu-west-1-a', 'other'].map((name) => nodeOf(name, region, disk === undefined ? {} : { disk })),
    ),
  );
  const someNodes = fc.subarray(MANY);

  it('has nodes inside alone where it is not refused, and none where its pods would stay pending', () => {
    fc.assert(
      fc.property(anyPlacement, someNodes, fc.boolean(), (template, nodes, isInjected) => {
        const injected = isInjected ? REGIONS : [];
        const { risk } = judge(template, { nodes, injected });
        if (risk === 'Refused') return;
        const next = injectRegions(template, injected);
        const fitting = nodes.filter(({ name, labels = {} }) => matchesNode(next, { name, labels }));
        expect(fitting.every(({ region }) => REGIONS.includes(region ?? ''))).toBe(true);
        expect(fitting.length > 0).toBe(risk === 'None');
      }),
    );
  });

  it('is admitted with the line that mends it', () => {
    fc.assert(
      fc.property(anyPlacement, (template) => {
        const judged = judge(template);
        if (judged.risk !== 'Refused') return;
        const [, region] = new RegExp(`${REGION_LABEL}: ([a-z0-9-]+)`).exec(judged.fix) ?? [];
        const { affinity: required, ...rest } = template;
        const isOpened = judged.fix.includes(`remove ${PATH}.affinity`);
        const mended = {
          ...rest,
          ...(isOpened ? {} : { affinity: required }),
          nodeSelector: { ...template.nodeSelector, [REGION_LABEL]: region ?? '' },
        };
        expect(decideResidency(mended as PodTemplate, REGIONS)).toEqual({ admitted: true });
      }),
    );
  });
});
