import { FakeClock } from '@fso/shared/fake-clock';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ProbeStates } from './probe-states.ts';

describe('ProbeStates', () => {
  let stop: AbortController;
  let clock: FakeClock;
  let changes: number;
  let states: ProbeStates;

  beforeEach(() => {
    stop = new AbortController();
    clock = new FakeClock();
    changes = 0;
    const onChange = () => {
      changes += 1;
    };
    states = new ProbeStates({ clock, patienceMs: 10_000, signal: stop.signal, onChange });
  });
  afterEach(() => stop.abort());

  it('lets what held before a restart count for a minute, whether or not a probe has a response', async () => {
    states.expect('a', '1', false);
    await clock.advance(59_999);
    expect(states.get('a')).toMatchObject({ state: 'pending', first: true });
    expect(changes).toBe(0);
    await clock.advance(1);
    expect(states.get('a')).toMatchObject({ state: 'pending', first: false });
    expect(changes).toBe(1);
    states.miss('a', '1', { kind: 'inconclusive', message: 'no answer' }, 0);
    expect(states.get('a')?.first).toBe(false);
  });

  it('lets a proof of the governance before count for the patience, however often it changes', async () => {
    states.expect('a', '1', false);
    states.prove('a', '1', undefined);
    states.expect('a', '2', true);
    await clock.advance(6_000);
    states.expect('a', '3', true);
    expect(states.get('a')).toMatchObject({ state: 'pending', held: true });
    await clock.advance(4_000);
    expect(states.get('a')).toMatchObject({ state: 'pending', held: false });
    states.expect('a', '4', true);
    expect(states.get('a')?.held).toBe(false);
  });

  it('ends nothing that was proven meanwhile', async () => {
    states.expect('a', '1', false);
    states.prove('a', '1', undefined);
    changes = 0;
    await clock.advance(70_000);
    expect([states.get('a')?.state, changes]).toEqual(['proven', 0]);
  });
});
