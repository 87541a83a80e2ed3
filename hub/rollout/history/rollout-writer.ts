import type { PolicyChanges, SovereignPolicyDocument } from '@fso/shared/api';
import { type PolicySet, regionsOf, type Sourced, scopesAbove, scopesOf } from '@fso/shared/decode';
import { byText, canonicalJson } from '@fso/shared/encoding';
import type { Logger } from '@fso/shared/runtime';
import type { Journal } from '../../ledger/index.ts';
import { type RolloutEntry, type RolloutRecord, withChanges } from './rollout-record.ts';
import { ROLLOUTS_KEPT, writeRollout } from './rollout-store.ts';

type SourcedPolicy = Sourced<SovereignPolicyDocument>;

/**
 * Serializes a policy with all that changes its meaning: the regions that its references resolve
 * to, and the scopes above it. So a wider group changes every policy that names it, a scope every
 * policy below it, and a new catalogue every policy whose regions resolve differently.
 */
const createText = (set: PolicySet): ((policy: SourcedPolicy) => string) => {
  const resolver = regionsOf(set);
  const scopes = scopesOf(set);
  return ({ document, source }) => {
    const { allowedRegions, placement } = document.spec;
    const regions = resolver.resolve(allowedRegions);
    const around = scopesAbove(source.path, scopes).map((scope) => scope.document.spec.placement);
    const placedIn = [...around, placement].map((each) => resolver.resolve(each?.clusterRegions ?? []));
    return canonicalJson({ document, regions, around, placedIn });
  };
};

const byName = (set: PolicySet | undefined): ReadonlyMap<string, SourcedPolicy> =>
  new Map((set?.policies ?? []).map((policy) => [policy.document.metadata.name, policy]));

const areSame = (some: readonly Sourced<object>[], others: readonly Sourced<object>[]): boolean =>
  some.length === others.length && some.every(({ document }, at) => document === others[at]?.document);

/**
 * Returns a check whether a policy differs between two sets. Most files are unchanged and are the
 * same document in both, so these are not serialized.
 */
const createIsChanged = (before: PolicySet, after: PolicySet): ((was: SourcedPolicy, is: SourcedPolicy) => boolean) => {
  const around = ({ scopes, regionGroups, catalog }: PolicySet) => [
    ...scopes,
    ...regionGroups,
    ...(catalog === undefined ? [] : [catalog]),
  ];
  const areSameAround = areSame(around(before), around(after));
  const [textBefore, textAfter] = [createText(before), createText(after)];
  return (was, is) => !(areSameAround && was.document === is.document) && textBefore(was) !== textAfter(is);
};

/**
 * Compares the policies of two commits: their content, their regions, and the clusters that they
 * are placed in. Paths in the repository count only for the placement. Returns names in Git,
 * sorted. Pure.
 */
export const comparePolicies = (before: PolicySet | undefined, after: PolicySet): PolicyChanges => {
  const [was, is] = [byName(before), byName(after)];
  const isChanged = createIsChanged(before ?? after, after);
  const changed = [...is].filter(([name, policy]) => {
    const earlier = was.get(name);
    return earlier !== undefined && isChanged(earlier, policy);
  });
  return {
    added: [...is.keys()].filter((name) => !was.has(name)).sort(byText),
    changed: changed.map(([name]) => name).sort(byText),
    removed: [...was.keys()].filter((name) => !is.has(name)).sort(byText),
  };
};

/** Parts of the hub through which records of commits are written. */
export interface RolloutWriterDeps {
  readonly ledger: Pick<Journal, 'records' | 'audit'>;
  readonly logger: Logger;
  /** Handler that is called when a rollout has changed while it was written. */
  readonly onMore: () => void;
}

const audit = async (log: Journal['audit'], { commit, changes, counts }: RolloutRecord): Promise<void> => {
  if (counts.added + counts.changed + counts.removed === 0) return;
  await log.append({
    actor: { kind: 'git', id: commit.author.slice(0, 512), roles: [] },
    from: null,
    action: 'policies.change',
    subject: commit.revision,
    detail: { added: changes.added, changed: changes.changed, removed: changes.removed },
  });
};

/** Compares the policies of a commit with those before it, once. */
const compare = (entry: RolloutEntry): void => {
  if (entry.compare === undefined) return;
  const { before, after } = entry.compare;
  entry.compare = undefined;
  Object.assign(entry.rollout, withChanges(comparePolicies(before, after)));
  entry.isUnaudited = true;
};

/** Writes rollouts: each waits here until a write of its newest state has succeeded. */
export class RolloutWriter {
  readonly #deps: RolloutWriterDeps;
  /** Rollouts that wait, in the order of their first change. */
  readonly #waiting = new Set<RolloutEntry>();
  readonly #writing = new Set<RolloutEntry>();

  constructor(deps: RolloutWriterDeps) {
    this.#deps = deps;
  }

  add(entries: readonly RolloutEntry[]): void {
    for (const entry of entries) this.#waiting.add(entry);
    // Newer rollouts would overwrite the oldest ones in the ledger.
    for (const oldest of [...this.#waiting].slice(0, Math.max(0, this.#waiting.size - ROLLOUTS_KEPT))) this.#waiting.delete(oldest);
  }

  /**
   * Begins to write the waiting rollouts, one write of each at a time. Not awaited, as a write
   * blocks while the database is unavailable.
   */
  begin(): void {
    for (const entry of [...this.#waiting]) if (!this.#writing.has(entry)) this.#begin(entry);
  }

  /** Begins to write all waiting rollouts before the end, also those with a write under way. */
  finish(): void {
    for (const entry of [...this.#waiting]) this.#begin(entry);
  }

  /** Returns the rollouts that are not known to be written. */
  unwritten(): readonly RolloutEntry[] {
    return [...new Set([...this.#writing, ...this.#waiting])];
  }

  /** Replaces the rollouts that wait. */
  replace(entries: readonly RolloutEntry[]): void {
    this.#waiting.clear();
    this.add(entries);
  }

  #begin(entry: RolloutEntry): void {
    this.#waiting.delete(entry);
    this.#writing.add(entry);
    this.#write(entry).then(
      () => {
        this.#writing.delete(entry);
        if (this.#waiting.has(entry)) this.#deps.onMore();
      },
      (err: unknown) => {
        this.#deps.logger.error({ err }, 'activity of a commit not recorded');
        this.#writing.delete(entry);
        // Retried by the next begin.
        this.#waiting.add(entry);
      },
    );
  }

  async #write(entry: RolloutEntry): Promise<void> {
    compare(entry);
    const ends = await Promise.allSettled([this.#audit(entry), writeRollout(this.#deps.ledger.records, entry.toRecord())]);
    for (const end of ends) if (end.status === 'rejected') throw end.reason;
  }

  async #audit(entry: RolloutEntry): Promise<void> {
    if (!entry.isUnaudited) return;
    entry.isUnaudited = false;
    try {
      await audit(this.#deps.ledger.audit, entry.rollout);
    } catch (error) {
      entry.isUnaudited = true;
      throw error;
    }
  }
}
