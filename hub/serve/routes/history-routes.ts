import { PolicyHistory, PolicySourceView, policyKey, SYSTEM_NAMESPACE } from '@fso/shared/api';
import { GitObjectError } from '@fso/shared/git';
import { BusyError } from '@fso/shared/runtime';
import type { PolicyPlace } from '../../source/index.ts';
import { ApiError } from '../http/problems.ts';
import { jsonRoute, type Route } from '../http/route.ts';
import { PolicyParams } from '../queries.ts';
import type { ApiDeps } from '../types.ts';

const notInGit = (key: string): ApiError => new ApiError('not-found', `The policy ${key} is not in Git.`);

/** Where a policy of Git stands. @throws ApiError `not-found` for one that is not there, such as a local one */
const placeOf = async ({ ledger }: ApiDeps, params: { namespace: string; name: string }): Promise<PolicyPlace> => {
  const desired = await ledger.desired();
  const found = desired?.set.policies.find(({ document }) => document.metadata.name === params.name);
  if (desired === null || found === undefined || params.namespace !== SYSTEM_NAMESPACE) throw notInGit(policyKey(params));
  return { revision: desired.revision, path: found.source.path, name: params.name };
};

/** The clone is a cache: while it is made anew, objects are missing from it. @throws ApiError `not-ready` then, `not-found` */
const fromClone = async <T>(read: Promise<T | null>, key: string): Promise<T> => {
  try {
    const found = await read;
    if (found !== null) return found;
  } catch (error) {
    if (error instanceof BusyError)
      throw new ApiError('too-many-requests', 'Other histories are computed; ask again soon.', { 'Retry-After': '5' });
    if (!(error instanceof GitObjectError)) throw error;
    throw new ApiError('not-ready', "The hub's clone of the repository is being made anew.", { 'Retry-After': '5' });
  }
  throw notInGit(key);
};

/** What Git says of one policy. */
export const historyRoutes: readonly Route[] = [
  jsonRoute(
    {
      method: 'get',
      path: '/api/v1/policies/{namespace}/{name}/source',
      operationId: 'getPolicySource',
      summary: 'The document of a policy as it stands in Git',
      tag: 'policies',
      access: 'viewer',
      params: PolicyParams,
      problems: ['not-found', 'not-ready'],
    },
    { schema: PolicySourceView, description: 'The document, at the commit in force.' },
    async (deps, { params }) => fromClone(deps.documents.source(await placeOf(deps, params)), policyKey(params)),
  ),
  jsonRoute(
    {
      method: 'get',
      path: '/api/v1/policies/{namespace}/{name}/history',
      operationId: 'getPolicyHistory',
      summary: 'The commits that changed a policy',
      description:
        'Along first parents, from the commit in force: at most 50 changes in 2,000 commits, also where the document moved to another file. What a commit changed that cannot be read counts as changed by the next one. One that takes longer than 3 s is not complete, and goes on when it is asked for again.',
      tag: 'policies',
      access: 'viewer',
      params: PolicyParams,
      problems: ['not-found', 'not-ready', 'too-many-requests'],
    },
    { schema: PolicyHistory, description: 'The commits, newest first.' },
    async (deps, { params, signal }) => fromClone(deps.documents.history(await placeOf(deps, params), signal), policyKey(params)),
  ),
];
