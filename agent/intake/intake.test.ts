import { describe, expect, it } from 'vitest';
import { eventually } from '../../test/harness/waiting.ts';
import { ana, box, FILES, openIntake, withRegions } from './testing/open-intake.ts';

/** Lets everything run that waits for nothing but its turn. */
const turns = async (): Promise<void> => {
  for (let turn = 0; turn < 200; turn += 1) await new Promise((resolve) => setImmediate(resolve));
};

it('judges what waits for an approval again, once another commit is in force', async () => {
  const first = box.commit({ files: FILES, key: ana });
  const next = box.commit({ files: withRegions('eu-west-1', 'eu-central-1'), key: ana, parents: [first] });
  const sibling = box.commit({ files: withRegions('eu-central-1'), key: ana, parents: [first] });
  const { intake, offer, approve, isAimed, write, outcome, enforce, stop } = openIntake();
  await enforce(first);
  approve(next);
  offer(next, first);
  await isAimed(next);
  // The other one comes while this one is written.
  offer(sibling, first);
  await outcome('held', sibling);
  write();
  await outcome('ack', next);
  approve(sibling);
  await outcome('nack', sibling);
  expect([intake.accepted?.revision, intake.newest.known.ahead, intake.held]).toEqual([next, undefined, undefined]);
  await stop();
});

it('forgets no commit that waits where the one in force is offered again', async () => {
  const first = box.commit({ files: FILES, key: ana });
  const next = box.commit({ files: withRegions('eu-central-1'), key: ana, parents: [first] });
  const { intake, offer, write, outcome, enforce, stop } = openIntake();
  await enforce(first);
  offer(next, first);
  await outcome('held', next);
  const before = intake.accepted;
  offer(first, first);
  await eventually(() => intake.held === undefined);
  await eventually(() => {
    write();
    return intake.accepted !== before;
  });
  expect([intake.accepted?.revision, intake.newest.known.ahead?.revision]).toEqual([first, next]);
  await stop();
});

describe('a commit that comes while the one before is persisted', () => {
  const first = box.commit({ files: FILES, key: ana });
  const next = box.commit({ files: withRegions('eu-west-1', 'eu-central-1'), key: ana, parents: [first] });
  const sibling = box.commit({ files: withRegions('eu-central-1'), key: ana, parents: [first] });
  const child = box.commit({ files: withRegions('eu-central-1'), key: ana, parents: [next] });

  /** Brings the second commit to where it is written, and not persisted yet. */
  const persistNext = async () => {
    const opened = openIntake();
    await opened.enforce(first);
    opened.approve(next);
    opened.offer(next, first);
    await opened.isAimed(next);
    return { ...opened, ...(await opened.holdPersisting()) };
  };

  it('is refused where it does not descend from that one', async () => {
    const { intake, targets, offer, approve, outcome, finish, stop } = await persistNext();
    approve(sibling);
    offer(sibling, first);
    // Time to judge it by the commit that is still in force.
    await turns();
    finish();
    await outcome('nack', sibling);
    expect([targets, intake.accepted?.revision, intake.busy]).toEqual([[first, next], next, false]);
    await stop();
  });

  it('is refused likewise where its approval comes meanwhile', async () => {
    const opened = openIntake();
    const { intake, targets, offer, approve, isAimed, outcome, stop } = opened;
    await opened.enforce(first);
    approve(next);
    offer(next, first);
    await isAimed(next);
    offer(sibling, first);
    await outcome('held', sibling);
    const { finish } = await opened.holdPersisting();
    approve(sibling);
    await turns();
    finish();
    await outcome('nack', sibling);
    expect([targets, intake.accepted?.revision]).toEqual([[first, next], next]);
    await stop();
  });

  it('is taken where it descends from that one', async () => {
    const { intake, targets, offer, approve, isAimed, write, outcome, finish, stop } = await persistNext();
    approve(child);
    offer(child, next);
    await turns();
    finish();
    await isAimed(child);
    write();
    await outcome('ack', child);
    expect([targets, intake.accepted?.revision]).toEqual([[first, next, child], child]);
    await stop();
  });

  it('is taken in its place where it cannot be persisted', async () => {
    const { intake, targets, offer, approve, isAimed, write, outcome, finish, fail, stop } = await persistNext();
    approve(sibling);
    offer(sibling, first);
    await turns();
    fail();
    await isAimed(sibling);
    finish();
    write();
    await outcome('ack', sibling);
    expect([targets, intake.accepted?.revision]).toEqual([[first, next, sibling], sibling]);
    await stop();
  });
});
