import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { type RightInUse, readRightsInUse } from '../harness/audit-logs.ts';

/**
 * Runs after the suite whose API servers recorded what agents did:
 * `npm test -- integration rights`.
 */

interface Rule {
  readonly apiGroups?: readonly string[];
  readonly resources?: readonly string[];
  /** Paths, in place of the two. */
  readonly nonResourceURLs?: readonly string[];
  readonly resourceNames?: readonly string[];
  readonly verbs: readonly string[];
}

/** A rule of one verb on one resource. */
interface Right extends Pick<RightInUse, 'verb' | 'apiGroup' | 'resource'> {
  readonly names: readonly string[] | undefined;
  /** Undefined: in all, and of the cluster. */
  readonly namespace: string | undefined;
}

interface Role {
  readonly kind: string;
  readonly metadata: { readonly namespace?: string };
  readonly rules: readonly Rule[];
}

const texts = ['rbac', 'openreports'].map((name) => readFileSync(new URL(`../../deploy/agent/${name}.yaml`, import.meta.url), 'utf8'));
const ROLES = texts
  .flatMap((text) => parseAllDocuments(text))
  .map((document) => document.toJS() as Role)
  .filter(({ kind }) => kind === 'Role' || kind === 'ClusterRole');

const RIGHTS: readonly Right[] = ROLES.flatMap(({ metadata: { namespace }, rules }) =>
  rules.flatMap(({ apiGroups = [''], nonResourceURLs = [], resources = nonResourceURLs, resourceNames: names, verbs }) =>
    apiGroups.flatMap((apiGroup) => resources.flatMap((resource) => verbs.map((verb) => ({ verb, apiGroup, resource, names, namespace })))),
  ),
);

/** Every user may ask who it is: the API server's own role `system:basic-user`. */
const OF_EVERYONE = new Set(['authentication.k8s.io/selfsubjectreviews', 'authorization.k8s.io/selfsubjectaccessreviews']);

/**
 * Rights that a write implies. The writer of a policy must have the right to read its parameters;
 * the API server checks it without a request.
 */
const impliedBy = ({ verb, resource }: RightInUse): readonly RightInUse[] =>
  verb === 'patch' && resource === 'validatingadmissionpolicies'
    ? [{ verb: 'get', apiGroup: 'compliance.federated.io', resource: 'floorparameters', namespace: '', name: '' }]
    : [];

const allows = (right: Right, used: RightInUse): boolean =>
  (['verb', 'apiGroup', 'resource'] as const).every((field) => right[field] === used[field]) &&
  (right.names?.includes(used.name) ?? true) &&
  (right.namespace === undefined || right.namespace === used.namespace);

const textOf = ({ verb, apiGroup, resource }: Pick<RightInUse, 'verb' | 'apiGroup' | 'resource'>, names = ''): string =>
  `${verb} ${apiGroup}/${resource} ${names}`;

describe('the rights of deploy/agent', () => {
  let used: readonly RightInUse[];

  beforeAll(async () => {
    const requests = await readRightsInUse();
    expect(requests.length, 'requests of agents: run it with the suites that start agents').toBeGreaterThan(0);
    used = [...requests, ...requests.flatMap(impliedBy)];
  });

  it('are all that agents use', () => {
    const missing = used.filter(
      (one) => !OF_EVERYONE.has(`${one.apiGroup}/${one.resource}`) && !RIGHTS.some((right) => allows(right, one)),
    );
    expect(missing.map((one) => textOf(one, `${one.namespace}/${one.name}`))).toEqual([]);
  });

  it('are all used', () => {
    const unused = RIGHTS.filter((right) => !used.some((one) => allows(right, one)));
    expect(unused.map((right) => textOf(right, right.names?.join(', ')))).toEqual([]);
  });
});
