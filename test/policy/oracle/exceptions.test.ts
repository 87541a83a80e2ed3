import { readFileSync } from 'node:fs';
import type { PlacementSpec } from '@fso/shared/residency';
import { expect, it } from 'vitest';
import { EXCEPTIONS } from './exceptions.ts';

it('are those of the documentation, in its order', () => {
  const page = readFileSync(new URL('../../../docs/residency.md', import.meta.url), 'utf8');
  const rows =
    page
      .split('### Exceptions')[1]
      ?.split('### ')[0]
      ?.match(/^\| [^|]+(?= \|)/gm) ?? [];
  expect(rows.slice(2).map((row) => row.slice(2))).toEqual(EXCEPTIONS.map(({ name }) => name));
});

/**
 * Kubernetes and the decision agree on the empty term: no exception may turn it into one that
 * matches.
 */
it('leave an empty term empty', () => {
  const pod = { affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [{}] } } } };
  for (const { name, relax } of EXCEPTIONS) {
    const { affinity } = relax(pod as PlacementSpec) ?? pod;
    expect(affinity, name).toEqual(pod.affinity);
  }
});
