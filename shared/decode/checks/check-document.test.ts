import { expect, it } from 'vitest';
import { decodeFiles } from '../decode.ts';

const problemsOf = (spec: string): string[] => {
  const text = `apiVersion: compliance.federated.io/v1\nkind: RolloutStrategy\nmetadata: {name: r}\nspec: ${spec}\n`;
  const decoded = decodeFiles([{ path: 'rollout.yaml', text }]);
  return decoded.ok ? [] : decoded.problems.map(({ line, reason }) => `${line}: ${reason}`);
};

it('refuses an approval without approvers, and a wave that no tag can name', () => {
  expect(problemsOf('{waves: [{name: Wave 1, clusterSelector: {}, approval: Required}]}')).toEqual([
    expect.stringMatching(/^4: spec\.waves\[0\]\.name is part of the names of tags/),
    '4: spec.waves[0].approval needs spec.approvers',
  ]);
  expect(problemsOf('{approvers: [bob@example.org], waves: [{name: wave-1, clusterSelector: {}, approval: Required}]}')).toEqual([]);
  expect(problemsOf('{waves: [{name: Wave 1, clusterSelector: {}}]}')).toEqual([]);
  expect(problemsOf('{approvers: ["*@example.org"], waves: [{name: w, clusterSelector: {}}]}')).toEqual([
    expect.stringContaining('must be one principal of signers/allowed_signers'),
  ]);
});
