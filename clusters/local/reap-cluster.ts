/**
 * Ends a cluster once the process that started it has ended. That process holds the other end of
 * this one's standard input, which the operating system closes in any case.
 *
 *   node reap-cluster.ts <state folder> <cluster>
 */
import { clusterPaths } from './state.ts';
import { endCluster } from './stop.ts';

const [stateDir = '', name = ''] = process.argv.slice(2);

process.stdin.resume();
process.stdin.once('close', () => {
  void endCluster(clusterPaths(stateDir, name)).finally(() => process.exit(0));
});
