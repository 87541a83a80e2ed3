import type { KubeClient } from '@fso/shared/kube';
import { decodeHubFrame, type GitObject } from '@fso/shared/protocol';
import { approvalTag } from '@fso/shared/rollout';
import { systemClock } from '@fso/shared/runtime';
import { parseSigners } from '@fso/shared/signatures';
import { makeKey, ObjectBox, signSsh } from '../../../shared/trust/testing/commits.ts';
import { clusterFile, policyFile } from '../../../test/harness/policy-files.ts';
import { eventually } from '../../../test/harness/waiting.ts';
import type { TargetCommit } from '../../control/index.ts';
import { Intake, type IntakeDeps } from '../intake.ts';
import type { IntakeOutcome } from '../intake-events.ts';

/** Keys of signers: both are configured, Bob approves. */
export const [ana, bob] = [makeKey(), makeKey()];
/** Git objects of all commits. */
export const box = new ObjectBox();
/** Files of a commit whose cluster needs approvals. */
export const FILES = {
  'clusters/eu.yaml': clusterFile('eu', ['eu-west-1', 'eu-central-1']),
  'policies/finance.yaml': policyFile('finance'),
  'rollout.yaml': `apiVersion: compliance.federated.io/v1
kind: RolloutStrategy
metadata: {name: careful}
spec: {approvers: [bob], waves: [{name: production, clusterSelector: {}, approval: Required}]}
`,
};
/** Returns {@link FILES} with a policy that allows these regions. */
export const withRegions = (...regions: string[]) => ({ ...FILES, 'policies/finance.yaml': policyFile('finance', regions) });

const quiet = () => undefined;
const logger = { debug: quiet, info: quiet, warn: quiet, error: quiet, fatal: quiet };

/** Opens an intake whose rounds write what a test says. */
export const openIntake = () => {
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
    intake.take({ type: 'offer', revision, anchor, chain: [revision], objects });
  };
  const approve = (revision: string): void => {
    const seconds = Math.floor(Date.now() / 1000);
    const payload = `object ${revision}\ntype commit\ntag ${approvalTag(revision, 'production')}\ntagger B <b> ${seconds} +0000\n\nApprove\n`;
    const tag = Buffer.from(`${payload}${signSsh(bob, Buffer.from(payload))}\n`).toString('base64');
    const frame = decodeHubFrame(JSON.stringify({ type: 'approvals', revision, tags: [tag] }));
    if (frame.ok && frame.frame.type === 'approvals') intake.take(frame.frame);
  };
  const isAimed = (revision: string): Promise<unknown> => eventually(() => target?.revision === revision);
  const write = (): void => {
    if (target !== undefined) written(target);
  };
  const outcome = async (type: IntakeOutcome['type'], revision: string): Promise<void> => {
    await eventually(() => outcomes.some((each) => each.type === type && 'revision' in each && each.revision === revision));
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
