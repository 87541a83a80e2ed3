import type { NodeJudgement } from '@fso/shared/regions';
import { describe, expect, it } from 'vitest';
import type { Pod } from '../cache/index.ts';
import type { PolicyOutcome } from '../enforce/index.ts';
import { findProcessing } from './processing.ts';

const pod = (namespace: string, name: string, nodeName?: string, phase = 'Running'): Pod => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { namespace, name },
  spec: nodeName === undefined ? {} : { nodeName },
  status: { phase },
});
const governing = (...namespaces: string[]): PolicyOutcome =>
  ({ kind: 'governing', regions: ['eu-west-1'], namespaces, conflicts: [] }) as unknown as PolicyOutcome;

const NODES: Readonly<Record<string, NodeJudgement>> = {
  dublin: { provider: 'aws', region: 'eu-west-1', country: 'IE', verdict: 'confirmed' },
  istanbul: { provider: 'aws', region: 'eu-central-1-ist-1a', country: 'TR', verdict: 'confirmed' },
  liar: { provider: 'aws', region: 'eu-west-1', country: 'IE', verdict: 'disputed' },
  unlabelled: { verdict: 'unchecked' },
};

const find = (pods: readonly Pod[], policies: ReadonlyMap<string, PolicyOutcome>) =>
  findProcessing({
    governance: { policies },
    podsIn: (namespace) => pods.filter(({ metadata }) => metadata.namespace === namespace),
    judgementOf: (name) => NODES[name],
  });

describe('findProcessing', () => {
  it('counts the running pods of governed namespaces by country, provider and region', () => {
    const pods = [
      pod('finance', 'a', 'dublin'),
      pod('finance', 'b', 'dublin'),
      pod('finance', 'c', 'istanbul'),
      pod('finance', 'waiting'),
      pod('finance', 'done', 'istanbul', 'Succeeded'),
      pod('free', 'a', 'dublin'),
    ];
    const policies = new Map([
      ['hr', governing('finance')],
      ['finance', governing('finance', 'empty')],
    ]);
    expect(find(pods, policies)).toEqual({
      rows: [
        { namespace: 'finance', policies: ['finance', 'hr'], country: 'TR', provider: 'aws', region: 'eu-central-1-ist-1a', pods: 1 },
        { namespace: 'finance', policies: ['finance', 'hr'], country: 'IE', provider: 'aws', region: 'eu-west-1', pods: 2 },
      ],
      omitted: 0,
    });
  });

  it.each(['liar', 'unlabelled', 'gone'])('knows no country of a pod on node %s', (node) => {
    expect(find([pod('finance', 'a', node)], new Map([['finance', governing('finance')]])).rows).toEqual([
      { namespace: 'finance', policies: ['finance'], country: null, provider: null, region: '', pods: 1 },
    ]);
  });

  it('returns a bounded number of rows, and counts the others', () => {
    const names = Array.from({ length: 20_001 }, (_, n) => `n-${n}`);
    const byName = new Map(names.map((name) => [name, [pod(name, 'a', 'dublin')]]));
    const found = findProcessing({
      governance: { policies: new Map([['all', governing(...names)]]) },
      podsIn: (namespace) => byName.get(namespace) ?? [],
      judgementOf: (name) => NODES[name],
    });
    expect([found.rows.length, found.omitted]).toEqual([20_000, 1]);
  });
});
