import { CreatedToken, TokenList, TokenRequest, TokenView } from '@fso/shared/api';
import { checkSelector, pathText } from '@fso/shared/decode';
import { z } from 'zod';
import { type Access, TokenRefused } from '../../access/index.ts';
import { ApiError } from '../http/problems.ts';
import { ADMIN_CHANGE, type HubScope, jsonRoute, type Route } from '../http/route.ts';

interface TokenDeps {
  readonly access: Pick<Access, 'tokens'>;
}

const TokenParams = z.strictObject({ id: z.string().regex(/^[0-9a-f]{16}$/, 'must be the id of a token: 16 characters, 0-9 and a-f') });

/**
 * Checks the selectors of a token. One with an incomplete requirement, such as NotIn without
 * values, would select more than intended.
 *
 * @throws ApiError `bad-request`
 */
const assertSelectors = ({ clusters, policies }: TokenRequest): void => {
  const problems = [
    ...checkSelector(clusters?.clusterSelector, ['clusters', 'clusterSelector']),
    ...checkSelector(policies?.policySelector, ['policies', 'policySelector']),
  ];
  const text = problems.map(({ path, reason }) => `${pathText(path)}: ${reason}`).join('; ');
  if (problems.length > 0) throw new ApiError('bad-request', text);
};

/** Routes of API tokens for programs. */
export const tokenRoutes: readonly Route<TokenDeps, HubScope>[] = [
  jsonRoute(
    {
      ...ADMIN_CHANGE,
      method: 'get',
      path: '/api/v1/tokens',
      operationId: 'listTokens',
      summary: 'API tokens, without their secrets',
      tag: 'access',
    },
    { schema: TokenList, description: 'All tokens, also expired ones; revoked ones are gone.' },
    async ({ access }) => ({ items: [...(await access.tokens.list())] }),
  ),
  jsonRoute(
    {
      ...ADMIN_CHANGE,
      method: 'post',
      path: '/api/v1/tokens',
      operationId: 'createToken',
      summary: 'Makes an API token',
      description: 'Only this answer holds the secret. The role is at most that of the caller.',
      tag: 'access',
      body: TokenRequest,
    },
    { schema: CreatedToken, description: 'The token.', status: 201 },
    async ({ access }, { body, caller }) => {
      caller.about(body.name, `role ${body.role}`);
      assertSelectors(body);
      const created = await access.tokens.create(body, caller.principal).catch((error: unknown) => {
        throw error instanceof TokenRefused ? new ApiError('forbidden', error.message) : error;
      });
      const { id, name, role, expiresAt } = created.view;
      caller.about(id, `${name}: role ${role}, until ${expiresAt}`);
      return created;
    },
  ),
  jsonRoute(
    {
      ...ADMIN_CHANGE,
      method: 'delete',
      path: '/api/v1/tokens/{id}',
      operationId: 'revokeToken',
      summary: 'Revokes an API token, at once; streams that it opened end',
      tag: 'access',
      params: TokenParams,
      problems: ['bad-request', 'not-found'],
    },
    { schema: TokenView, description: 'What was revoked.' },
    async ({ access }, { params, caller }) => {
      caller.about(params.id);
      const revoked = await access.tokens.revoke(params.id);
      if (revoked === undefined) throw new ApiError('not-found', `There is no token ${params.id}.`);
      caller.about(params.id, revoked.name);
      return revoked;
    },
  ),
];
