import type { EventView, StreamEvent } from '@fso/shared/api';
import type { LedgerChange } from '../../ledger/index.ts';

/** Maximum number of buffered events, also without readers. */
const MAX_EVENTS = 1_000;

/** Changes of the ledger that were not sent to readers yet. */
export class PendingChanges {
  source: boolean = false;
  desired: boolean = false;
  /** Whether alerts or silences changed. */
  alerts: boolean = false;
  readonly clusters = new Set<string>();
  /** Names of the changed records of commits. */
  readonly commits = new Set<string>();
  readonly events: StreamEvent[] = [];
  /** Whether events were dropped, or messages that were sent may be wrong. */
  isCut: boolean = false;

  add(change: LedgerChange): void {
    switch (change.kind) {
      case 'source':
        this.source = true;
        break;
      case 'desired':
        this.desired = true;
        break;
      case 'cluster':
        this.clusters.add(change.cluster);
        break;
      case 'event':
        this.#addEvent(change.event);
        break;
      case 'lost':
        this.#cut();
        break;
    }
  }

  get isEmpty(): boolean {
    return (
      !this.source && !this.desired && !this.alerts && !this.isCut && this.clusters.size + this.commits.size + this.events.length === 0
    );
  }

  #addEvent(event: EventView): void {
    if (this.isCut) return;
    if (this.events.length < MAX_EVENTS) this.events.push({ event: 'event', data: event });
    else this.#cut();
  }

  #cut(): void {
    this.isCut = true;
    this.events.length = 0;
  }
}
