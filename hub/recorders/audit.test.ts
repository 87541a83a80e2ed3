import { pino } from 'pino';
import { expect, it } from 'vitest';
import { fixedClock, TIME } from '../ledger/testing/ledger.ts';
import { createMemoryLedger } from '../ledger/testing/memory-ledger.ts';
import { recordAudit } from './audit.ts';

it('records in the audit log who changed what, and from where', async () => {
  const ledger = createMemoryLedger({ clock: fixedClock });
  await recordAudit({ ledger, logger: pino({ level: 'silent' }) })({
    time: TIME,
    actor: { kind: 'user', id: 'issuer|42', name: 'Ada', roles: ['admin'] },
    from: '10.0.0.7',
    action: 'createToken',
    subject: 'ci',
    outcome: 'refused',
    detail: 'no',
    requestId: 'r1',
  });
  expect(await ledger.audit.list({ limit: 1 })).toMatchObject([
    {
      sequence: 1,
      actor: { kind: 'user', id: 'issuer|42', roles: ['admin'] },
      from: '10.0.0.7',
      action: 'api.create-token',
      subject: 'ci',
      detail: { outcome: 'refused', name: 'Ada', detail: 'no', requestId: 'r1' },
    },
  ]);
  expect(await ledger.events({ limit: 1 })).toMatchObject([{ reason: 'AccessAudit', severity: 'warning' }]);
});
