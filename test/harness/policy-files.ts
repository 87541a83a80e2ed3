import type { RegionCatalogSpec } from '@fso/shared/api';

const header = (kind: string, name: string): string =>
  `apiVersion: compliance.federated.io/v1\nkind: ${kind}\nmetadata:\n  name: ${name}\n`;

export const policyFile = (name: string, regions: readonly string[] = ['eu-west-1']): string =>
  `${header('SovereignPolicy', name)}spec:\n  targetNamespace: ${name}\n  allowedRegions: [${regions.join(', ')}]\n`;

/** @param labels content of a flow map: `tier: one` */
export const clusterFile = (name: string, regions: readonly string[], labels = ''): string =>
  `${header('ManagedCluster', name)}${labels === '' ? '' : `  labels: { ${labels} }\n`}spec:\n  regions: [${regions.join(', ')}]\n`;

/** @param placement content of a flow map: `clusterNames: [eu]` */
export const scopeFile = (name: string, placement: string): string =>
  `${header('PolicyScope', name)}spec:\n  placement: { ${placement} }\n`;

/** JSON is YAML. */
export const catalogFile = (spec: RegionCatalogSpec): string => `${header('RegionCatalog', 'regions')}spec: ${JSON.stringify(spec)}\n`;

/** Strategy by the label `wave`. A new violation in its first wave, the canary, halts it. */
export const CANARY_STRATEGY = `apiVersion: compliance.federated.io/v1
kind: RolloutStrategy
metadata: { name: careful }
spec:
  waves:
    - { name: canary, clusterSelector: { matchLabels: { wave: canary } }, maxNewViolations: 0 }
    - { name: second, clusterSelector: { matchLabels: { wave: second } } }
`;

/** Returns a small repository: two clusters and one policy. */
export const basicRepository = (): Record<string, string> => ({
  'clusters/eu.yaml': clusterFile('eu', ['eu-west-1', 'eu-central-1']),
  'clusters/us.yaml': clusterFile('us', ['us-east-1']),
  'policies/finance.yaml': policyFile('finance'),
});
