import { FakeClock } from '@fso/shared/fake-clock';
import { expect, it } from 'vitest';
import { RevisionSlot, type TargetCommit } from './revision-slot.ts';

const [OLD, NEW] = ['a', 'b'].map((letter): TargetCommit => ({ revision: letter.repeat(40), desired: new Map() })) as [
  TargetCommit,
  TargetCommit,
];
const acceptedOf = ({ revision, desired }: TargetCommit) => ({
  revision,
  digest: '',
  verification: { state: 'unverified' } as const,
  policies: desired,
});
const failureOf = (key: string, failures: number) => ({ key, policies: [], error: 'no', failures });

const create = () => {
  const calls: string[] = [];
  const clock = new FakeClock();
  const slot = new RevisionSlot(clock, { onTarget: () => calls.push('target'), onAccepted: () => calls.push('accepted') });
  const written: TargetCommit[] = [];
  slot.onWritten((target) => written.push(target));
  return { clock, slot, calls, written };
};

it('counts a target as being written until it is persisted, and differences after that as repairs', () => {
  const { slot, calls, written } = create();
  slot.noteWritten();
  expect([slot.commit, written]).toEqual([undefined, []]);
  slot.setTarget(OLD);
  expect(slot.commit?.isPersisted).toBe(false);
  slot.noteWritten();
  slot.noteWritten();
  expect(written).toEqual([OLD, OLD]);
  slot.accept(OLD, acceptedOf(OLD));
  slot.noteWritten();
  expect([written.length, slot.commit?.isPersisted, slot.accepted?.revision, calls]).toEqual([
    2,
    true,
    OLD.revision,
    ['target', 'accepted'],
  ]);
});

it('continues with a newer target where the previous one is persisted meanwhile', () => {
  const { slot, written } = create();
  slot.setTarget(OLD);
  slot.setTarget(NEW);
  slot.accept(OLD, acceptedOf(OLD));
  expect([slot.commit?.isPersisted, slot.isChanging]).toEqual([false, true]);
  slot.noteWritten();
  expect(written).toEqual([NEW]);
});

it('adopts an accepted commit after a restart: differences from it are repairs', () => {
  const { slot, written } = create();
  slot.resume(acceptedOf(OLD), OLD);
  slot.noteWritten();
  expect([slot.commit?.isPersisted, slot.isChanging, written]).toEqual([true, false, []]);
});

it('does not count as changing while writes keep failing, or others keep undoing them', () => {
  const { slot } = create();
  slot.resume(acceptedOf(OLD), OLD);
  slot.setTarget(NEW);
  slot.noteFailures([failureOf('SovereignPolicy/a', 2), failureOf('Namespace/a', 3)]);
  expect(slot.isChanging).toBe(true);
  slot.noteFailures([failureOf('SovereignPolicy/a', 3)]);
  expect(slot.isChanging).toBe(false);
  slot.noteFailures([]);
  expect(slot.isChanging).toBe(true);
  for (const key of ['SovereignPolicy/a', 'SovereignPolicy/b', 'SovereignPolicy/a', 'Namespace/a', 'Namespace/a', 'Namespace/a'])
    slot.noteWrite(key);
  expect(slot.isChanging).toBe(true);
  slot.noteWrite('SovereignPolicy/a');
  expect(slot.isChanging).toBe(false);
});

it('does not count as changing while it cannot be persisted, nor for longer than five minutes', async () => {
  const { clock, slot } = create();
  slot.resume(acceptedOf(OLD), OLD);
  slot.setTarget(NEW);
  slot.notePersistFailures(2);
  expect(slot.isChanging).toBe(true);
  slot.notePersistFailures(3);
  expect(slot.isChanging).toBe(false);
  slot.setTarget({ ...NEW });
  expect(slot.isChanging).toBe(true);
  await clock.advance(300_001);
  expect(slot.isChanging).toBe(false);
});
