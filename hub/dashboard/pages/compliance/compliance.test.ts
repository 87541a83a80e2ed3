import { describe, expect, it } from 'vitest';
import { findingKey, parseFindingKey } from '../../api/queries.ts';
import { listInspectCommands, quoteShellWord } from '../../lib/commands.ts';
import { NO_REGION, targetOfGroup } from './group-target.ts';
import { findRemedy } from './remedy.ts';

const VIOLATION = {
  cluster: 'eu',
  policy: 'finance-eu',
  namespace: 'finance',
  kind: 'Pod',
  name: 'api-1',
  enforcementAction: 'deny',
  reason: 'runs on node n1 in us-east-1, which is not an allowed region',
  node: 'n1',
  region: 'us-east-1',
  since: '2026-01-01T00:00:00Z',
} as const;

it.each([
  ['node/ip-10-0-0-1.ec2.internal', 'node/ip-10-0-0-1.ec2.internal'],
  ['; rm -rf ~', "'; rm -rf ~'"],
  ["it's $(id)", `'it'\\''s $(id)'`],
  ['a\nb', "'a\nb'"],
  ['', "''"],
])('quotes %j as one word of a shell command', (text, word) => {
  expect(quoteShellWord(text)).toBe(word);
});

describe('listInspectCommands', () => {
  it('names object, node and policy', () => {
    expect(listInspectCommands(VIOLATION).map(({ command }) => command)).toEqual([
      'kubectl -n finance get pod/api-1 -o yaml',
      expect.stringContaining('kubectl -n finance get pod/api-1 -o jsonpath='),
      'kubectl get node/n1 -L topology.kubernetes.io/region',
      'kubectl -n federated-sovereignty-system get sovereignpolicy/finance-eu -o yaml',
    ]);
  });

  it('never lets a name become an option or another command', () => {
    const commands = listInspectCommands({ ...VIOLATION, name: '--kubeconfig=x', node: 'n; reboot' });
    expect(commands[0]?.command).toContain(' pod/--kubeconfig=x ');
    expect(commands[2]?.command).toContain("'node/n; reboot'");
  });
});

describe('findRemedy', () => {
  it('distinguishes a running pod from a waiting one', () => {
    expect(findRemedy(VIOLATION, ['eu-west-1']).steps[0]).toContain('to one of eu-west-1');
    const { node: _none, ...waiting } = VIOLATION;
    const remedy = findRemedy({ ...waiting, reason: 'may be scheduled outside: spec.nodeName bypasses the scheduler' }, ['eu-west-1']);
    expect(remedy.steps[0]).toContain('remove spec.nodeName and set');
    expect(findRemedy(VIOLATION, []).steps).toEqual(['no region is allowed, ask the owners of the policies.']);
  });
});

it('survives encoding in a URL', () => {
  const { cluster, policy, namespace, kind, name } = VIOLATION;
  expect(findingKey(VIOLATION)).toBe('eu/finance/Pod/api-1/finance-eu');
  for (const key of [policy, `team-a/${policy}`]) {
    const violation = { cluster, policy: key, namespace, kind, name };
    expect(parseFindingKey(findingKey(violation))).toEqual(violation);
  }
  for (const text of ['', 'a/b/c/d', 'a/b/c/d/e/f/g', '/b/c/d/e', 'a/b/c/d/e/']) expect(parseFindingKey(text)).toBeUndefined();
});

it('a group opens the list of what it counts', () => {
  expect(targetOfGroup('policy', 'a')).toEqual({ policy: 'a' });
  expect(targetOfGroup('namespace', 'eu/finance')).toEqual({ cluster: 'eu', namespace: 'finance' });
  expect(targetOfGroup('workload', 'eu/finance/Pod/api')).toEqual({ cluster: 'eu', namespace: 'finance', kind: 'Pod', name: 'api' });
  expect(targetOfGroup('region', '')).toEqual({ region: NO_REGION });
});
