import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { type LocalCluster, type LocalClusterOptions, startLocalCluster } from '@fso/clusters/local';
import { AUDIT_LOGS } from './audit-logs.ts';

/** Starts a local cluster. Its API server also records the requests of agents for `test/rights`. */
export const startTestCluster = (options: LocalClusterOptions, signal: AbortSignal): Promise<LocalCluster> => {
  const folder = process.env[AUDIT_LOGS.variable];
  if (folder === undefined) return startLocalCluster(options, signal);
  const log = join(folder, `${options.name}-${randomUUID()}.log`);
  const audit = [`--audit-policy-file=${join(folder, AUDIT_LOGS.policy)}`, `--audit-log-path=${log}`];
  return startLocalCluster({ ...options, apiServerArgs: [...audit, ...(options.apiServerArgs ?? [])] }, signal);
};
