import type { PolicySet } from '@fso/shared/decode';
import { describe, expect, it } from 'vitest';
import { planRelease } from './pipeline.ts';

const revision = 'a'.repeat(40);
const empty: PolicySet = { policies: [], scopes: [], clusters: [], regionGroups: [], catalog: undefined, rollout: undefined };

describe('planRelease', () => {
  it('lets every cluster move at once', () => {
    expect(planRelease({ revision, set: empty }, ['us', 'eu'])).toEqual({ clusters: ['us', 'eu'], events: [] });
  });

  it('reports that a rollout strategy is not followed', () => {
    const set: PolicySet = {
      ...empty,
      rollout: {
        document: {
          apiVersion: 'compliance.federated.io/v1',
          kind: 'RolloutStrategy',
          metadata: { name: 'careful' },
          spec: { waves: [{ name: 'first', clusterSelector: {} }] },
        },
        source: { path: 'rollout/careful.yaml', line: 1, column: 1 },
      },
    };
    const plan = planRelease({ revision, set }, ['us']);
    expect(plan.clusters).toEqual(['us']);
    expect(plan.events.map((event) => [event.severity, event.reason, event.revision])).toEqual([
      ['warning', 'RolloutStrategyIgnored', revision],
    ]);
    expect(plan.events[0]?.message).toContain('careful (rollout/careful.yaml:1)');
  });
});
