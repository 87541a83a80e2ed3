import { describe, expect, it } from 'vitest';
import type { PolicySet } from '../decode/index.ts';
import { planWaves } from './planned-waves.ts';

const source = { path: 'rollout.yaml', line: 1, column: 1 };
const header = { apiVersion: 'compliance.federated.io/v1' } as const;

const strategy = (...names: string[]): PolicySet['rollout'] => ({
  document: {
    ...header,
    kind: 'RolloutStrategy',
    metadata: { name: 'careful' },
    spec: { waves: names.map((name) => ({ name, clusterSelector: { matchLabels: { stage: name } } })) },
  },
  source,
});
const clusters = (stages: Readonly<Record<string, string>>): PolicySet['clusters'] =>
  Object.entries(stages).map(([name, stage]) => ({
    document: { ...header, kind: 'ManagedCluster', metadata: { name, labels: { stage } }, spec: { regions: ['r1'] } },
    source,
  }));

const STAGES = { eu: 'canary', us: 'production', ap: 'production', lab: 'none' };
const side = (rollout: PolicySet['rollout'], stages: Readonly<Record<string, string>> = STAGES) => ({
  rollout,
  clusters: clusters(stages),
});
const planned = strategy('canary', 'empty', 'production');

describe('planWaves', () => {
  it('lists the waves of the commit before, the implicit one last, and those in which nothing changes', () => {
    const both = { before: side(planned), after: side(strategy('production')) };
    expect(planWaves(both, ['lab', 'us'])).toEqual({
      from: 'ThisChange',
      waves: [
        { name: 'canary', isImplicit: false, clusters: 1, changed: 0, isSkipped: true, names: ['eu'] },
        { name: 'production', isImplicit: false, clusters: 2, changed: 1, isSkipped: false, names: ['us', 'ap'] },
        { name: '(others)', isImplicit: true, clusters: 1, changed: 1, isSkipped: false, names: ['lab'] },
      ],
    });
  });

  it('has none without a strategy, and those of the first one from the next commit on', () => {
    expect(planWaves({ before: side(undefined), after: side(undefined) }, ['eu'])).toBeNull();
    expect(planWaves({ before: side(undefined), after: side(planned) }, [])?.from).toBe('NextCommit');
    expect(planWaves({ before: side(planned), after: side(undefined) }, [])?.from).toBe('ThisChange');
  });

  it('assigns clusters by their labels before, those that are new by the labels that they get', () => {
    const both = { before: side(planned, { eu: 'canary', us: 'none' }), after: side(planned, { eu: 'production', ap: 'canary' }) };
    expect(planWaves(both, ['ap', 'us'])?.waves.map(({ name, names }) => [name, names])).toEqual([
      ['canary', ['ap', 'eu']],
      ['(others)', ['us']],
    ]);
  });

  it('names the clusters that are compared, and takes a wave for skipped only if nothing changes in the others', () => {
    const both = { before: side(planned), after: side(planned) };
    expect(planWaves(both, ['us'], ['ap'])?.waves).toEqual([
      { name: 'production', isImplicit: false, clusters: 1, changed: 0, isSkipped: false, names: ['ap'] },
    ]);
  });

  it('names 20 clusters of a wave, and counts all', () => {
    const stages = Object.fromEntries(Array.from({ length: 30 }, (_, at) => [`c${at}`, 'canary']));
    const both = { before: side(planned, stages), after: side(planned, stages) };
    const [wave] = planWaves(both, ['c7'])?.waves ?? [];
    expect([wave?.clusters, wave?.names.length, wave?.names[0]]).toEqual([30, 20, 'c7']);
  });
});
