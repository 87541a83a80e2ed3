import type { ReceiverView } from '@fso/shared/api';
import { expect, it } from 'vitest';
import { deliveryOf, undelivered } from './receiver-state.ts';

const EARLIER = '2026-03-01T12:00:00.000Z';
const LATER = '2026-03-01T12:00:01+00:00';
const failure = (time: string, permanent = false) => ({ time, reason: 'HTTP 503', permanent });

it('judges a receiver by its last notification', () => {
  expect(deliveryOf({ lastSuccess: null, lastFailure: null })).toBe('none');
  expect(deliveryOf({ lastSuccess: EARLIER, lastFailure: null })).toBe('delivered');
  expect(deliveryOf({ lastSuccess: LATER, lastFailure: failure(EARLIER) })).toBe('delivered');
  expect(deliveryOf({ lastSuccess: EARLIER, lastFailure: failure(LATER) })).toBe('failing');
  expect(deliveryOf({ lastSuccess: null, lastFailure: failure(EARLIER, true) })).toBe('refused');
});

it('finds the receivers that were not reached', () => {
  const receiver = (name: string, state: Pick<ReceiverView, 'lastSuccess' | 'lastFailure'>): ReceiverView => ({
    name,
    kind: 'webhook',
    target: 'hooks.example.com',
    waiting: 0,
    ...state,
  });
  const receivers = [
    receiver('a', { lastSuccess: null, lastFailure: null }),
    receiver('b', { lastSuccess: EARLIER, lastFailure: failure(LATER) }),
    receiver('c', { lastSuccess: LATER, lastFailure: failure(EARLIER) }),
    receiver('d', { lastSuccess: null, lastFailure: failure(EARLIER, true) }),
  ];
  expect(undelivered(receivers).map(({ name }) => name)).toEqual(['b', 'd']);
});
