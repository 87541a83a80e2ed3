import {
  API_GROUP,
  CANARY_NAMESPACE,
  FINALIZER,
  KEY_PREFIX,
  LABELS,
  LEGACY_REGION_LABEL,
  NAMESPACE_KEYS,
  REGION_LABEL,
  SYSTEM_NAMESPACE,
} from '@fso/shared/api';
import { GEO_RESIDENCY_KIND } from '@fso/shared/kube';
import { celList, celString } from '../admission-policies.ts';
import { TEMPLATE_NAME } from '../gatekeeper/template.ts';
import type { Trust } from '../types.ts';

/**
 * A text as a CEL string literal. User names come from certificates and identity providers and may hold anything; every
 * escape of JSON is one of CEL, and JSON leaves no quote, backslash or line end bare.
 *
 * @see https://github.com/google/cel-spec/blob/master/doc/langdef.md#string-and-bytes-values
 */

const USER = 'request.userInfo.username';
const GROUPS = 'request.userInfo.?groups.orValue([])';
const isOneOf = (users: readonly string[]): string => `${USER} in ${celList(users)}`;
const isOfGroup = (groups: readonly string[]): string => `${GROUPS}.exists(g, g in ${celList(groups)})`;

const SUBRESOURCE = 'request.?subResource.orValue("")';
export const IS_STATUS = `${SUBRESOURCE} == "status"`;
const IS_DELETE = 'request.operation == "DELETE"';
const NAME = `(${IS_DELETE} ? oldObject : object).metadata.name`;

/** Under which the API server's own controllers keep the status of CRDs. */
const API_SERVER = 'system:apiserver';

/** Delete on behalf of owner references, and what a deleted namespace held. The last name stands for all where controllers share one. */
const CLEANERS: readonly string[] = [
  'system:serviceaccount:kube-system:generic-garbage-collector',
  'system:serviceaccount:kube-system:namespace-controller',
  'system:kube-controller-manager',
];

/** Kubernetes puts every ServiceAccount into the group of its namespace. */
const isGatekeeper = ({ gatekeeperNamespace }: Trust): string => isOfGroup([`system:serviceaccounts:${gatekeeperNamespace}`]);
export const isNotGatekeeper = (trust: Trust): string => `!(${isGatekeeper(trust)})`;

export const isNotAgent = ({ agent }: Trust): string => `${USER} != ${celString(agent)}`;
export const IS_CLEANER: string = isOneOf(CLEANERS);

/** The maps that the guard on namespaces compares. */
export const namespaceVariables: readonly { readonly name: string; readonly expression: string }[] = (
  ['labels', 'annotations'] as const
).flatMap((field) => [
  { name: field, expression: `object.metadata.?${field}.orValue({})` },
  { name: `${field}Before`, expression: `request.operation == "CREATE" ? {} : oldObject.metadata.?${field}.orValue({})` },
]);

/**
 * Of a namespace with more labels, or annotations, only the keys that mean something are looked up. The API server's time for a walk
 * grows with the square of their number: some 15 s for the 75,000 that there may be, after which it refuses whatever the request was,
 * and the namespace could not even end.
 */
const MAX_WALKED = 500;

const sameKeys = (field: 'labels' | 'annotations'): string => {
  const [now, before] = [`variables.${field}`, `variables.${field}Before`];
  const isSame = `${now}[?k] == ${before}[?k]`;
  return `(${now} == ${before} || (${celList(NAMESPACE_KEYS)}.all(k, ${isSame}) &&
    [${now}, ${before}].all(m, m.size() > ${MAX_WALKED} || m.all(k, !k.startsWith(${celString(KEY_PREFIX)}) || ${isSame}))))`;
};

/** No key of this system was added, changed or removed. */
export const KEEPS_OUR_KEYS = `${IS_DELETE} || (${sameKeys('labels')} && ${sameKeys('annotations')})`;
export const KEEPS_SYSTEM_NAMESPACE = `!(${IS_DELETE}) || !(oldObject.metadata.name in ${celList([SYSTEM_NAMESPACE, CANARY_NAMESPACE])})`;

/** Whoever may put a webhook in place may install Gatekeeper. */
const MAY_INSTALL_GATEKEEPER =
  'authorizer.group("admissionregistration.k8s.io").resource("validatingwebhookconfigurations").check("create").allowed()';
/** No policy governs Gatekeeper's namespace: where Gatekeeper is not there, its name must not be a way out for those who make namespaces. */
export const keepsGatekeeperNamespace = ({ gatekeeperNamespace }: Trust): string =>
  `request.operation != "CREATE" || object.metadata.name != ${celString(gatekeeperNamespace)} || ${MAY_INSTALL_GATEKEEPER}`;

/** Before the change or after it: the label must neither be given nor taken. */
const IS_FROM_HUB = `[object, oldObject].exists(o, o != null && o.metadata.?labels[?${celString(LABELS.managedBy)}].orValue("") == "hub")`;
/** Only outside of the system namespace, which nobody deletes: a label from before the guard must not hold up a namespace's end. */
const IS_SWEPT = `${IS_DELETE} && request.namespace != ${celString(SYSTEM_NAMESPACE)} && ${IS_CLEANER}`;
export const KEEPS_HUB_POLICY = `${IS_STATUS} || !(${IS_FROM_HUB}) || (${IS_SWEPT})`;
/**
 * A policy says nothing of its own namespace by itself: it may mean any. So whoever has rights on policies in one namespace only writes
 * those that mean this namespace; everything else takes the same right in all namespaces.
 *
 * @see https://kubernetes.io/docs/reference/using-api/cel/#kubernetes-authorizer-library
 */
const ALL_POLICIES = `authorizer.group(${celString(API_GROUP)}).resource("sovereignpolicies")`;
const MEANS_ITS_NAMESPACE = '[object, oldObject].all(o, o == null || o.?spec.?targetNamespace.orValue("") == request.namespace)';
const MAY_EVERYWHERE = `(request.operation == "UPDATE" ? ["update", "patch"] : [request.operation.lowerAscii()]).exists(v, ${ALL_POLICIES}.check(v).allowed())`;
export const KEEPS_TO_ITS_NAMESPACE = `${IS_STATUS} || ${MEANS_ITS_NAMESPACE} || (${IS_DELETE} && ${IS_CLEANER}) || ${MAY_EVERYWHERE}`;
const hasFinalizer = (object: string): string => `${celString(FINALIZER)} in ${object}.metadata.?finalizers.orValue([])`;
export const KEEPS_FINALIZER = `request.operation != "UPDATE" || !(${hasFinalizer('oldObject')}) || ${hasFinalizer('object')}`;

/** Of all ConstraintTemplates only one is this system's. */
export const IS_OURS_OF_GATEKEEPER = `request.resource.resource != "constrainttemplates" || ${NAME} == ${celString(TEMPLATE_NAME)}`;
/** Gatekeeper may write its notes into metadata. */
export const isNoteOfGatekeeper = (
  trust: Trust,
): string => `request.resource.group.endsWith(".gatekeeper.sh") && request.operation == "UPDATE" &&
  ${isGatekeeper(trust)} && object.?spec == oldObject.?spec`;
/**
 * What a pod of Gatekeeper says of this system's template and constraints. Gatekeeper takes it up by these labels, and by nothing else
 * (its controllers `constraintstatus` and `constrainttemplatestatus`).
 */
const SAID_OF: Readonly<Record<string, string>> = {
  'internal.gatekeeper.sh/constraint-kind': GEO_RESIDENCY_KIND.kind,
  'internal.gatekeeper.sh/constrainttemplate-name': TEMPLATE_NAME,
};
const IS_SAID_OF_OURS = `[object, oldObject].exists(o, o != null && (${Object.entries(SAID_OF)
  .map(([key, value]) => `o.metadata.?labels[?${celString(key)}].orValue("") == ${celString(value)}`)
  .join(' || ')}))`;
/** Everything else of Gatekeeper's is its own. */
export const IS_EVIDENCE = `request.resource.group == "status.gatekeeper.sh" ? ${IS_SAID_OF_OURS} : ${IS_OURS_OF_GATEKEEPER}`;

export const isNamed = (names: readonly string[]): string => `${NAME} in ${celList(names)}`;
/** Gatekeeper makes, keeps and removes the CRD of the constraints itself. */
export const keepsDefinition = (constraints: string, trust: Trust): string => `${IS_STATUS} ? ${isOneOf([API_SERVER])} :
  (${NAME} == ${celString(constraints)} && ${isGatekeeper(trust)}) || (request.operation == "UPDATE" && object.spec == oldObject.spec)`;

const moved = (key: string): string => {
  const region = (object: string): string => `${object}.metadata.?labels[?${celString(key)}]`;
  return `(request.operation == "CREATE" ? ${region('object')}.hasValue() : ${region('object')} != ${region('oldObject')})`;
};
/** What nearly every update of a node does not: kubelets write their status every few seconds. */
export const MOVES_NODE: string = [REGION_LABEL, LEGACY_REGION_LABEL].map(moved).join(' || ');
const REGISTERS_ITSELF = `request.operation == "CREATE" && ${USER} == "system:node:" + object.metadata.name`;
const GROUP = 'group:';

/** @param labelers user names, `group:<name>` for groups */
export const mayMoveNode = ({ nodeLabelers }: Trust): string => {
  const groups = nodeLabelers.filter((name) => name.startsWith(GROUP)).map((name) => name.slice(GROUP.length));
  const users = nodeLabelers.filter((name) => !name.startsWith(GROUP));
  const trusted = [...(users.length === 0 ? [] : [isOneOf(users)]), ...(groups.length === 0 ? [] : [isOfGroup(groups)])];
  return [...trusted, `(${REGISTERS_ITSELF})`].join(' || ');
};

/**
 * API groups that the locks are read from, and Kubernetes' own that they stand on. An APIService with a service of its own sends every
 * request for the group to it, the API server's own among them.
 */
const OUR_API_GROUPS = [API_GROUP, 'constraints.gatekeeper.sh', 'templates.gatekeeper.sh', 'status.gatekeeper.sh'];
const OUR_API_VERSIONS = ['v1.admissionregistration.k8s.io', 'v1.apiextensions.k8s.io'];
export const IS_OUR_API: string = `${NAME} in ${celList(OUR_API_VERSIONS)} || ${celList(OUR_API_GROUPS)}.exists(g, ${NAME}.endsWith("." + g))`;

/** The API server's own controllers keep APIServices with this label, and leave all others alone. */
const AUTOMANAGED = 'kube-aggregator.kubernetes.io/automanaged';
const isElsewhere = (object: string): string => `dyn(${object}).?spec.?service.hasValue()`;
const automanaged = (object: string): string => `${object}.metadata.?labels[?${celString(AUTOMANAGED)}]`;
/** One that points elsewhere may be deleted or mended by whoever may do so: the API server makes it again. */
export const KEEPS_API: string = `${isOneOf([API_SERVER])} || (${IS_DELETE} ? ${isElsewhere('oldObject')} : !(${isElsewhere('object')}) &&
  (request.operation == "CREATE" || !${automanaged('oldObject')}.hasValue() || ${automanaged('object')} == ${automanaged('oldObject')}))`;
