import { createDecoder, type PolicySet, type SourceFile } from '@fso/shared/decode';
import { describe, expect, it } from 'vitest';
import { FILES } from '../../serve/testing/fleet.ts';
import { comparePolicies } from './rollout-writer.ts';

/** Decodes as a hub does: a file that reads as in the set before is the same document. */
const decode = createDecoder();

const setWith = (change: (text: string, path: string) => string = (text) => text, more: readonly SourceFile[] = []): PolicySet => {
  const decoded = decode([...FILES.map(({ path, text }) => ({ path, text: change(text, path) })), ...more]);
  if (!decoded.ok) throw new Error(JSON.stringify(decoded.problems));
  return decoded.set;
};
const only = (path: string, from: string, to: string) => (text: string, each: string) => (each === path ? text.replace(from, to) : text);

describe('policies that a commit changed', () => {
  it('are those that name a group that it widened, in regions or placement', () => {
    const placed = (text: string, path: string): string =>
      only('policies/hr.yaml', 'clusterNames: [eu]', "clusterRegions: ['group:eu']")(text, path);
    const widen = only('regions/eu.yaml', 'eu-central-1]', 'eu-central-1, eu-north-1]');
    expect(comparePolicies(setWith(), setWith(widen))).toEqual({ added: [], changed: ['finance'], removed: [] });
    const both = setWith((text, path) => widen(placed(text, path), path));
    expect(comparePolicies(setWith(placed), both)).toEqual({ added: [], changed: ['finance', 'hr'], removed: [] });
  });

  it('are none where a group is only written in another order, or another cluster joins', () => {
    const turned = only('regions/eu.yaml', '[eu-west-1, eu-central-1]', '[eu-central-1, eu-west-1]');
    const joined = FILES.filter(({ path }) => path === 'clusters/us.yaml').map(({ text }) => ({
      path: 'clusters/us2.yaml',
      text: text.replace('{name: us}', '{name: us2}'),
    }));
    const none = { added: [], changed: [], removed: [] };
    expect([comparePolicies(setWith(), setWith(turned)), comparePolicies(setWith(), setWith(undefined, joined))]).toEqual([none, none]);
  });

  it('are all those below a scope that was added or changed', () => {
    const scope = (labels: string) => ({
      path: 'policies/scope.yaml',
      text: `apiVersion: compliance.federated.io/v1\nkind: PolicyScope\nmetadata: {name: all}\nspec: {placement: {clusterSelector: {matchLabels: {${labels}}}}}\n`,
    });
    const scoped = setWith(undefined, [scope('env: prod')]);
    expect(comparePolicies(setWith(), scoped).changed).toEqual(['finance', 'hr']);
    const none = { added: [], changed: [], removed: [] };
    expect(comparePolicies(scoped, setWith(undefined, [scope('env: prod')]))).toEqual(none);
  });

  it('are all policies in the first commit', () => {
    expect(comparePolicies(undefined, setWith())).toEqual({ added: ['finance', 'hr'], changed: [], removed: [] });
  });
});
