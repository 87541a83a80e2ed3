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
 * Passes signed tags on to agents that hold the newest commit back. Looks for tags in the
 * repository while an agent reports that it waits for them, or this hub waits itself, and sends the
 * tags that it finds.
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
      if (change.kind === 'cluster') this.#update(ledger.cluster(change.cluster).then((record) => [[change.cluster, record]]));
      if (change.kind === 'lost') this.open();
    });
  }

  /** Reads which clusters wait for an approval: at the start, and after lost changes. */
  open(): void {
    this.#update(
      this.#deps.ledger.clusters().then((records) => {
        // Cleared only here, so that a failed read leaves what is known.
        this.#held.clear();
        return records.map((record) => [record.name, record]);
      }),
    );
  }

  /** The newest commit if a cluster waits for its approval or this hub for its tags, else null. */
  #wanted(): string | null {
    const { source, tags } = this.#deps;
    const revision = source.state().revision?.revision ?? null;
    const isWanted = revision === tags.awaited || [...this.#held.values()].some((each) => each === revision);
    return isWanted ? revision : null;
  }

  #update(reading: Promise<readonly (readonly [name: string, record: Awaited<ReturnType<FleetState['cluster']>>])[]>): void {
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
