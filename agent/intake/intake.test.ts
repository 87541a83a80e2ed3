import type { KubeClient } from '@fso/shared/kube';
import { decodeHubFrame, type GitObject } from '@fso/shared/protocol';
import { approvalTag } from '@fso/shared/rollout';
import { systemClock } from '@fso/shared/runtime';
import { parseSigners } from '@fso/shared/signatures';
import { expect, it } from 'vitest';
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

/** An intake whose rounds write what a test says. */
const openIntake = () => {
  let target: TargetCommit | undefined;
  let written: (commit: TargetCommit) => void = quiet;
  const outcomes: IntakeOutcome[] = [];
  const client = { get: async () => undefined, apply: async () => undefined, delete: async () => undefined };
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
  const ending = new AbortController();
  const running = intake.run(ending.signal).catch(quiet);
  const stop = async (): Promise<void> => {
    ending.abort();
    await running;
  };
  return { intake, offer, approve, isAimed, write, outcome, enforce, stop };
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
