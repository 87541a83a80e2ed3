import { compileFleet } from '@fso/shared/compile';
import type { PolicySet } from '@fso/shared/decode';
import type { Clock, Logger } from '@fso/shared/runtime';
import type { Delivery, RevisionTargets } from '../delivery/index.ts';
import type { Desired, Ledger } from '../ledger/index.ts';
import type { HubMetrics, StepResult } from '../metrics.ts';
import type { SourceRevision } from '../source/index.ts';
import { planRelease, type ReleasePlan } from './plan-release.ts';

export interface CompiledRevision {
  readonly desired: Desired;
  /** By cluster: the digest that an agent has to ack. */
  readonly digests: ReadonlyMap<string, string>;
}

/** Step ②: what a commit means for each registered cluster. Pure; agents compile by the same rules. */
export const compileDesired = (revision: string, set: PolicySet): CompiledRevision => {
  const fleet = [...compileFleet(set)];
  return {
    desired: { revision, set, clusters: new Map(fleet.map(([cluster, compiled]) => [cluster, compiled.policies])) },
    digests: new Map(fleet.map(([cluster, compiled]) => [cluster, compiled.digest])),
  };
};

export interface PipelineDeps {
  readonly ledger: Ledger;
  readonly targets: RevisionTargets;
  readonly delivery: Pick<Delivery, 'connected' | 'publish'>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Pick<HubMetrics, 'step'>;
  /** Called when a step of a commit is done. */
  readonly onDone?: (step: 'released' | 'compiled', revision: string) => void;
  /** Watches the steps. Absent: nothing is traced. */
  readonly traces?: { step<T>(name: 'compile' | 'release', revision: string, work: () => T): T } | undefined;
}

/** The middle of a commit's way: ② compile, ③ release, ④ delivery. */
export class Pipeline {
  readonly #deps: PipelineDeps;

  constructor(deps: PipelineDeps) {
    this.#deps = deps;
  }

  /** Takes a revision through steps ② to ④ and into the ledger. Offers are on their way before the hub compiles. */
  take(revision: SourceRevision): void {
    const { targets, logger } = this.#deps;
    const id = revision.commit.revision;
    const plan = this.#release(revision);
    // Offers carry Git objects and need nothing compiled: they leave while the hub has not begun to compile for itself.
    setImmediate(() => {
      try {
        this.#record(
          this.#traced('compile', id, () => this.#compile(revision)),
          plan,
        );
      } catch (err) {
        targets.endCompile(id);
        logger.error({ err, revision: id }, 'compile failed');
      }
    });
  }

  #traced<T>(step: 'compile' | 'release', revision: string, work: () => T): T {
    const { traces } = this.#deps;
    return traces === undefined ? work() : traces.step(step, revision, work);
  }

  /** @throws whatever goes wrong; then the revision is not compiled, and no report waits for that */
  #release({ commit: { revision }, set }: SourceRevision): ReleasePlan {
    const { delivery, targets, onDone } = this.#deps;
    try {
      const plan = this.#traced('release', revision, () => {
        const made = planRelease({ revision, set }, delivery.connected());
        targets.aim(revision);
        delivery.publish(revision, made.clusters);
        return made;
      });
      onDone?.('released', revision);
      return plan;
    } catch (error) {
      targets.endCompile(revision);
      throw error;
    }
  }

  #compile({ commit: { revision }, set }: SourceRevision): CompiledRevision {
    const { clock, metrics } = this.#deps;
    const started = clock.monotonicMs();
    let result: StepResult = 'error';
    try {
      const compiled = compileDesired(revision, set);
      result = 'ok';
      return compiled;
    } finally {
      metrics.step('compile', result, (clock.monotonicMs() - started) / 1000);
    }
  }

  #record({ desired, digests }: CompiledRevision, plan: ReleasePlan): void {
    const { ledger, targets, clock, logger, onDone } = this.#deps;
    const { revision } = desired;
    onDone?.('compiled', revision);
    const time = clock.now().toISOString();
    // Each hub compiles for itself; the leading one alone records the events.
    const events = ledger.leads() ? plan.events : [];
    const writes = [ledger.setDesired(desired), ...events.map((event) => ledger.addEvent(null, { ...event, time }))];
    // Reports that wait for the digests find the lists of this commit, which the ledger has by now.
    targets.keepDigests(revision, digests);
    Promise.all(writes).catch((err: unknown) => logger.error({ err, revision }, 'ledger write failed'));
  }
}
