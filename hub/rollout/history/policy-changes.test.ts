import { decodeFiles, type PolicySet } from '@fso/shared/decode';
import { describe, expect, it } from 'vitest';
import { FILES } from '../../serve/testing/fleet.ts';
import { comparePolicies } from './policy-changes.ts';

const setWith = (change: (text: string, path: string) => string = (text) => text): PolicySet => {
  const decoded = decodeFiles(FILES.map(({ path, text }) => ({ path, text: change(text, path) })));
  if (!decoded.ok) throw new Error(JSON.stringify(decoded.problems));
  return decoded.set;
};
const only = (path: string, from: string, to: string) => (text: string, each: string) => (each === path ? text.replace(from, to) : text);

describe('policies that a commit changed', () => {
  it('are those that name a group that it widened, also for where they are placed', () => {
    const placed = (text: string, path: string): string =>
      only('policies/hr.yaml', 'clusterNames: [eu]', "clusterRegions: ['group:eu']")(text, path);
    const widen = only('regions/eu.yaml', 'eu-central-1]', 'eu-central-1, eu-north-1]');
    expect(comparePolicies(setWith(), setWith(widen))).toEqual({ added: [], changed: ['finance'], removed: [] });
    const both = setWith((text, path) => widen(placed(text, path), path));
    expect(comparePolicies(setWith(placed), both)).toEqual({ added: [], changed: ['finance', 'hr'], removed: [] });
  });

  it('are none where a group is only written in another order, or another cluster comes', () => {
    const turned = only('regions/eu.yaml', '[eu-west-1, eu-central-1]', '[eu-central-1, eu-west-1]');
    const renamed = only('clusters/us.yaml', '{name: us}', '{name: us2}');
    const none = { added: [], changed: [], removed: [] };
    expect([comparePolicies(setWith(), setWith(turned)), comparePolicies(setWith(), setWith(renamed))]).toEqual([none, none]);
  });

  it('are all that there are in the first commit', () => {
    expect(comparePolicies(undefined, setWith())).toEqual({ added: ['finance', 'hr'], changed: [], removed: [] });
  });
});
