import type { Writable } from 'node:stream';
import { finished } from 'node:stream/promises';
import type { Clock, Logger } from '@fso/shared/runtime';
import { callerOf } from '../http/caller.ts';
import { ADMIN_CHANGE, type HubScope, type Route } from '../http/route.ts';
import { paceReader } from './pace-reader.ts';

interface BackupDeps {
  /** Writes a backup of the ledger. */
  readonly backup: (target: Writable) => Promise<unknown>;
  readonly runtime: { readonly clock: Clock; readonly logger: Logger };
}

/**
 * The whole ledger, for `fso backup --from-hub`: the volume of an embedded one is the hub's alone.
 */
export const backupRoutes: readonly Route<BackupDeps, HubScope>[] = [
  {
    ...ADMIN_CHANGE,
    method: 'get',
    path: '/api/v1/backup',
    operationId: 'backupLedger',
    summary: 'A backup of the ledger',
    description:
      'As of one moment: JSON Lines, packed with gzip, signed by the key of the audit log. Its last line tells whether it is whole. A reader that takes nothing for 30 s, or less than 64 KiB/s for more than a minute in all, is cut off. For `fso restore`.',
    tag: 'hub',
    slots: 'export',
    response: { status: 200, description: 'The file.', contentType: 'application/gzip' },
    problems: ['too-many-requests'],
    handler:
      ({ backup, runtime: { clock, logger } }) =>
      async (_req, res) => {
        const caller = callerOf(res);
        caller.about('ledger');
        // Before: nobody takes the ledger without a trace.
        await caller.audit('backupLedger', 'done');
        res.attachment('ledger.jsonl.gz').type('application/gzip');
        try {
          await backup(paceReader(res, clock));
          // A small one is sent only now.
          await finished(res);
        } catch (err) {
          if (!res.headersSent) {
            res.removeHeader('Content-Disposition');
            throw err;
          }
          logger.error({ err }, 'a backup was not sent to its end');
          // Its reader finds no last line.
          res.destroy();
        }
      },
  },
];
