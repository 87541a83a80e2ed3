import { compileCluster } from '@fso/shared/compile';
import { decodeFiles } from '@fso/shared/decode';
import type { KubeClient } from '@fso/shared/kube';
import { describe, expect, it } from 'vitest';
import { type AcceptedState, loadState, saveState } from './state-store.ts';

const REVISION = 'a'.repeat(40);
const VERIFIED = { state: 'verified', signer: 'ana (SHA256:x)' } as const;
const TRUST = { root: 'r', signersTree: 'b'.repeat(40), allowedSigners: 'ana ssh-ed25519 AAAA\n' };
const { signal } = new AbortController();

const document = (kind: string, name: string, spec: string): string =>
  `apiVersion: compliance.federated.io/v1\nkind: ${kind}\nmetadata:\n  name: ${name}\nspec: ${spec}\n`;
const compiled = () => {
  const decoded = decodeFiles([
    { path: 'clusters/eu.yaml', text: document('ManagedCluster', 'eu', '{ regions: [eu-west-1] }') },
    ...['hr', 'finance'].map((name) => ({
      path: `policies/${name}.yaml`,
      text: document('SovereignPolicy', name, `{ targetNamespace: ${name}, allowedRegions: [eu-west-1, eu-central-1] }`),
    })),
  ]);
  if (!decoded.ok) throw new Error(JSON.stringify(decoded.problems));
  return compileCluster(decoded.set, 'eu');
};
const accepted = (): AcceptedState & { policies: Map<string, unknown> } => {
  const { policies, digest } = compiled();
  const desired = new Map(policies.map((policy) => [policy.name, { policy, since: REVISION }]));
  return {
    revision: REVISION,
    digest,
    verification: VERIFIED,
    trust: TRUST,
    registration: 'clusters/eu.yaml',
    places: undefined,
    policies: desired,
  };
};
/** Saves a state and loads it again. */
const reloaded = async (state: AcceptedState): ReturnType<typeof loadState> => {
  let stored: unknown;
  const client = {
    apply: async (_kind: unknown, body: unknown) => {
      stored = structuredClone(body);
      return { object: body, warnings: [] };
    },
    get: async () => stored,
  } as unknown as KubeClient;
  await saveState(client, state, signal);
  return loadState(client, signal);
};
const changed = (change: object): AcceptedState => {
  const state = accepted();
  const policies = new Map(
    [...(state.policies as NonNullable<AcceptedState['policies']>)].map(([key, desired]) => [
      key,
      { ...desired, policy: { ...desired.policy, ...change } },
    ]),
  );
  return { ...state, policies };
};

describe('the accepted state', () => {
  it('survives a restart', async () => {
    expect(await reloaded(accepted())).toEqual({ state: accepted() });
    const tooMany = { ...accepted(), policies: undefined };
    expect(await reloaded(tooMany)).toEqual({ state: tooMany });
  });

  it.each([
    ['a policy says something else', changed({ effectiveRegions: ['us-east-1'] }), 'not what was accepted: finance'],
    ['a policy has another digest', changed({ digest: '0'.repeat(64) }), 'not what was accepted'],
    ['the whole has another digest', { ...accepted(), digest: '0'.repeat(64) }, 'have the digest'],
    ['a policy is missing', { ...accepted(), policies: new Map() }, 'have the digest'],
  ])('is dropped, except for the signers after the accepted commit, when %s', async (_what, state, problem) => {
    const kept = { revision: REVISION, verification: VERIFIED, trust: TRUST };
    expect(await reloaded(state)).toEqual({ state: undefined, problem: expect.stringContaining(problem), kept });
  });
});
