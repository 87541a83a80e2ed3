import { compileCluster } from '@fso/shared/compile';
import { decodeFiles } from '@fso/shared/decode';
import { compareFleets, plannedEffects } from '@fso/shared/effects';
import { describe, expect, it } from 'vitest';
import { clusterFile } from '../../../test/harness/policy-files.ts';
import { ChangedNamespaces } from './changed-namespaces.ts';

const policy = (name: string, target: string, regions: string, more = ''): string =>
  `apiVersion: compliance.federated.io/v1\nkind: SovereignPolicy\nmetadata: {name: ${name}}\nspec: {targetNamespace: "${target}", allowedRegions: [${regions}]${more}}\n`;

const decode = (policies: Readonly<Record<string, string>>) => {
  const files = Object.entries(policies).map(([name, text]) => ({ path: `policies/${name}.yaml`, text }));
  const decoded = decodeFiles([{ path: 'clusters/eu.yaml', text: clusterFile('eu', ['r1', 'r2']) }, ...files]);
  if (!decoded.ok) throw new Error(JSON.stringify(decoded.problems));
  return decoded.set;
};

const NOW = Date.parse('2026-06-01T00:00:00Z');
type Policies = Readonly<Record<string, string>>;

/** Namespaces of eu that a plan changes, by the policies that are in force after the merge. */
const changedIn = (before: Policies, after: Policies, inForce = after) => {
  const [had, has] = [before, after].map((each) => ({ set: decode(each), atMs: NOW, withoutClusters: [], withoutRegions: [] }));
  if (had === undefined || has === undefined) throw new Error('no sides');
  const { effects, patterns } = compareFleets(had, has);
  const planned = plannedEffects(effects, { workloads: null, patterns });
  return new ChangedNamespaces(planned, NOW).in('eu', compileCluster(decode(inForce), 'eu').policies);
};

describe('the namespaces that a plan changes', () => {
  const base = { all: policy('all', '*', 'r1, r2'), finance: policy('finance', 'finance', 'r1') };

  it('are those that it names', () => {
    const isChanged = changedIn(base, { ...base, finance: policy('finance', 'finance', 'r2') });
    expect(['finance', 'finance-x', 'hr'].map(isChanged)).toEqual([true, false, false]);
  });

  it('are those of a pattern, without what other policies distinguish', () => {
    const isChanged = changedIn(base, { ...base, all: policy('all', '*', 'r1') });
    // The rule of finance stays: r1.
    expect(['finance', 'hr', 'x'].map(isChanged)).toEqual([false, true, true]);
  });

  it('are those of a pattern of several parts', () => {
    const parts = { ...base, a: policy('a', 'a-*', 'r1, r2'), b: policy('b', '*-b', 'r1, r2') };
    const isChanged = changedIn(parts, { ...parts, a: policy('a', 'a-*', 'r1', ', excludedNamespaces: [a-c]') });
    expect(['a-x', 'a-x-b', 'x-b', 'x', 'a-c'].map(isChanged)).toEqual([true, true, false, false, false]);
  });

  it('leave out policies that only warn', () => {
    const warn = ', enforcementAction: warn';
    const isChanged = changedIn(
      { ...base, hr: policy('hr', 'hr', 'r1', warn) },
      { ...base, hr: policy('hr', 'hr', 'r2', warn), finance: policy('finance', 'finance', 'r2') },
    );
    expect(['finance', 'hr'].map(isChanged)).toEqual([true, false]);
  });

  it('are not known of a pattern where other patterns are in force than in the plan', () => {
    const after = { ...base, all: policy('all', '*', 'r1') };
    const isChanged = changedIn(base, after, { ...after, more: policy('more', 'team-*', 'r1') });
    expect(['finance', 'hr', 'team-a'].map(isChanged)).toEqual([undefined, undefined, undefined]);
  });
});
