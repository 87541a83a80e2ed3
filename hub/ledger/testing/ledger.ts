import type { ClusterEvent, ClusterReport, PolicyReport, SourceView } from '@fso/shared/api';
import { type CompiledPolicy, digestOfPolicies, digestOfPolicy } from '@fso/shared/compile';
import { byText, sha256 } from '@fso/shared/encoding';
import { EMPTY_DIGEST, type Report, totalOf } from '@fso/shared/protocol';
import { type Clock, systemClock } from '@fso/shared/runtime';
import { encodeBitmap, groupDeviations, standingOf } from '@fso/shared/status';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { baselineOf, emptyReport } from '../../../test/harness/baselines.ts';
import { policyReport } from '../../../test/harness/policy-reports.ts';
import type { AuditFilter } from '../audit-log.ts';
import { StreamReplacedError, unseen } from '../changes.ts';
import type { EventFilter } from '../event-filter.ts';
import { keysBetween } from '../policies/index.ts';
import { HUB_PAUSE } from '../suspended-clusters.ts';
import type { AgentStream, ClusterRecord, Desired, Ledger, LedgerChange } from '../types.ts';

/** What every ledger does, whatever stands behind it: the same tests for all of them. */

export const TIME = '2026-01-03T10:30:00.000Z';
export const fixedClock: Clock = { ...systemClock, now: () => new Date(TIME) };

/** One that was applied in its cluster. */
export const policy = (name: string, change: Partial<PolicyReport> = {}): PolicyReport =>
  policyReport(name, {
    namespace: 'policies',
    managedBy: 'local',
    targetNamespace: 'finance',
    namespaces: ['finance'],
    lastUpdated: TIME,
    ...change,
  });

/** What a cluster says of itself whose agent has accepted nothing. */
export const clusterReport = (change: Partial<ClusterReport> = {}): ClusterReport => ({
  revision: null,
  provenRevision: null,
  verification: 'unverified',
  agentVersion: '1',
  kubernetesVersion: '1',
  gatekeeper: { state: 'Ready' },
  nodesByRegion: {},
  conditions: [],
  ...change,
});

export const report = (seq: number, change: Partial<Report> = {}): Report => ({ ...emptyReport(seq), ...change });

/** Of all policies of a cluster, which were applied in it. */
const fullReport = (seq: number, policies: readonly PolicyReport[]): Report =>
  report(seq, { full: true, policies: [...policies], total: { count: policies.length, root: EMPTY_DIGEST } });

export const event = (reason: string, change: Partial<ClusterEvent> = {}): ClusterEvent => ({
  time: TIME,
  severity: 'info',
  reason,
  message: reason,
  ...change,
});

export const desired = (revision: string, clusters: readonly string[] = []): Desired => ({
  revision,
  set: { policies: [], scopes: [], clusters: [], regionGroups: [], rollout: undefined },
  clusters: new Map(clusters.map((name) => [name, []])),
});

/** Expired on its day where it is called so. */
export const compiledFor = (name: string): CompiledPolicy => {
  const content: Omit<CompiledPolicy, 'digest'> = {
    name,
    labels: {},
    spec: {
      targetNamespace: name,
      allowedRegions: ['eu-west-1'],
      enforcementAction: 'deny',
      ...(name === 'over' && { expiryDate: '2026-01-01T00:00:00Z' }),
    },
    enforcementAction: 'deny',
    effectiveRegions: ['eu-west-1'],
    sourcePath: `policies/${name}.yaml`,
  };
  return { ...content, digest: digestOfPolicy(content) };
};

/** Digest of the list of a commit with these policies. @param policies sorted */
export const listOfCommit = (policies: readonly string[]): string => digestOfPolicies(policies.map(compiledFor));

/** A commit that gives these policies to all of these clusters. */
export const commitFor = (revision: string, clusters: readonly string[], policies: readonly string[]): Desired => {
  const list = policies.map(compiledFor);
  return { ...desired(revision), clusters: new Map(clusters.map((name) => [name, list])) };
};

const commit = (revision: string) => ({ revision, author: 'Ada <ada@example.org>', subject: 'Keep finance in the EU', time: TIME });
export const source = (change: Partial<SourceView> = {}): SourceView => ({
  url: 'https://git/policies',
  ref: 'main',
  revision: null,
  rejected: null,
  error: null,
  lastFetch: null,
  ...change,
});

/** A store that can be opened again and again; each call is the next life of a hub. */
export interface LedgerStore {
  open(): Promise<Ledger>;
  /** Whether what was written is there in the next life. */
  readonly durable: boolean;
  destroy(): Promise<void>;
}

const names = (ledger: Ledger, cluster: string): Promise<string[]> =>
  ledger.cluster(cluster).then((record) => [...(record?.policies.keys() ?? [])].sort(byText));

export const describeLedger = (what: string, openStore: () => Promise<LedgerStore>): void => {
  describe(`${what} ledger`, () => {
    let store: LedgerStore;
    let ledger: Ledger;
    beforeAll(async () => {
      store = await openStore();
      ledger = await store.open();
    }, 60_000);
    afterAll(async () => {
      await ledger.close();
      await store.destroy();
    });
    const reopen = async (): Promise<void> => {
      if (!store.durable) return;
      await ledger.close();
      ledger = await store.open();
    };

    it('merges deltas and replaces everything with a full report', async () => {
      await ledger.applyReport('merge', report(1, { full: true, policies: [policy('a'), policy('b')] }));
      await ledger.applyReport('merge', report(2, { policies: [policy('b', { violations: 3 })], removed: ['policies/a'] }));
      const afterDelta = await ledger.cluster('merge');
      expect(afterDelta?.policies.get('policies/b')?.violations).toBe(3);
      expect(await names(ledger, 'merge')).toEqual(['policies/b']);
      await ledger.applyReport('merge', report(3, { full: true, policies: [policy('c')] }));
      expect(await names(ledger, 'merge')).toEqual(['policies/c']);
      expect((await ledger.cluster('merge'))?.reportedSeq).toBe(3);
      // What a reader was given before stays as it was.
      expect([...(afterDelta?.policies.keys() ?? [])]).toEqual(['policies/b']);
    });

    it('keeps every policy through the next life, conforming or not, and what became of it', async () => {
      const many = Array.from({ length: 300 }, (_, i) =>
        policy(`p${i}`, i % 3 === 0 ? { phase: 'Failed', message: `no ${i} \u0000 \ud800` } : {}),
      );
      await ledger.applyReport('many', report(1, { full: true, policies: many }));
      const changed = [policy('p0'), policy('p1', { violations: 2 }), policy('p2', { message: 'other' }), policy('new')];
      await ledger.applyReport('many', report(2, { policies: changed, removed: ['policies/p3', 'policies/p4', 'policies/none'] }));
      const expected = new Map(many.map((each) => [`policies/${each.name}`, each]));
      for (const each of changed) expected.set(`policies/${each.name}`, each);
      expected.delete('policies/p3');
      expected.delete('policies/p4');
      await reopen();
      const record = await ledger.cluster('many');
      expect(Object.fromEntries(record?.policies ?? [])).toEqual(Object.fromEntries(expected));
      expect(record?.reportedSeq).toBe(2);
      await ledger.applyReport('many', report(3, { full: true, policies: [policy('p5', { phase: 'Expired' }), policy('p6')] }));
      await reopen();
      expect(await names(ledger, 'many')).toEqual(['policies/p5', 'policies/p6']);
    });

    it('keeps 2,000 policies that were applied in a cluster, the gravest first, and says how many more there are', async () => {
      const locals = Array.from({ length: 2_100 }, (_, i) =>
        policy(`p${i}`, { managedBy: 'local', ...(i % 2 === 1 && { phase: 'Failed' as const }) }),
      );
      await ledger.applyReport('full', fullReport(1, locals));
      const read = async () => {
        const record = await ledger.cluster('full');
        const failed = [...(record?.policies.values() ?? [])].filter(({ phase }) => phase === 'Failed').length;
        return [record?.policies.size, failed, record?.notKept];
      };
      expect([await read(), await ledger.hasRoom('full')]).toEqual([[2_000, 1_050, 100], false]);
      const kept = (await ledger.cluster('full'))?.policies;
      const [left] = locals.filter(({ name }) => kept?.has(`policies/${name}`) === false);
      // Of one that is left out, that it is gone; of one that is kept, that it is too.
      await ledger.applyReport('full', report(2, { removed: [`policies/${left?.name}`], total: { count: 2_099, root: EMPTY_DIGEST } }));
      expect(await read()).toEqual([2_000, 1_050, 99]);
      await ledger.applyReport('full', report(3, { removed: ['policies/p1'], total: { count: 2_098, root: EMPTY_DIGEST } }));
      await reopen();
      expect([await read(), await ledger.hasRoom('full')]).toEqual([[1_999, 1_049, 99], false]);
      await ledger.applyReport('full', fullReport(4, locals.slice(0, 1_000)));
      await reopen();
      expect(await read()).toEqual([1_000, 500, null]);
    });

    it('counts what it does not keep at the last frame of a report', async () => {
      const locals = Array.from({ length: 3_000 }, (_, i) => policy(`p${i}`));
      const total = { count: 3_000, root: EMPTY_DIGEST };
      const read = async () => (await ledger.cluster('frames'))?.notKept;
      const say = async (seq: number, change: Partial<Report>) => {
        await ledger.applyReport('frames', report(seq, { total, ...change }));
        return read();
      };
      expect(await say(1, { full: true, more: true, policies: locals.slice(0, 2_010) })).toBeNull();
      expect(await say(2, { more: true, policies: locals.slice(2_010, 2_990) })).toBeNull();
      expect(await say(3, { policies: locals.slice(2_990) })).toBe(1_000);
      const few = { count: 20, root: EMPTY_DIGEST };
      expect(await say(4, { full: true, more: true, policies: locals.slice(0, 10), total: few })).toBe(1_000);
      expect(await say(5, { policies: locals.slice(10, 20), total: few })).toBeNull();
    });

    it('reads what conforms by the list of its cluster, as the same in many clusters, through the next life', async () => {
      const clusters = ['alike-1', 'alike-2', 'alike-3'];
      await ledger.setDesired(commitFor('c1', clusters, ['a', 'b', 'over']));
      const baseline = baselineOf(listOfCommit(['a', 'b', 'over']), { asOf: TIME, missing: encodeBitmap(3, (bit) => bit === 0) });
      const failed = standingOf(policyReport('b', { phase: 'Failed' }));
      for (const cluster of clusters) {
        const named = new Map(cluster === 'alike-1' ? [] : [['b', failed]]);
        const change = { full: true, baseline, deviations: groupDeviations(named), total: totalOf(named) };
        await ledger.applyReport(cluster, report(1, change));
      }
      const read = () => Promise.all(clusters.map(async (name) => (await ledger.cluster(name)) ?? unseen(name)));
      const check = async () => {
        const [one, two, three] = (await read()) as [ClusterRecord, ClusterRecord, ClusterRecord];
        expect([...one.policies].map(([key, { phase, revision }]) => [key, phase, revision])).toEqual([
          ['a', 'Pending', 'c1'],
          ['b', 'Active', 'c1'],
          ['over', 'Expired', 'c1'],
        ]);
        // What conforms, and what deviates in the same way.
        expect(['a', 'b', 'over'].map((key) => two.policies.get(key) === one.policies.get(key))).toEqual([true, false, true]);
        expect(['a', 'b', 'over'].map((key) => two.policies.get(key) === three.policies.get(key))).toEqual([true, true, true]);
        expect([keysBetween(one.policies, two.policies), keysBetween(two.policies, three.policies)]).toEqual([['b'], []]);
        expect(three.policies.get('b')).toMatchObject({
          phase: 'Failed',
          revision: 'c1',
          effectiveRegions: ['eu-west-1'],
          namespaces: ['b'],
        });
        expect(three.divergedSince).toBeNull();
        expect([one, two, three].map(({ policiesChanged }) => policiesChanged)).toEqual([TIME, TIME, TIME]);
      };
      await check();
      await reopen();
      await check();
      // Of the next commit only what it changes reads otherwise.
      await ledger.setDesired(commitFor('c2', clusters, ['a', 'b', 'over', 'z']));
      const [before] = (await read()) as [ClusterRecord];
      await ledger.applyReport('alike-1', report(2, { baseline: { ...baseline, list: listOfCommit(['a', 'b', 'over', 'z']) } }));
      const [after] = (await read()) as [ClusterRecord];
      expect(keysBetween(before.policies, after.policies)).toEqual(['z']);
      expect(after.policies.get('z')).toMatchObject({ phase: 'Active', revision: 'c2' });
    });

    it('reads a list that it learns of later, and nothing by one that it does not know', async () => {
      const names = ['late-a', 'late-b'];
      const digest = listOfCommit(names);
      expect(await ledger.knowsList(digest, 'late')).toBe(false);
      await ledger.applyReport('late', report(1, { full: true, baseline: baselineOf(digest) }));
      expect((await ledger.cluster('late'))?.policies.size).toBe(0);
      await ledger.setDesired(commitFor('late', ['late'], names));
      expect([...((await ledger.cluster('late'))?.policies.keys() ?? [])]).toEqual(names);
      // Of an agent of another version: what no commit of this hub has is not known.
      const listed = [
        ['late-a', compiledFor('late-a').digest],
        ['late-x', 'f'.repeat(64)],
      ] as const;
      const other = sha256(listed.map(([name, of]) => `${name} ${of}\n`).join(''));
      expect(await ledger.addList('0'.repeat(64), listed)).toBe(false);
      expect(await ledger.addList(other, listed)).toBe(true);
      await ledger.applyReport('late', report(2, { full: true, baseline: baselineOf(other) }));
      expect([...((await ledger.cluster('late'))?.policies.keys() ?? [])]).toEqual(['late-a']);
    });

    it('knows nothing of a cluster whose reports by name are not those that its agent has sent, until they are', async () => {
      const what = async () => (await ledger.cluster('lost'))?.notObserved?.what;
      const named = new Map([['lost-a', standingOf(policyReport('lost-a', { phase: 'Failed' }))]]);
      const total = totalOf(named);
      await ledger.setConnected('lost', true);
      await ledger.applyReport('lost', report(1, { full: true, total }));
      expect(await what()).toEqual(['Reports']);
      await reopen();
      await ledger.setConnected('lost', true);
      expect(await what()).toEqual(['Reports']);
      await ledger.applyReport('lost', report(2, { deviations: groupDeviations(named), total }));
      expect(await what()).toBeUndefined();
    });

    it('forgets what an agent said that was replaced by a new one', async () => {
      const stream = { id: 'new-1', isOpen: () => true };
      await ledger.setDesired(commitFor('n1', ['renewed'], ['n']));
      await ledger.applyReport('renewed', report(1, { full: true, baseline: baselineOf(listOfCommit(['n'])) }));
      expect((await ledger.cluster('renewed'))?.policies.size).toBe(1);
      await ledger.openStream('renewed', stream, { isNew: true });
      expect((await ledger.cluster('renewed'))?.policies.size).toBe(0);
      await ledger.setConnected('renewed', false, stream);
    });

    it('takes a hundred reports at once, in their order', async () => {
      const clusters = Array.from({ length: 10 }, (_, i) => `at-once-${i}`);
      const writes = clusters.flatMap((cluster) =>
        Array.from({ length: 10 }, (_, i) => ledger.applyReport(cluster, report(i + 1, { policies: [policy(`q${i}`)], full: i === 0 }))),
      );
      await Promise.all(writes);
      await reopen();
      for (const cluster of clusters) {
        expect((await ledger.cluster(cluster))?.reportedSeq).toBe(10);
        expect(await names(ledger, cluster)).toHaveLength(10);
      }
    });

    it('knows registered clusters that were never seen, and seen ones that are not registered', async () => {
      await ledger.setConnected('stray', true);
      await ledger.setDesired(desired('a'.repeat(40), ['planned']));
      const known = (await ledger.clusters()).map((c) => [c.name, c.connected, c.lastSeen === null]);
      expect(known).toContainEqual(['planned', false, true]);
      expect(known).toContainEqual(['stray', true, false]);
      expect(await ledger.cluster('nowhere')).toBeNull();
    });

    it('keeps events in order and pages them backwards', async () => {
      for (const reason of ['A', 'B', 'C', 'D'])
        await ledger.addEvent(reason === 'C' ? 'paged' : null, event(reason, { policy: 'x/paged' }));
      await reopen();
      const all = await ledger.events({ policy: 'x/paged', limit: 10 });
      expect(all.map(({ reason }) => reason)).toEqual(['D', 'C', 'B', 'A']);
      const [newest, second] = all;
      expect((await ledger.events({ policy: 'x/paged', limit: 1, before: newest?.id ?? 0 })).map(({ id }) => id)).toEqual([second?.id]);
      expect((await ledger.events({ cluster: 'paged', limit: 10 })).map(({ reason }) => reason)).toEqual(['C']);
      expect(await ledger.countEvents({ policy: 'x/paged', limit: 10 })).toBe(4);
      expect(await ledger.countEvents({ policy: 'x/paged', limit: 2 })).toBe(2);
    });

    it('finds events by severity, time and text', async () => {
      const at = (hour: number) => `2026-02-01T${String(hour).padStart(2, '0')}:00:00.000Z`;
      await ledger.addEvent('found', event('One', { time: at(1), message: 'Ünder "quotes" \u0000', policy: 'x/found' }));
      await ledger.addEvent('found', event('Two', { time: '2026-02-01T04:00:00+02:00', severity: 'alert', policy: 'x/found' }));
      await ledger.addEvent(null, event('Three', { time: at(3), policy: 'x/found' }));
      await reopen();
      const found = async (filter: EventFilter) => {
        const query = { policy: 'x/found', ...filter, limit: 10 };
        const reasons = (await ledger.events(query)).map(({ reason }) => reason);
        expect(await ledger.countEvents(query)).toBe(reasons.length);
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
      await ledger.applyReport('twice', again);
      await ledger.applyReport('twice', { ...again, seq: 2 });
      expect((await ledger.events({ cluster: 'twice', limit: 10 })).map(({ reason }) => reason).sort(byText)).toEqual(['Once', 'Twice']);
    });

    it('clears a nack with the next ack and wakes readers once per change', async () => {
      const changes: LedgerChange[] = [];
      const end = ledger.subscribe((change) => {
        if (change.kind === 'cluster' && change.cluster === 'nacks') changes.push(change);
      });
      await ledger.setConnected('nacks', true);
      await ledger.setConnected('nacks', true);
      await ledger.setNack('nacks', { revision: 'b'.repeat(40), reasons: [{ message: 'no' }] });
      expect((await ledger.cluster('nacks'))?.nack?.time).toBe(TIME);
      await ledger.setAck('nacks', { revision: 'c'.repeat(40), digest: 'd' });
      await ledger.setOffered('nacks', 'e'.repeat(40));
      end();
      await ledger.setConnected('nacks', false);
      expect(changes).toHaveLength(4);
      await reopen();
      expect(await ledger.cluster('nacks')).toMatchObject({
        connected: false,
        lastSeen: { at: TIME },
        nack: null,
        acked: { revision: 'c'.repeat(40), digest: 'd' },
        offeredRevision: 'e'.repeat(40),
      });
    });

    it('writes what happened into the audit log, with it and in its order', async () => {
      const { audit } = ledger;
      const first = (await audit.head()).sequence;
      const revision = 'f'.repeat(40);
      const rejected = { commit: commit('9'.repeat(40)), problems: [{ reason: 'unknown field' }] };
      await ledger.setSource(source({ revision: commit(revision) }));
      await ledger.setSource(source({ revision: commit(revision), rejected }));
      await ledger.setSource(source({ revision: commit(revision), rejected, lastFetch: TIME }));
      await ledger.setDesired(desired(revision));
      await ledger.setDesired(desired(revision));
      await ledger.setConnected('audited', true);
      await ledger.setConnected('audited', false);
      await ledger.setConnected('audited', true);
      await ledger.setNack('audited', { revision, reasons: [{ message: 'odd \u0000 \ud800 text' }] });
      await audit.append({
        actor: { kind: 'user', id: 'ada', roles: ['admin'] },
        from: '10.0.0.1',
        action: 'token.create',
        subject: 'ci',
        detail: { n: 1.5 },
      });
      await reopen();
      const entries = await ledger.audit.after(first, 100);
      expect(entries.map(({ action, subject }) => [action, subject])).toEqual([
        ['revision.accept', revision],
        ['revision.reject', '9'.repeat(40)],
        ['desired.set', revision],
        ['cluster.connect', 'audited'],
        ['revision.refuse', revision],
        ['token.create', 'ci'],
      ]);
      expect(entries.map(({ sequence }) => sequence)).toEqual(entries.map((_, i) => first + 1 + i));
      expect(await ledger.audit.verify()).toMatchObject({ ok: true, entries: first + 6, head: { sequence: first + 6 } });
      expect((await ledger.audit.list({ limit: 2, before: first + 6 })).map(({ sequence }) => sequence)).toEqual([first + 5, first + 4]);
      expect((await ledger.audit.list({ limit: 5, actor: 'ada' })).map(({ action }) => action)).toEqual(['token.create']);
      const detail = { added: ['audited'], changed: [], removed: [] };
      const actor = { kind: 'git' as const, id: 'Ada', roles: [] };
      await ledger.audit.append({ actor, from: null, action: 'policies.change', subject: revision, detail });
      const found = async (filter: AuditFilter) => (await ledger.audit.after(first, 100, filter)).map(({ action }) => action);
      expect(await found({ cluster: 'audited' })).toEqual(['cluster.connect', 'revision.refuse']);
      expect(await found({ policy: 'audited' })).toEqual(['policies.change']);
      expect(await found({ since: TIME, until: TIME, action: 'token.create' })).toEqual(['token.create']);
      expect(await found({ until: '2026-01-03T10:29:59.999Z' })).toEqual([]);
      expect(await found({ since: '2026-01-03T10:30:00.001Z' })).toEqual([]);
      expect((await ledger.audit.list({ limit: 1, subject: revision })).map(({ action }) => action)).toEqual(['policies.change']);
    });

    it('finds a refusal by its cluster, whether it was written alone or with those of others', async () => {
      const first = (await ledger.audit.head()).sequence;
      const revision = '7'.repeat(40);
      const clusters = Array.from({ length: 30 }, (_, n) => `refuses-${n}`);
      await Promise.all(clusters.map((cluster) => ledger.setNack(cluster, { revision, reasons: [{ message: 'no such region' }] })));
      for (const cluster of clusters) {
        const found = await ledger.audit.after(first, 100, { cluster });
        expect(found.map(({ action, subject }) => [action, subject])).toEqual([['revision.refuse', revision]]);
      }
      expect((await ledger.audit.verify()).ok).toBe(true);
    });

    it('keeps records of other parts: changes in turn, refusals of one alone, removal, and news of each', async () => {
      const told: string[] = [];
      const end = ledger.records.subscribe('counter', (name) => told.push(name));
      const count = (before: unknown) => ({ n: ((before as { n: number } | undefined)?.n ?? 0) + 1 });
      const refuse = () => {
        throw new Error('refused');
      };
      const results = await Promise.allSettled([
        ...Array.from({ length: 20 }, () => ledger.records.update('counter', 'a', count)),
        ledger.records.update('counter', 'a', refuse),
        ledger.records.update('counter', 'b', count),
        ledger.records.update('other', 'a', count),
      ]);
      expect(results.map(({ status }) => status).filter((status) => status === 'rejected')).toHaveLength(1);
      expect(results[19]).toEqual({ status: 'fulfilled', value: { n: 20 } });
      expect(await ledger.records.update('counter', 'a', (before) => before)).toEqual({ n: 20 });
      await ledger.records.update('counter', 'b', () => undefined);
      end();
      expect(new Set(told)).toEqual(new Set(['a', 'b']));
      await reopen();
      expect(ledger.records.list('counter')).toEqual([{ n: 20 }]);
      expect([ledger.records.get('counter', 'b'), ledger.records.get('other', 'a')]).toEqual([undefined, { n: 1 }]);
      expect(await ledger.records.update('counter', 'b', count)).toEqual({ n: 1 });
    });

    it('knows the state of a policy at a time, also once its cluster is gone', async () => {
      const [first, second] = ['1', '2'].map((digit) => digit.repeat(40)) as [string, string];
      const stateOf = async (at = TIME) => {
        const { connected, accepted, policy: found } = await ledger.policyStateAt({ cluster: 'then', policy: 'policies/a', at });
        return [connected?.value, accepted?.value, found?.value];
      };
      expect(await stateOf()).toEqual([undefined, undefined, undefined]);
      await ledger.setConnected('then', true);
      await ledger.setAck('then', { revision: first, digest: null });
      await ledger.applyReport('then', report(1, { full: true, policies: [policy('a', { revision: first }), policy('b')] }));
      const active = { phase: 'Active', conforms: true, violates: false, revision: first };
      expect(await stateOf()).toEqual([true, first, active]);
      expect(await stateOf('2026-01-03T10:29:59.999Z')).toEqual([undefined, undefined, undefined]);
      await ledger.applyReport('then', report(2, { policies: [policy('b', { violations: 1 })] }));
      await ledger.setAck('then', { revision: second, digest: null });
      await ledger.applyReport('then', report(3, { policies: [policy('a', { revision: second, violations: 2 })] }));
      await ledger.setConnected('then', false);
      await reopen();
      expect(await stateOf()).toEqual([false, second, { ...active, conforms: false, violates: true, revision: second }]);
      const query = { cluster: 'then', policy: 'policies/a' };
      const { changes, next } = await ledger.clusterHistory({ ...query, limit: 10 });
      expect([changes.map(({ time: _time, ...change }) => change), next]).toEqual([
        [
          { connected: false },
          { policies: [{ ...active, conforms: false, violates: true, revision: second, keys: ['policies/a'] }] },
          { accepted: second },
          { policies: [{ ...active, keys: ['policies/a'] }] },
          { accepted: first },
          { connected: true },
        ],
        null,
      ]);
      await ledger.forgetCluster('then');
      await reopen();
      expect(await stateOf()).toEqual([undefined, undefined, undefined]);
      expect((await ledger.clusterHistory({ ...query, limit: 1 })).changes).toEqual([{ time: TIME, nothing: true }]);
    });

    it('knows that an agent does not observe its cluster, until it does, its stream ends or another one opens', async () => {
      const [first, second] = ['seen-1', 'seen-2'].map((id) => ({ id, isOpen: () => true })) as [AgentStream, AgentStream];
      const what = async () => (await ledger.cluster('dim'))?.notObserved?.what;
      const observedAt = async () => (await ledger.policyStateAt({ cluster: 'dim', policy: 'policies/a', at: TIME })).observed?.value;
      let told = 0;
      await ledger.openStream('dim', first, { outOfDate: ['Pause'] });
      await ledger.confirmStream('dim', first);
      expect([await what(), await observedAt()]).toEqual([['Pause'], false]);
      await ledger.noteObserved('dim', [], first);
      expect([await what(), await observedAt()]).toEqual([undefined, true]);
      const end = ledger.subscribe(() => {
        told += 1;
      });
      await ledger.noteObserved('dim', ['Pod', 'status'], first);
      expect([await what(), await observedAt(), told]).toEqual([['Pod', 'status'], false, 1]);
      // Said again it is no write.
      await ledger.noteObserved('dim', ['Pod', 'status'], first);
      end();
      expect([told, (await ledger.clusterHistory({ cluster: 'dim', policy: 'policies/a', limit: 9 })).changes.length]).toEqual([1, 3]);
      await ledger.openStream('dim', second);
      expect(await what()).toBeUndefined();
      await expect(ledger.noteObserved('dim', ['Pod'], first)).rejects.toThrow(StreamReplacedError);
      await ledger.noteObserved('dim', ['Pod'], second);
      await ledger.setConnected('dim', false, second);
      await ledger.noteObserved('dim', ['Pod'], second);
      expect(await what()).toBeUndefined();
    });

    it('reads a cluster as not observed while its observation is suspended, and writes nothing of it', async () => {
      await ledger.setConnected('paused', true);
      const told: LedgerChange[] = [];
      const end = ledger.subscribe((change) => told.push(change));
      ledger.suspendObservation(['paused']);
      const record = await ledger.cluster('paused');
      expect(record?.notObserved).toEqual({ since: TIME, what: [HUB_PAUSE] });
      expect(await ledger.cluster('paused')).toBe(record);
      expect((await ledger.clusters()).find(({ name }) => name === 'paused')).toBe(record);
      await ledger.applyReport('paused', report(1, { full: true, policies: [policy('a')] }));
      expect((await ledger.cluster('paused'))?.notObserved).not.toBeNull();
      ledger.resumeObservation(['paused']);
      ledger.resumeObservation(['paused']);
      end();
      expect((await ledger.cluster('paused'))?.notObserved).toBeNull();
      expect(told).toEqual(Array.from({ length: 3 }, () => ({ kind: 'cluster', cluster: 'paused' })));
      const { changes } = await ledger.clusterHistory({ cluster: 'paused', policy: 'policies/a', limit: 9 });
      expect(changes.filter(({ observed }) => observed !== undefined)).toEqual([]);
    });

    it('is well and leads where it is alone', async () => {
      expect(ledger.health()).toEqual({ ok: true });
      await new Promise<void>((resolve) => ledger.onLead(resolve));
      expect(ledger.leads()).toBe(true);
    });
  });
};
