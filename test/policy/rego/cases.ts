import { CANARY_POLICY, LEGACY_REGION_LABEL, REGION_LABEL, ZONE_LABEL } from '@fso/shared/api';
import { BINDING_FIX, BINDING_VIOLATIONS, decideResidency, type PlacementSpec, violationMessage } from '@fso/shared/residency';
import { CANARY_LABEL, canaryBody } from '../../../agent/enforce/gatekeeper/canary.ts';
import { type BindGate, type ConstraintGroup, constraintBody } from '../../../agent/enforce/gatekeeper/constraint.ts';
import { NO_EXCEPTIONS } from '../../../agent/enforce/index.ts';
import { ALLOWED, affinity, byNodeName, CASES, type DecisionCase, daemonSetOwner } from '../../integration/decision-cases.ts';

/** Input of Gatekeeper: the API server's AdmissionReview or, in an audit, the object alone. */
export interface ReviewCase {
  readonly name: string;
  readonly review: object;
  /** The whole message; absent: admitted. */
  readonly refused?: string;
}

export interface ReviewTest {
  readonly name: string;
  readonly constraint: object;
  readonly cases: readonly ReviewCase[];
}

const NAMESPACE = 'finance';
const SCHEDULER = 'system:kube-scheduler';
const DAEMON_SET_CONTROLLER = 'system:serviceaccount:kube-system:daemon-set-controller';
const regions = [...ALLOWED];
const GATE: BindGate = { ...NO_EXCEPTIONS, binders: [SCHEDULER] };
const GROUP: ConstraintGroup = { regions, action: 'deny', excludedNamespaces: [], scoped: [], bindGate: GATE };
const POLICY = { name: 'team/finance', pattern: NAMESPACE };

type Pod = DecisionCase['pod'];

const message = (violation: string, fix: string, policies: readonly string[] = [POLICY.name], namespace = NAMESPACE): string =>
  violationMessage({ policies, regions, namespace, violation, fix });

const podOf = ({ ownerReferences, ...spec }: Pod, metadata: object = {}, namespace = NAMESPACE): object => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'pod', namespace, ...metadata, ...(ownerReferences === undefined ? {} : { ownerReferences }) },
  spec: { containers: [{ name: 'main', image: 'example.com/none' }], ...spec },
});

interface Request {
  readonly operation?: string;
  readonly user?: string;
  readonly oldObject?: object;
  readonly kind?: string;
  readonly resource?: string;
  readonly subResource?: string;
  readonly namespace?: string;
}

/**
 * https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/#request
 */
const reviewOf = (object: object, request: Request = {}): object => ({
  apiVersion: 'admission.k8s.io/v1',
  kind: 'AdmissionReview',
  request: {
    uid: '00000000-0000-0000-0000-000000000001',
    kind: { group: '', version: 'v1', kind: request.kind ?? 'Pod' },
    resource: { group: '', version: 'v1', resource: request.resource ?? 'pods' },
    ...(request.subResource === undefined ? {} : { subResource: request.subResource }),
    operation: request.operation ?? 'CREATE',
    name: 'pod',
    namespace: request.namespace ?? NAMESPACE,
    userInfo: { username: request.user ?? 'someone' },
    object,
    ...(request.oldObject === undefined ? {} : { oldObject: request.oldObject }),
  },
});

const refusalOf = (pod: Pod): { readonly refused?: string } => {
  const decision = decideResidency(pod, regions);
  return decision.admitted ? {} : { refused: message(decision.violation, decision.fix) };
};

/**
 * Whether a DaemonSet owns the pod, so that only its controller may create it; decideResidency does
 * not know the user.
 */
const isDaemonPod = ({ ownerReferences }: Pod): boolean => ownerReferences !== undefined;

const decided = CASES.map(
  ({ name, pod }): ReviewCase => ({
    name,
    review: reviewOf(podOf(pod), isDaemonPod(pod) ? { user: DAEMON_SET_CONTROLLER } : {}),
    ...refusalOf(pod),
  }),
);

/** An audit reads the existing pod: the scheduler chose its node, and its creator is unknown. */
const audited = CASES.map(({ name, pod: { nodeName: _, ...pod } }): ReviewCase => ({ name, review: podOf(pod), ...refusalOf(pod) }));

const inRegion = (region: string): PlacementSpec => ({ nodeSelector: { [REGION_LABEL]: region } });
const gate = { schedulingGates: [{ name: 'example.com/gate' }] } as PlacementSpec;
const open = refusalOf({});
const outside = refusalOf(inRegion('us-east-1'));
const daemonPod = { ...affinity(byNodeName), ownerReferences: daemonSetOwner };

const update = (name: string, before: object, after: object, request: Request & Pick<ReviewCase, 'refused'> = {}): ReviewCase => {
  const { refused, ...asked } = request;
  const review = reviewOf(after, { operation: 'UPDATE', oldObject: before, ...asked });
  return { name, review, ...(refused === undefined ? {} : { refused }) };
};

const updates: readonly ReviewCase[] = [
  update('a finalizer leaves a pod from before the policy', podOf({}, { finalizers: ['x/y'] }), podOf({})),
  update('the gate of a pod that asks for nothing is lifted', podOf(gate), podOf({}), open),
  update('the gate of a confined pod is lifted', podOf({ ...gate, ...inRegion('eu-west-1') }), podOf(inRegion('eu-west-1'))),
  update('a gated pod is sent outside', podOf(gate), podOf({ ...gate, ...inRegion('us-east-1') }), outside),
  update('a gated pod is confined', podOf(gate), podOf({ ...gate, ...inRegion('eu-west-1') })),
  update('a bound pod that names its node', podOf({ nodeName: 'us-east-1-a' }), podOf({ nodeName: 'us-east-1-a' }, { labels: { a: 'b' } })),
  update(
    'a pod turns into what a DaemonSet pod looks like',
    podOf(gate),
    podOf({ ...gate, ...daemonPod }),
    refusalOf(affinity(byNodeName)),
  ),
  update('the gate of a DaemonSet pod is lifted', podOf({ ...gate, ...daemonPod }), podOf(daemonPod)),
  { name: 'a pod is deleted', review: reviewOf(podOf({}), { operation: 'DELETE', oldObject: podOf({}) }) },
];

const MIRROR = { annotations: { 'kubernetes.io/config.mirror': 'x' } };
const onNode = { nodeName: 'us-east-1-a' };

const makers: readonly ReviewCase[] = [
  { name: 'a DaemonSet pod by its controller', review: reviewOf(podOf(daemonPod), { user: DAEMON_SET_CONTROLLER }) },
  { name: 'a copy of a DaemonSet pod', review: reviewOf(podOf(daemonPod)), ...refusalOf(affinity(byNodeName)) },
  {
    name: 'a pod of the DaemonSet controller that names two nodes',
    review: reviewOf(
      podOf({ ...daemonPod, ...affinity({ matchFields: [{ key: 'metadata.name', operator: 'In', values: ['a', 'b'] }] }) }),
      {
        user: DAEMON_SET_CONTROLLER,
      },
    ),
    ...refusalOf(affinity(byNodeName)),
  },
  {
    name: 'a pod of the DaemonSet controller with a term of its own',
    review: reviewOf(podOf({ ...daemonPod, ...affinity(byNodeName, { matchExpressions: [{ key: 'disk', operator: 'Exists' }] }) }), {
      user: DAEMON_SET_CONTROLLER,
    }),
    ...refusalOf(affinity(byNodeName)),
  },
  { name: 'a mirror pod by its kubelet', review: reviewOf(podOf(onNode, MIRROR), { user: 'system:node:us-east-1-a' }) },
  { name: 'a mirror pod by another kubelet', review: reviewOf(podOf(onNode, MIRROR), { user: 'system:node:b' }), ...refusalOf(onNode) },
  { name: 'a mirror pod by a person', review: reviewOf(podOf(onNode, MIRROR)), ...refusalOf(onNode) },
  { name: 'a kubelet without the annotation', review: reviewOf(podOf(onNode), { user: 'system:node:us-east-1-a' }), ...refusalOf(onNode) },
  { name: 'the legacy key is no proof', review: reviewOf(podOf({ nodeSelector: { [LEGACY_REGION_LABEL]: 'eu-west-1' } })), ...open },
  { name: 'an audit ignores the node that the scheduler chose', review: podOf({ ...inRegion('eu-west-1'), nodeName: 'us-east-1-a' }) },
  { name: 'an audit sees a finished pod', review: { ...podOf({}), status: { phase: 'Succeeded' } }, ...open },
];

const bindingOf = (target: object, region?: string, zone?: string): object => ({
  apiVersion: 'v1',
  kind: 'Binding',
  metadata: {
    name: 'pod',
    namespace: NAMESPACE,
    labels: { ...(region !== undefined && { [REGION_LABEL]: region }), ...(zone !== undefined && { [ZONE_LABEL]: zone }) },
  },
  target,
});

const NODE = { apiVersion: 'v1', kind: 'Node', name: 'node-1' };
const BIND: Request = { kind: 'Binding', subResource: 'binding', user: SCHEDULER };

const binding = (name: string, object: object, violation?: string, request: Request = {}): ReviewCase => ({
  name,
  review: reviewOf(object, { ...BIND, ...request }),
  ...(violation === undefined ? {} : { refused: message(violation, BINDING_FIX) }),
});

const LEGACY: Request = { resource: 'bindings', subResource: '' };

const bindings: readonly ReviewCase[] = [
  binding('the scheduler binds inside', bindingOf(NODE, 'eu-west-1')),
  binding('the scheduler binds outside', bindingOf(NODE, 'us-east-1'), BINDING_VIOLATIONS.region('node-1', 'us-east-1')),
  binding('to a node without a region', bindingOf(NODE), BINDING_VIOLATIONS.unknown('node-1')),
  binding('to a node with an empty region', bindingOf(NODE, ''), BINDING_VIOLATIONS.unknown('node-1')),
  binding('to no kind', bindingOf({ kind: '', name: 'node-1' }, 'eu-west-1'), BINDING_VIOLATIONS.noNode),
  binding('to nothing', bindingOf({}), BINDING_VIOLATIONS.noNode),
  binding('by another user', bindingOf(NODE, 'eu-west-1'), BINDING_VIOLATIONS.binder('mallory'), { user: 'mallory' }),
  binding('by a user whose name begins like it', bindingOf(NODE, 'eu-west-1'), BINDING_VIOLATIONS.binder(`${SCHEDULER}2`), {
    user: `${SCHEDULER}2`,
  }),
  binding('by the legacy route', bindingOf(NODE, 'eu-west-1'), BINDING_VIOLATIONS.legacy, LEGACY),
  binding('by the legacy route, by another user, to nothing', bindingOf({}), BINDING_VIOLATIONS.legacy, { ...LEGACY, user: 'mallory' }),
];

const ISTANBUL = 'eu-central-1-ist-1a';
const LIMA = 'us-east-1-lim-1a';
const LIAR = { ...NODE, name: 'liar' };

const exceptions: readonly ReviewCase[] = [
  binding('to a node that contradicts itself', bindingOf(LIAR, 'eu-west-1'), BINDING_VIOLATIONS.unknown('liar')),
  binding('to another node of its region', bindingOf(NODE, 'eu-west-1')),
  binding('to a zone abroad', bindingOf(NODE, 'eu-central-1', ISTANBUL), BINDING_VIOLATIONS.region('node-1', ISTANBUL)),
  binding('to another zone of that region', bindingOf(NODE, 'eu-central-1', 'eu-central-1a')),
  binding('to a zone abroad, and to no region', bindingOf(NODE, undefined, ISTANBUL), BINDING_VIOLATIONS.unknown('node-1')),
  binding(
    'to a zone inside of a region outside',
    bindingOf(NODE, 'us-east-1', 'eu-west-1'),
    BINDING_VIOLATIONS.region('node-1', 'us-east-1'),
  ),
];
const abroad: readonly ReviewCase[] = [binding('to a zone that the policy allows', bindingOf(NODE, 'us-east-1', LIMA))];

const fewRegions: readonly ReviewCase[] = [
  binding('to a region with too many nodes that contradict themselves', bindingOf(NODE, 'eu-west-1'), BINDING_VIOLATIONS.unknown('node-1')),
  binding('to another region', bindingOf(NODE, 'eu-central-1')),
];
const nowhere: readonly ReviewCase[] = [binding('to any region', bindingOf(NODE, 'eu-west-1'), BINDING_VIOLATIONS.unknown('node-1'))];

const gated = (more: Partial<BindGate>, group: ConstraintGroup = GROUP): object =>
  constraintBody({ ...group, bindGate: { ...GATE, ...more } }, [POLICY]);

const withoutBinders: ReviewCase = binding('no binder is trusted', bindingOf(NODE, 'eu-west-1'), BINDING_VIOLATIONS.binder(SCHEDULER));

const PATTERNS = [
  { name: 'team/all', pattern: '*' },
  { name: 'team/both', pattern: '*fin*' },
  { name: 'team/exact', pattern: 'finance' },
  { name: 'team/other', pattern: 'payments' },
  { name: 'team/prefix', pattern: 'fin*' },
  { name: 'team/suffix', pattern: '*nance' },
];

const named = (namespace: string, ...policies: string[]): ReviewCase => {
  const decision = decideResidency({}, regions);
  const text = decision.admitted ? '' : message(decision.violation, decision.fix, policies, namespace);
  return { name: `names the policies of ${namespace}`, review: reviewOf(podOf({}, {}, namespace), { namespace }), refused: text };
};

const patterns: readonly ReviewCase[] = [
  named('finance', 'team/all', 'team/both', 'team/exact', 'team/prefix', 'team/suffix'),
  named('payments', 'team/all', 'team/other'),
  named('finance-test', 'team/all', 'team/both', 'team/prefix'),
  named('re-finance', 'team/all', 'team/both', 'team/suffix'),
];

const noRegion = (violation: string, fix: string): string =>
  violationMessage({ policies: [POLICY.name], regions: [], namespace: NAMESPACE, violation, fix });
const ASK = 'no region is allowed, ask the owners of the policies';

const empty: readonly ReviewCase[] = [
  { name: 'no region', review: reviewOf(podOf({})), refused: noRegion('nothing in the pod confines it to a region', ASK) },
  {
    name: 'a region',
    review: reviewOf(podOf(inRegion('eu-west-1'))),
    refused: noRegion('spec.nodeSelector allows region "eu-west-1"', ASK),
  },
  { name: 'a node', review: reviewOf(podOf(onNode)), refused: noRegion('spec.nodeName bypasses the scheduler', ASK) },
  binding('a binding', bindingOf(NODE, 'eu-west-1')),
].map((reviewCase) =>
  reviewCase.name === 'a binding'
    ? { ...reviewCase, refused: noRegion(BINDING_VIOLATIONS.region('node-1', 'eu-west-1'), BINDING_FIX) }
    : reviewCase,
);

const canaries: readonly ReviewCase[] = [
  {
    name: 'a marked pod in any region',
    review: reviewOf(podOf(inRegion('eu-west-1'), { labels: CANARY_LABEL })),
    refused: violationMessage({
      policies: [CANARY_POLICY],
      regions: [],
      namespace: NAMESPACE,
      violation: 'spec.nodeSelector allows region "eu-west-1"',
      fix: ASK,
    }),
  },
  { name: 'a pod that is not marked', review: reviewOf(podOf({})) },
  { name: 'a pod that is marked otherwise', review: reviewOf(podOf({}, { labels: { 'compliance.gov/canary': 'x' } })) },
];

export const TESTS: readonly ReviewTest[] = [
  { name: 'pods at CREATE', constraint: constraintBody(GROUP, [POLICY]), cases: decided },
  { name: 'pods in an audit', constraint: constraintBody(GROUP, [POLICY]), cases: audited },
  { name: 'pods at UPDATE', constraint: constraintBody(GROUP, [POLICY]), cases: updates },
  { name: 'who makes a pod', constraint: constraintBody(GROUP, [POLICY]), cases: makers },
  { name: 'bindings', constraint: constraintBody(GROUP, [POLICY]), cases: bindings },
  { name: 'bindings without trusted binders', constraint: gated({ binders: [] }), cases: [withoutBinders] },
  {
    name: 'bindings where labels do not say enough',
    constraint: gated({ disputedNodes: ['liar'], zones: [ISTANBUL, LIMA] }),
    cases: exceptions,
  },
  {
    name: 'bindings to an allowed zone',
    constraint: gated({ zones: [LIMA] }, { ...GROUP, regions: [...regions, LIMA] }),
    cases: abroad,
  },
  { name: 'bindings to a region that counts no more', constraint: gated({ disputedRegions: ['eu-west-1'] }), cases: fewRegions },
  { name: 'bindings where no region counts', constraint: gated({ disputedRegions: ['*'] }), cases: nowhere },
  { name: 'patterns', constraint: constraintBody(GROUP, PATTERNS), cases: patterns },
  { name: 'no region left', constraint: constraintBody({ ...GROUP, regions: [] }, [POLICY]), cases: empty },
  { name: 'the canary', constraint: canaryBody(), cases: canaries },
];
