/**
 * Measurements on real control planes; no test asserts them, since a busy machine is not a defect.
 *
 *   npm run bench -- agent-scale --policies 500
 *   npm run bench -- admission --policies 1000 --json admission.json
 *   npm run bench -- commit --commits 50 --json commit.json
 *   npm run bench -- bulk --policies 1000
 *   npm run bench -- steady --policies 1000 --pods 5000
 *   npm run bench -- soak --minutes 60
 *   npm run bench -- ledger --clusters 100 --policies 1000 --seconds 10
 *   npm run bench -- memory --clusters 3 --database postgres --json memory.json
 *   npm run bench -- api --clusters 10000 --policies 1000
 *   npm run bench -- fanout --agents 500 --policies 1000 --database postgres
 *   npm run bench -- hostile --agents 100
 *   npm run bench -- resync --agents 500 --policies 1000 --json resync.json
 *   npm run bench -- scale --json scale.json
 *   npm run bench -- status --agents 500 --policies 1000 --database postgres
 */

import { agentScale } from './agent-scale.ts';
import { api } from './api/api.ts';
import { admission } from './cluster/admission.ts';
import { bulk } from './cluster/bulk.ts';
import { soak, steady } from './cluster/steady.ts';
import { commit } from './commit/commit.ts';
import { fanout } from './fleet/fanout.ts';
import { hostile } from './fleet/hostile.ts';
import { resync } from './fleet/resync.ts';
import { scale } from './fleet/scale.ts';
import { status } from './fleet/status.ts';
import { ledger } from './ledger.ts';
import { memory } from './memory.ts';

const benches: Readonly<Record<string, (args: string[], signal: AbortSignal) => Promise<void>>> = {
  admission,
  'agent-scale': agentScale,
  api,
  bulk,
  commit,
  fanout,
  hostile,
  ledger,
  memory,
  resync,
  scale,
  soak,
  status,
  steady,
};

const [name = '', ...args] = process.argv.slice(2);
const bench = benches[name];
if (bench === undefined) {
  console.error(`usage: npm run bench -- <name> [options]; there are: ${Object.keys(benches).join(', ')}`);
  process.exit(2);
}
const stop = new AbortController();
process.once('SIGINT', () => stop.abort(new Error('interrupted')));
await bench(args, stop.signal);
