import type { KubeObject } from '@fso/shared/api';
import { describe, expect, it } from 'vitest';
import type { ClusterView } from '../cache/index.ts';
import { webhookFacts } from './plan-lock-two.ts';

const RULE = { apiGroups: ['*'], apiVersions: ['*'], operations: ['*'], resources: ['*', 'pods/binding'] };
const WEBHOOK = { name: 'validation.gatekeeper.sh', rules: [RULE] };
const LOADED = { created: true, byPod: [{ observedGeneration: 1, templateUID: 't' }] };

interface Cluster {
  readonly webhooks?: readonly object[];
  readonly readable?: boolean;
  readonly synced?: boolean;
  readonly gatekeeper?: boolean;
  readonly template?: object;
  readonly kind?: boolean;
}

const factsOf = ({ webhooks, readable = true, synced = true, gatekeeper = true, template = LOADED, kind = true }: Cluster) => {
  const namespaces = new Map<string, KubeObject>(['first', 'second'].map((name) => [name, { metadata: { name } }]));
  const configuration = webhooks && { metadata: { name: '' }, webhooks };
  const view = {
    namespaces,
    templates: { served: gatekeeper, get: () => ({ metadata: { name: '', uid: 't', generation: 1 }, status: template }) },
    constraints: { served: kind },
    webhookConfigurations: { served: readable, synced, get: () => configuration },
  } as unknown as ClusterView;
  return webhookFacts(view, true);
};

describe('webhookFacts', () => {
  it('accepts a webhook that is called for all pods', () => {
    const { problem, exclusion } = factsOf({ webhooks: [WEBHOOK] });
    expect([problem, exclusion('first'), exclusion('gone')]).toEqual([undefined, undefined, undefined]);
  });

  it('reports a problem of all namespaces, and one of a single namespace', () => {
    const namespaceSelector = { matchLabels: { 'kubernetes.io/metadata.name': 'first' } };
    const { problem, exclusion } = factsOf({ webhooks: [{ ...WEBHOOK, namespaceSelector }] });
    expect([problem, exclusion('first'), exclusion('second')?.isError]).toEqual([undefined, undefined, true]);
    expect(factsOf({ webhooks: [] }).problem?.message).toContain('webhooks has no validation.gatekeeper.sh');
  });

  it('reports that the configuration is gone', () => {
    expect(factsOf({}).problem).toEqual({ message: expect.stringContaining('is gone'), isError: true });
  });

  it.each<[what: string, cluster: Cluster]>([
    ['may not be read', { readable: false, synced: false }],
    ['is not read yet', { synced: false }],
    ['may no longer be read', { readable: false }],
    ['is of a Gatekeeper that is not there', { gatekeeper: false }],
    ['is still to come with Gatekeeper', { template: {} }],
    ['is of a Gatekeeper that has not made the kind', { kind: false }],
  ])('does not treat a configuration as gone that %s', (_what, cluster) => {
    expect(factsOf(cluster).problem).toBeUndefined();
  });

  it('keeps its result for a configuration that may no longer be read', () => {
    expect(factsOf({ webhooks: [], readable: false }).problem?.isError).toBe(true);
  });
});
