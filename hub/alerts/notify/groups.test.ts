import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { StoredAlert } from '../alert.ts';
import { type GroupMember, type GroupRecord, newGroup, planGroup, settleGroup } from './groups.ts';

const ROUTE = { groupWaitMs: 30, groupIntervalMs: 300, repeatIntervalMs: 4_000 };

const alertOf = (fingerprint: string, startsAt: number, endsAt: number | null = null): StoredAlert => ({
  fingerprint,
  name: 'ClusterAway',
  severity: 'warning',
  labels: { cluster: fingerprint },
  summary: '',
  details: '',
  startsAt,
  endsAt,
});
const member = (alert: StoredAlert, silenced = false): GroupMember => ({ alert, silenced });

/** A group over time: what a receiver was told, in its order. */
class GroupHarness {
  record: GroupRecord = newGroup('g', 'chat', {});
  nowMs = 1_000;
  sendResolved = true;
  readonly told: string[] = [];
  #keys = 0;

  /** Plans once, and delivers what is recorded. */
  look(members: readonly GroupMember[], deliver = true): void {
    const { record, nowMs, sendResolved } = this;
    const plan = planGroup({ record, members, route: ROUTE, sendResolved, nowMs }, () => `key-${++this.#keys}`);
    if (plan.record !== undefined) this.record = plan.record;
    if (deliver) this.deliver();
  }

  deliver(): void {
    const { pending } = this.record;
    if (pending === null) return;
    const marks = Object.entries(pending.marks).map(([fingerprint, [, state]]) => `${fingerprint}:${state}`);
    this.told.push(`${this.nowMs} ${marks.sort().join(' ') || 'repeat'}`);
    this.record = settleGroup(this.record, pending.key, this.nowMs);
  }

  after(ms: number): this {
    this.nowMs += ms;
    return this;
  }
}

const STEPS = ['begin', 'end', 'silence', 'unsilence', 'deliver', 'keep'] as const;
type Step = (typeof STEPS)[number];

/** Alerts that come, go and are silenced, beside the group that tells of them. */
class AlertsModel {
  readonly group = new GroupHarness();
  readonly alerts = new Map<string, StoredAlert>();
  readonly #silenced = new Set<string>();
  /** Silenced when they ended. */
  readonly endedSilenced = new Set<string>();

  take(who: string, step: Step): void {
    const alert = this.alerts.get(who);
    const { nowMs } = this.group;
    switch (step) {
      case 'begin':
        if (alert === undefined || alert.endsAt !== null) this.alerts.set(who, alertOf(who, nowMs));
        break;
      case 'end':
        if (alert?.endsAt === null) this.#end({ ...alert, endsAt: nowMs });
        break;
      case 'silence':
        this.#silenced.add(who);
        break;
      case 'unsilence':
        this.#silenced.delete(who);
        break;
      case 'deliver':
      case 'keep':
        break;
    }
    this.group.look(this.members(), step === 'deliver');
  }

  members(): GroupMember[] {
    const silenced = ({ fingerprint, endsAt }: StoredAlert): boolean =>
      (endsAt === null ? this.#silenced : this.endedSilenced).has(fingerprint);
    return [...this.alerts.values()].map((alert) => member(alert, silenced(alert)));
  }

  /** Nothing is silenced any more, and everything is delivered. */
  quiet(): void {
    this.#silenced.clear();
    for (let at = 0; at < 6; at += 1) this.group.after(350).look(this.members());
  }

  /** The end of one that was silenced from its beginning to its end is nobody's. */
  mayBeTold({ fingerprint, startsAt, endsAt }: StoredAlert): unknown[] {
    if (endsAt === null) return [[startsAt, 'f']];
    return this.endedSilenced.has(fingerprint) ? [undefined, [startsAt, 'r']] : [[startsAt, 'r']];
  }

  #end(alert: StoredAlert): void {
    this.alerts.set(alert.fingerprint, alert);
    if (this.#silenced.has(alert.fingerprint)) this.endedSilenced.add(alert.fingerprint);
    else this.endedSilenced.delete(alert.fingerprint);
  }
}

describe('a group', () => {
  it('waits for others that begin with the first, then tells at intervals, then repeats', () => {
    const group = new GroupHarness();
    const a = member(alertOf('a', 1_000));
    const b = member(alertOf('b', 1_020));
    group.look([a]);
    group.after(20).look([a, b]);
    expect(group.told).toEqual([]);
    group.after(10).look([a, b]);
    const c = member(alertOf('c', 1_100));
    group.after(70).look([a, b, c]);
    group.after(229).look([a, b, c]);
    expect(group.told).toEqual(['1030 a:f b:f']);
    group.after(1).look([a, b, c]);
    group.after(3_999).look([a, b, c]);
    group.after(1).look([a, b, c]);
    expect(group.told).toEqual(['1030 a:f b:f', '1330 c:f', '5330 repeat']);
  });

  it('tells of the end once, and of another beginning', () => {
    const group = new GroupHarness();
    group.look([member(alertOf('a', 1_000))]);
    group.after(30).look([member(alertOf('a', 1_000))]);
    const ended = member(alertOf('a', 1_000, 1_100));
    for (const ms of [100, 300, 5_000]) group.after(ms).look([ended]);
    expect(group.told).toEqual(['1030 a:f', '1430 a:r']);
    group.look([member(alertOf('a', 6_400))]);
    group.after(30).look([member(alertOf('a', 6_400))]);
    expect(group.told.slice(2)).toEqual(['6460 a:f']);
  });

  it('tells nobody of the end where resolved ones are not sent, and remembers it', () => {
    const group = new GroupHarness();
    group.sendResolved = false;
    group.look([member(alertOf('a', 1_000))]);
    group.after(30).look([member(alertOf('a', 1_000))]);
    group.after(400).look([member(alertOf('a', 1_000, 1_100))]);
    expect(group.record.told).toEqual({ a: [1_000, 'r'] });
    expect(group.told).toEqual(['1030 a:f']);
  });

  it('says nothing while silenced, and again when the silence ends', () => {
    const group = new GroupHarness();
    const a = alertOf('a', 1_000);
    group.look([member(a, true)]);
    group.after(5_000).look([member(a, true)]);
    expect([group.told, group.record.told]).toEqual([[], {}]);
    group.look([member(a)]);
    group.after(30).look([member(a)]);
    group.after(400).look([member(a, true)]);
    group.after(5_000).look([member(a, true)]);
    expect(group.told).toEqual(['6030 a:f']);
    group.look([member(a)]);
    group.after(30).look([member(a)]);
    expect(group.told).toEqual(['6030 a:f', '11460 a:f']);
    // Who knows that it fires is told that it has ended, silenced or not.
    group.after(400).look([member(a, true)]);
    group.after(400).look([member({ ...a, endsAt: group.nowMs }, true)]);
    expect(group.told.slice(2)).toEqual(['12260 a:r']);
  });

  it('forgets one that was silenced before anybody was told', () => {
    const group = new GroupHarness();
    group.look([member(alertOf('a', 1_000))]);
    group.after(10).look([member(alertOf('a', 1_000), true)]);
    group.after(900).look([member(alertOf('a', 1_000, 1_500), true)]);
    expect([group.told, group.record.told]).toEqual([[], {}]);
  });

  it('tells of one that ended before it was told, or while another notification was under way', () => {
    const group = new GroupHarness();
    group.look([member(alertOf('a', 1_000))]);
    group.after(10).look([member(alertOf('a', 1_000, 1_005))]);
    expect(group.told).toEqual(['1010 a:r']);
    group.look([member(alertOf('b', 1_010))]);
    group.after(300).look([member(alertOf('b', 1_010))], false);
    group.after(10).look([member(alertOf('b', 1_010)), member(alertOf('c', 1_315))], false);
    group.after(10).look([member(alertOf('b', 1_010, 1_325)), member(alertOf('c', 1_315, 1_325))]);
    group.after(300).look([member(alertOf('b', 1_010, 1_325)), member(alertOf('c', 1_315, 1_325))]);
    expect(group.told).toEqual(['1010 a:r', '1330 b:f', '1630 b:r c:r']);
  });

  it('has told everything that was ever so once it is quiet, whatever came, went, failed or was silenced', () => {
    const step = fc.record({ ms: fc.integer({ min: 0, max: 400 }), who: fc.constantFrom('a', 'b', 'c'), what: fc.constantFrom(...STEPS) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const model = new AlertsModel();
        for (const { ms, who, what } of steps) {
          model.group.after(ms);
          model.take(who, what);
        }
        model.quiet();
        expect(model.group.record.pending).toBeNull();
        for (const alert of model.alerts.values())
          expect(model.mayBeTold(alert)).toContainEqual(model.group.record.told[alert.fingerprint]);
      }),
      { numRuns: 500 },
    );
  });
});
