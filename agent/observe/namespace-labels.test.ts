import { LABELS } from '@fso/shared/api';
import { byText } from '@fso/shared/encoding';
import { describe, expect, it } from 'vitest';
import type { Namespace } from '../cache/index.ts';
import { NamespaceLabelCache } from './namespace-labels.ts';

const namespace = (name: string, labels: Record<string, string>): Namespace => ({ metadata: { name, labels } });
const governing = (...namespaces: string[]) => ({ kind: 'governing', regions: ['eu-west-1'], namespaces, conflicts: [] }) as const;

describe('labels as they stand', () => {
  const finance = namespace('finance', { [LABELS.policyName]: 'by-hand', team: 'payments' });

  it('names those of this system on the governed namespaces that are there', () => {
    const book = new NamespaceLabelCache();
    const labels = book.of('eu', governing('finance', 'gone'), (name) => (name === 'finance' ? finance : undefined));
    expect(labels).toEqual([{ namespace: 'finance', labels: { [LABELS.policyName]: 'by-hand' } }]);
  });

  it('is the same object while nothing changes, and another when a label does', () => {
    const book = new NamespaceLabelCache();
    const first = book.of('p', governing('finance'), () => finance);
    expect(book.of('p', governing('finance'), () => finance)).toBe(first);
    const changed = namespace('finance', { [LABELS.policyName]: 'another' });
    expect(book.of('p', governing('finance'), () => changed)).toEqual([
      { namespace: 'finance', labels: { [LABELS.policyName]: 'another' } },
    ]);
  });

  it('names the first 64 of a namespace, as many as a report may have', () => {
    const labels = Object.fromEntries(Array.from({ length: 70 }, (_, at) => [`compliance.gov/l${70 - at}`, '']));
    const [named] = new NamespaceLabelCache().of('p', governing('finance'), () => namespace('finance', labels));
    expect(Object.keys(named?.labels ?? {})).toEqual(Object.keys(labels).toSorted(byText).slice(0, 64));
  });

  it('names 20 namespaces at most, and none of a policy that does not govern', () => {
    const book = new NamespaceLabelCache();
    const names = Array.from({ length: 30 }, (_, index) => `team-${index}`);
    expect(book.of('p', governing(...names), (name) => namespace(name, {}))).toHaveLength(20);
    expect(book.of('q', { kind: 'expired', regions: [], expiredAt: '2026-01-01T00:00:00Z' }, () => finance)).toEqual([]);
  });
});
