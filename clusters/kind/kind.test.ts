import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, it } from 'vitest';
import { parse } from 'yaml';
import { readDefinition } from '../definition.ts';
import { createArguments, deleteArguments, listsCluster } from './kind.ts';
import { withAuditInterval } from './provider.ts';

const clusters = readDefinition(dirname(import.meta.dirname));

it.each(clusters.map((cluster) => [cluster.name, cluster] as const))(
  '%s has one kind worker in each region of its registration',
  (name, cluster) => {
    const config = parse(readFileSync(join(cluster.dir, 'kind.yaml'), 'utf8'));
    const workers = config.nodes.filter(({ role }: { role: string }) => role === 'worker');
    expect(config.name).toBe(`fso-${name}`);
    expect(workers.map(({ labels }: { labels: Record<string, string> }) => labels['topology.kubernetes.io/region'])).toEqual(
      cluster.regions,
    );
  },
);

it('creates and deletes with a kubeconfig of its own', () => {
  expect(createArguments('eu', '/c/kind.yaml', '/s/kubeconfig').join(' ')).toBe(
    'create cluster --name fso-eu --config /c/kind.yaml --kubeconfig /s/kubeconfig --wait 180s',
  );
  expect(deleteArguments('eu', '/s/kubeconfig').join(' ')).toBe('delete cluster --name fso-eu --kubeconfig /s/kubeconfig');
});

it('compares cluster names whole', () => {
  expect(listsCluster('fso-eu2\nother\n', 'eu')).toBe(false);
  expect(listsCluster('other\nfso-eu\n', 'eu')).toBe(true);
});

it('sets the audit interval of the Deployment that audits, only', () => {
  const deployment = (name: string) => ({
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name },
    spec: { template: { spec: { containers: [{ name: 'manager', args: ['--a'] }] } } },
  });
  const [audit, other] = withAuditInterval([deployment('gatekeeper-audit'), deployment('gatekeeper-controller-manager')], 7);
  expect(audit).toHaveProperty('spec.template.spec.containers.0.args', ['--a', '--audit-interval=7']);
  expect(other).toEqual(deployment('gatekeeper-controller-manager'));
});
