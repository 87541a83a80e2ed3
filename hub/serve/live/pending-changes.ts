import type { EventView, StreamEvent } from '@fso/shared/api';
import type { LedgerChange } from '../../ledger/index.ts';

/** Greatest number of buffered events, also without readers. */
const MAX_EVENTS = 1_000;

/** Changes of the ledger that no reader has been sent yet. */
export class PendingChanges {
  source: boolean = false;
  desired: boolean = false;
  /** Alerts or silences. */
  alerts: boolean = false;
  readonly clusters = new Set<string>();
  /** Slots of their records. */
  readonly commits = new Set<string>();
  readonly events: StreamEvent[] = [];
  /** Whether there were more events than are buffered, or what was sent may not be so. */
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
