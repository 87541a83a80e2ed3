import { parsePolicyKey, type RevisionVerification, type SovereignPolicy } from '@fso/shared/api';
import { type Informer, keyOf } from '@fso/shared/kube';
import { sameItems } from '@fso/shared/runtime';
import { isSameMap } from '../compare.ts';
import { type DesiredPolicies, generationAsDesired } from '../enforce/index.ts';
import type { AcceptedPolicies, AgentSnapshot, PolicySnapshot, RevisionSnapshot } from '../observe/index.ts';

/**
 * Whether every policy of the accepted commit is proven at the written generation or a later one,
 * and no policy is left that the commit has removed. A proof of an older generation proves the
 * older spec.
 */
export const isRevisionProven = (
  { policies: accepted, generationOf }: Pick<AcceptedPolicies, 'policies' | 'generationOf'>,
  policies: AgentSnapshot['policies'],
): boolean => {
  for (const key of accepted.keys()) if (!provesGeneration(policies.get(key), generationOf(key))) return false;
  for (const [key, { report }] of policies) if (report.managedBy === 'hub' && !accepted.has(key)) return false;
  return true;
};

/**
 * Computes the `provenRevision` of the next report: the revision proven last until the accepted one
 * is proven; null once the accepted one was proven and no longer is.
 */
export const advanceProven = (before: string | null, { revision, proven }: { revision: string; proven: boolean }): string | null => {
  if (proven) return revision;
  return before === revision ? null : before;
};

const provesGeneration = (snapshot: PolicySnapshot | undefined, generation: number | undefined): boolean =>
  snapshot?.proven === true && generation !== undefined && snapshot.generation >= generation;

/** Commits of the hub as the intake sees them. */
export interface RevisionState {
  /** Commit accepted last. `policies` by key; undefined if they are no longer known. */
  readonly accepted:
    | {
        readonly revision: string;
        readonly digest: string;
        readonly verification: RevisionVerification;
        readonly policies: DesiredPolicies | undefined;
      }
    | undefined;
  /** Whether another commit is being written over it, without failures. */
  readonly isChanging: boolean;
}

/** Judges how far the accepted commit is in force in the cluster. */
export class RevisionTracker {
  readonly #policies: Pick<Informer<SovereignPolicy>, 'get'>;
  readonly #onProven: (revision: string) => void;
  /** Result of {@link advanceProven}. */
  #proven: string | null = null;
  #generations: ReadonlyMap<string, number> = new Map();
  /** Counts changes of the generations. */
  #version = 0;
  /** Whether the accepted commit is proven, with the inputs of that judgement. */
  #judged: { readonly inputs: readonly unknown[]; readonly isProven: boolean } = { inputs: [], isProven: false };

  /** @param onProven called whenever the accepted commit is found to be proven */
  constructor(policies: Pick<Informer<SovereignPolicy>, 'get'>, onProven: (revision: string) => void = () => undefined) {
    this.#policies = policies;
    this.#onProven = onProven;
  }

  /**
   * Judges the accepted commit.
   *
   * @param policies as judged by the last reconcile
   * @returns undefined if no commit is accepted yet
   */
  look({ accepted, isChanging }: RevisionState, policies: AgentSnapshot['policies']): RevisionSnapshot | undefined {
    if (accepted === undefined) return undefined;
    const { revision, digest, verification } = accepted;
    const known = accepted.policies && { digest, policies: accepted.policies, ...this.#standing(accepted.policies), isChanging };
    // While a newer revision replaces the accepted one, the last judgement stays.
    if (known?.isChanging === false) {
      const inputs = [policies, known.policies, known.version];
      if (!sameItems(inputs, this.#judged.inputs)) this.#judged = { inputs, isProven: isRevisionProven(known, policies) };
      this.#proven = advanceProven(this.#proven, { revision, proven: this.#judged.isProven });
    }
    if (this.#proven === revision) this.#onProven(revision);
    const { state, signer, reason } = verification;
    return {
      facts: {
        revision,
        provenRevision: this.#proven,
        verification: state,
        ...(signer !== undefined && { signer }),
        ...(reason !== undefined && { verificationReason: reason }),
      },
      accepted: known,
    };
  }

  /** Reads the generations of the policies whose content in the cluster is as desired. */
  #standing(desired: DesiredPolicies) {
    const generations = new Map<string, number>();
    for (const [key, policy] of desired) {
      const generation = generationAsDesired(policy, this.#policies.get(keyOf(parsePolicyKey(key))));
      if (generation !== undefined) generations.set(key, generation);
    }
    if (!isSameMap(generations, this.#generations)) {
      this.#generations = generations;
      this.#version += 1;
    }
    const known = this.#generations;
    return { generationOf: (key: string) => known.get(key), version: this.#version };
  }
}
