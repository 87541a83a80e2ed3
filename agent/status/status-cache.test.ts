import type { SovereignPolicy } from '@fso/shared/api';
import { describe, expect, it } from 'vitest';
import type { PolicyOutcome } from '../enforce/index.ts';
import { NOW, policyOf } from '../enforce/testing/policies.ts';
import type { LockInput } from './locks.ts';
import { StatusCache, type StatusResult } from './status-cache.ts';

const governing = (namespace: string): PolicyOutcome => ({
  kind: 'governing',
  regions: ['eu-west-1'],
  namespaces: [namespace],
  conflicts: [],
});

/** A cluster in which lock 1 of the given namespaces is proven, and Gatekeeper is absent. */
const locks = (proven: readonly string[], installed: boolean): LockInput => ({
  plan: {
    governance: {
      namespaces: {
        get: (namespace: string) => ({
          namespace,
          actions: { deny: { regions: ['eu-west-1'], policies: [`team/${namespace}`] } },
          policies: [`team/${namespace}`],
        }),
      } as unknown as LockInput['plan']['governance']['namespaces'],
    },
    constraintsOf: () => [],
    unapplied: new Set(),
    indexed: new Set(),
    unlisted: new Set(),
  },
  probe: (namespace) => ({
    fingerprint: '',
    state: proven.includes(namespace) ? 'proven' : 'pending',
    message: undefined,
    first: true,
    held: false,
  }),
  floor: { supported: true, installed, bindGate: 'label' },
  gatekeeper: {
    served: false,
    problem: undefined,
    exists: () => false,
    constraintProblem: () => undefined,
    exclusion: () => undefined,
    canary: () => undefined,
    outage: undefined,
    graceMs: 1_000,
  },
  failures: [],
  unprovenMs: () => 0,
});

const at = (ms: number): Date => new Date(NOW.getTime() + ms);

class Bench {
  readonly book = new StatusCache();
  readonly #policies = new Map<string, ReturnType<typeof policyOf>>();

  plan(
    name: string,
    ms: number,
    { uid = 'first', proven = [] as readonly string[], outcome = governing(name), installed = true } = {},
  ): StatusResult {
    const policy = this.#policies.get(name) ?? policyOf(name, { targetNamespace: name, allowedRegions: ['eu-west-1'] });
    this.#policies.set(name, policy);
    const live = { metadata: { namespace: 'team', name, uid, generation: 1 }, spec: policy.spec } as SovereignPolicy;
    return this.book.plan({ policy, outcome, live, observed: { violations: 0 } }, locks(proven, installed), at(ms));
  }
}

describe('StatusCache', () => {
  it('writes a proven status at once, and a Pending one only when it stays so', () => {
    const bench = new Bench();
    expect(bench.plan('a', 0)).toMatchObject({ status: { phase: 'Pending' }, write: false, heldMs: 1_000 });
    expect(bench.plan('a', 1_000)).toMatchObject({ write: true, heldMs: 0 });
    expect(bench.plan('a', 1_010, { proven: ['a'] })).toMatchObject({ status: { phase: 'Active' }, write: true, heldMs: 0 });
  });

  it('delays Pending the longer the more policies are Pending, and never for ever', () => {
    const bench = new Bench();
    for (let index = 0; index < 1_600; index += 1) bench.plan(`p${index}`, 0);
    expect(bench.plan('p0', 300)).toMatchObject({ write: false, heldMs: 29_700 });
    expect(bench.plan('p0', 30_000)).toMatchObject({ write: true });
    bench.book.retain(new Set(['team/p0']));
    expect(bench.plan('p0', 1_000)).toMatchObject({ write: true });
  });

  it('waits again when it is Pending for another reason', () => {
    const bench = new Bench();
    bench.plan('a', 0, { installed: false });
    expect(bench.plan('a', 900)).toMatchObject({ write: false, heldMs: 1_000 });
    expect(bench.plan('a', 1_900)).toMatchObject({ status: { phase: 'Pending' }, write: true });
  });

  it('writes a policy in the end that is Pending for changing reasons', () => {
    const bench = new Bench();
    const results = Array.from({ length: 13 }, (_, n) => bench.plan('a', n * 900, { installed: n % 2 === 0 }));
    expect(results.map(({ write }) => write).indexOf(true)).toBe(12);
  });

  it('waits no longer where the clock was set back', () => {
    const bench = new Bench();
    bench.plan('a', 3_600_000);
    expect(bench.plan('a', 0)).toMatchObject({ write: false, heldMs: 1_000 });
  });

  it('writes at once that a namespace does not exist, and waits with Pending once it does', () => {
    const bench = new Bench();
    const outcome: PolicyOutcome = {
      kind: 'namespaceMissing',
      regions: ['eu-west-1'],
      message: 'namespace a does not exist',
      isAbsent: true,
    };
    expect(bench.plan('a', 0, { outcome })).toMatchObject({ status: { phase: 'Failed' }, write: true, heldMs: 0 });
    expect(bench.plan('b', 0)).toMatchObject({ heldMs: 1_000 });
    expect(bench.plan('a', 60_000)).toMatchObject({ status: { phase: 'Pending' }, write: false, heldMs: 1_020 });
  });

  it('starts a policy that was created again under its name without a history', () => {
    const bench = new Bench();
    const before = bench.plan('a', 0, { proven: ['a'] });
    const after = bench.plan('a', 60_000, { uid: 'second' });
    expect(before.status.phase).toBe('Active');
    expect(after).toMatchObject({ status: { phase: 'Pending' }, previous: undefined });
  });
});
