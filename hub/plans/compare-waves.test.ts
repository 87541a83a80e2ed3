import type { RoleGrant } from '@fso/shared/api';
import { decodeFiles } from '@fso/shared/decode';
import { expect, it } from 'vitest';
import { clusterFile, policyFile } from '../../test/harness/policy-files.ts';
import { compare } from './compare.ts';

type Files = Readonly<Record<string, string>>;

const STRATEGY = `apiVersion: compliance.federated.io/v1
kind: RolloutStrategy
metadata: { name: careful }
spec: { waves: [{ name: canary, clusterSelector: { matchLabels: { stage: canary } } }] }
`;
const FLEET: Files = {
  'clusters/eu.yaml': clusterFile('eu', ['eu-west-1', 'eu-central-1']),
  'clusters/us.yaml': clusterFile('us', ['us-east-1'], 'stage: canary'),
  'policies/finance.yaml': policyFile('finance', ['eu-west-1', 'eu-central-1']),
};

const wavesFor = (before: Files, files: Files, clusterNames?: string[]) => {
  const decoded = decodeFiles(Object.entries(before).map(([path, text]) => ({ path, text })));
  if (!decoded.ok) throw new Error(JSON.stringify(decoded.problems));
  const grants: RoleGrant[] | undefined = clusterNames && [{ role: 'viewer', clusters: { clusterNames } }];
  const body = Uint8Array.from(Buffer.from(JSON.stringify({ files })));
  const result = compare({ body, before: decoded.set, nowMs: Date.parse('2026-06-01T00:00:00Z'), grants });
  if (!result.ok) throw new Error(result.detail);
  return result.waves?.waves.map(({ name, names, changed }) => [name, names, changed]);
};

it('has the waves of the commit in force, for callers who see a part only with clusters of that', () => {
  const before = { ...FLEET, 'rollout.yaml': STRATEGY };
  const files = {
    ...FLEET,
    'clusters/us.yaml': clusterFile('us', ['us-east-1']),
    'clusters/new.yaml': clusterFile('new', ['eu-west-1'], 'stage: canary'),
    'policies/finance.yaml': policyFile('finance', ['eu-west-1']),
  };
  expect(wavesFor(before, files)).toEqual([
    ['canary', ['new', 'us'], 2],
    ['(others)', ['eu'], 1],
  ]);
  expect(wavesFor(before, files, ['eu'])).toEqual([['(others)', ['eu'], 1]]);
  expect(wavesFor(before, files, ['us', 'new'])).toEqual([['canary', ['us'], 1]]);
  expect(wavesFor(FLEET, files)).toBeUndefined();
});
