import { describe, expect, it } from 'vitest';
import { CLUSTER_FILTER, cleared, isAnySet, NAMESPACE_FILTER, namesOf, problemOf, REGION_FILTER } from './filters.ts';

describe('a filter that is typed', () => {
  it('is incomplete without a value', () => {
    expect(problemOf(REGION_FILTER, 'eu-')).toBe('Region must be a region as in the node label topology.kubernetes.io/region');
    expect(problemOf(NAMESPACE_FILTER, 'Finance')).toBe('Namespace must be a lowercase RFC 1123 label');
    expect(problemOf(CLUSTER_FILTER, 'eu.')).toBe('Cluster must be a lowercase RFC 1123 subdomain');
  });

  it('is complete with a value', () => {
    expect([problemOf(REGION_FILTER, 'eu'), problemOf(NAMESPACE_FILTER, 'finance'), problemOf(CLUSTER_FILTER, 'eu.west')]).toEqual(
      Array(3).fill(undefined),
    );
  });

  it('is one of the offered values, or free text', () => {
    expect(problemOf({ ...REGION_FILTER, suggestions: ['(none)'] }, '(none)')).toBeUndefined();
    expect(problemOf({ name: 'actor', label: 'Actor' }, 'Jane Doe')).toBeUndefined();
  });
});

describe('filters', () => {
  it('are set and removed, the search among them', () => {
    const names = namesOf([CLUSTER_FILTER, { name: 'kind', label: 'Kind', isLinked: true }]);
    expect(names).toEqual(['q', 'cluster', 'kind']);
    expect(isAnySet(names, { kind: 'Pod' })).toBe(true);
    expect(isAnySet(names, { sort: 'name', q: '' })).toBe(false);
    expect(cleared(names)).toEqual({ q: undefined, cluster: undefined, kind: undefined });
  });
});
