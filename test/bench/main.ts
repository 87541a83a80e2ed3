/**
 * Measurements on real control planes; no test asserts them, since a busy machine is not a defect.
 *
 *   npm run bench -- --help
 *   npm run bench -- agent-scale --policies 500
 *   npm run bench -- admission --policies 1000 --json admission.json
 *   npm run bench -- commit --commits 50 --json commit.json
 *   npm run bench -- bulk --policies 1000
 *   npm run bench -- steady --policies 1000 --pods 5000
 *   npm run bench -- soak --minutes 60
 *   npm run bench -- ledger --clusters 100 --policies 1000 --seconds 10
 *   npm run bench -- memory --clusters 3 --database postgres --json memory.json
 *   npm run bench -- api --clusters 10000 --policies 1000
 *   npm run bench -- images
 *   npm run bench -- fanout --agents 6000 --policies 1000 --scopes 20 --database postgres --heap 400 --stalled 10%
 *   npm run bench -- hostile --agents 100
 *   npm run bench -- plan --agents 50 --policies 1000 --workloads 200
 *   npm run bench -- resync --agents 3000 --policies 1000 --changed 0.1 --database postgres --heap 400
 *   npm run bench -- risks --owners 5000 --placements 100000 --heap 256
 *   npm run bench -- risk-export --clusters 500
 *   npm run bench -- risk-judging --owners 1000 --nodes 1000
 *   npm run bench -- rollout --agents 1000 --commits 20 --scopes 20 --database postgres --heap 400
 *   npm run bench -- scale --json scale.json
 *   npm run bench -- status --agents 1000 --policies 1000 --database postgres --heap 400
 *   npm run bench -- curve --agents 250,1000,3000,6000 --scopes 20 --database postgres --heap 400
 */

import { agentScale } from './agent-scale.ts';
import { api } from './api/api.ts';
import { admission } from './cluster/admission.ts';
import { bulk } from './cluster/bulk.ts';
import { soak, steady } from './cluster/steady.ts';
import { commit } from './commit/commit.ts';
import { curve } from './curve/curve.ts';
import { fanout } from './fleet/fanout.ts';
import { hostile } from './fleet/hostile.ts';
import { plan } from './fleet/plan.ts';
import { resync } from './fleet/resync.ts';
import { scale } from './fleet/scale.ts';
import { status } from './fleet/status.ts';
import { images } from './images.ts';
import { ledger } from './ledger.ts';
import { memory } from './memory.ts';
import { isUsageError } from './options.ts';
import { riskExport } from './risks/export.ts';
import { riskJudging } from './risks/judging.ts';
import { risks } from './risks/owners.ts';
import { rollout } from './rollout/rollout.ts';
import { usageOf } from './usage.ts';

const benches: Readonly<Record<string, (args: string[], signal: AbortSignal) => Promise<void>>> = {
  admission,
  'agent-scale': agentScale,
  api,
  bulk,
  commit,
  curve,
  fanout,
  hostile,
  images,
  ledger,
  memory,
  plan,
  resync,
  'risk-export': riskExport,
  'risk-judging': riskJudging,
  risks,
  rollout,
  scale,
  soak,
  status,
  steady,
};

const [name = '', ...args] = process.argv.slice(2);
const isHelp = ['--help', '-h', 'help'].some((word) => name === word || args.includes(word));
const bench = benches[name];
if (isHelp) {
  console.log(usageOf(Object.keys(benches)));
  process.exit(0);
}
if (bench === undefined) {
  console.error(usageOf(Object.keys(benches)));
  process.exit(2);
}
const stop = new AbortController();
process.once('SIGINT', () => stop.abort(new Error('interrupted')));
try {
  await bench(args, stop.signal);
} catch (error) {
  if (!isUsageError(error)) throw error;
  console.error(`${name}: ${error.message}\nnpm run bench -- --help lists the benchmarks.`);
  process.exit(2);
}
