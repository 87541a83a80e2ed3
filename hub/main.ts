import { ConfigError, shutdownSignal } from '@fso/shared/runtime';
import { LedgerError } from './ledger/index.ts';
import { runHub } from './run-hub.ts';

try {
  const hub = await runHub(process.env, shutdownSignal());
  await hub.stopped;
} catch (error) {
  // What a person can put right is said in words; anything else with its stack.
  const known =
    error instanceof ConfigError || error instanceof LedgerError || (error instanceof Error && error.message.startsWith('cannot listen'));
  console.error(known ? error.message : error);
  process.exitCode = 1;
}
