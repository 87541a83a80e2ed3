import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { StoredAlert } from '../alert.ts';
import { type GroupMember, GroupRecord, newGroup, planGroup, settleGroup } from './groups.ts';

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

/** A group over time, with the notifications of its receiver in their order. */
class GroupHarness {
  record: GroupRecord = newGroup('g', 'chat', {});
  nowMs = 1_000;
  sendResolved = true;
  readonly told: string[] = [];
  /** State that the receiver was last notified of, by fingerprint: all that it can know. */
  readonly known = new Map<string, readonly [startsAt: number, state: string]>();
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
    for (const [fingerprint, mark] of Object.entries(pending.marks)) this.known.set(fingerprint, mark);
    this.told.push(`${this.nowMs} ${marks.sort().join(' ') || 'repeat'}`);
    this.record = settleGroup(this.record, pending.key, this.nowMs);
  }

  after(ms: number): this {
    this.nowMs += ms;
    return this;
  }
}

const STEPS = ['begin', 'end', 'silence', 'unsilence', 'leave', 'return', 'forget', 'deliver', 'keep'] as const;
type Step = (typeof STEPS)[number];

/**
 * Alerts that begin, end, are silenced and routed elsewhere, with the group that notifies about
 * them.
 */
class AlertsModel {
  readonly group = new GroupHarness();
  readonly alerts = new Map<string, StoredAlert>();
  readonly #silenced = new Set<string>();
  /** Alerts that were silenced when they ended. */
  readonly #endedSilenced = new Set<string>();
  /** Alerts that other routes have. */
  readonly #elsewhere = new Set<string>();
  /** Alerts that left the group for a time. Changes in that time do not concern its receiver. */
  readonly #moved = new Set<string>();

  take(who: string, step: Step): void {
    const alert = this.alerts.get(who);
    const { nowMs } = this.group;
    const steps: Readonly<Record<Step, () => void>> = {
      begin: () => {
        if (alert?.endsAt !== null) this.alerts.set(who, alertOf(who, nowMs));
      },
      end: () => {
        if (alert?.endsAt === null) this.#end({ ...alert, endsAt: nowMs });
      },
      silence: () => this.#silenced.add(who),
      unsilence: () => this.#silenced.delete(who),
      leave: () => {
        this.#elsewhere.add(who);
        this.#moved.add(who);
      },
      return: () => this.#elsewhere.delete(who),
      forget: () => {
        if (alert === undefined || alert.endsAt === null) return;
        this.alerts.delete(who);
        this.#moved.add(who);
      },
      deliver: () => undefined,
      keep: () => undefined,
    };
    steps[step]();
    this.group.look(this.#members(), step === 'deliver');
  }

  /** Ends all silences and delivers everything. */
  quiet(): void {
    this.#silenced.clear();
    for (let at = 0; at < 6; at += 1) this.group.after(350).look(this.#members());
  }

  /**
   * Whether the receiver knows the current state of an alert, whatever it was notified of in
   * between.
   */
  isKnownRightly(who: string): boolean {
    const alert = this.alerts.get(who);
    const [startsAt, state] = this.group.known.get(who) ?? [];
    if (alert?.endsAt === null && !this.#elsewhere.has(who)) return state === 'firing' && startsAt === alert.startsAt;
    if (state === 'firing') return false;
    // The end of one that was silenced from its beginning to its end is nobody's.
    return alert === undefined || this.#moved.has(who) || this.#endedSilenced.has(who) || startsAt === alert.startsAt;
  }

  /**
   * Lists alerts that are remembered as open and do not fire here, and those that fire and are not.
   */
  rememberedWrongly(): string[] {
    const firing = this.#members().flatMap(({ alert }) => (alert.endsAt === null ? [alert.fingerprint] : []));
    const open = Object.entries(this.group.record.told).flatMap(([who, [, state]]) => (state === 'resolved' ? [] : [who]));
    return [...firing.filter((who) => !open.includes(who)), ...open.filter((who) => !firing.includes(who))];
  }

  #members(): GroupMember[] {
    const silenced = ({ fingerprint, endsAt }: StoredAlert): boolean =>
      (endsAt === null ? this.#silenced : this.#endedSilenced).has(fingerprint);
    return [...this.alerts.values()]
      .filter(({ fingerprint }) => !this.#elsewhere.has(fingerprint))
      .map((alert) => member(alert, silenced(alert)));
  }

  #end(alert: StoredAlert): void {
    this.alerts.set(alert.fingerprint, alert);
    if (this.#silenced.has(alert.fingerprint)) this.#endedSilenced.add(alert.fingerprint);
    else this.#endedSilenced.delete(alert.fingerprint);
  }
}

describe('a group', () => {
  it('waits for others that begin with the first, then notifies at intervals, then repeats', () => {
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
    expect(group.told).toEqual(['1030 a:firing b:firing']);
    group.after(1).look([a, b, c]);
    group.after(3_999).look([a, b, c]);
    group.after(1).look([a, b, c]);
    expect(group.told).toEqual(['1030 a:firing b:firing', '1330 c:firing', '5330 repeat']);
  });

  it('notifies of the end once, and of another beginning', () => {
    const group = new GroupHarness();
    group.look([member(alertOf('a', 1_000))]);
    group.after(30).look([member(alertOf('a', 1_000))]);
    const ended = member(alertOf('a', 1_000, 1_100));
    for (const ms of [100, 300, 5_000]) group.after(ms).look([ended]);
    expect(group.told).toEqual(['1030 a:firing', '1430 a:resolved']);
    group.look([member(alertOf('a', 6_400))]);
    group.after(30).look([member(alertOf('a', 6_400))]);
    expect(group.told.slice(2)).toEqual(['6460 a:firing']);
  });

  it('records an end that is not sent to receivers without resolved alerts', () => {
    const group = new GroupHarness();
    group.sendResolved = false;
    group.look([member(alertOf('a', 1_000))]);
    group.after(30).look([member(alertOf('a', 1_000))]);
    group.after(400).look([member(alertOf('a', 1_000, 1_100))]);
    expect(group.record.told).toEqual({ a: [1_000, 'resolved'] });
    expect(group.told).toEqual(['1030 a:firing']);
  });

  it('is quiet while silenced, and notifies again when the silence ends', () => {
    const group = new GroupHarness();
    const a = alertOf('a', 1_000);
    group.look([member(a, true)]);
    group.after(5_000).look([member(a, true)]);
    expect([group.told, group.record.told]).toEqual([[], {}]);
    group.look([member(a)]);
    group.after(30).look([member(a)]);
    group.after(400).look([member(a, true)]);
    group.after(5_000).look([member(a, true)]);
    expect(group.told).toEqual(['6030 a:firing']);
    group.look([member(a)]);
    group.after(30).look([member(a)]);
    expect(group.told).toEqual(['6030 a:firing', '11460 a:firing']);
    // Who knows that it fires is told that it has ended, silenced or not.
    group.after(400).look([member(a, true)]);
    group.after(400).look([member({ ...a, endsAt: group.nowMs }, true)]);
    expect(group.told.slice(2)).toEqual(['12260 a:resolved']);
  });

  it('drops an alert that was silenced before any notification', () => {
    const group = new GroupHarness();
    group.look([member(alertOf('a', 1_000))]);
    group.after(10).look([member(alertOf('a', 1_000), true)]);
    group.after(900).look([member(alertOf('a', 1_000, 1_500), true)]);
    expect([group.told, group.record.told]).toEqual([[], {}]);
  });

  it('notifies of an alert that ended before its notification, or during another', () => {
    const group = new GroupHarness();
    group.look([member(alertOf('a', 1_000))]);
    group.after(10).look([member(alertOf('a', 1_000, 1_005))]);
    expect(group.told).toEqual(['1010 a:resolved']);
    group.look([member(alertOf('b', 1_010))]);
    group.after(300).look([member(alertOf('b', 1_010))], false);
    group.after(10).look([member(alertOf('b', 1_010)), member(alertOf('c', 1_315))], false);
    group.after(10).look([member(alertOf('b', 1_010, 1_325)), member(alertOf('c', 1_315, 1_325))]);
    group.after(300).look([member(alertOf('b', 1_010, 1_325)), member(alertOf('c', 1_315, 1_325))]);
    expect(group.told).toEqual(['1010 a:resolved', '1330 b:firing', '1630 b:resolved c:resolved']);
  });

  it('notifies of the end of an alert that began again and was silenced before its notification', () => {
    const group = new GroupHarness();
    group.look([member(alertOf('a', 1_000))]);
    group.after(30).look([member(alertOf('a', 1_000))]);
    group.after(50).look([member(alertOf('a', 1_000, 1_080))]);
    group.after(20).look([member(alertOf('a', 1_100))]);
    group.after(20).look([member(alertOf('a', 1_100), true)]);
    group.after(400).look([member(alertOf('a', 1_100, 1_500), true)]);
    expect(group.told).toEqual(['1030 a:firing', '1520 a:resolved']);
  });

  it('notifies of the end of an alert that moved to other routes, or was dropped', () => {
    const group = new GroupHarness();
    group.look([member(alertOf('a', 1_000))]);
    group.after(30).look([member(alertOf('a', 1_000)), member(alertOf('b', 1_010))]);
    group.after(400).look([]);
    expect(group.told).toEqual(['1030 a:firing b:firing', '1430 a:resolved b:resolved']);
    group.look([]);
    expect(group.record.told).toEqual({});
  });

  it('notifies receivers without resolved alerts once of one that ended before its notification', () => {
    const group = new GroupHarness();
    group.sendResolved = false;
    group.look([member(alertOf('a', 1_000))]);
    group.after(10).look([member(alertOf('a', 1_000, 1_005))]);
    group.after(900).look([member(alertOf('a', 1_000, 1_005))]);
    expect(group.told).toEqual(['1010 a:resolved']);
  });

  it('is not delayed by a clock that was set back', () => {
    const group = new GroupHarness();
    group.nowMs = 1_000_000;
    group.look([member(alertOf('a', 1_000_000))]);
    group.after(30).look([member(alertOf('a', 1_000_000))]);
    group.nowMs = 5_000;
    group.look([member(alertOf('a', 1_000_000, 5_000))]);
    expect(group.told).toEqual(['1000030 a:firing', '5000 a:resolved']);
  });

  it('converges to the current state after any sequence of changes', () => {
    const step = fc.record({ ms: fc.integer({ min: 0, max: 400 }), who: fc.constantFrom('a', 'b'), what: fc.constantFrom(...STEPS) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const model = new AlertsModel();
        for (const { ms, who, what } of steps) {
          model.group.after(ms);
          model.take(who, what);
        }
        model.quiet();
        expect(model.group.record.pending).toBeNull();
        expect(['a', 'b'].filter((who) => !model.isKnownRightly(who))).toEqual([]);
        expect(model.rememberedWrongly()).toEqual([]);
      }),
      { numRuns: 1_000 },
    );
  });
});

it('reads the states of a record of before they had names', () => {
  const told = { a: [1, 'w'], b: [2, 'f'], c: [3, 'm'], d: [4, 'r'], e: [5, 'firing'] };
  const pending = { key: 'n', createdAt: 6, marks: { a: [1, 'f'] } };
  const record = GroupRecord.parse({ ...newGroup('k', 'chat', {}), told, pending });
  expect(record.told).toEqual({ a: [1, 'pending'], b: [2, 'firing'], c: [3, 'muted'], d: [4, 'resolved'], e: [5, 'firing'] });
  expect(record.pending?.marks).toEqual({ a: [1, 'firing'] });
  expect(GroupRecord.safeParse({ ...record, told: { a: [1, 'x'] } }).success).toBe(false);
});
