/**
 * Writes changes to an embedded ledger in sequence, and prints each one that was acknowledged:
 * `acknowledge-writes.ts <folder> <number>`.
 */
import { writeSync } from 'node:fs';
import { systemClock } from '@fso/shared/runtime';
import pino from 'pino';
import { openLedger } from '../../hub/ledger/index.ts';

const STDOUT = 1;
const [folder = '', writes = '0'] = process.argv.slice(2);
const options = { history: { days: 400, events: 1_000_000 }, clock: systemClock, random: Math.random, logger: pino({ level: 'silent' }) };
const ledger = await openLedger({ ...options, database: { folder } }, new AbortController().signal);
for (let n = 1; n <= Number(writes); n += 1) {
  await ledger.addEvent(null, { time: systemClock.now().toISOString(), severity: 'info', reason: 'Written', message: `write ${n}` });
  writeSync(STDOUT, `acknowledged ${n}\n`);
}
await ledger.close();
