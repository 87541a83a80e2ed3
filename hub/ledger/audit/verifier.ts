import { setImmediate } from 'node:timers/promises';
import type { AuditEntry, AuditVerificationView } from '@fso/shared/api';
import type { Clock } from '@fso/shared/runtime';
import type { AuditLog } from '../audit-log.ts';
import { readAudit } from './read.ts';
import { verifyAudit } from './verify.ts';

/** Log to verify, with the key of its checkpoints. */
export interface AuditVerifierDeps {
  readonly audit: Pick<AuditLog, 'proofs' | 'head' | 'search'>;
  /** Public key of the hub's checkpoints. */
  readonly key: string;
  readonly clock: Clock;
}

/** Number of entries whose hashes are computed between two yields to other work. */
const PAGE = 200;
/** Time for which a result is reused even if entries were added, in milliseconds. */
const FRESH_MS = 10_000;
/**
 * Factor by which the pause after a run exceeds its duration, so that a large, busy log takes only
 * a small part of the hub's time.
 */
const REST = 20;
/**
 * Time after which an unchanged log is verified again, in milliseconds: stored entries may have
 * been changed.
 */
const KEPT_MS = 600_000;

/**
 * Yields to other work after each page, so that requests are answered while a large log is
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

/** Verifies the audit log, one run at a time. Callers during a run get its result. */
export class AuditVerifier {
  readonly #deps: AuditVerifierDeps;
  #last: VerificationRun | undefined;
  #running: Promise<AuditVerificationView> | undefined;

  constructor(deps: AuditVerifierDeps) {
    this.#deps = deps;
  }

  /**
   * @returns a result at most {@link FRESH_MS} old, or an older one if the log has not grown since
   */
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
    // Proofs are read first, so that entries added meanwhile lie after them and do not count as
    // missing.
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
