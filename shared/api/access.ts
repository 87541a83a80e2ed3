import { z } from 'zod';
import { LabelSelector, NamespaceGlob, ResourceName } from './common.ts';
import { ENROLMENT_SECRET, SYSTEM_NAMESPACE } from './names.ts';
import { Placement } from './sovereign-policy.ts';

/**
 * Access to the hub's API: roles and grants, shared by the API, the `fso` command and the
 * dashboard.
 */

const Time = z.iso.datetime({ offset: true });

/** Roles from least to most powerful. Each has the rights of those before it. */
export const ROLES = ['viewer', 'operator', 'admin'] as const;
/** Role of a caller; each has the rights of those before it. */
export const Role = z.enum(ROLES);
export type Role = z.infer<typeof Role>;

/** Key of a policy, or a glob like those of namespaces: `*` at the start, the end, or both. */
const PolicyGlob = z
  .string()
  .min(1)
  .max(317)
  .regex(/^(\*|\*?[a-z0-9./-]+\*?)$/, 'must be the key of a policy, or a glob with * at its start or end (finance-*, team-a/*)');

/**
 * Whether a selector has a field. Without any it would match everything, and is more likely an
 * unfilled template.
 */
const selectsSomething = (selector: object): boolean => Object.values(selector).some((field) => field !== undefined);

/** Clusters to which a role applies. */
export const ClusterScope = Placement.refine(selectsSomething, 'must have clusterNames, clusterRegions or clusterSelector').describe(
  'Registered clusters that every given field selects, as in the placement of a policy. Absent: every cluster.',
);

/** Policies to which a role applies, by name and target namespace. */
export const PolicyScopeSelector = z
  .strictObject({
    policyNames: z.array(PolicyGlob).max(1000).optional().describe('Keys of policies, or globs.'),
    targetNamespaces: z
      .array(NamespaceGlob)
      .max(1000)
      .optional()
      .describe('Namespaces or globs: selects policies whose target namespaces are all among them.'),
    policySelector: LabelSelector.optional().describe('Selects policies by their labels in Git; a local policy is not selected.'),
  })
  .refine(selectsSomething, 'must have policyNames, targetNamespaces or policySelector')
  .describe('Policies that every given field selects. Absent: every policy.');
export type PolicyScopeSelector = z.infer<typeof PolicyScopeSelector>;

const scopeFields = { clusters: ClusterScope.optional(), policies: PolicyScopeSelector.optional() };

/** Role for some of the clusters and policies. */
export const RoleGrant = z.strictObject({ role: Role, ...scopeFields });
export type RoleGrant = Readonly<z.infer<typeof RoleGrant>>;

/**
 * Whether a grant applies to the whole hub: every cluster, every policy, and everything that
 * concerns all of them.
 */
export const isUnscoped = ({ clusters, policies }: Pick<RoleGrant, 'clusters' | 'policies'>): boolean =>
  clusters === undefined && policies === undefined;

const selectorText = ({ matchLabels = {}, matchExpressions = [] }: LabelSelector): string =>
  [
    ...Object.entries(matchLabels).map(([key, value]) => `${key}=${value}`),
    ...matchExpressions.map(({ key, operator, values }) => `${key} ${operator}${values === undefined ? '' : ` (${values.join(', ')})`}`),
  ].join(', ');

const listing = (what: string, values: readonly string[] | undefined): string[] => {
  if (values === undefined) return [];
  const more = values.length > 5 ? ` and ${values.length - 5} more` : '';
  return [`${what} ${values.slice(0, 5).join(', ')}${more}`];
};

const labelled = (selector: LabelSelector | undefined): string[] =>
  selector === undefined ? [] : [selectorText(selector) === '' ? 'with any labels' : `labelled ${selectorText(selector)}`];

/** Describes the scope of a grant in words: `clusters in group:eu; policies for finance-*`. */
export const describeScope = ({ clusters, policies }: Pick<RoleGrant, 'clusters' | 'policies'>): string => {
  const parts = [
    clusters && [
      'clusters',
      ...listing('named', clusters.clusterNames),
      ...listing('in', clusters.clusterRegions),
      ...labelled(clusters.clusterSelector),
    ],
    policies && [
      'policies',
      ...listing('named', policies.policyNames),
      ...listing('for', policies.targetNamespaces),
      ...labelled(policies.policySelector),
    ],
  ].flatMap((words) => (words ? [words.join(' ')] : []));
  return parts.length === 0 ? 'everything' : parts.join('; ');
};

/**
 * Header that the dashboard sends with every call that changes something. Forms and links on other
 * sites cannot set it.
 */
export const CSRF_HEADER = 'X-FSO-CSRF';

/** Prefix of the session tokens that `fso login` gets. The session id follows. */
export const CLI_SESSION = 'fsosession_';

/** Caller of a request: identity, role and, for a session, its end. */
export const SessionView = z.object({
  kind: z
    .enum(['local', 'anonymous', 'token', 'user'])
    .describe(
      'local: the static token; anonymous: the hub runs without authentication; token: an API token; user: a user of the identity provider.',
    ),
  id: z.string().describe('Stable id: that of the token, or the subject of the user.'),
  name: z.string(),
  role: Role.nullable().describe('The highest one of the grants; null: the user is known, but no claim gives a role.'),
  grants: z
    .array(RoleGrant)
    .default([])
    .describe('What the caller may see and do: the union of these. A hub of an older version does not say it.'),
  expiresAt: Time.nullable().describe('When this login or token expires at the latest.'),
});
export type SessionView = z.infer<typeof SessionView>;

/** Ways to sign in. Public. */
export const LoginMethods = z.object({
  provider: z.boolean().describe('Sign-in at GET /auth/login.'),
  token: z.boolean().describe('Sign-in with POST /auth/token, which exchanges an API token for a session.'),
  anonymous: z.boolean().describe('The hub runs without authentication; it serves only its own machine.'),
});
export type LoginMethods = z.infer<typeof LoginMethods>;

/** Request to start a session with a token. */
export const TokenLogin = z.strictObject({ token: z.string().min(1).max(512) });

/** Link that signs a browser in, once. */
export const LoginLinkView = z.object({
  code: z.string().describe('Good once, as POST /auth/link or behind # of the page GET /auth/link.'),
  origin: z.string().nullable().describe('Address under which browsers reach the hub, without a path; null: FSO_PUBLIC_URL is not set.'),
  expiresAt: Time.describe('Until when the code is good.'),
});
export type LoginLinkView = z.infer<typeof LoginLinkView>;

/** Request by which a command line completes the login that it started in a browser. */
export const CliLoginRequest = z.strictObject({
  code: z.string().max(128).describe('The code that the browser passed to the command.'),
  verifier: z.string().min(43).max(128).describe('The secret that the command chose for this login.'),
});
/** Session of a command line. */
export const CliLoginView = z.object({ token: z.string().describe('A session token, sent as a bearer token.') });

/** Response to a logout. */
export const LogoutView = z.object({
  endSessionUrl: z.string().nullable().describe("URL that ends the identity provider's own session, if the provider has one."),
});
export type LogoutView = z.infer<typeof LogoutView>;

/** API token without its secret. */
export const TokenView = z.object({
  id: z.string(),
  name: z.string(),
  role: Role,
  ...scopeFields,
  createdBy: z.string().describe('Display name from the identity provider; not unique.'),
  createdById: z.string().optional().describe('Id of its creator; absent on tokens of older versions.'),
  createdAt: Time,
  expiresAt: Time,
  lastUsedAt: Time.nullable().describe('Accurate to the minute.'),
});
export type TokenView = z.infer<typeof TokenView>;

/** API tokens without their secrets. */
export const TokenList = z.object({ items: z.array(TokenView) });
export type TokenList = z.infer<typeof TokenList>;

/** Longest lifetime of an API token, in days. */
export const MAX_TOKEN_DAYS = 400;
/** Default lifetime of an API token, in days. */
export const DEFAULT_TOKEN_DAYS = 90;

/** Request for a new API token. */
export const TokenRequest = z.strictObject({
  name: z
    .string()
    .regex(/^[\w.@/-][\w .@/-]{0,62}$/, 'must be 1 to 63 letters, digits, spaces and . _ @ / -')
    .describe('What the token is for, e.g. ci.'),
  role: Role,
  ...scopeFields,
  expiresInDays: z
    .int()
    .min(1, 'must be at least 1')
    .max(MAX_TOKEN_DAYS, `must be at most ${MAX_TOKEN_DAYS}`)
    .default(DEFAULT_TOKEN_DAYS)
    .describe('Days until it expires.'),
});
export type TokenRequest = z.input<typeof TokenRequest>;

/** New API token, with its secret. */
export const CreatedToken = z.object({
  token: z.string().describe('The secret, shown only once: the hub keeps only its hash.'),
  view: TokenView,
});
export type CreatedToken = z.infer<typeof CreatedToken>;

/** Response to a request to read the repository now. */
export const FetchHint = z.object({ accepted: z.literal(true) });

/** Enrolment of a cluster with the hub's CA. */
export const EnrolmentView = z.object({
  cluster: ResourceName,
  state: z.enum(['invited', 'enrolled', 'revoked']).describe('invited: a token was issued, but the cluster has never enrolled.'),
  generation: z.int().describe('Raised by each enrolment and each revocation; certificates of another generation are invalid.'),
  token: z
    .object({ created: Time, expires: Time, state: z.enum(['open', 'used', 'expired', 'withdrawn']) })
    .nullable()
    .describe('The newest enrolment token.'),
  enrolled: Time.nullable().describe('When it last enrolled.'),
  revoked: Time.nullable().describe('When it was last revoked.'),
  certificateIssued: Time.nullable(),
  certificateExpires: Time.nullable(),
});
export type EnrolmentView = z.infer<typeof EnrolmentView>;

/** New one-time token by which an agent enrols. */
export const EnrolmentTokenView = z.object({
  cluster: ResourceName,
  token: z.string().describe('Shown only once: the hub keeps only its digest.'),
  expires: Time,
  agentUrl: z.string().describe("Address of the hub for the agent's FSO_HUB_URL."),
});
export type EnrolmentTokenView = z.infer<typeof EnrolmentTokenView>;

/**
 * Formats the commands that enrol a cluster, without the token. The last command reads it from
 * standard input, so that it stays out of the shell's history.
 */
export const formatEnrolCommands = ({ cluster, agentUrl }: Pick<EnrolmentTokenView, 'cluster' | 'agentUrl'>): string =>
  [
    `helm install fso-agent deploy/charts/fso-agent --namespace ${SYSTEM_NAMESPACE} --create-namespace \\`,
    `  --set-string cluster=${cluster} --set-string 'hub.url=${agentUrl}' \\`,
    '  --set-string global.imageRegistry=REGISTRY --set-string platform=PLATFORM --set-file signers.ssh=ALLOWED_SIGNERS',
    `kubectl -n ${SYSTEM_NAMESPACE} create secret generic ${ENROLMENT_SECRET} --from-file=token=/dev/stdin --dry-run=client -o yaml |`,
    '  kubectl apply -f -',
  ].join('\n');

/** Notes on the output of {@link formatEnrolCommands}, by line. */
export const ENROL_NOTES = [
  'Run the commands in a checkout of this repository; with a published chart, name it instead of deploy/charts/fso-agent, and leave REGISTRY out.',
  'REGISTRY has the images; PLATFORM is kubeadm, eks, gke or aks.',
  'ALLOWED_SIGNERS is the file of the keys that may sign commits: take it from their owners, not from the hub; leave it out if nothing is signed.',
  'The last command reads the token: paste it, then press Enter and Ctrl-D. It is enough where the agent is installed already.',
] as const;

/** Cluster that was forgotten. */
export const ForgottenCluster = z.object({ cluster: ResourceName });
export type ForgottenCluster = z.infer<typeof ForgottenCluster>;
