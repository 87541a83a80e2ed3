import { isIP } from 'node:net';
import { RoleGrant } from '@fso/shared/api';
import { checkSelector, decodeValue, type ValueProblem } from '@fso/shared/decode';
import { isLoopback, messageOf, type ProblemTexts, readText, type Secrets } from '@fso/shared/runtime';
import { z } from 'zod';
import { type GroupGrant, type OidcSettings, parseRoleMap } from '../access/index.ts';

/** Maximum number of grants. Every call of a person is checked against the person's grants. */
const MAX_GRANTS = 100;

const RolesFile = z.strictObject({
  grants: z
    .array(RoleGrant.extend({ groups: z.array(z.string().min(1).max(1024)).min(1).max(100) }))
    .min(1)
    .max(MAX_GRANTS),
});

const checkSelectors = ({ grants }: z.output<typeof RolesFile>): readonly ValueProblem[] =>
  grants.flatMap(({ clusters, policies }, at) => [
    ...checkSelector(clusters?.clusterSelector, ['grants', at, 'clusters', 'clusterSelector']),
    ...checkSelector(policies?.policySelector, ['grants', at, 'policies', 'policySelector']),
  ]);

/**
 * Reads the grants for some of the clusters and policies.
 *
 * @returns an empty list if there are problems, which are added with their place in the file
 */
export const readRolesFile = async (variable: string, path: string, problems: ProblemTexts): Promise<readonly GroupGrant[]> => {
  const text = await readText(variable, path, problems);
  if (text === undefined) return [];
  const decoded = decodeValue(RolesFile, { path, text }, checkSelectors);
  if (decoded.ok) return decoded.value.grants;
  problems.push(...decoded.problems.map(({ path: file, line, column, reason }) => `${variable}: ${file}:${line}:${column}: ${reason}`));
  return [];
};

/** Access to the hub's API besides the static token. */
export interface HubAccess {
  readonly oidc: OidcSettings | undefined;
  /** URL under which browsers reach the hub: scheme, host and port. */
  readonly publicUrl: string | undefined;
  /** Addresses and networks of proxies whose X-Forwarded-For is trusted. */
  readonly trustedProxies: readonly string[];
}

/** Whether a URL uses https, or plain HTTP that does not leave this machine. */
const isSafe = (url: URL): boolean => url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback(url.hostname));
const isBare = (url: URL): boolean => url.username === '' && url.password === '' && url.search === '' && url.hash === '';

const Issuer = z.string().refine((text) => {
  const url = URL.parse(text);
  return url !== null && isSafe(url) && isBare(url);
}, 'must be the https:// URL of the provider, as it stands in its ID tokens (http:// to this machine only)');

const PublicUrl = z.string().refine((text) => {
  const url = URL.parse(text);
  return url !== null && isSafe(url) && isBare(url) && url.pathname === '/';
}, 'must be https://host or https://host:port, without a path (http:// to this machine only)');

const isNetwork = (text: string): boolean => {
  const [address = '', bits, ...rest] = text.split('/');
  const version = isIP(address);
  if (version === 0 || rest.length > 0) return false;
  return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (version === 4 ? 32 : 128));
};

const list = (text: string): string[] => text.split(',').map((part) => part.trim());
const Proxies = z
  .string()
  .refine((text) => list(text).every(isNetwork), 'must be addresses or networks, separated by commas, e.g. 10.0.0.0/8')
  .transform(list);

const RoleMapText = z.string().transform((text, context) => {
  try {
    return parseRoleMap(text);
  } catch (error) {
    context.addIssue({ code: 'custom', message: messageOf(error) });
    return z.NEVER;
  }
});

/** Scope tokens as in RFC 6749. Without `openid` the provider does not identify the person. */
const Scopes = z
  .string()
  .regex(/^[\x21\x23-\x5b\x5d-\x7e]+( [\x21\x23-\x5b\x5d-\x7e]+)*$/, 'must be scopes, separated by one space')
  .refine((text) => text.split(' ').includes('openid'), 'must contain openid');

const Text = z.string().min(1).max(1024);

/** Environment variables of logins and proxies. */
export const ACCESS_VARIABLES = {
  FSO_PUBLIC_URL: PublicUrl.optional().meta({
    description: 'Address under which browsers reach the hub, https://host. Needed with FSO_OIDC_ISSUER.',
  }),
  FSO_TRUSTED_PROXIES: Proxies.optional().meta({
    description: 'Addresses and networks, separated by commas, of proxies whose X-Forwarded-For the hub believes.',
  }),
  FSO_OIDC_ISSUER: Issuer.optional().meta({ description: 'Identity provider of people, exactly as in its discovery document.' }),
  FSO_OIDC_CLIENT_ID: Text.optional().meta({ description: 'Client of the hub at the provider. Needed with FSO_OIDC_ISSUER.' }),
  FSO_OIDC_CLIENT_SECRET: Text.optional().meta({ description: 'Secret of that client.', fallback: 'a public client', secret: true }),
  FSO_OIDC_SCOPES: Scopes.default('openid profile email').meta({ description: 'Scopes that the hub requests from the provider.' }),
  FSO_OIDC_ROLES_CLAIM: Text.default('groups').meta({ description: 'Claim, or path of a claim, that gives roles.' }),
  FSO_OIDC_ROLE_MAP: RoleMapText.optional().meta({
    description:
      'Roles by value of the claim: admin=<value>,operator=<value>,viewer=*. With FSO_OIDC_ISSUER it or FSO_ROLES_FILE is needed.',
  }),
  FSO_ROLES_FILE: z.string().min(1).optional().meta({
    description: 'YAML file with roles for some of the clusters and policies, by value of the claim, read at start.',
  }),
  FSO_OIDC_AUDIENCE: Text.optional().meta({
    description: "Audience of the provider's access tokens that the hub takes as bearer tokens.",
    fallback: 'the hub takes none',
  }),
};
const Variables = z.object(ACCESS_VARIABLES);
type Variables = z.infer<typeof Variables>;

const OIDC_ONLY = ['FSO_OIDC_CLIENT_ID', 'FSO_OIDC_CLIENT_SECRET', 'FSO_OIDC_ROLE_MAP', 'FSO_ROLES_FILE', 'FSO_OIDC_AUDIENCE'] as const;

/** Returns the names of missing settings that are required for a login. */
const absentOf = (variables: Variables): readonly string[] => [
  ...(['FSO_OIDC_CLIENT_ID', 'FSO_PUBLIC_URL'] as const).filter((name) => variables[name] === undefined),
  ...(variables.FSO_OIDC_ROLE_MAP === undefined && variables.FSO_ROLES_FILE === undefined ? ['FSO_OIDC_ROLE_MAP'] : []),
];

const oidcOf = async (variables: Variables, secrets: Secrets, problems: ProblemTexts): Promise<OidcSettings | undefined> => {
  const { FSO_OIDC_ISSUER: issuer, FSO_OIDC_CLIENT_ID: clientId, FSO_ROLES_FILE: rolesFile } = variables;
  if (issuer === undefined) {
    const alone = OIDC_ONLY.filter((name) => variables[name] !== undefined);
    problems.push(...alone.map((name) => `${name}: is set, but FSO_OIDC_ISSUER is not`));
    return undefined;
  }
  problems.push(...absentOf(variables).map((name) => `${name}: is not set, but needed with FSO_OIDC_ISSUER`));
  const grants = rolesFile === undefined ? [] : await readRolesFile('FSO_ROLES_FILE', rolesFile, problems);
  if (clientId === undefined) return undefined;
  return {
    issuer,
    clientId,
    clientSecret: secrets.get('FSO_OIDC_CLIENT_SECRET'),
    scopes: variables.FSO_OIDC_SCOPES,
    rolesClaim: variables.FSO_OIDC_ROLES_CLAIM,
    roleMap: variables.FSO_OIDC_ROLE_MAP ?? new Map(),
    grants,
    audience: variables.FSO_OIDC_AUDIENCE,
  };
};

/** Reads the settings of logins and proxies. Adds errors to `problems`. */
export const readAccess = async (variables: Variables, secrets: Secrets, problems: ProblemTexts): Promise<HubAccess> => ({
  oidc: await oidcOf(variables, secrets, problems),
  publicUrl: variables.FSO_PUBLIC_URL,
  trustedProxies: variables.FSO_TRUSTED_PROXIES ?? [],
});
