import { LABELS, OPEN_REPORT } from '@fso/shared/api';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Action } from '../enforce/index.ts';
import { isLabelled, ownerOf, planReports, type ReportsInput, reduceReport } from './plan-reports.ts';
import { buildContent, REPORT_LABELS, type Report, type ReportContent } from './report.ts';

const contentWith = (pods: number, change: Partial<ReportContent> = {}): ReportContent => ({
  ...buildContent({ policies: 1, fail: 0, warn: 0, violations: [], risks: [] }, pods, []),
  ...change,
});

/** Runs the actions as the API server would. */
const applyAll = (cluster: ReadonlyMap<string, Report>, actions: readonly Action[]): ReadonlyMap<string, Report> => {
  const next = new Map(cluster);
  for (const action of actions) {
    if (action.type === 'apply')
      next.set(action.body.metadata.namespace ?? '', { ...action.body, metadata: { ...action.body.metadata, uid: 'new' } });
    else if (action.type === 'delete') next.delete(action.ref.namespace ?? '');
    else next.set(action.ref.namespace ?? '', merge(next.get(action.ref.namespace ?? ''), action.patch) as Report);
  }
  return next;
};

/** RFC 7386. */
const merge = (target: unknown, patch: unknown): unknown => {
  if (typeof patch !== 'object' || patch === null || Array.isArray(patch)) return patch;
  const merged: Record<string, unknown> = typeof target === 'object' && !Array.isArray(target) ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete merged[key];
    else merged[key] = merge(merged[key], value);
  }
  return merged;
};

const plan = (cluster: ReadonlyMap<string, Report>, wanted: ReadonlyMap<string, ReportContent>, changes: Partial<ReportsInput> = {}) =>
  planReports({ wanted, live: [...cluster.values()].map(reduceReport), isOwn: isLabelled, owner: ownerOf('role'), ...changes });

const textOf = ({ type, key, reason }: Action): string => `${type} ${key} ${reason}`;
const KEY = `Report/finance/${OPEN_REPORT}`;

describe('planReports', () => {
  const wanted = new Map([['finance', contentWith(3)]]);
  const settled = applyAll(new Map(), plan(new Map(), wanted));
  const live = settled.get('finance') ?? expect.fail('no report');
  const changed = (change: Partial<Report>): ReadonlyMap<string, Report> => new Map([['finance', { ...live, ...change }]]);

  it('makes the report of a governed namespace, and then has nothing to do', () => {
    expect(plan(new Map(), wanted).map(textOf)).toEqual([`apply ${KEY} Report`]);
    expect(live).toMatchObject({ metadata: { name: OPEN_REPORT, namespace: 'finance', labels: REPORT_LABELS }, summary: { pass: 3 } });
    expect(plan(settled, wanted)).toEqual([]);
  });

  it.each<[what: string, change: Partial<Report>]>([
    ['results', { results: [{ policy: 'forged' }] }],
    ['counts', { summary: { ...live.summary, fail: 7 } }],
    ['source', { source: 'kyverno' }],
    ['a scope', { scope: { kind: 'Namespace', name: 'other' } }],
    ['owners', { metadata: { ...live.metadata, ownerReferences: [] } }],
  ])('puts back changed %s', (_, change) => {
    const actions = plan(changed(change), wanted);
    expect(actions.map(textOf)).toEqual([`patch ${KEY} Report`]);
    expect(plan(applyAll(changed(change), actions), wanted)).toEqual([]);
  });

  it('distinguishes a change of the number of pods from all others', () => {
    expect(plan(settled, new Map([['finance', contentWith(4)]])).map(textOf)).toEqual([`patch ${KEY} Count`]);
  });

  it('leaves other labels and annotations alone', () => {
    const metadata = { ...live.metadata, labels: { ...live.metadata.labels, team: 'a' }, annotations: { note: 'x' } };
    expect(plan(changed({ metadata }), wanted)).toEqual([]);
  });

  it('deletes the report of a namespace that is no longer governed', () => {
    expect(plan(settled, new Map()).map(textOf)).toEqual([`delete ${KEY} Release`]);
  });

  it('takes back one that lost its label and is known to be its own', () => {
    const bare = changed({ metadata: { ...live.metadata, labels: {} } });
    expect(plan(bare, wanted)).toEqual([]);
    expect(plan(bare, wanted, { isOwn: () => true }).map(textOf)).toEqual([`patch ${KEY} Report`]);
  });

  it('waits for one that is being deleted', () => {
    const leaving = changed({ metadata: { ...live.metadata, deletionTimestamp: '2026-01-01T00:00:00Z' }, source: 'x' });
    expect(plan(leaving, wanted)).toEqual([]);
    expect(plan(leaving, new Map())).toEqual([]);
  });

  it('settles from any state, never touches reports of others, and does not depend on the order of them', () => {
    const namespaces = fc.constantFrom('a', 'b', 'c', 'd');
    const reports = fc.record({
      namespace: namespaces,
      isOurs: fc.boolean(),
      source: fc.constantFrom('x', 'federated-sovereignty-operator'),
      pass: fc.nat(2),
    });
    const clusters = fc.uniqueArray(reports, { selector: ({ namespace }) => namespace });
    fc.assert(
      fc.property(clusters, fc.uniqueArray(namespaces), (found, governed) => {
        const cluster = new Map<string, Report>(
          found.map(({ namespace, isOurs, source, pass }) => [
            namespace,
            {
              metadata: { name: OPEN_REPORT, namespace, labels: isOurs ? REPORT_LABELS : { [LABELS.component]: 'other' } },
              source,
              summary: { pass },
            },
          ]),
        );
        const some = new Map(governed.map((namespace) => [namespace, contentWith(1)]));
        const actions = plan(cluster, some);
        const after = applyAll(cluster, actions);
        expect(plan(after, some)).toEqual([]);
        for (const { namespace, isOurs } of found) if (!isOurs) expect(after.get(namespace)).toBe(cluster.get(namespace));
        expect(plan(new Map([...cluster].reverse()), new Map([...some].reverse()))).toEqual(actions);
      }),
    );
  });
});
