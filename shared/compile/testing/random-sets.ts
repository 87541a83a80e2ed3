import type { SourceFile } from '../../decode/index.ts';

/**
 * Repositories as they are without a catalogue of regions: bare names and groups of them. The same
 * seed makes the same files in every version.
 */

/** Numbers from 0 to 1 (mulberry32). */
const createRandom = (seed: number): (() => number) => {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
};

const REGIONS = ['eu-west-1', 'eu-central-1', 'us-east-1', 'westeurope', 'europe-west1', 'eu-frankfurt-1', 'fsn1', 'berlin', 'cn-north-1'];
const GROUPS = ['eu', 'us', 'own.group'];
const ACTIONS = ['deny', 'warn', 'dryrun'];

/** The files of a repository with some clusters, groups, scopes and policies. */
export const randomFiles = (seed: number): readonly SourceFile[] => {
  const random = createRandom(seed);
  const below = (count: number): number => Math.floor(random() * count);
  const some = (values: readonly string[], least = 0): string[] => {
    const chosen = values.filter(() => random() < 0.4);
    while (chosen.length < least) chosen.push(values[below(values.length)] ?? '');
    return chosen;
  };
  const file = (path: string, kind: string, name: string, content: object): SourceFile => ({
    path,
    text: JSON.stringify({ apiVersion: 'compliance.federated.io/v1', kind, metadata: { name, ...labels() }, spec: content }),
  });
  const labels = (): object => (random() < 0.5 ? { labels: { tier: String(below(2)) } } : {});
  const references = [...REGIONS, ...GROUPS.map((name) => `group:${name}`)];
  const clusters = ['a', 'b', 'c', 'd'];
  const placement = (): object => ({
    ...(random() < 0.4 ? { clusterRegions: some(references, 1) } : {}),
    ...(random() < 0.3 ? { clusterSelector: { matchLabels: { tier: String(below(2)) } } } : {}),
  });
  const policyPath = (n: number): string => `policies/${['', 'team/', 'team/deep/'][below(3)]}p${n}.yaml`;
  return [
    ...clusters.map((name) => file(`clusters/${name}.yaml`, 'ManagedCluster', name, { regions: some(REGIONS, 1) })),
    ...GROUPS.map((name) => file(`regions/${name}.yaml`, 'RegionGroup', name, { regions: some(REGIONS, 1) })),
    ...(random() < 0.5 ? [file('policies/team/scope.yaml', 'PolicyScope', 'team', { placement: placement() })] : []),
    ...Array.from({ length: 1 + below(12) }, (_, n) =>
      file(policyPath(n), 'SovereignPolicy', `p${n}`, {
        targetNamespace: ['finance', 'hr-*', '*'][below(3)],
        allowedRegions: some(references, 1),
        enforcementAction: ACTIONS[below(3)],
        ...(random() < 0.2 ? { expiryDate: '2030-01-01T00:00:00Z' } : {}),
        ...(random() < 0.2 ? { placementInjection: true } : {}),
        ...(random() < 0.3 ? { placement: placement() } : {}),
      }),
    ),
  ];
};
