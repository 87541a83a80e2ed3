const header = (kind: string, name: string): string =>
  `apiVersion: compliance.federated.io/v1\nkind: ${kind}\nmetadata:\n  name: ${name}\n`;

export const policyFile = (name: string, regions: readonly string[] = ['eu-west-1']): string =>
  `${header('SovereignPolicy', name)}spec:\n  targetNamespace: ${name}\n  allowedRegions: [${regions.join(', ')}]\n`;

export const clusterFile = (name: string, regions: readonly string[]): string =>
  `${header('ManagedCluster', name)}spec:\n  regions: [${regions.join(', ')}]\n`;

/** A small repository: two clusters and one policy. */
export const basicRepository = (): Record<string, string> => ({
  'clusters/eu.yaml': clusterFile('eu', ['eu-west-1', 'eu-central-1']),
  'clusters/us.yaml': clusterFile('us', ['us-east-1']),
  'policies/finance.yaml': policyFile('finance'),
});
