import { FakeClock } from '@fso/shared/fake-clock';
import { expect, it } from 'vitest';
import { ProofTimes } from './proof-times.ts';

it('the oldest proof is that of the namespace that was proven, or first expected, longest ago', async () => {
  const clock = new FakeClock(new Date('2026-01-03T10:30:00Z'));
  const times = new ProofTimes(clock);
  const oldest = (): string | undefined => times.oldest()?.toISOString().slice(11, 19);
  expect(oldest()).toBeUndefined();
  times.expect('finance');
  await clock.advance(60_000);
  times.expect('hr');
  times.recordProof('hr');
  // Expected again with another policy: the proof before is the last one that there was.
  times.expect('finance');
  times.recordProof('gone');
  expect(oldest()).toBe('10:30:00');
  times.recordProof('finance');
  await clock.advance(60_000);
  expect(oldest()).toBe('10:31:00');
  times.recordProof('finance');
  times.forget('hr');
  expect(oldest()).toBe('10:32:00');
});
