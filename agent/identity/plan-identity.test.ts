import { digestOfToken, identityUri } from '@fso/shared/protocol';
import { describe, expect, it } from 'vitest';
import { forgeAlone } from '../../test/trust/forgeries.ts';
import { planIdentity, renewInMs } from './plan-identity.ts';

const NOW = new Date('2026-01-03T12:00:00Z');
const HOUR = 3600 * 1000;
const NOTHING = { identity: undefined, enrolledWith: undefined, asked: undefined };
const TOKEN = `fso1.eu.${Buffer.alloc(32, 1).toString('base64url')}.${'ab'.repeat(32)}`;
const at = (hours: number): Date => new Date(NOW.getTime() + hours * HOUR);

describe('the first step to an identity', () => {
  it('is an enrolment without an identity, where there is a token', () => {
    expect(planIdentity({ stored: NOTHING, cluster: 'eu', token: undefined, now: NOW })).toMatchObject({
      kind: 'nothing',
      reason: expect.stringContaining('fso clusters token eu'),
    });
    expect(planIdentity({ stored: NOTHING, cluster: 'eu', token: TOKEN, now: NOW })).toMatchObject({
      kind: 'enrol',
      otherwise: { kind: 'nothing' },
    });
  });

  it('is another try of a spent token where the identity is invalid', () => {
    const broken = { identity: { cert: 'no', key: 'no', ca: 'no' }, enrolledWith: digestOfToken(TOKEN), asked: undefined };
    expect(planIdentity({ stored: broken, cluster: 'eu', token: undefined, now: NOW }).kind).toBe('nothing');
    expect(planIdentity({ stored: broken, cluster: 'eu', token: TOKEN, now: NOW }).kind).toBe('enrol');
  });
});

describe('an identity that is there', () => {
  it.each([
    ['good now', -1, 1, 'use'],
    ['expired', -2, -1, 'renew'],
    ['good later, as the clock of the hub ran ahead when it was made', 1, 2, 'renew'],
  ])('is %s', async (_, from, until, kind) => {
    const lifetime = { notBefore: at(from), notAfter: at(until) };
    const identity = await forgeAlone({ names: [{ type: 'url', value: identityUri('eu') }], generation: '1', lifetime });
    const stored = { identity, enrolledWith: undefined, asked: undefined };
    expect(planIdentity({ stored, cluster: 'eu', token: undefined, now: NOW }).kind).toBe(kind);
  });
});

describe('a renewal', () => {
  it.each([
    [0, 16],
    [1, 14.4],
  ])('comes at about two thirds of the life (jitter %d)', (random, hours) => {
    expect(renewInMs({ from: at(0), until: at(24) }, NOW, random) / HOUR).toBeCloseTo(hours);
  });

  it('comes soon, and not at once, when it is late', () => {
    expect(renewInMs({ from: at(-48), until: at(-24) }, NOW, 0.5)).toBe(10_000);
  });
});
