import { API_GROUP, SYSTEM_NAMESPACE } from '@fso/shared/api';
import { GEO_RESIDENCY_KIND, isNotFound, type KubeClient } from '@fso/shared/kube';
import { mapConcurrently } from '@fso/shared/runtime';
import { REPORT_KIND } from '../openreports/index.ts';

/**
 * The attributes of one request
 * (https://kubernetes.io/docs/reference/access-authn-authz/authorization/#review-your-request-attributes).
 */
interface Right {
  readonly verb: string;
  readonly group: string;
  readonly resource: string;
  readonly subresource?: string;
  readonly namespace?: string;
}

const ADMISSION = 'admissionregistration.k8s.io';
const rights = (group: string, resources: readonly string[], verbs: readonly string[]): readonly Right[] =>
  resources.flatMap((resource) => verbs.map((verb) => ({ verb, group, resource })));

/**
 * Rights that the caller of the removal needs, without names: the rights of the agent, which are
 * limited to names, do not suffice.
 */
const NEEDED: readonly Right[] = [
  ...rights(ADMISSION, ['validatingadmissionpolicies', 'validatingadmissionpolicybindings'], ['list', 'patch', 'delete']),
  ...rights(ADMISSION, ['mutatingadmissionpolicies', 'mutatingadmissionpolicybindings'], ['list', 'delete']),
  ...rights('templates.gatekeeper.sh', ['constrainttemplates'], ['list', 'delete']),
  ...rights('constraints.gatekeeper.sh', [GEO_RESIDENCY_KIND.plural], ['list', 'delete']),
  ...rights(API_GROUP, ['floorparameters'], ['list', 'delete']),
  ...rights(API_GROUP, ['sovereignpolicies'], ['list', 'patch']),
  { verb: 'patch', group: API_GROUP, resource: 'sovereignpolicies', subresource: 'status' },
  ...rights('', ['namespaces'], ['get', 'list', 'patch', 'delete']),
  { verb: 'get', group: 'coordination.k8s.io', resource: 'leases', namespace: SYSTEM_NAMESPACE },
];

/** Rights needed where the API server has the kind. */
const NEEDED_FOR_REPORTS = rights('openreports.io', [REPORT_KIND.plural], ['list', 'delete']);

const areReportsServed = async (client: KubeClient, signal: AbortSignal): Promise<boolean> => {
  try {
    await client.raw({ method: 'GET', path: `/apis/${REPORT_KIND.apiVersion}` }, signal);
    return true;
  } catch (error) {
    if (isNotFound(error)) return false;
    throw error;
  }
};

const textOf = ({ verb, group, resource, subresource }: Right): string =>
  `${verb} ${resource}${subresource === undefined ? '' : `/${subresource}`}${group === '' ? '' : `.${group}`}`;

interface SelfSubjectAccessReview {
  readonly status?: { readonly allowed?: boolean };
}

const CONCURRENCY = 8;

/**
 * Asks the API server what the caller may not do of what the removal needs.
 *
 * @returns each missing right, e.g.
 * `delete validatingadmissionpolicies.admissionregistration.k8s.io`
 * @see https://kubernetes.io/docs/reference/access-authn-authz/authorization/#checking-api-access
 */
export const findMissingRights = async (client: KubeClient, signal: AbortSignal): Promise<readonly string[]> => {
  const path = '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews';
  const needed = (await areReportsServed(client, signal)) ? [...NEEDED, ...NEEDED_FOR_REPORTS] : NEEDED;
  const answers = await mapConcurrently(needed, CONCURRENCY, async (right) => {
    const body = { apiVersion: 'authorization.k8s.io/v1', kind: 'SelfSubjectAccessReview', spec: { resourceAttributes: right } };
    const { object } = await client.raw<SelfSubjectAccessReview>({ method: 'POST', path, body }, signal);
    return object.status?.allowed === true;
  });
  return needed.filter((_, index) => answers[index] !== true).map(textOf);
};
