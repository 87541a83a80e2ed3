import type { ClusterEvent } from '@fso/shared/api';
import { compileFleet } from '@fso/shared/compile';
import type { PolicySet } from '@fso/shared/decode';
import type { Runtime } from '@fso/shared/runtime';
import type { Delivery, RevisionTargets } from '../delivery/index.ts';
import type { Desired, Journal, Lease } from '../ledger/index.ts';
import type { HubMetrics, StepResult } from '../metrics.ts';
import type { SourceRevision } from '../source/index.ts';

interface ReleasePlan {
  /** Clusters that may move to the revision now. */
  readonly clusters: readonly string[];
  readonly events: readonly Omit<ClusterEvent, 'time'>[];
}

/**
 * Plans step ③: the clusters that may move to a revision now. Pure. There is one rule yet: every
 * cluster at once. A RolloutStrategy is validated with the rest of the commit and then not
 * followed. A warning event reports that, because waves that are silently skipped would be a false
 * promise.
 */
export const planRelease = (desired: { readonly revision: string; readonly set: PolicySet }, clusters: readonly string[]): ReleasePlan => {
  const { rollout } = desired.set;
  if (rollout === undefined) return { clusters, events: [] };
  return {
    clusters,
    events: [
      {
        severity: 'warning',
        reason: 'RolloutStrategyIgnored',
        message: `RolloutStrategy ${rollout.document.metadata.name} (${rollout.source.path}:${rollout.source.line}) is not followed: every cluster gets the revision at once.`,
        revision: desired.revision,
      },
    ],
  };
};

export interface CompiledRevision {
  readonly desired: Desired;
  /** Digests that agents have to acknowledge, by cluster. */
  readonly digests: ReadonlyMap<string, string>;
}

/**
 * Compiles a commit for each registered cluster, step ②. Pure; agents compile by the same rules.
 */
export const compileDesired = (revision: string, set: PolicySet): CompiledRevision => {
  const fleet = [...compileFleet(set)];
  return {
    desired: { revision, set, clusters: new Map(fleet.map(([cluster, compiled]) => [cluster, compiled.policies])) },
    digests: new Map(fleet.map(([cluster, compiled]) => [cluster, compiled.digest])),
  };
};

export interface PipelineDeps extends Pick<Runtime, 'clock' | 'logger'> {
  readonly ledger: Pick<Journal, 'setDesired' | 'addEvent'> & Pick<Lease, 'leads'>;
  readonly targets: RevisionTargets;
  readonly delivery: Pick<Delivery, 'connected' | 'publish'>;
  readonly metrics: Pick<HubMetrics, 'step'>;
  /** Handler that is called when a step of a commit is done. */
  readonly onDone?: (step: 'released' | 'compiled', revision: string) => void;
}

/** The middle of a commit's way: ② compile, ③ release, ④ delivery. */
export class Pipeline {
  readonly #deps: PipelineDeps;

  constructor(deps: PipelineDeps) {
    this.#deps = deps;
  }

  /** Takes a revision through steps ② to ④ and into the ledger. */
  take(revision: SourceRevision): void {
    this.#compile(revision);
    this.#release(revision);
  }

  /**
   * Compiles a commit. A failure does not hold the commit back, as agents compile for themselves by
   * the same rules.
   */
  #compile({ commit: { revision }, set }: SourceRevision): void {
    const { ledger, targets, clock, logger, metrics, onDone } = this.#deps;
    const started = clock.monotonicMs();
    let result: StepResult = 'error';
    try {
      const { desired, digests } = compileDesired(revision, set);
      result = 'ok';
      ledger.setDesired(desired).catch((err: unknown) => logger.error({ err, revision }, 'ledger write failed'));
      targets.keepDigests(revision, digests);
      onDone?.('compiled', revision);
    } catch (err) {
      logger.error({ err, revision }, 'compile failed');
    } finally {
      metrics.step('compile', result, (clock.monotonicMs() - started) / 1000);
    }
  }

  #release({ commit: { revision }, set }: SourceRevision): void {
    const { ledger, delivery, targets, clock, logger, onDone } = this.#deps;
    const { clusters, events } = planRelease({ revision, set }, delivery.connected());
    targets.setTarget(revision);
    delivery.publish(revision, clusters);
    onDone?.('released', revision);
    // Each hub releases to its own agents; the leading one alone records the events.
    if (!ledger.leads()) return;
    const time = clock.now().toISOString();
    for (const event of events)
      ledger.addEvent(null, { ...event, time }).catch((err: unknown) => logger.error({ err, revision }, 'ledger write failed'));
  }
}
