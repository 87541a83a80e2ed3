import { digestOfToken } from '@fso/shared/protocol';
import { describe, expect, it } from 'vitest';
import { planIdentity, renewInMs } from './plan-identity.ts';

const NOW = new Date('2026-01-03T12:00:00Z');
const HOUR = 3600 * 1000;
const NOTHING = { identity: undefined, enrolledWith: undefined, asked: undefined };
const TOKEN = `fso1.eu.${Buffer.alloc(32, 1).toString('base64url')}.${'ab'.repeat(32)}`;
const at = (hours: number): Date => new Date(NOW.getTime() + hours * HOUR);

describe('how an agent comes to its identity', () => {
  it('with nothing there', () => {
    expect(planIdentity({ stored: NOTHING, cluster: 'eu', token: undefined, now: NOW })).toMatchObject({
      kind: 'nothing',
      reason: expect.stringContaining('fso clusters token eu'),
    });
    expect(planIdentity({ stored: NOTHING, cluster: 'eu', token: TOKEN, now: NOW })).toMatchObject({
      kind: 'enrol',
      otherwise: { kind: 'nothing' },
    });
  });

  it('with something there that is none: a spent token is tried once more, as nothing else is left', () => {
    const broken = { identity: { cert: 'no', key: 'no', ca: 'no' }, enrolledWith: digestOfToken(TOKEN), asked: undefined };
    expect(planIdentity({ stored: broken, cluster: 'eu', token: undefined, now: NOW }).kind).toBe('nothing');
    expect(planIdentity({ stored: broken, cluster: 'eu', token: TOKEN, now: NOW }).kind).toBe('enrol');
  });
});

describe('a renewal', () => {
  it.each([
    [0, 16],
    [1, 14.4],
  ])('comes at about two thirds of the life (jitter %d)', (random, hours) => {
    expect(renewInMs({ from: at(0), until: at(24) }, NOW, random) / HOUR).toBeCloseTo(hours);
  });

  it('that is late comes soon, and not at once', () => {
    expect(renewInMs({ from: at(-48), until: at(-24) }, NOW, 0.5)).toBe(10_000);
  });
});
