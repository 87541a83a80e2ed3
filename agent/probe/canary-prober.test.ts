import { SYSTEM_NAMESPACE } from '@fso/shared/api';
import { afterEach, describe, expect, it } from 'vitest';
import { ProofWorld } from './testing/probers.ts';

let world: ProofWorld;
afterEach(() => world.stop.abort());

const NAMES = ['a', 'b', 'c', SYSTEM_NAMESPACE];

describe('CanaryProber', () => {
  it('proves each namespace, and sees within two turns that Gatekeeper is gone from all', async () => {
    world = new ProofWorld();
    world.expect(NAMES);
    await world.clock.advance(100);
    expect(NAMES.map((name) => world.canary.state(name)?.state)).toEqual(['proven', 'proven', 'proven', 'proven']);
    world.open.add('*');
    world.canary.probeNext();
    await world.clock.advance(0);
    expect(world.canary.outage).toContain('Gatekeeper is not asked');
    expect(world.canary.problem).toBe(world.canary.outage);
    world.open.clear();
    await world.clock.advance(2_500);
    expect([world.canary.outage, world.canary.problem]).toEqual([undefined, undefined]);
    expect(NAMES.map((name) => world.canary.state(name)?.state)).toEqual(['proven', 'proven', 'proven', 'proven']);
  });

  it('sees that an outage is over where some namespaces stay left out', async () => {
    world = new ProofWorld();
    world.expect(NAMES);
    await world.clock.advance(100);
    world.open.add('*');
    world.canary.probeNext();
    await world.clock.advance(0);
    expect(world.canary.outage).toBeDefined();
    world.open.delete('*');
    for (const name of ['a', 'b']) world.open.add(name);
    world.rotate();
    await world.clock.advance(20_000);
    expect(world.canary.outage).toBeUndefined();
    expect(NAMES.map((name) => world.canary.state(name)?.state)).toEqual(['failed', 'failed', 'proven', 'proven']);
  });

  it('tells one namespace from all', async () => {
    world = new ProofWorld();
    world.expect(NAMES);
    await world.clock.advance(100);
    world.open.add('b');
    for (const _ of NAMES) world.canary.probeNext();
    await world.clock.advance(0);
    expect(NAMES.map((name) => world.canary.state(name)?.state)).toEqual(['proven', 'failed', 'proven', 'proven']);
    expect(world.canary.outage).toBeUndefined();
    expect(world.canary.problem).toContain('namespace b: Gatekeeper did not refuse');
  });

  it('never proves a namespace that was open from the start', async () => {
    world = new ProofWorld();
    world.open.add('a');
    world.expect(['a']);
    await world.clock.advance(1_000);
    expect(world.canary.state('a')).toMatchObject({ state: 'pending', message: expect.stringContaining('did not refuse') });
    await world.clock.advance(5_000);
    expect(world.canary.state('a')?.state).toBe('failed');
  });

  it('has nothing to say of what it is not to ask', async () => {
    world = new ProofWorld();
    world.open.add('*');
    world.expect(['a']);
    await world.clock.advance(10_000);
    world.expect([]);
    expect([world.canary.state('a'), world.canary.outage, world.canary.problem, world.canary.probeNext()]).toEqual([
      undefined,
      undefined,
      undefined,
      undefined,
    ]);
  });
});
