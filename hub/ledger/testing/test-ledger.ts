import type { Ledger } from '../types.ts';

/** A store that can be opened again and again; each call is the next life of a hub. */
export interface LedgerStore {
  open(): Promise<Ledger>;
  /** Whether writes survive a restart. */
  readonly durable: boolean;
  destroy(): Promise<void>;
}

/** A ledger that the tests of one file open, and open again. */
export class TestLedger {
  readonly #openStore: () => Promise<LedgerStore>;
  #store: LedgerStore | undefined;
  #ledger: Ledger | undefined;

  constructor(openStore: () => Promise<LedgerStore>) {
    this.#openStore = openStore;
  }

  get ledger(): Ledger {
    if (this.#ledger === undefined) throw new Error('the ledger is not open');
    return this.#ledger;
  }

  async open(): Promise<void> {
    this.#store = await this.#openStore();
    this.#ledger = await this.#store.open();
  }

  /** Begins the next life of the hub, where something is kept for it. */
  async reopen(): Promise<void> {
    if (this.#store?.durable !== true) return;
    await this.ledger.close();
    this.#ledger = await this.#store.open();
  }

  async close(): Promise<void> {
    await this.#ledger?.close();
    await this.#store?.destroy();
  }
}
