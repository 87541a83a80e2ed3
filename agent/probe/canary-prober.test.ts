import { SYSTEM_NAMESPACE } from '@fso/shared/api';
import { afterEach, describe, expect, it } from 'vitest';
import { ProbeHarness } from './testing/probe-harness.ts';

let harness: ProbeHarness;
afterEach(() => harness.stop.abort());

const NAMES = ['a', 'b', 'c', SYSTEM_NAMESPACE];

describe('CanaryProber', () => {
  it('proves each namespace, and notices within two turns that Gatekeeper is gone from all', async () => {
    harness = new ProbeHarness();
    harness.expect(NAMES);
    await harness.clock.advance(100);
    expect(NAMES.map((name) => harness.canary.state(name)?.state)).toEqual(['proven', 'proven', 'proven', 'proven']);
    harness.open.add('*');
    harness.canary.probeNext();
    await harness.clock.advance(0);
    expect(harness.canary.outage).toContain('Gatekeeper is not called');
    expect(harness.canary.problem).toBe(harness.canary.outage);
    harness.open.clear();
    await harness.clock.advance(2_500);
    expect([harness.canary.outage, harness.canary.problem]).toEqual([undefined, undefined]);
    expect(NAMES.map((name) => harness.canary.state(name)?.state)).toEqual(['proven', 'proven', 'proven', 'proven']);
  });

  it('notices the end of an outage although some namespaces stay open', async () => {
    harness = new ProbeHarness();
    harness.expect(NAMES);
    await harness.clock.advance(100);
    harness.open.add('*');
    harness.canary.probeNext();
    await harness.clock.advance(0);
    expect(harness.canary.outage).toBeDefined();
    harness.open.delete('*');
    for (const name of ['a', 'b']) harness.open.add(name);
    harness.runSchedule();
    await harness.clock.advance(20_000);
    expect(harness.canary.outage).toBeUndefined();
    expect(NAMES.map((name) => harness.canary.state(name)?.state)).toEqual(['failed', 'failed', 'proven', 'proven']);
  });

  it('distinguishes one open namespace from all', async () => {
    harness = new ProbeHarness();
    harness.expect(NAMES);
    await harness.clock.advance(100);
    harness.open.add('b');
    for (const _ of NAMES) harness.canary.probeNext();
    await harness.clock.advance(0);
    expect(NAMES.map((name) => harness.canary.state(name)?.state)).toEqual(['proven', 'failed', 'proven', 'proven']);
    expect(harness.canary.outage).toBeUndefined();
    expect(harness.canary.problem).toContain('namespace b: Gatekeeper did not refuse');
  });

  it('never proves a namespace that was open from the start', async () => {
    harness = new ProbeHarness();
    harness.open.add('a');
    harness.expect(['a']);
    await harness.clock.advance(1_000);
    expect(harness.canary.state('a')).toMatchObject({ state: 'pending', message: expect.stringContaining('did not refuse') });
    await harness.clock.advance(5_000);
    expect(harness.canary.state('a')?.state).toBe('failed');
  });

  it('waits, pending, for labels that are about to change, and then asks once', async () => {
    harness = new ProbeHarness();
    harness.expect(['a'], { isSettled: false });
    for (let turn = 0; turn < 3; turn += 1) harness.canary.probeNext();
    await harness.clock.advance(1_000);
    expect(harness.canary.state('a')?.state).toBe('pending');
    expect(harness.requests).toEqual([]);
    harness.expect(['a']);
    await harness.clock.advance(1_000);
    expect(harness.canary.state('a')?.state).toBe('proven');
    expect(harness.requests).toEqual([{ namespace: 'a', what: 'canary' }]);
  });

  it('keeps what it found while annotations are put right, which do not count here', async () => {
    harness = new ProbeHarness();
    harness.open.add('a');
    harness.expect(['a', 'b']);
    await harness.clock.advance(10_000);
    const states = () => ['a', 'b'].map((name) => harness.canary.state(name)?.state);
    expect(states()).toEqual(['failed', 'proven']);
    for (const isSettled of [false, true, false, true]) {
      harness.expect(['a', 'b'], { isSettled });
      await harness.clock.advance(1_000);
      expect(states()).toEqual(['failed', 'proven']);
    }
    harness.open.delete('a');
    await harness.clock.advance(120_000);
    expect(states()).toEqual(['proven', 'proven']);
  });

  it('has no state without targets', async () => {
    harness = new ProbeHarness();
    harness.open.add('*');
    harness.expect(['a']);
    await harness.clock.advance(10_000);
    harness.expect([]);
    expect([harness.canary.state('a'), harness.canary.outage, harness.canary.problem, harness.canary.probeNext()]).toEqual([
      undefined,
      undefined,
      undefined,
      undefined,
    ]);
  });
});
