import { createAloneDecoder, decodeFiles } from '@fso/shared/decode';
import { FakeClock } from '@fso/shared/fake-clock';
import type { GitObject } from '@fso/shared/protocol';
import { approvalTag } from '@fso/shared/rollout';
import { type Clock, systemClock, Wakeup } from '@fso/shared/runtime';
import { parseSigners } from '@fso/shared/signatures';
import type { TrustConfig } from '@fso/shared/trust';
import { describe, expect, it, vi } from 'vitest';
import { makeKey, ObjectBox, signSsh, type TestKey } from '../../shared/trust/testing/commits.ts';
import { clusterFile, policyFile } from '../../test/harness/policy-files.ts';
import { ApprovalGate } from './approval-gate.ts';
import { type CompiledOffer, compileOffer } from './compile-offer.ts';
import { ObjectStore } from './object-store.ts';
import { digestOfPlaces } from './places-store.ts';
import type { AcceptedState } from './state-store.ts';

const [ana, bob, eve] = [makeKey(), makeKey(), makeKey()];
const allowed = (names: Readonly<Record<string, TestKey>>): string =>
  Object.entries(names)
    .map(([name, { line }]) => `${name} ${line}\n`)
    .join('');
const STRICT: TrustConfig = { mode: 'strict', signers: parseSigners({ allowedSigners: allowed({ ana, bob }) }) };

const strategy = (approvers: string): string =>
  `apiVersion: compliance.federated.io/v1\nkind: RolloutStrategy\nmetadata: {name: careful}\nspec: {approvers: [${approvers}], waves: [{name: production, clusterSelector: {}, approval: Required}]}\n`;
const FILES = {
  'clusters/eu.yaml': clusterFile('eu', ['eu-west-1']),
  'policies/finance.yaml': policyFile('finance'),
  'rollout.yaml': strategy('bob'),
};
const NARROW = { ...FILES, 'policies/finance.yaml': policyFile('finance', ['eu-central-1']) };

const box = new ObjectBox();

/** Compiles a commit as the intake does. @returns the reasons where it is refused */
const compile = async (revision: string, accepted?: AcceptedState, trust = STRICT): Promise<CompiledOffer | string[]> => {
  const objects = [...box.objects].map(([id, { type, data }]): GitObject => ({ id, type, data: Buffer.from(data).toString('base64') }));
  const result = await compileOffer(
    { type: 'offer', revision, anchor: accepted?.revision ?? null, chain: [revision], objects },
    {
      cluster: 'eu',
      mayLeave: true,
      verify: { trust, held: new ObjectStore(), now: new Date(), known: { accepted } },
      decode: (files) => decodeFiles(files),
      decodeAlone: createAloneDecoder(),
    },
  );
  return result.ok ? result.offer : result.reasons.map(({ message }) => message);
};
const compiledFrom = async (...args: Parameters<typeof compile>): Promise<CompiledOffer> => {
  const compiled = await compile(...args);
  if (Array.isArray(compiled)) throw new Error(compiled.join());
  return compiled as CompiledOffer;
};
const stateOf = ({ revision, compiled, places, part, approval, verified }: CompiledOffer): AcceptedState => ({
  revision,
  digest: compiled.digest,
  verification: verified.verification,
  trust: verified.trust,
  approval,
  registration: part.registration,
  places: digestOfPlaces(places),
  policies: undefined,
});

const approvalBy = (key: TestKey, revision: string): string => {
  const seconds = Math.floor(Date.now() / 1000);
  const payload = `object ${revision}\ntype commit\ntag ${approvalTag(revision, 'production')}\ntagger B <b> ${seconds} +0000\n\nApprove\n`;
  return Buffer.from(`${payload}${signSsh(key, Buffer.from(payload))}\n`).toString('base64');
};

const open = async (trust = STRICT, clock: Clock = systemClock) => {
  const first = box.commit({ files: FILES, key: ana });
  const enforced = stateOf(await compiledFrom(first));
  const next = box.commit({ files: NARROW, key: ana, parents: [first] });
  return { gate: new ApprovalGate(trust, clock), first, enforced, next, offer: await compiledFrom(next, enforced, trust) };
};

describe('the gate of approvals', () => {
  it('holds a commit until its approval comes, before or after the offer', async () => {
    const { gate, enforced, next, offer } = await open();
    expect([gate.admits(offer, enforced), gate.held?.missing]).toEqual([false, 1]);
    gate.setApprovals({ type: 'approvals', revision: 'f'.repeat(40), tags: [approvalBy(bob, next)] });
    expect(gate.admits(offer, enforced)).toBe(false);
    gate.setApprovals({ type: 'approvals', revision: next, tags: [approvalBy(bob, next)] });
    expect([gate.admits(offer, enforced), gate.held]).toEqual([true, undefined]);
  });

  it('judges what waits again at a pace, however often a hub sends tags', async () => {
    const clock = new FakeClock(new Date());
    const { gate, enforced, offer } = await open(STRICT, clock);
    let spentMs = 0;
    const cpu = vi.spyOn(process, 'threadCpuUsage').mockImplementation(() => {
      spentMs += 600;
      return { user: spentMs * 1000, system: 0 };
    });
    const wakeup = new Wakeup();
    const { signal } = new AbortController();
    const judge = async (): Promise<void> => {
      wakeup.wake();
      await gate.wait(wakeup, signal);
      gate.admits(offer, enforced);
    };
    gate.admits(offer, enforced);
    await judge();
    let isDone = false;
    const third = judge().then(() => (isDone = true));
    await clock.advance(1_900);
    expect(isDone).toBe(false);
    await clock.advance(200);
    await third;
    cpu.mockRestore();
  });

  it('admits the first commit, the one in force, and one that changes nothing', async () => {
    const { gate, first, enforced, offer } = await open();
    expect(gate.admits(offer, undefined)).toBe(true);
    expect(gate.admits(await compiledFrom(first), enforced)).toBe(true);
    const same = box.commit({ files: { ...FILES, 'README.md': 'more' }, key: ana, parents: [first] });
    expect(gate.admits(await compiledFrom(same, enforced), enforced)).toBe(true);
  });

  it('holds a commit that changes only who approves, or where the cluster is', async () => {
    const { gate, first, enforced } = await open();
    const changes = [
      { 'rollout.yaml': strategy('ana, bob') },
      { 'rollout.yaml': strategy('bob').replace('production', 'canary') },
      { 'rollout.yaml': '' },
      { 'clusters/eu.yaml': '' },
      {
        'clusters/eu.yaml': clusterFile('eu', ['eu-west-1'], 'stage: x'),
        'rollout.yaml': strategy('bob').replace('{}', '{matchLabels: {stage: y}}'),
      },
    ];
    for (const change of changes) {
      const files = Object.fromEntries(Object.entries({ ...FILES, ...change }).filter(([, text]) => text !== ''));
      const commit = box.commit({ files, key: ana, parents: [first] });
      expect(gate.admits(await compiledFrom(commit, enforced), enforced)).toBe(false);
    }
  });

  it('has no rule where other signers are configured, and none for what is taken unverified', async () => {
    const { gate, first, enforced, next, offer } = await open();
    expect(gate.admits(offer, enforced)).toBe(false);
    const other: TrustConfig = { mode: 'strict', signers: parseSigners({ allowedSigners: allowed({ ana, bob, eve }) }) };
    expect(new ApprovalGate(other, systemClock).admits(await compiledFrom(next, enforced, other), enforced)).toBe(true);
    const warn: TrustConfig = { mode: 'warn', signers: STRICT.signers };
    const unsigned = box.commit({ files: NARROW, parents: [first] });
    expect(new ApprovalGate(warn, systemClock).admits(await compiledFrom(unsigned, enforced, warn), enforced)).toBe(true);
    expect(new ApprovalGate(warn, systemClock).admits(await compiledFrom(next, enforced, warn), enforced)).toBe(false);
  });
});

describe('a commit whose approvers have no key', () => {
  it('is refused, as the next one could not be approved', async () => {
    const refused = box.commit({ files: { ...FILES, 'rollout.yaml': strategy('carol') }, key: ana });
    expect(await compile(refused)).toEqual([expect.stringContaining('nobody could approve the next commit')]);
  });
});
