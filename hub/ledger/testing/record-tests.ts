import { byText } from '@fso/shared/encoding';
import { expect, it } from 'vitest';
import type { AuditFilter } from '../audit-log.ts';
import type { EventFilter } from '../event-filter.ts';

import { commit, desired, event, report, source, TIME } from './ledger.ts';
import type { TestLedger } from './test-ledger.ts';

/** Events, and the search for them. */
export const itFindsEvents = (test: TestLedger): void => {
  it('keeps events in order and pages them backwards', async () => {
    for (const reason of ['A', 'B', 'C', 'D'])
      await test.ledger.addEvent(reason === 'C' ? 'paged' : null, event(reason, { policy: 'x/paged' }));
    await test.reopen();
    const all = await test.ledger.events({ policy: 'x/paged', limit: 10 });
    expect(all.map(({ reason }) => reason)).toEqual(['D', 'C', 'B', 'A']);
    const [newest, second] = all;
    expect((await test.ledger.events({ policy: 'x/paged', limit: 1, before: newest?.id ?? 0 })).map(({ id }) => id)).toEqual([second?.id]);
    expect((await test.ledger.events({ cluster: 'paged', limit: 10 })).map(({ reason }) => reason)).toEqual(['C']);
    expect(await test.ledger.countEvents({ policy: 'x/paged', limit: 10 })).toBe(4);
    expect(await test.ledger.countEvents({ policy: 'x/paged', limit: 2 })).toBe(2);
  });

  it('finds events by severity, time and text', async () => {
    const at = (hour: number) => `2026-02-01T${String(hour).padStart(2, '0')}:00:00.000Z`;
    await test.ledger.addEvent('found', event('One', { time: at(1), message: 'Ünder "quotes" \u0000', policy: 'x/found' }));
    await test.ledger.addEvent('found', event('Two', { time: '2026-02-01T04:00:00+02:00', severity: 'alert', policy: 'x/found' }));
    await test.ledger.addEvent(null, event('Three', { time: at(3), policy: 'x/found' }));
    await test.reopen();
    const found = async (filter: EventFilter) => {
      const query = { policy: 'x/found', ...filter, limit: 10 };
      const reasons = (await test.ledger.events(query)).map(({ reason }) => reason);
      expect(await test.ledger.countEvents(query)).toBe(reasons.length);
      return reasons;
    };
    expect(await found({ severity: 'alert' })).toEqual(['Two']);
    expect(await found({ since: at(2) })).toEqual(['Three', 'Two']);
    expect(await found({ until: at(2) })).toEqual(['Two', 'One']);
    expect(await found({ since: at(2), until: at(2) })).toEqual(['Two']);
    expect(await found({ q: 'under "QUOTES"' })).toEqual([]);
    expect(await found({ q: 'ünder "QUOTES"' })).toEqual(['One']);
    expect(await found({ q: 'two' })).toEqual(['Two']);
    expect(await found({ q: 'FOUND' })).toEqual(['Three', 'Two', 'One']);
    // A name of a field is no text of an event.
    expect(await found({ q: 'severity' })).toEqual([]);
  });

  it('keeps an event once that an agent sends again', async () => {
    const again = report(1, { events: [event('Twice', { message: 'odd \u0000 text', policy: 'odd/\u0000' }), event('Once')] });
    await test.ledger.applyReport('twice', again);
    await test.ledger.applyReport('twice', { ...again, seq: 2 });
    expect((await test.ledger.events({ cluster: 'twice', limit: 10 })).map(({ reason }) => reason).sort(byText)).toEqual(['Once', 'Twice']);
  });
};

/** The audit log of what happened. */
export const itKeepsAnAuditLog = (test: TestLedger): void => {
  it('writes changes into the audit log, in their transaction and order', async () => {
    const { audit } = test.ledger;
    const first = (await audit.head()).sequence;
    const revision = 'f'.repeat(40);
    const rejected = { commit: commit('9'.repeat(40)), problems: [{ reason: 'unknown field' }] };
    await test.ledger.setSource(source({ revision: commit(revision) }));
    await test.ledger.setSource(source({ revision: commit(revision), rejected }));
    await test.ledger.setSource(source({ revision: commit(revision), rejected, lastFetch: TIME }));
    await test.ledger.setDesired(desired(revision));
    await test.ledger.setDesired(desired(revision));
    await test.ledger.setConnected('audited', true);
    await test.ledger.setConnected('audited', false);
    await test.ledger.setConnected('audited', true);
    await test.ledger.setNack('audited', { revision, reasons: [{ message: 'odd \u0000 \ud800 text' }] });
    await audit.append({
      actor: { kind: 'user', id: 'ada', roles: ['admin'] },
      from: '10.0.0.1',
      action: 'token.create',
      subject: 'ci',
      detail: { n: 1.5 },
    });
    await test.reopen();
    const entries = await test.ledger.audit.after(first, 100);
    expect(entries.map(({ action, subject }) => [action, subject])).toEqual([
      ['revision.accept', revision],
      ['revision.reject', '9'.repeat(40)],
      ['desired.set', revision],
      ['cluster.connect', 'audited'],
      ['revision.refuse', revision],
      ['token.create', 'ci'],
    ]);
    expect(entries.map(({ sequence }) => sequence)).toEqual(entries.map((_, i) => first + 1 + i));
    expect(await test.ledger.audit.verify()).toMatchObject({ ok: true, entries: first + 6, head: { sequence: first + 6 } });
    expect((await test.ledger.audit.list({ limit: 2, before: first + 6 })).map(({ sequence }) => sequence)).toEqual([first + 5, first + 4]);
    expect((await test.ledger.audit.list({ limit: 5, actor: 'ada' })).map(({ action }) => action)).toEqual(['token.create']);
    const detail = { added: ['audited'], changed: [], removed: [] };
    const actor = { kind: 'git' as const, id: 'Ada', roles: [] };
    await test.ledger.audit.append({ actor, from: null, action: 'policies.change', subject: revision, detail });
    const found = async (filter: AuditFilter) => (await test.ledger.audit.after(first, 100, filter)).map(({ action }) => action);
    expect(await found({ cluster: 'audited' })).toEqual(['cluster.connect', 'revision.refuse']);
    expect(await found({ policy: 'audited' })).toEqual(['policies.change']);
    expect(await found({ since: TIME, until: TIME, action: 'token.create' })).toEqual(['token.create']);
    expect(await found({ until: '2026-01-03T10:29:59.999Z' })).toEqual([]);
    expect(await found({ since: '2026-01-03T10:30:00.001Z' })).toEqual([]);
    expect((await test.ledger.audit.list({ limit: 1, subject: revision })).map(({ action }) => action)).toEqual(['policies.change']);
  });

  it('finds a refusal by its cluster, written alone or with those of others', async () => {
    const first = (await test.ledger.audit.head()).sequence;
    const revision = '7'.repeat(40);
    const clusters = Array.from({ length: 30 }, (_, n) => `refuses-${n}`);
    await Promise.all(clusters.map((cluster) => test.ledger.setNack(cluster, { revision, reasons: [{ message: 'no such region' }] })));
    for (const cluster of clusters) {
      const found = await test.ledger.audit.after(first, 100, { cluster });
      expect(found.map(({ action, subject }) => [action, subject])).toEqual([['revision.refuse', revision]]);
    }
    expect((await test.ledger.audit.verify()).ok).toBe(true);
  });
};

/** Tests the records of other parts, and the state that a ledger reports of itself. */
export const itKeepsRecords = (test: TestLedger): void => {
  it('keeps records of other parts: changes in turn, refusals of one alone, removal, and news of each', async () => {
    const told: string[] = [];
    const end = test.ledger.records.subscribe('counter', (name) => told.push(name));
    const count = (before: unknown) => ({ n: ((before as { n: number } | undefined)?.n ?? 0) + 1 });
    const refuse = () => {
      throw new Error('refused');
    };
    const results = await Promise.allSettled([
      ...Array.from({ length: 20 }, () => test.ledger.records.update('counter', 'a', count)),
      test.ledger.records.update('counter', 'a', refuse),
      test.ledger.records.update('counter', 'b', count),
      test.ledger.records.update('other', 'a', count),
    ]);
    expect(results.map(({ status }) => status).filter((status) => status === 'rejected')).toHaveLength(1);
    expect(results[19]).toEqual({ status: 'fulfilled', value: { n: 20 } });
    expect(await test.ledger.records.update('counter', 'a', (before) => before)).toEqual({ n: 20 });
    await test.ledger.records.update('counter', 'b', () => undefined);
    end();
    expect(new Set(told)).toEqual(new Set(['a', 'b']));
    await test.reopen();
    expect(test.ledger.records.list('counter')).toEqual([{ n: 20 }]);
    expect([test.ledger.records.get('counter', 'b'), test.ledger.records.get('other', 'a')]).toEqual([undefined, { n: 1 }]);
    expect(await test.ledger.records.update('counter', 'b', count)).toEqual({ n: 1 });
  });

  it('is healthy and leads where it is alone', async () => {
    expect(test.ledger.health()).toEqual({ ok: true });
    await new Promise<void>((resolve) => test.ledger.onLead(resolve));
    expect(test.ledger.leads()).toBe(true);
  });
};
