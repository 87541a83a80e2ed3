import { expect, it } from 'vitest';
import { judgeOwner, judgingCost, MAX_SOURCES } from './judge-namespace.ts';
import type { OwnerTemplates } from './next-templates.ts';
import { NODES, ownerIn } from './testing/governed-namespace.ts';

const ownerOf = (name: string, sources = 1): OwnerTemplates => {
  const owner = ownerIn('Deployment', { name, region: 'us-east-1', generation: 1 });
  const source = { kind: 'Deployment', object: owner, template: owner.template } as const;
  return { kind: 'Deployment', owner, sources: Array.from({ length: sources }, () => source) };
};

const inputOf = (regions: readonly (readonly string[])[]) => {
  const policies = regions.map((_, index) => `p-${index}`);
  const deny = { regions: [], policies, revisions: policies };
  return { denied: { namespace: 'a', deny, injected: [], regions }, nodes: NODES, injects: false, answer: () => undefined };
};

it('reads the regions of a policy once, and judges any number of owners by them', () => {
  let reads = 0;
  const counted = (regions: string[]): string[] =>
    Object.defineProperty(regions, Symbol.iterator, {
      value: () => {
        reads += 1;
        return regions.values();
      },
    });
  const input = inputOf([counted(['eu-west-1']), counted(['eu-west-1', 'us-east-1']), counted([])]);
  for (let n = 0; n < 50; n += 1) expect(judgeOwner(input, ownerOf(`d-${n}`)).found?.policies).toEqual(['p-0', 'p-2']);
  expect(reads).toBe(3);
});

it('costs the nodes and policies that each of the judged templates is compared with', () => {
  const input = inputOf(Array.from({ length: 10 }, () => []));
  expect(judgingCost(input, ownerOf('one'))).toBe(1 + NODES.length + 10);
  expect(judgingCost(input, ownerOf('many', 100))).toBe(MAX_SOURCES * (1 + NODES.length + 10));
});
