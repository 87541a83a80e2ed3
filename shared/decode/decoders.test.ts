import { describe, expect, it } from 'vitest';
import { createAloneDecoder, createDecoder, decodeAlone, decodeFiles } from './decode.ts';
import { clusterFile, policyFile } from './testing/decoded.ts';

describe('createDecoder', () => {
  it('works without other clusters where it has the part of one', () => {
    const files = [policyFile('a', { placement: { clusterNames: ['us'] } }), clusterFile('eu', ['eu-west-1'])];
    expect(createDecoder()(files).ok).toBe(false);
    expect(createDecoder({}, 'cluster')(files).ok).toBe(true);
  });

  it('answers as decodeFiles does for every commit, and keeps the documents of unchanged files', () => {
    const decode = createDecoder();
    const [a, b] = [policyFile('a'), policyFile('b')];
    const commits = [
      [a, b],
      [a, policyFile('b', { allowedRegions: ['group:none'] })],
      [a],
      [a, b, { ...a, path: 'policies/z.yaml' }],
      [b, a],
    ];
    for (const files of commits) expect(JSON.stringify(decode(files))).toBe(JSON.stringify(decodeFiles(files)));
    const documents = () => {
      const result = decode([a, b]);
      return result.ok ? result.set.policies.map(({ document }) => document) : [];
    };
    const before = documents();
    expect(documents().every((document, index) => document === before[index])).toBe(true);
  });
});

describe('createAloneDecoder', () => {
  it('answers as decodeAlone does for every commit, and keeps the documents of unchanged files', () => {
    const decode = createAloneDecoder();
    const [a, b] = [policyFile('a'), policyFile('b')];
    const commits = [[a, b], [a, { ...b, text: 'kind: [' }], [{ ...a, path: 'policies/z.yaml' }, b], [], [b, a]];
    for (const files of commits) expect(JSON.stringify(decode(files))).toBe(JSON.stringify(decodeAlone(files)));
    const [first, second] = [decode([a, b]), decode([a, policyFile('b', { allowedRegions: ['us-east-1'] })])];
    expect(second.set.policies[0]?.document).toBe(first.set.policies[0]?.document);
    expect(second.set.policies[1]?.document).not.toBe(first.set.policies[1]?.document);
  });
});
