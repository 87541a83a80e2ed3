import { readChoice, readCount, readOptions, readShare, UsageError } from '../options.ts';

export interface FleetSettings {
  readonly agents: number;
  readonly policies: number;
  /**
   * Number of folders with a scope over which the policies are spread; 0 for one folder without a
   * scope.
   */
  readonly scopes: number;
  readonly database: 'embedded' | 'postgres';
  /** Number of processes that run the agents. */
  readonly processes: number;
  /** Share of the policies whose namespace is missing, different ones in each cluster. */
  readonly missing: number;
  /** Number of workloads in each cluster, for which agents answer plans; default: none. */
  readonly workloads?: number;
  /** Approximate time in ms in which agents prove a commit; default: at once. */
  readonly proofMs?: number;
  /** Strategy of rollouts, and the labels of each cluster for it; default: all clusters at once. */
  readonly rollout?: { readonly strategy: string; readonly labelsOf: (cluster: number) => readonly string[] };
  /** Additional environment variables of the hub. */
  readonly env: Readonly<Record<string, string>>;
  /** Credentials of agents at the hub; default: static tokens. */
  readonly proof?: 'token' | 'certificate';
  /** Clusters that may connect but have no agent. */
  readonly strangers?: readonly string[];
  /** Path of the `hub/main.ts` of another version. */
  readonly hub?: string | undefined;
  readonly json: string | undefined;
}

export const FLEET_OPTIONS = {
  agents: { type: 'string', default: '500' },
  policies: { type: 'string', default: '1000' },
  scopes: { type: 'string', default: '0' },
  database: { type: 'string', default: 'embedded' },
  processes: { type: 'string', default: '2' },
  missing: { type: 'string', default: '0' },
  /** Heap of the hub in MiB, as in a container. */
  heap: { type: 'string' },
  env: { type: 'string', multiple: true, default: [] as string[] },
  hub: { type: 'string' },
  json: { type: 'string' },
} as const;

type FleetValues = ReturnType<typeof readOptions<typeof FLEET_OPTIONS>>;

const readSetting = (setting: string): [string, string] => {
  const [, name, value] = /^(\w+)=(.*)$/s.exec(setting) ?? [];
  if (name === undefined || value === undefined) throw new UsageError(`--env ${setting}: must be NAME=value`);
  return [name, value];
};

/**
 * Number of agents above which a hub runs with a larger young generation, as in
 * `docs/operate/run-the-hub.md`.
 */
const LARGE_FLEET = 1_000;

/** Returns the environment that gives a hub a heap of this many MiB. */
const heapOf = (heap: string | undefined, agents: number): Readonly<Record<string, string>> => {
  if (heap === undefined) return {};
  const semiSpace = agents > LARGE_FLEET ? 16 : 4;
  return { NODE_OPTIONS: `--max-semi-space-size=${semiSpace} --max-old-space-size=${readCount('heap', heap, 64)}` };
};

/** Validates the values of {@link FLEET_OPTIONS}. @throws UsageError */
export const toFleetSettings = (values: FleetValues): FleetSettings => ({
  agents: readCount('agents', values.agents),
  policies: readCount('policies', values.policies),
  scopes: readCount('scopes', values.scopes, 0),
  database: readChoice('database', values.database, ['embedded', 'postgres']),
  processes: readCount('processes', values.processes),
  missing: readShare('missing', values.missing),
  env: { ...heapOf(values.heap, readCount('agents', values.agents)), ...Object.fromEntries(values.env.map(readSetting)) },
  hub: values.hub,
  json: values.json,
});

/** Reads the options of a benchmark without other options. @throws UsageError */
export const fleetSettings = (args: string[]): FleetSettings => toFleetSettings(readOptions(args, FLEET_OPTIONS));
