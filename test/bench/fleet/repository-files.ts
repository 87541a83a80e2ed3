import { registrationPaths } from '@fso/shared/decode';
import { clusterFile, policyFile, scopeFile } from '../../harness/policy-files.ts';
import { createCommits } from '../../simulated-fleet/commits.ts';
import type { Commit } from './orders.ts';
import type { FleetSettings } from './settings.ts';

const REGIONS = ['eu-west-1', 'eu-central-1'];

export const numbered = (what: string, count: number): string[] => Array.from({ length: count }, (_, n) => `${what}-${n}`);

/** Returns the path of a policy. */
const pathOf = (policy: number, { scopes }: FleetSettings): string =>
  scopes === 0 ? `policies/policy-${policy}.yaml` : `policies/t-${policy % scopes}/policy-${policy}.yaml`;

/** Returns the path of a registration, as `fso validate --fix` chooses it. */
const registrationPath = (cluster: string, { agents }: FleetSettings): string => registrationPaths(cluster)[agents > 1000 ? 1 : 0];

/** Returns the files of the first commit. */
export const firstFiles = (settings: FleetSettings, names: readonly string[], policies: readonly string[]): Record<string, string> => {
  const { scopes, rollout } = settings;
  const labelsOf = (at: number): string => [`team: t-${at % Math.max(1, scopes)}`, ...(rollout?.labelsOf(at) ?? [])].join(', ');
  return Object.fromEntries([
    ...names.map((name, at) => [registrationPath(name, settings), clusterFile(name, REGIONS, labelsOf(at))]),
    ...policies.map((name, at) => [pathOf(at, settings), policyFile(name, REGIONS)]),
    ...numbered('t', scopes).map((team) => [
      `policies/${team}/scope.yaml`,
      scopeFile(team, `clusterSelector: { matchLabels: { team: ${team} } }`),
    ]),
    ...(rollout === undefined ? [] : [['rollout.yaml', rollout.strategy]]),
  ]);
};

/** Returns the first policies with another description. */
export const changedFiles = (settings: FleetSettings, changed: readonly string[], description: string): Record<string, string> =>
  Object.fromEntries(changed.map((name, at) => [pathOf(at, settings), `${policyFile(name, REGIONS)}  description: ${description}\n`]));

/** Compiles files for the teams of agents. @param changed names of the changed policies */
export const teamsOf = (
  { scopes }: FleetSettings,
  files: Readonly<Record<string, string>>,
  changed: readonly string[],
): Commit['teams'] => {
  const compiled = createCommits().compile(files);
  const names = new Set(changed);
  return numbered('cluster', Math.max(1, scopes)).map((cluster) => {
    const { digest = '', policies = [] } = compiled.get(cluster) ?? {};
    return { digest, changed: policies.filter(({ name }) => names.has(name)) };
  });
};
