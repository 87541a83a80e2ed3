import type { NewAuditEntry } from '@fso/shared/api';
import { expect, it } from 'vitest';
import { joinAlike, type TimedEntry } from './derive.ts';

const refusal = (cluster: string, revision: string, reason: string, time = '2026-01-01T00:00:00.000Z'): TimedEntry => {
  const actor = { kind: 'agent', id: cluster, roles: [] } satisfies NewAuditEntry['actor'];
  const detail = { cluster, reasons: [reason] };
  return { entry: { actor, from: null, action: 'revision.refuse', subject: revision, detail }, time };
};
const other: TimedEntry = {
  entry: { actor: { kind: 'hub', id: 'hub', roles: [] }, from: null, action: 'desired.set', subject: 'a', detail: {} },
  time: '2026-01-01T00:00:00.000Z',
};

it('combines refusals of one commit for the same reasons into one entry with the clusters, and no others', () => {
  const late = '2026-01-01T00:00:01.000Z';
  const alone = [refusal('us', 'a', 'unsigned'), refusal('us', 'b', 'no such region')];
  expect(joinAlike([other, ...alone])).toEqual([other, ...alone]);
  const later = refusal('eu', 'a', 'unsigned', '2026-01-01T00:01:00.000Z');
  const some = [refusal('us', 'a', 'unsigned'), other, refusal('eu', 'a', 'unsigned', late), refusal('eu', 'b', 'unsigned'), later];
  expect(joinAlike(some)).toEqual([
    other,
    {
      entry: {
        actor: { kind: 'hub', id: 'hub', roles: [] },
        from: null,
        action: 'revision.refuse',
        subject: 'a',
        detail: { clusters: ['eu', 'us'], reasons: ['unsigned'] },
      },
      time: late,
    },
    refusal('eu', 'b', 'unsigned'),
    later,
  ]);
});

it('combines ten thousand refusals into a few bounded entries that name each cluster once', () => {
  const all = Array.from({ length: 10_001 }, (_, n) => refusal(`cluster-${n}`, 'a', 'unsigned'));
  const entries = joinAlike(all);
  expect(entries).toHaveLength(21);
  const named = entries.flatMap(({ entry }) => (entry.detail['clusters'] as string[] | undefined) ?? [entry.actor.id]);
  expect(new Set(named).size).toBe(10_001);
});

it('combines first connections of one batch into one entry that names the clusters', () => {
  const connection = (cluster: string, time = '2026-01-01T00:00:00.000Z'): TimedEntry => {
    const actor = { kind: 'agent', id: cluster, roles: [] } satisfies NewAuditEntry['actor'];
    return { entry: { actor, from: null, action: 'cluster.connect', subject: cluster, detail: { first: true } }, time };
  };
  const later = connection('ap', '2026-01-01T00:01:00.000Z');
  expect(joinAlike([connection('us'), other, connection('eu'), later])).toEqual([
    other,
    {
      entry: {
        actor: { kind: 'hub', id: 'hub', roles: [] },
        from: null,
        action: 'cluster.connect',
        subject: '2 clusters',
        detail: { clusters: ['eu', 'us'], first: true },
      },
      time: '2026-01-01T00:00:00.000Z',
    },
    later,
  ]);
});
