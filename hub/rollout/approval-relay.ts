import type { Logger } from '@fso/shared/runtime';
import type { Delivery, RevisionTargets } from '../delivery/index.ts';
import type { FleetState } from '../ledger/index.ts';
import type { Source } from '../source/index.ts';
import type { TagCheck } from './tag-check.ts';

/** Parts of the hub from which signed tags come, and through which they reach agents. */
export interface ApprovalRelayDeps {
  readonly ledger: Pick<FleetState, 'cluster' | 'clusters' | 'subscribe'>;
  readonly source: Pick<Source, 'hint' | 'state'> & { readonly approvals: Pick<Source['approvals'], 'follow'> };
  readonly targets: Pick<RevisionTargets, 'targetOf'>;
  readonly delivery: Pick<Delivery, 'connected' | 'publish'>;
  readonly tags: Pick<TagCheck, 'awaited'>;
  readonly logger: Logger;
}

/**
 * Passes on signed tags to agents that hold the newest commit back: looks for them in the
 * repository as long as one reports that, or this hub waits for them itself, and sends what is
 * found.
 */
export class ApprovalRelay {
  readonly #deps: ApprovalRelayDeps;
  /** Commits that wait for an approval, by cluster. */
  readonly #held = new Map<string, string>();

  constructor(deps: ApprovalRelayDeps) {
    const { ledger, source, targets, delivery } = deps;
    this.#deps = deps;
    source.approvals.follow(
      () => this.#wanted(),
      (revision) =>
        delivery.publish(
          revision,
          delivery.connected().filter((cluster) => targets.targetOf(cluster) === revision),
        ),
    );
    ledger.subscribe((change) => {
      if (change.kind === 'cluster') this.#look(ledger.cluster(change.cluster).then((record) => [[change.cluster, record]]));
      if (change.kind === 'lost') this.open();
    });
  }

  /** Reads which clusters waited before this hub started. */
  open(): void {
    this.#look(
      this.#deps.ledger.clusters().then((records) => {
        // What is known stays where they cannot be read.
        this.#held.clear();
        return records.map((record) => [record.name, record]);
      }),
    );
  }

  /** The newest commit, if a cluster waits for an approval of it, or this hub for its tags. */
  #wanted(): string | null {
    const { source, tags } = this.#deps;
    const revision = source.state().revision?.revision ?? null;
    const isWanted = revision === tags.awaited || [...this.#held.values()].some((each) => each === revision);
    return isWanted ? revision : null;
  }

  #look(reading: Promise<readonly (readonly [name: string, record: Awaited<ReturnType<FleetState['cluster']>>])[]>): void {
    const { source, logger } = this.#deps;
    const note = (records: Awaited<typeof reading>): void => {
      const before = this.#wanted();
      for (const [name, record] of records) {
        const held = record?.report?.held?.revision;
        if (held === undefined) this.#held.delete(name);
        else this.#held.set(name, held);
      }
      if (before === null && this.#wanted() !== null) source.hint();
    };
    reading.then(note).catch((err: unknown) => logger.error({ err }, 'clusters cannot be read'));
  }
}
