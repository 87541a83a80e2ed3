import type { KubeClient } from '@fso/shared/kube';
import { decodeHubFrame, type GitObject } from '@fso/shared/protocol';
import { approvalTag } from '@fso/shared/rollout';
import { systemClock } from '@fso/shared/runtime';
import { parseSigners } from '@fso/shared/signatures';
import { describe, expect, it } from 'vitest';
import { makeKey, ObjectBox, signSsh } from '../../shared/trust/testing/commits.ts';
import { clusterFile, policyFile } from '../../test/harness/policy-files.ts';
import { eventually } from '../../test/harness/waiting.ts';
import type { TargetCommit } from '../control/index.ts';
import { Intake, type IntakeDeps } from './intake.ts';
import type { IntakeOutcome } from './intake-events.ts';

const [ana, bob] = [makeKey(), makeKey()];
const box = new ObjectBox();
const FILES = {
  'clusters/eu.yaml': clusterFile('eu', ['eu-west-1', 'eu-central-1']),
  'policies/finance.yaml': policyFile('finance'),
  'rollout.yaml': `apiVersion: compliance.federated.io/v1
kind: RolloutStrategy
metadata: {name: careful}
spec: {approvers: [bob], waves: [{name: production, clusterSelector: {}, approval: Required}]}
`,
};
const withRegions = (...regions: string[]) => ({ ...FILES, 'policies/finance.yaml': policyFile('finance', regions) });

const quiet = () => undefined;
const logger = { debug: quiet, info: quiet, warn: quiet, error: quiet, fatal: quiet };

/** Lets everything run that waits for nothing but its turn. */
const turns = async (): Promise<void> => {
  for (let turn = 0; turn < 200; turn += 1) await new Promise((resolve) => setImmediate(resolve));
};

/** An intake whose rounds write what a test says. */
const openIntake = () => {
  let target: TargetCommit | undefined;
  const targets: string[] = [];
  let written: (commit: TargetCommit) => void = quiet;
  const outcomes: IntakeOutcome[] = [];
  /** Answer of the API server to the writes of the accepted state. */
  const store = { answer: async (): Promise<unknown> => undefined, isAsked: false };
  const apply = (): Promise<unknown> => {
    store.isAsked = true;
    return store.answer();
  };
  const client = { get: async () => undefined, apply, delete: async () => undefined };
  const intake = new Intake({
    runtime: { client: client as unknown as KubeClient, clock: systemClock, random: Math.random, logger },
    cluster: 'eu',
    trust: { mode: 'strict', signers: parseSigners({ allowedSigners: `ana ${ana.line}\nbob ${bob.line}\n` }) },
    policies: { list: () => [] },
    places: { judgeBy: quiet },
    revisions: {
      onWritten: (handler: typeof written) => {
        written = handler;
      },
      setTarget: (commit: TargetCommit) => {
        target = commit;
        targets.push(commit.revision);
      },
      accept: quiet,
      notePersistFailures: quiet,
    },
    onOutcome: (outcome: IntakeOutcome) => void outcomes.push(outcome),
    onEvent: quiet,
  } as unknown as IntakeDeps);
  const offer = (revision: string, anchor: string | null): void => {
    const objects = [...box.objects].map(([id, { type, data }]): GitObject => ({ id, type, data: Buffer.from(data).toString('base64') }));
    intake.offer({ type: 'offer', revision, anchor, chain: [revision], objects });
  };
  const approve = (revision: string): void => {
    const seconds = Math.floor(Date.now() / 1000);
    const payload = `object ${revision}\ntype commit\ntag ${approvalTag(revision, 'production')}\ntagger B <b> ${seconds} +0000\n\nApprove\n`;
    const tag = Buffer.from(`${payload}${signSsh(bob, Buffer.from(payload))}\n`).toString('base64');
    const frame = decodeHubFrame(JSON.stringify({ type: 'approvals', revision, tags: [tag] }));
    if (frame.ok && frame.frame.type === 'approvals') intake.approvals(frame.frame);
  };
  const isAimed = (revision: string): Promise<unknown> => eventually(() => target?.revision === revision);
  const write = (): void => {
    if (target !== undefined) written(target);
  };
  const outcome = async (type: IntakeOutcome['type'], revision: string): Promise<void> => {
    await eventually(() => outcomes.some((each) => each.type === type && each.revision === revision));
  };
  /** Brings the first commit into force. */
  const enforce = async (revision: string): Promise<void> => {
    offer(revision, null);
    await isAimed(revision);
    write();
    await outcome('ack', revision);
  };
  /** Writes the target, whose state the API server takes only once that is allowed. */
  const holdPersisting = async () => {
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    Object.assign(store, { answer: () => promise, isAsked: false });
    write();
    await eventually(() => store.isAsked);
    const finish = (): void => {
      store.answer = async () => undefined;
      resolve(undefined);
    };
    return { finish, fail: () => reject(new Error('the API server does not answer')) };
  };
  const ending = new AbortController();
  const running = intake.run(ending.signal).catch(quiet);
  const stop = async (): Promise<void> => {
    ending.abort();
    await running;
  };
  return { intake, targets, offer, approve, isAimed, write, holdPersisting, outcome, enforce, stop };
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
  expect([intake.accepted?.revision, intake.anchor, intake.held]).toEqual([next, next, undefined]);
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
  expect([intake.accepted?.revision, intake.anchor]).toEqual([first, next]);
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
