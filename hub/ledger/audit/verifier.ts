import { setImmediate } from 'node:timers/promises';
import type { AuditEntry, AuditVerificationView } from '@fso/shared/api';
import type { Clock } from '@fso/shared/runtime';
import type { AuditLog } from '../audit-log.ts';
import { readAudit } from './read.ts';
import { verifyAudit } from './verify.ts';

/** The log that is verified, and the key of its checkpoints. */
export interface AuditVerifierDeps {
  readonly audit: Pick<AuditLog, 'proofs' | 'head' | 'search'>;
  /** Public key of the hub's checkpoints. */
  readonly key: string;
  readonly clock: Clock;
}

/** Entries whose hashes are computed at a time. */
const PAGE = 200;
/**
 * Time in which every caller gets the same result, in milliseconds, even if entries were written
 * meanwhile.
 */
const FRESH_MS = 10_000;
/**
 * A run is not repeated before this many times its own length: the hub spends a small part of its
 * time on a large, busy log.
 */
const REST = 20;
/** A log without new entries may still have been changed. */
const KEPT_MS = 600_000;

/**
 * Yields after each page, so that requests are answered while a log of a million entries is
 * verified.
 */
async function* yieldBetweenPages(entries: AsyncIterable<AuditEntry>): AsyncGenerator<AuditEntry> {
  let count = 0;
  for await (const entry of entries) {
    yield entry;
    count += 1;
    if (count % PAGE === 0) await setImmediate();
  }
}

interface VerificationRun {
  readonly view: AuditVerificationView;
  readonly hash: string;
  readonly endedMs: number;
  readonly tookMs: number;
}

/** Verifies the audit log, one run at a time: a caller during a run gets its result. */
export class AuditVerifier {
  readonly #deps: AuditVerifierDeps;
  #last: VerificationRun | undefined;
  #running: Promise<AuditVerificationView> | undefined;

  constructor(deps: AuditVerifierDeps) {
    this.#deps = deps;
  }

  /** @returns a result of at most {@link FRESH_MS}, or of a log that has not grown since */
  async verify(): Promise<AuditVerificationView> {
    if (this.#last !== undefined && (await this.#isCurrent(this.#last))) return this.#last.view;
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  async #run(): Promise<AuditVerificationView> {
    const { audit, key, clock } = this.#deps;
    const beganMs = clock.monotonicMs();
    const checkedAt = clock.now().toISOString();
    // The proofs first: entries that come meanwhile are then beyond them, not missing.
    const { checkpoints, witnesses } = await audit.proofs();
    const entries = yieldBetweenPages(readAudit(audit, { pageSize: PAGE }));
    const found = await verifyAudit(entries, { checkpoints, witnesses, key });
    const endedMs = clock.monotonicMs();
    this.#last = { view: { ...found, checkedAt }, hash: found.head?.hash ?? '', endedMs, tookMs: endedMs - beganMs };
    return this.#last.view;
  }

  async #isCurrent({ endedMs, tookMs, hash }: VerificationRun): Promise<boolean> {
    const ageMs = this.#deps.clock.monotonicMs() - endedMs;
    if (ageMs < Math.max(FRESH_MS, REST * tookMs)) return true;
    return ageMs < KEPT_MS && (await this.#deps.audit.head()).hash === hash;
  }
}
