/**
 * Ends a cluster when the process that started it is gone: that process holds the other end of this one's standard
 * input, and the system closes it however the process ends.
 *
 *   node guard.ts <state folder> <cluster>
 */
import { clusterPaths } from './state.ts';
import { endCluster } from './stop.ts';

const [stateDir = '', name = ''] = process.argv.slice(2);

process.stdin.resume();
process.stdin.once('close', () => {
  void endCluster(clusterPaths(stateDir, name)).finally(() => process.exit(0));
});
