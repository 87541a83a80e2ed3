import {
  ANNOTATIONS,
  API_GROUP,
  CANARY_NAMESPACE,
  FINALIZER,
  KEY_PREFIX,
  LABELS,
  LEGACY_REGION_LABEL,
  LEGACY_ZONE_LABEL,
  NAMESPACE_KEYS,
  REGION_LABEL,
  SCHEMA_VERSION_ANNOTATION,
  SYSTEM_NAMESPACE,
  ZONE_LABEL,
} from '@fso/shared/api';
import { GEO_RESIDENCY_KIND } from '@fso/shared/kube';
import { celList, celString } from '../admission-policies.ts';
import { TEMPLATE_NAME } from '../gatekeeper/template.ts';
import type { Trust } from '../types.ts';

const USER = 'request.userInfo.username';
const GROUPS = 'request.userInfo.?groups.orValue([])';
const isOneOf = (users: readonly string[]): string => `${USER} in ${celList(users)}`;
const isOfGroup = (groups: readonly string[]): string => `${GROUPS}.exists(g, g in ${celList(groups)})`;

const SUBRESOURCE = 'request.?subResource.orValue("")';
/** CEL: whether the request writes a status. */
export const IS_STATUS = `${SUBRESOURCE} == "status"`;
const IS_DELETE = 'request.operation == "DELETE"';
const NAME = `(${IS_DELETE} ? oldObject : object).metadata.name`;

/** User name with which the API server's own controllers write the status of CRDs. */
const API_SERVER = 'system:apiserver';

/**
 * Controllers that delete by owner reference or delete the content of a deleted namespace. The last
 * name is used if all controllers share one.
 */
const CLEANERS: readonly string[] = [
  'system:serviceaccount:kube-system:generic-garbage-collector',
  'system:serviceaccount:kube-system:namespace-controller',
  'system:kube-controller-manager',
];

/**
 * CEL: whether the request comes from a service account of Gatekeeper. Kubernetes puts every
 * ServiceAccount into the group of its namespace.
 */
const isGatekeeper = ({ gatekeeperNamespace }: Trust): string => isOfGroup([`system:serviceaccounts:${gatekeeperNamespace}`]);
/** CEL: whether the request comes from none of Gatekeeper's service accounts. */
export const isNotGatekeeper = (trust: Trust): string => `!(${isGatekeeper(trust)})`;

/** CEL: whether the request comes from another user than the agent. */
export const isNotAgent = ({ agent }: Trust): string => `${USER} != ${celString(agent)}`;
/**
 * CEL: whether the request is a marked dry run, which the agent sends to have a guard refuse it.
 * Unmarked dry runs of the agent stay exempt, and so do marked writes. So the mark makes a guard
 * judge more requests, never fewer.
 */
export const IS_PROBE: string = `request.?dryRun.orValue(false) && object != null &&
  object.metadata.?annotations[?${celString(ANNOTATIONS.guardProbe)}].hasValue()`;
/**
 * CEL: whether the user is a Kubernetes controller that deletes orphans and the content of deleted
 * namespaces.
 */
export const IS_CLEANER: string = isOneOf(CLEANERS);

/** CEL: whether a create or update changes a label or annotation. */
const changes = (field: 'labels' | 'annotations', key: string): string => {
  const value = (object: string): string => `${object}.metadata.?${field}[?${celString(key)}]`;
  return `(request.operation == "CREATE" ? ${value('object')}.hasValue() : ${value('object')} != ${value('oldObject')})`;
};

/** Label and annotation maps that the guard on namespaces compares. */
export const namespaceVariables: readonly { readonly name: string; readonly expression: string }[] = (
  ['labels', 'annotations'] as const
).flatMap((field) => [
  { name: field, expression: `object.metadata.?${field}.orValue({})` },
  { name: `${field}Before`, expression: `request.operation == "CREATE" ? {} : oldObject.metadata.?${field}.orValue({})` },
]);

/**
 * Largest number of labels, or annotations, of a namespace that the guard walks. Above it the guard
 * looks up only the known keys. The API server's time for the walk grows with the square of the
 * number: about 15 s for the possible 75,000. It would then refuse every request, so that the
 * namespace could not even be deleted.
 */
const MAX_WALKED = 500;

/**
 * Annotations that users with the right to remove enforcement write too, see
 * {@link KEEPS_UNINSTALL_REQUEST}.
 */
const UNINSTALL_KEYS: readonly string[] = [ANNOTATIONS.uninstallRequestedBy, ANNOTATIONS.uninstallReport];

const sameKeys = (field: 'labels' | 'annotations', exempt: readonly string[]): string => {
  const [now, before] = [`variables.${field}`, `variables.${field}Before`];
  const isSame = `${exempt.length === 0 ? '' : `k in ${celList(exempt)} || `}${now}[?k] == ${before}[?k]`;
  return `(${now} == ${before} || (${celList(NAMESPACE_KEYS)}.all(k, ${isSame}) &&
    [${now}, ${before}].all(m, m.size() > ${MAX_WALKED} || m.all(k, !k.startsWith(${celString(KEY_PREFIX)}) || ${isSame}))))`;
};

/** CEL: whether the request leaves all keys of this system unchanged. */
export const KEEPS_OUR_KEYS = `${IS_DELETE} || (${sameKeys('labels', [])} && ${sameKeys('annotations', UNINSTALL_KEYS)})`;

const sameAnnotation = (key: string): string =>
  `variables.annotations[?${celString(key)}] == variables.annotationsBefore[?${celString(key)}]`;
const mayDelete = (resource: string): string =>
  `authorizer.group("admissionregistration.k8s.io").resource(${celString(resource)}).check("delete").allowed()`;
const IS_OWN_REQUEST = `variables.annotations[?${celString(ANNOTATIONS.uninstallRequestedBy)}].orValue(${USER}) == ${USER}`;
/**
 * CEL: whether the request leaves the removal request alone, or may write it. Users who may delete
 * admission policies could remove the guard itself, so they may request removal in their own name
 * and withdraw the request.
 */
export const KEEPS_UNINSTALL_REQUEST: string = `${IS_DELETE} || (${UNINSTALL_KEYS.map(sameAnnotation).join(' && ')}) ||
  (object.metadata.name == ${celString(SYSTEM_NAMESPACE)} && (${sameAnnotation(ANNOTATIONS.uninstallRequestedBy)} || ${IS_OWN_REQUEST}) &&
  ${['validatingadmissionpolicies', 'validatingadmissionpolicybindings'].map(mayDelete).join(' && ')})`;
/**
 * CEL: whether the request asks for removal. This is judged for the agent too: without the right to
 * remove enforcement, its credential alone must not end all agents.
 */
export const REQUESTS_UNINSTALL: string = `!(${IS_DELETE}) && object.metadata.name == ${celString(SYSTEM_NAMESPACE)} &&
  ${changes('annotations', ANNOTATIONS.uninstallRequestedBy)}`;
/** CEL: whether the request leaves the namespaces of the agent and the canary in place. */
export const KEEPS_SYSTEM_NAMESPACE = `!(${IS_DELETE}) || !(oldObject.metadata.name in ${celList([SYSTEM_NAMESPACE, CANARY_NAMESPACE])})`;

/**
 * CEL: whether the user may create webhook configurations. Such users decide over admission: they
 * may install Gatekeeper, and choose whose reports the agent trusts.
 */
const DECIDES_OVER_ADMISSION =
  'authorizer.group("admissionregistration.k8s.io").resource("validatingwebhookconfigurations").check("create").allowed()';
/**
 * CEL: whether the request leaves the name of Gatekeeper's namespace unused. No policy governs that
 * namespace: without Gatekeeper, users who create namespaces could use it to escape all policies.
 */
export const keepsGatekeeperNamespace = ({ gatekeeperNamespace }: Trust): string =>
  `request.operation != "CREATE" || object.metadata.name != ${celString(gatekeeperNamespace)} || ${DECIDES_OVER_ADMISSION}`;

/**
 * CEL: whether the object has the hub's label before or after the change, so that the label can be
 * neither added nor removed.
 */
const IS_FROM_HUB = `[object, oldObject].exists(o, o != null && o.metadata.?labels[?${celString(LABELS.managedBy)}].orValue("") == "hub")`;
/**
 * CEL: whether a clean-up controller deletes an object outside the system namespace, which is never
 * deleted. A label set before the guard existed must not block the deletion of a namespace.
 */
const IS_CLEANUP = `${IS_DELETE} && request.namespace != ${celString(SYSTEM_NAMESPACE)} && ${IS_CLEANER}`;
/** CEL: whether the request leaves hub-managed policies alone, except for status and clean-up. */
export const KEEPS_HUB_POLICY = `${IS_STATUS} || !(${IS_FROM_HUB}) || (${IS_CLEANUP})`;
/**
 * A policy may target any namespace, not only its own. So a user with rights on policies in one
 * namespace may write only those that target this namespace. Any other target requires the same
 * right in all namespaces.
 *
 * @see https://kubernetes.io/docs/reference/using-api/cel/#kubernetes-authorizer-library
 */
const ALL_POLICIES = `authorizer.group(${celString(API_GROUP)}).resource("sovereignpolicies")`;
const TARGETS_ITS_NAMESPACE = '[object, oldObject].all(o, o == null || o.?spec.?targetNamespace.orValue("") == request.namespace)';
const MAY_WRITE_EVERYWHERE = `(request.operation == "UPDATE" ? ["update", "patch"] : [request.operation.lowerAscii()]).exists(v, ${ALL_POLICIES}.check(v).allowed())`;
/**
 * CEL: whether a policy targets its own namespace, or the user may write policies in all
 * namespaces. Clean-up and status are exempt.
 */
export const KEEPS_TO_ITS_NAMESPACE = `${IS_STATUS} || ${TARGETS_ITS_NAMESPACE} || (${IS_DELETE} && ${IS_CLEANER}) || ${MAY_WRITE_EVERYWHERE}`;
const hasFinalizer = (object: string): string => `${celString(FINALIZER)} in ${object}.metadata.?finalizers.orValue([])`;
/** CEL: whether an update leaves the agent's finalizer on a policy. */
export const KEEPS_FINALIZER = `request.operation != "UPDATE" || !(${hasFinalizer('oldObject')}) || ${hasFinalizer('object')}`;

/** CEL: whether the object belongs to this system: any constraint, or its ConstraintTemplate. */
export const IS_OURS_OF_GATEKEEPER = `request.resource.resource != "constrainttemplates" || ${NAME} == ${celString(TEMPLATE_NAME)}`;
/** CEL: whether Gatekeeper updates an object without changing its spec. */
export const isGatekeeperMetadata = (
  trust: Trust,
): string => `request.resource.group.endsWith(".gatekeeper.sh") && request.operation == "UPDATE" &&
  ${isGatekeeper(trust)} && object.?spec == oldObject.?spec`;
/**
 * Labels of the reports of Gatekeeper pods on this system's template and constraints. Gatekeeper
 * selects the reports by these labels only (its controllers `constraintstatus` and
 * `constrainttemplatestatus`).
 */
const REPORT_LABELS: Readonly<Record<string, string>> = {
  'internal.gatekeeper.sh/constraint-kind': GEO_RESIDENCY_KIND.kind,
  'internal.gatekeeper.sh/constrainttemplate-name': TEMPLATE_NAME,
};
const IS_REPORT_ON_OURS = `[object, oldObject].exists(o, o != null && (${Object.entries(REPORT_LABELS)
  .map(([key, value]) => `o.metadata.?labels[?${celString(key)}].orValue("") == ${celString(value)}`)
  .join(' || ')}))`;
/**
 * CEL: whether the object is evidence of lock 2: this system's template, one of its constraints, or
 * Gatekeeper's report on either.
 */
export const IS_EVIDENCE = `request.resource.group == "status.gatekeeper.sh" ? ${IS_REPORT_ON_OURS} : ${IS_OURS_OF_GATEKEEPER}`;

/** CEL: whether the object has one of the names. */
export const isNamed = (names: readonly string[]): string => `${NAME} in ${celList(names)}`;
/**
 * CEL: whether the user may write these settings. The installer writes them with its own rights;
 * changing them means choosing the signers of policies, or the hub.
 */
export const mayWriteSettings = (names: readonly string[]): string => `${isNamed(names)} && ${DECIDES_OVER_ADMISSION}`;
const schemaVersion = (object: string): string => `${object}.metadata.?annotations[?${celString(SCHEMA_VERSION_ANNOTATION)}]`;
/**
 * CEL: whether the request leaves the CRD alone. Gatekeeper itself creates, updates and deletes the
 * CRD of the constraints.
 */
export const keepsDefinition = (constraints: string, trust: Trust): string => `${IS_STATUS} ? ${isOneOf([API_SERVER])} :
  (${NAME} == ${celString(constraints)} && ${isGatekeeper(trust)}) || (request.operation == "UPDATE" && object.spec == oldObject.spec && ${schemaVersion('object')} == ${schemaVersion('oldObject')})`;

/**
 * CEL: whether the request changes where a node is. False for nearly all updates: kubelets write
 * node status every few seconds.
 */
export const MOVES_NODE: string = [
  ...[REGION_LABEL, LEGACY_REGION_LABEL, ZONE_LABEL, LEGACY_ZONE_LABEL].map((key) => changes('labels', key)),
  // The API server itself refuses to change a providerID that is set.
  '(object.spec.?providerID.orValue("") != (request.operation == "CREATE" ? "" : oldObject.spec.?providerID.orValue("")))',
].join(' || ');
const REGISTERS_ITSELF = `request.operation == "CREATE" && ${USER} == "system:node:" + object.metadata.name`;
const GROUP = 'group:';

/**
 * CEL: whether the user may set where a node is: a trusted labeler, or the node when it registers
 * itself.
 *
 * @param labelers user names, `group:<name>` for groups
 */
export const mayMoveNode = ({ nodeLabelers }: Trust): string => {
  const groups = nodeLabelers.filter((name) => name.startsWith(GROUP)).map((name) => name.slice(GROUP.length));
  const users = nodeLabelers.filter((name) => !name.startsWith(GROUP));
  const trusted = [...(users.length === 0 ? [] : [isOneOf(users)]), ...(groups.length === 0 ? [] : [isOfGroup(groups)])];
  return [...trusted, `(${REGISTERS_ITSELF})`].join(' || ');
};

/**
 * API groups of the policies and of the kinds that the locks rely on. An APIService with a service
 * sends every request for its group there, even the API server's own.
 */
const OUR_API_GROUPS = [API_GROUP, 'constraints.gatekeeper.sh', 'templates.gatekeeper.sh', 'status.gatekeeper.sh'];
const OUR_API_VERSIONS = ['v1.admissionregistration.k8s.io', 'v1.apiextensions.k8s.io'];
/** CEL: whether a CRD or APIService serves a kind that enforcement depends on. */
export const IS_OUR_API: string = `${NAME} in ${celList(OUR_API_VERSIONS)} || ${celList(OUR_API_GROUPS)}.exists(g, ${NAME}.endsWith("." + g))`;

/** The API server's own controllers update APIServices with this label, and no others. */
const AUTOMANAGED = 'kube-aggregator.kubernetes.io/automanaged';
const isRedirected = (object: string): string => `dyn(${object}).?spec.?service.hasValue()`;
const automanaged = (object: string): string => `${object}.metadata.?labels[?${celString(AUTOMANAGED)}]`;
/**
 * CEL: whether the request leaves the APIService local. Users with the right may delete or repair
 * one that points to a service, as the API server recreates it.
 */
export const KEEPS_API: string = `${isOneOf([API_SERVER])} || (${IS_DELETE} ? ${isRedirected('oldObject')} : !(${isRedirected('object')}) &&
  (request.operation == "CREATE" || !${automanaged('oldObject')}.hasValue() || ${automanaged('object')} == ${automanaged('oldObject')}))`;
