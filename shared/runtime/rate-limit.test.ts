import { describe, expect, it } from 'vitest';
import { createFailureLimit, createNoiseLimit, createRateLimit, fairShare, networkOf, subnetOf } from './rate-limit.ts';
import { FakeClock } from './testing/fake-clock.ts';

describe('limits by address', () => {
  it.each([
    ['192.0.2.1', '192.0.2.1'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:0DB8:1:2::9', '2001:db8:1:2::/64'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    ['', ''],
  ])('%s counts as %s', (address, network) => {
    expect(networkOf(address)).toBe(network);
  });

  it('are the same for all addresses of a network', () => {
    const allows = createRateLimit(new FakeClock(), { burst: 2, perSecond: 1, addresses: 10 });
    const answers = [1, 2, 3].map((host) => allows(`2001:db8:1:2::${host}`));
    expect([...answers, allows('2001:db8:1:3::1')]).toEqual([true, true, false, true]);
  });

  it('keep lines that any client can cause from filling the log', async () => {
    const clock = new FakeClock();
    const levelFor = createNoiseLimit(clock);
    const warnings = (address: string) => Array.from({ length: 100 }, () => levelFor(address)).filter((level) => level === 'warn').length;
    expect([warnings('192.0.2.1'), warnings('192.0.2.1'), warnings('192.0.2.2')]).toEqual([10, 0, 10]);
    await clock.advance(120_000);
    expect(warnings('192.0.2.1')).toBe(2);
  });

  it('can count failures alone, which time forgives', async () => {
    const clock = new FakeClock();
    const failures = createFailureLimit(clock, { burst: 2, perSecond: 1, addresses: 10 });
    for (const spent of [false, false, true]) {
      expect(failures.isSpent('192.0.2.1')).toBe(spent);
      failures.note('192.0.2.1');
    }
    expect(failures.isSpent('192.0.2.2')).toBe(false);
    await clock.advance(1_000);
    expect(failures.isSpent('192.0.2.1')).toBe(false);
  });
});

it.each([
  ['192.0.2.17', '192.0.2.0/24'],
  ['::ffff:192.0.2.17', '192.0.2.0/24'],
  ['2001:db8:1:2::9', '2001:db8:1:2::/64'],
  ['', ''],
])('%s is of the subnet %s', (address, subnet) => {
  expect(subnetOf(address)).toBe(subnet);
});

it.each([
  [[], 10, Number.POSITIVE_INFINITY],
  [[3, 7], 10, Number.POSITIVE_INFINITY],
  [[1_000_000, 2, 3], 15, 10],
  [[50, 60, 1], 21, 10],
  [[1, 1, 1], 2, 0],
])('divides %j with %i places into at most %d each', (wanted, places, share) => {
  expect(fairShare(wanted, places)).toBe(share);
  const total = wanted.reduce((sum, count) => sum + Math.min(count, share), 0);
  expect(total).toBeLessThanOrEqual(places);
});
