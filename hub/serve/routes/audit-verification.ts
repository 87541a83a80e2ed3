import { setImmediate } from 'node:timers/promises';
import type { AuditEntry, AuditVerificationView } from '@fso/shared/api';
import { readAudit } from '../../ledger/audit/read.ts';
import { verifyAudit } from '../../ledger/index.ts';
import type { ApiDeps } from '../types.ts';

/** Entries whose hashes are computed in one go. */
const PAGE = 200;
/** Somebody who asks again at once gets the same answer, whatever was written meanwhile. */
const FRESH_MS = 10_000;
/** So many times as long as a run took nothing is computed anew: of a large log that is grown by the second, a small part of the time. */
const REST = 20;
/** Without anything written a log may still have been changed. */
const KEPT_MS = 600_000;

/** Others have their turn after each page: a log may have a million entries. */
async function* unhurried(entries: AsyncIterable<AuditEntry>): AsyncGenerator<AuditEntry> {
  let count = 0;
  for await (const entry of entries) {
    yield entry;
    count += 1;
    if (count % PAGE === 0) await setImmediate();
  }
}

/** Verifies the audit log, one run at a time: who asks during a run gets its result. */
export const createAuditVerification = ({ ledger: { audit }, auditKey, clock }: ApiDeps): (() => Promise<AuditVerificationView>) => {
  let last: { readonly view: AuditVerificationView; readonly hash: string; readonly ended: number; readonly tookMs: number } | undefined;
  let running: Promise<AuditVerificationView> | undefined;

  const verify = async (): Promise<AuditVerificationView> => {
    const began = clock.monotonicMs();
    const checkedAt = clock.now().toISOString();
    // The proofs first: entries that come meanwhile are then beyond them, not missing.
    const { checkpoints, witnesses } = await audit.proofs();
    const found = await verifyAudit(unhurried(readAudit(audit, { pageSize: PAGE })), { checkpoints, witnesses, key: auditKey });
    const view = { ...found, checkedAt };
    last = { view, hash: found.head?.hash ?? '', ended: clock.monotonicMs(), tookMs: clock.monotonicMs() - began };
    return view;
  };
  const isCurrent = async ({ ended, tookMs, hash }: NonNullable<typeof last>): Promise<boolean> => {
    const age = clock.monotonicMs() - ended;
    return age < Math.max(FRESH_MS, REST * tookMs) || (age < KEPT_MS && (await audit.head()).hash === hash);
  };

  return async () => {
    if (last !== undefined && (await isCurrent(last))) return last.view;
    running ??= verify().finally(() => {
      running = undefined;
    });
    return running;
  };
};
