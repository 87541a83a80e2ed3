import type { Runtime } from '@fso/shared/runtime';
import type { Delivery, RevisionTargets } from '../delivery/index.ts';
import type { Journal } from '../ledger/index.ts';
import type { HubMetrics, StepResult } from '../metrics.ts';
import type { SourceRevision } from '../source/index.ts';
import { type CompiledRevision, compileDesired } from './known-commits.ts';

/** Parts of the hub that a commit passes in steps ② to ④. */
export interface PipelineDeps extends Pick<Runtime, 'clock' | 'logger'> {
  readonly ledger: Pick<Journal, 'setDesired'>;
  readonly targets: RevisionTargets;
  readonly delivery: Pick<Delivery, 'connected' | 'publish'>;
  readonly metrics: Pick<HubMetrics, 'step'>;
  /**
   * Decides on commits while a RolloutStrategy is in force. Absent: every cluster gets a commit at
   * once.
   */
  readonly waves?: { take(commit: CompiledRevision): boolean; readonly areInForce: boolean };
  /** Handler that is called when a step of a commit is done. */
  readonly onDone?: (step: 'released' | 'compiled', revision: string) => void;
}

/** Steps ② to ④: compiles a commit, releases it and has it delivered. */
export class Pipeline {
  readonly #deps: PipelineDeps;

  constructor(deps: PipelineDeps) {
    this.#deps = deps;
  }

  /** Takes a revision through steps ② to ④ and into the ledger. */
  take(revision: SourceRevision): void {
    const compiled = this.#compile(revision);
    const { waves } = this.#deps;
    // A commit that failed to compile cannot be compared with what clusters have: no wave gets it.
    const isHeld = compiled === undefined ? waves?.areInForce === true : waves?.take(compiled) === true;
    if (!isHeld) this.#releaseToAll(revision.commit.revision, compiled);
    this.#deps.onDone?.('released', revision.commit.revision);
  }

  /**
   * Compiles a commit. Without waves, a failure does not hold the commit back, as agents compile it
   * by the same rules.
   *
   * @returns undefined if it failed
   */
  #compile({ commit: { revision }, set }: SourceRevision): CompiledRevision | undefined {
    const { targets, clock, logger, metrics, onDone } = this.#deps;
    const started = clock.monotonicMs();
    let result: StepResult = 'error';
    try {
      const compiled = compileDesired(revision, set);
      result = 'ok';
      targets.keepDigests(revision, compiled.digests);
      onDone?.('compiled', revision);
      return compiled;
    } catch (err) {
      logger.error({ err, revision }, 'compile failed');
      return undefined;
    } finally {
      metrics.step('compile', result, (clock.monotonicMs() - started) / 1000);
    }
  }

  /** Releases a commit to every cluster at once, step ③ without a RolloutStrategy. */
  #releaseToAll(revision: string, compiled: CompiledRevision | undefined): void {
    const { ledger, delivery, targets, logger } = this.#deps;
    // Before the offers, so that the ledger knows the policies of the commit when agents report.
    if (compiled !== undefined)
      ledger.setDesired(compiled.desired).catch((err: unknown) => logger.error({ err, revision }, 'ledger write failed'));
    targets.setTarget(revision);
    delivery.publish(revision, delivery.connected());
  }
}
