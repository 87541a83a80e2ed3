import { ensureTools } from '../build/tools.ts';
import { startLocalCluster } from '../local/cluster.ts';
import { BLOCK } from '../local/ports.ts';
import { clusterPaths } from '../local/state.ts';
import { removeCluster } from '../local/stop.ts';
import type { Provider } from './provider.ts';

/** Real control planes as processes of this machine. */
export function createLocalProvider(): Provider {
  let tools: Readonly<Record<string, string>> | undefined;
  let started = 0;
  return {
    name: 'local',
    prepare: async ({ env, log, status }, signal) => {
      tools = await ensureTools({ env, log, ...(status && { status }) }, signal);
    },
    up: async (cluster, options, signal) => {
      const basePort = options.basePort === undefined ? {} : { basePort: options.basePort + BLOCK * started++ };
      const running = await startLocalCluster(
        { ...options, ...cluster, ...basePort, lifetime: 'detached', ...(tools && { tools }) },
        signal,
      );
      running.detach();
      return running.started;
    },
    down: async (cluster, stateDir) => {
      const ended = await removeCluster(clusterPaths(stateDir, cluster));
      return `${ended} processes ended`;
    },
  };
}
