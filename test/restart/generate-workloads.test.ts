import { describe, expect, it } from 'vitest';
import { generateWorkloads, ownerKind, TEAMS, type Workload } from './generate-workloads.ts';
import { CLUSTERS } from './regions.ts';
import { WORKLOAD_KINDS } from './workload.ts';

const count = (workloads: readonly Workload[], is: (workload: Workload) => boolean): number => workloads.filter(is).length;
const sortOf = ({ recipe }: Workload): string => recipe.split(':')[0] ?? '';

describe('the workloads of a restart', () => {
  it('are the same ones for the same seed', () => {
    expect(generateWorkloads(7)).toEqual(generateWorkloads(7));
    expect(generateWorkloads(8)).not.toEqual(generateWorkloads(7));
  });

  it.each([1, 2, 3, 4, 5])('are 400 of every kind and class, with seed %i', (seed) => {
    const workloads = generateWorkloads(seed);
    expect(workloads.length).toBe(402);
    for (const sort of ['outside', 'refused', 'pending', 'fine']) expect(count(workloads, (each) => sortOf(each) === sort)).toBe(84);
    expect(count(workloads, ({ runsOutside }) => runsOutside)).toBe(84);
    for (const next of ['Refused', 'Pending', 'None']) expect(count(workloads, (each) => each.next === next)).toBeGreaterThanOrEqual(60);
    for (const sort of ['mended by a webhook', 'spoiled by a webhook'])
      expect(count(workloads, (each) => sortOf(each) === sort)).toBeGreaterThanOrEqual(10);
    expect(count(workloads, ({ isOfOperator }) => isOfOperator)).toBeGreaterThanOrEqual(10);
    expect(new Set(workloads.map(({ kind }) => kind))).toEqual(new Set(Object.keys(WORKLOAD_KINDS)));
    expect(new Set(workloads.map(ownerKind)).size).toBeGreaterThanOrEqual(12);
  });

  it('are so few under each policy of a cluster that its agent names all of them', () => {
    const workloads = generateWorkloads(1);
    for (const cluster of CLUSTERS)
      for (const team of TEAMS)
        expect(count(workloads, (each) => each.cluster === cluster && each.namespace === team)).toBeLessThanOrEqual(20);
  });
});
