import type { Clock } from '@fso/shared/runtime';
import type { RevisionTargets } from '../delivery/index.ts';
import type { FleetState } from '../ledger/index.ts';
import type { RolloutSource } from './commit-order.ts';
import { type CompiledRevision, digestIn, KnownCommits, type KnownFleet } from './known-commits.ts';
import { ClusterReader, hadBy } from './read-clusters.ts';
import type { TagCheck } from './tag-check.ts';
import { commitsOf, type RolloutInput, type RolloutRun } from './waves/index.ts';

/** Parts of the hub from which the state of a rollout in waves is read. */
export interface RunReaderDeps {
  readonly ledger: Pick<FleetState, 'clusters'>;
  readonly targets: Pick<RevisionTargets, 'targetOf'>;
  readonly source: Pick<RolloutSource, 'read'>;
  /** Absent: no tags count. */
  readonly tags?: Pick<TagCheck, 'check'>;
  readonly clock: Clock;
}

/** Commits and time for which a run is read. */
export interface ReadAsOf {
  /** Commit that is planned. */
  readonly newest: CompiledRevision;
  /** Newest commit of the hub, which may have come after the planned one. */
  readonly latest: CompiledRevision;
  /** See {@link FleetOfRun}. */
  readonly watchingSince: number;
}

/** Reads the input of a plan: the commits of the run, and the current state of the clusters. */
export class RunReader {
  readonly #deps: RunReaderDeps;
  readonly #commits: KnownCommits;
  readonly #clusters = new ClusterReader();

  constructor(deps: RunReaderDeps) {
    this.#deps = deps;
    this.#commits = new KnownCommits((revision) => deps.source.read(revision));
  }

  /** Adds a compiled commit. @param others absent to forget all other commits */
  add(commit: CompiledRevision, others?: 'keep'): void {
    this.#commits.add(commit, others);
  }

  async read(run: RolloutRun | undefined, { newest, latest, watchingSince }: ReadAsOf): Promise<KnownFleet> {
    const { ledger, targets, tags, clock } = this.#deps;
    const { revision, set } = newest.desired;
    const records = await ledger.clusters();
    const targetOf = (cluster: string) => targets.targetOf(cluster);
    const had = records.flatMap((record) => hadBy(record, targetOf(record.name)));
    const revisions = [revision, latest.desired.revision, ...(run === undefined ? [] : commitsOf(run, had))];
    const commits = await this.#commits.only(new Set(revisions));
    const digestOf: RolloutInput['digestOf'] = (cluster, at) => digestIn(commits, cluster, at);
    const base = run && commits.get(run.base.revision)?.desired.set;
    const clusters = this.#clusters.read({ newest: set, base, records, watchingSince, digestOf, targetOf });
    const judged = await tags?.check(run, revision);
    const input = { now: clock.now().getTime(), newest: { revision, strategy: set.rollout?.document.spec, ...judged }, clusters, digestOf };
    return { newest, commits, input };
  }
}
