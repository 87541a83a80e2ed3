import type { NamespaceGovernance } from '../enforce/index.ts';
import { askForBinding, judgeMustNotBind } from './bind-gate/bind-gate-probe.ts';
import {
  askForPod,
  type FloorNames,
  judgeMustAdmit,
  judgeMustDeny,
  judgeMustWarn,
  NO_REGION,
  type ProbeClient,
  type ProbeVerdict,
} from './probe.ts';
import type { Semaphore } from './semaphore.ts';

/** Dry run, named after what lock 1 must do with it. */
export type ProofKind = 'mustDeny' | 'mustAdmit' | 'mustNotBind' | 'mustWarn';

/**
 * Kinds of proof of lock 1 in a namespace. Action dryrun appears in no response, so only the
 * existence of its objects can be checked.
 */
export const proofsOf = ({ actions }: NamespaceGovernance, bindGate: boolean): readonly ProofKind[] => {
  const { deny, warn } = actions;
  const kinds: ProofKind[] = [];
  if (deny !== undefined) kinds.push('mustDeny');
  if (deny !== undefined && deny.regions.length > 0) kinds.push('mustAdmit');
  if (deny !== undefined && bindGate) kinds.push('mustNotBind');
  if (warn !== undefined && warnedRegion({ actions }) !== undefined) kinds.push('mustWarn');
  return kinds;
};

/**
 * Region that `deny` allows and `warn` does not; undefined if `deny` refuses every pod that `warn`
 * would warn about.
 */
const warnedRegion = ({ actions: { deny, warn } }: Pick<NamespaceGovernance, 'actions'>): string | undefined =>
  deny === undefined ? NO_REGION : deny.regions.find((region) => warn?.regions.includes(region) === false);

/** Finds a node that is in none of the regions; undefined if there is none. */
export type FindNodeOutside = (regions: readonly string[]) => string | undefined;

interface ProofSubject {
  readonly governance: NamespaceGovernance;
  /** Regions that were allowed when the namespace was last proven. */
  readonly before: readonly string[];
}

interface ProofOptions {
  readonly client: ProbeClient;
  readonly floor: FloorNames;
  readonly nodeOutside: FindNodeOutside;
  /** Limit for requests that lock 1 refuses before any webhook is called. */
  readonly direct: Semaphore;
  /** Limit for requests that wait for webhooks: a slow webhook must not delay the others. */
  readonly webhooks: Semaphore;
}

/** Sends the dry-run requests of single proofs. */
export class Proofs {
  readonly #options: ProofOptions;

  constructor(options: ProofOptions) {
    this.#options = options;
  }

  probe(kind: ProofKind, subject: ProofSubject, signal: AbortSignal): Promise<ProbeVerdict> {
    const { client, floor, nodeOutside, direct, webhooks } = this.#options;
    const { governance, before } = subject;
    const { namespace } = governance;
    const pod = (region: string) => askForPod(client, { namespace, region }, signal);
    switch (kind) {
      case 'mustDeny':
        return direct.run(async () => judgeMustDeny(await pod(NO_REGION), governance, floor));
      case 'mustNotBind':
        return direct.run(async () => {
          const node = nodeOutside(governance.actions.deny?.regions ?? []);
          return judgeMustNotBind(await askForBinding(client, { namespace, node }, signal), governance, floor);
        });
      case 'mustAdmit':
        return webhooks.run(async () => judgeMustAdmit(await pod(newRegion(governance, before)), floor));
      case 'mustWarn':
        return webhooks.run(async () => judgeMustWarn(await pod(warnedRegion(governance) ?? NO_REGION), governance, floor));
    }
  }
}

/**
 * Picks a region that was not allowed before, if any, as only a lock with the new list admits it.
 */
const newRegion = ({ actions }: NamespaceGovernance, before: readonly string[]): string => {
  const regions = actions.deny?.regions ?? [];
  return regions.find((candidate) => !before.includes(candidate)) ?? regions[0] ?? NO_REGION;
};

/**
 * Time in ms after which an unrelated refusal counts as lasting. A missing service account or a
 * starting webhook takes less.
 */
const SETTLED_MS = 1_000;

const OVERTAKEN: ProbeVerdict = { kind: 'inconclusive', message: 'the governance changed meanwhile' };

interface Finding {
  readonly verdict: ProbeVerdict;
  /** Kind of the proof; undefined if all kinds are proven. */
  readonly kind?: ProofKind;
}

/**
 * Probes for all kinds of proof in a namespace, starting with the first one alone: until the API
 * server has the new regions, the others would be wasted.
 *
 * @param probe returns undefined if a kind no longer applies
 * @param elapsedMs time since the first probe of this governance, in ms
 * @returns the finding that decides for the namespace
 */
export const proveAll = async (
  [first, ...others]: readonly ProofKind[],
  probe: (kind: ProofKind) => Promise<ProbeVerdict | undefined>,
  elapsedMs: () => number,
): Promise<Finding> => {
  const find = (kinds: readonly ProofKind[]) =>
    Promise.all(kinds.map(async (kind) => ({ kind, verdict: (await probe(kind)) ?? OVERTAKEN })));
  const findings = await find(first === undefined ? [] : [first]);
  if (findings.every(({ verdict }) => verdict.kind !== 'unproven')) findings.push(...(await find(others)));
  const unproven = findings.find(({ verdict }) => verdict.kind === 'unproven');
  if (unproven !== undefined) return unproven;
  const open = findings.filter(({ verdict }) => verdict.kind !== 'proven');
  const [missing] = open;
  if (missing === undefined) return { verdict: { kind: 'proven' } };
  // Lock 1 refuses what it must, with the regions in force. Only the pod that must be admitted is
  // refused, by another rule.
  const isSettled = open.length === 1 && missing.kind === 'mustAdmit' && elapsedMs() > SETTLED_MS;
  return isSettled ? { verdict: withNote(missing.verdict), kind: missing.kind } : missing;
};

/**
 * Turns the verdict into a proof with a note if only an unrelated rule refused the pod in an
 * allowed region.
 */
export const withNote = (verdict: ProbeVerdict): ProbeVerdict =>
  verdict.kind === 'inconclusive' && verdict.foreign === true
    ? { kind: 'proven', note: `it is not proven that a pod in an allowed region is admitted: ${verdict.message}` }
    : verdict;
