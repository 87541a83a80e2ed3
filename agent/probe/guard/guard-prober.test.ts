import { KubeApiError, KubeConnectionError } from '@fso/shared/kube';
import { afterEach, describe, expect, it } from 'vitest';
import { GUARDS, ProbeHarness } from '../testing/probe-harness.ts';

const LOCKS = 'fso-guard-locks';
const POLICIES = 'fso-guard-policies';

let harness: ProbeHarness;
afterEach(() => harness.stop.abort());

const states = (): Readonly<Record<string, string | undefined>> =>
  Object.fromEntries(GUARDS.map((guard) => [guard, harness.guard.state(guard)?.state]));
const all = (state: string): Readonly<Record<string, string>> => Object.fromEntries(GUARDS.map((guard) => [guard, state]));
const refusal = (message: string): KubeApiError =>
  new KubeApiError(403, { message } as never, { request: { method: 'PATCH', path: '' } as never });

/** Guards that were proven a moment ago, and from now on only in rotation. */
const proven = async (): Promise<void> => {
  harness = new ProbeHarness();
  harness.expectGuards();
  await harness.clock.advance(100);
  harness.runSchedule();
  harness.requests.length = 0;
  harness.changes.length = 0;
};

describe('GuardProber', () => {
  it('proves each guard at once, and each again within 50 s', async () => {
    await proven();
    expect(states()).toEqual(all('proven'));
    await harness.clock.advance(50_000);
    expect(harness.requests).toHaveLength(GUARDS.length);
    expect(new Set(harness.requests.map(({ namespace }) => namespace))).toEqual(new Set(GUARDS));
    expect(harness.guard.problem).toBeUndefined();
    expect(harness.guard.oldestProof()?.getTime()).toBeGreaterThan(harness.clock.now().getTime() - 50_000);
    expect(harness.changes).toEqual([]);
  });

  it('notices a guard that no longer refuses, with its name, and that it refuses again', async () => {
    await proven();
    harness.openGuards.add(LOCKS);
    await harness.clock.advance(50_000);
    expect(states()).toEqual({ ...all('proven'), [LOCKS]: 'failed' });
    expect(harness.guard.problem).toEqual({
      reason: 'Open',
      message: expect.stringContaining(`guard ${LOCKS} does not refuse what it must: the API server admitted the dry run`),
    });
    harness.openGuards.clear();
    await harness.clock.advance(10_000);
    expect(states()).toEqual(all('proven'));
    expect(harness.guard.problem).toBeUndefined();
  });

  it('repeats a probe before it calls a proven guard open', async () => {
    await proven();
    harness.openGuards.add(GUARDS[0] ?? '');
    harness.guard.probeNext();
    await Promise.resolve();
    expect(harness.guard.problem).toBeUndefined();
    await harness.clock.advance(0);
    expect(harness.guard.problem?.reason).toBe('Open');
    expect(harness.requests.slice(0, 2)).toEqual([GUARDS[0], GUARDS[0]].map((namespace) => ({ namespace, what: 'guard' })));
  });

  it('proves a guard again at once when it was written, and waits for 10 s until the API server enforces it', async () => {
    await proven();
    harness.openGuards.add(LOCKS);
    harness.expectGuards(GUARDS, { [LOCKS]: 2 });
    await harness.clock.advance(9_000);
    expect(harness.requests.some(({ namespace }) => namespace === LOCKS)).toBe(true);
    expect(states()).toEqual({ ...all('proven'), [LOCKS]: 'pending' });
    expect(harness.guard.problem).toEqual({ reason: 'Proving', message: `not proven yet: ${LOCKS}` });
    harness.openGuards.clear();
    await harness.clock.advance(11_000);
    expect(states()).toEqual(all('proven'));
  });

  it('calls a guard open that does not refuse within 10 s after it was written', async () => {
    harness = new ProbeHarness();
    harness.openGuards.add(LOCKS);
    harness.expectGuards();
    await harness.clock.advance(25_000);
    expect(states()).toEqual({ ...all('proven'), [LOCKS]: 'failed' });
  });

  it('keeps a problem until the guard is proven, however often it is written', async () => {
    await proven();
    harness.openGuards.add(LOCKS);
    await harness.clock.advance(50_000);
    for (let version = 2; version < 10; version += 1) {
      harness.expectGuards(GUARDS, { [LOCKS]: version });
      await harness.clock.advance(5_000);
      expect(harness.guard.problem?.reason).toBe('Open');
    }
    harness.openGuards.clear();
    harness.expectGuards(GUARDS, { [LOCKS]: 10 });
    await harness.clock.advance(100);
    expect(harness.guard.problem).toBeUndefined();
  });

  it.each<[string, Error, string]>([
    ['another policy refuses', refusal("ValidatingAdmissionPolicy 'theirs' with binding 'theirs' denied request: no"), "'theirs'"],
    [
      'another guard refuses',
      refusal("ValidatingAdmissionPolicy 'fso-guard-nodes' with binding 'b' denied request: no"),
      'fso-guard-nodes',
    ],
    [
      'a webhook refuses that quotes the guard',
      refusal(`admission webhook "w" denied the request: ValidatingAdmissionPolicy '${LOCKS}'`),
      '"w"',
    ],
    ['RBAC refuses', refusal('floorparameters "fso-nodes" is forbidden: User "x" cannot patch resource'), 'cannot patch'],
    ['nobody answers', new KubeConnectionError('no route to host', {}), 'no answer: no route to host'],
  ])('calls a guard unproven once for a minute %s', async (_, answer, text) => {
    await proven();
    harness.guardAnswer = answer;
    await harness.clock.advance(59_000);
    expect(harness.guard.problem).toBeUndefined();
    await harness.clock.advance(61_000);
    expect(harness.guard.problem).toEqual({ reason: 'Unproven', message: expect.stringContaining(text) });
    expect(harness.guard.problem?.message).toContain(`guard ${LOCKS} is not proven to refuse what it must`);
    harness.guardAnswer = undefined;
    await harness.clock.advance(20_000);
    expect(states()).toEqual(all('proven'));
  });

  it('keeps an open guard open without an answer', async () => {
    await proven();
    harness.openGuards.add(POLICIES);
    await harness.clock.advance(50_000);
    harness.guardAnswer = new KubeConnectionError('no route to host', {});
    await harness.clock.advance(300_000);
    expect(harness.guard.problem?.reason).toBe('Open');
    expect(harness.guard.state(POLICIES)?.state).toBe('failed');
  });

  it('sends less than one request a second for guards that stay open', async () => {
    await proven();
    for (const guard of GUARDS) harness.openGuards.add(guard);
    await harness.clock.advance(60_000);
    harness.requests.length = 0;
    await harness.clock.advance(100_000);
    expect(harness.requests.length).toBeLessThan(100);
    expect(new Set(harness.requests.map(({ namespace }) => namespace)).size).toBe(GUARDS.length);
  });

  it('has no state of a guard that is not in place', async () => {
    await proven();
    harness.openGuards.add(LOCKS);
    await harness.clock.advance(50_000);
    harness.expectGuards(GUARDS.filter((guard) => guard !== LOCKS));
    await harness.clock.advance(100);
    expect([harness.guard.state(LOCKS), harness.guard.problem]).toEqual([undefined, undefined]);
    harness.expectGuards([]);
    expect([harness.guard.probeNext(), harness.guard.oldestProof()]).toEqual([undefined, undefined]);
  });
});
