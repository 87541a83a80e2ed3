import {
  type ClusterView,
  ENROL_NOTES,
  ENROLMENT_SECRET,
  type EnrolmentTokenView,
  type EnrolmentView,
  formatEnrolCommands,
  ManagedClusterDocument,
  SYSTEM_NAMESPACE,
} from '@fso/shared/api';
import { byText } from '@fso/shared/encoding';
import type { HubClient } from '../client/api-client.ts';
import type { Context } from '../context.ts';
import { CliError, EXIT } from '../errors.ts';
import { type Column, type Format, writeData, writeRows } from '../render/output.ts';
import { age } from '../render/text.ts';

/**
 * Cluster as registered in the repository, as seen by the hub, and as known to the CA. Each part
 * may be missing.
 */
interface ClusterRow {
  readonly name: string;
  readonly cluster: ClusterView | undefined;
  readonly enrolment: EnrolmentView | undefined;
}

const DAY_MS = 24 * 3600 * 1000;

/** Formats a time to come as `in 7h` or `expired`; `-` for none. */
const until = (time: string | null | undefined, now: Date): string => {
  if (time === null || time === undefined) return '-';
  const ms = Date.parse(time) - now.getTime();
  return ms <= 0 ? 'expired' : `in ${age(new Date(now.getTime() - Math.min(ms, 3650 * DAY_MS)).toISOString(), now)}`;
};

const enrolmentText = ({ enrolment }: ClusterRow, now: Date): string => {
  if (enrolment === undefined) return 'none';
  const { state, token } = enrolment;
  return token?.state === 'open' ? `${state}, token good ${until(token.expires, now)}` : state;
};

const columns = (now: Date): Column<ClusterRow>[] => [
  { title: 'NAME', value: ({ name }) => name },
  { title: 'REGISTERED', value: ({ cluster }) => ((cluster?.regions.length ?? 0) > 0 ? 'yes' : 'no') },
  { title: 'ENROLMENT', value: (row) => enrolmentText(row, now) },
  { title: 'CERTIFICATE', value: ({ enrolment }) => until(enrolment?.certificateExpires, now) },
  { title: 'CONNECTION', value: ({ cluster }) => cluster?.connection ?? 'NeverSeen' },
  { title: 'SEEN', value: ({ cluster }) => age(cluster?.lastSeen, now) },
  {
    title: 'SKEW',
    value: ({ cluster }) => (typeof cluster?.clockSkewMs === 'number' ? `${(cluster.clockSkewMs / 1000).toFixed(1)}s` : '-'),
  },
  { title: 'ENROLLED', value: ({ enrolment }) => age(enrolment?.enrolled, now), wide: true },
  { title: 'REVOKED', value: ({ enrolment }) => age(enrolment?.revoked, now), wide: true },
  { title: 'GENERATION', value: ({ enrolment }) => (enrolment === undefined ? '-' : String(enrolment.generation)), wide: true },
];

const rowsOf = (clusters: readonly ClusterView[], enrolments: readonly EnrolmentView[]): ClusterRow[] => {
  const byName = new Map(clusters.map((cluster) => [cluster.name, cluster]));
  const enrolmentOf = new Map(enrolments.map((enrolment) => [enrolment.cluster, enrolment]));
  return [...new Set([...byName.keys(), ...enrolmentOf.keys()])]
    .sort(byText)
    .map((name) => ({ name, cluster: byName.get(name), enrolment: enrolmentOf.get(name) }));
};

/** Runs `fso clusters list`. */
export const listClusters = async (context: Context, { output }: { output: Format }): Promise<void> => {
  const hub = await context.connect();
  const [clusters, enrolments] = await Promise.all([hub.clusters(), hub.enrolments()]);
  await writeRows(context, output, rowsOf(clusters, enrolments), columns(context.now()));
};

/** Options of `fso clusters add`. */
export interface AddOptions {
  readonly region: readonly string[];
  readonly label: readonly string[];
  readonly provider?: string;
  /** Lifetime of the token in milliseconds. */
  readonly ttl: number;
}

const parseLabels = (labels: readonly string[]): Record<string, string> =>
  Object.fromEntries(
    labels.map((label) => {
      const at = label.indexOf('=');
      if (at < 1) throw new CliError(`--label ${label}: must be key=value`);
      return [label.slice(0, at), label.slice(at + 1)];
    }),
  );

/** Returns the registration of a cluster as YAML. @throws CliError if the input is invalid */
export const registrationOf = async (
  name: string,
  { region, label, provider }: Pick<AddOptions, 'region' | 'label' | 'provider'>,
): Promise<string> => {
  if (region.length === 0)
    throw new CliError(`${name} is not registered in the repository yet: say where its nodes are with --region, once for each region`);
  const labels = parseLabels(label);
  const parsed = ManagedClusterDocument.safeParse({
    apiVersion: 'compliance.federated.io/v1',
    kind: 'ManagedCluster',
    metadata: { name, ...(label.length === 0 ? {} : { labels }) },
    spec: { regions: [...region], ...(provider === undefined ? {} : { provider }) },
  });
  if (!parsed.success) throw new CliError(parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; '));
  const { stringify } = await import('yaml');
  return stringify(parsed.data);
};

const isRegistered = async (hub: HubClient, name: string): Promise<boolean> =>
  (await hub.clusters({ q: name })).some((cluster) => cluster.name === name && cluster.regions.length > 0);

const writeInstructions = (context: Context, made: EnrolmentTokenView): void => {
  const { cluster, token, expires } = made;
  const notes = [`In the cluster ${cluster}:`, ...ENROL_NOTES].map((note) => `# ${note}`);
  context.out([`# Token of ${cluster}, good once, until ${expires}:`, token, '', ...notes, formatEnrolCommands(made), ''].join('\n'));
};

/**
 * Returns the Secret that the agent's chart mounts, for `kubectl apply -f -`, so that the token
 * stays out of the shell's history.
 */
const tokenSecret = ({ token }: EnrolmentTokenView): object => ({
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: { name: ENROLMENT_SECRET, namespace: SYSTEM_NAMESPACE },
  type: 'Opaque',
  stringData: { token },
});

/**
 * Runs `fso clusters add`: prints the registration to commit, if there is none, and the enrolment
 * token.
 */
export const addCluster = async (context: Context, name: string, options: AddOptions): Promise<void> => {
  const hub = await context.connect();
  const document = (await isRegistered(hub, name)) ? undefined : await registrationOf(name, options);
  const token = await hub.createEnrolmentToken(name, Math.ceil(options.ttl / 1000));
  if (document !== undefined) context.out(`# Commit this as clusters/${name}.yaml:\n${document}\n`);
  writeInstructions(context, token);
};

/** Options of `fso clusters token`. */
export interface TokenOptions {
  /** Lifetime in milliseconds. */
  readonly ttl: number;
  readonly output: 'text' | 'json' | 'secret';
}

/** Runs `fso clusters token`. */
export const createToken = async (context: Context, name: string, options: TokenOptions): Promise<void> => {
  const token = await (await context.connect()).createEnrolmentToken(name, Math.ceil(options.ttl / 1000));
  if (options.output === 'json') return writeData(context, 'json', token);
  if (options.output === 'secret') {
    context.progress(`A Secret for kubectl apply -f - in ${name}; next: fso wait --cluster ${name}\n`);
    return writeData(context, 'yaml', tokenSecret(token));
  }
  writeInstructions(context, token);
};

/** Runs `fso clusters revoke`. @returns the exit code */
export const revokeCluster = async (context: Context, name: string, { yes }: { yes: boolean }): Promise<number> => {
  if (!yes) {
    context.progress(
      `This closes the stream of ${name} and makes its certificates and tokens worthless; it goes on enforcing what it has. Repeat with --yes.\n`,
    );
    return EXIT.error;
  }
  const { generation } = await (await context.connect()).revokeCluster(name);
  context.out(`${name} is revoked (generation ${generation}). To let it in again: fso clusters token ${name}\n`);
  return EXIT.ok;
};

/** Runs `fso clusters forget`. @returns the exit code */
export const forgetCluster = async (
  context: Context,
  name: string,
  { yes, force }: { readonly yes: boolean; readonly force: boolean },
): Promise<number> => {
  if (!yes) {
    context.progress(
      `This removes what the hub knows of ${name} and makes its certificates and tokens worthless; its history stays. Repeat with --yes.\n`,
    );
    return EXIT.error;
  }
  await (await context.connect()).forgetCluster(name, { force });
  context.out(`${name} is forgotten.\n`);
  return EXIT.ok;
};
