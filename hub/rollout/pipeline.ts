import { type Clock, dropOldest } from '@fso/shared/runtime';
import type pino from 'pino';
import type { Delivery } from '../delivery/index.ts';
import type { Ledger } from '../ledger/types.ts';
import type { HubMetrics } from '../metrics.ts';
import type { SourceRevision } from '../source/index.ts';
import { compileDesired } from './compile.ts';
import { planRelease } from './plan-release.ts';

export interface Pipeline {
  /** Takes a revision through steps ② to ④ and into the ledger. Offers are on their way before anything is compiled. */
  take(revision: SourceRevision): void;
  /** Revision that is meant for a cluster now. */
  target(cluster: string): string | null;
  digestOf(cluster: string, revision: string): string | undefined;
}

export interface PipelineDeps {
  readonly ledger: Ledger;
  readonly clock: Clock;
  readonly logger: pino.Logger;
  readonly metrics: HubMetrics;
  /** Later than the pipeline, as delivery asks it for targets. */
  readonly delivery: () => Delivery;
  /** Hears when a step of a commit is done. */
  readonly onDone?: (step: 'released' | 'compiled', revision: string) => void;
}

/** Digests kept for agents that are a little behind. */
const REVISIONS_KEPT = 8;

type Plan = ReturnType<typeof planRelease>;

/** The middle of a commit's way: ② compile, ③ release, ④ delivery. */
export const createPipeline = ({ ledger, clock, logger, metrics, delivery, onDone }: PipelineDeps): Pipeline => {
  let current: string | null = null;
  const digests = new Map<string, ReadonlyMap<string, string>>();

  const remember = (revision: string, byCluster: ReadonlyMap<string, string>): void => {
    digests.set(revision, byCluster);
    dropOldest(digests, REVISIONS_KEPT);
  };

  const compile = ({ commit: { revision }, set }: SourceRevision, plan: Plan): void => {
    const started = clock.monotonicMs();
    const compiled = compileDesired(revision, set);
    metrics.compiled((clock.monotonicMs() - started) / 1000);
    metrics.revision(revision);
    remember(revision, compiled.digests);
    onDone?.('compiled', revision);
    const time = clock.now().toISOString();
    // Each hub compiles for itself; what happens to the fleet is told once.
    const events = ledger.leads() ? plan.events : [];
    const writes = [ledger.setDesired(compiled.desired), ...events.map((event) => ledger.addEvent(null, { ...event, time }))];
    Promise.all(writes).catch((err: unknown) => logger.error({ err, revision }, 'ledger write failed'));
  };

  return {
    target: () => current,
    digestOf: (cluster, revision) => digests.get(revision)?.get(cluster),
    take: (revision) => {
      const id = revision.commit.revision;
      const plan = planRelease({ revision: id, set: revision.set }, delivery().connected());
      current = id;
      delivery().publish(id, plan.clusters);
      onDone?.('released', id);
      // Offers carry Git objects and need nothing compiled: they leave while the hub has not begun to compile for itself.
      setImmediate(() => {
        try {
          compile(revision, plan);
        } catch (err) {
          logger.error({ err, revision: id }, 'compile failed');
        }
      });
    },
  };
};
