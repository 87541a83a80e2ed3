import { ConfigError, shutdownSignal } from '@fso/shared/runtime';
import { LedgerError } from './ledger/index.ts';
import { runHub } from './run-hub.ts';

const signal = shutdownSignal();
try {
  const hub = await runHub(process.env, signal);
  await hub.stopped;
} catch (error) {
  // What a person can put right is said in words; anything else with its stack.
  const known =
    error instanceof ConfigError || error instanceof LedgerError || (error instanceof Error && error.message.startsWith('cannot listen'));
  // Stopped before it had started.
  const stopped = signal.aborted && error === signal.reason;
  if (!stopped) console.error(known ? error.message : error);
  process.exitCode = stopped ? 0 : 1;
}
