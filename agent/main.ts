#!/usr/bin/env node
import { flushCompileCache } from 'node:module';
import { parseArgs } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { CANARY_NAMESPACE } from '@fso/shared/api';
import { createKubeClient } from '@fso/shared/kube';
import { ConfigError, createLogger, formatSettings, openLogOutput, shutdownSignal } from '@fso/shared/runtime';
import { traceFields } from '@fso/shared/telemetry';
import { AGENT_VERSION, startAgent } from './agent.ts';
import { AGENT_SETTINGS, type AgentConfig, kubeconfigIn, loadAgentConfig } from './config.ts';
import { CANARY_GOVERNANCE, isFloorName } from './enforce/index.ts';
import { askForPod, judgeMustDeny, NO_REGION } from './probe/index.ts';
import { startTracing } from './tracing/index.ts';
import { runUninstall } from './uninstall/index.ts';

interface VerifyContext {
  readonly kubeconfig: string | undefined;
  readonly version: string;
}

/**
 * Runs `fso-agent verify`: requests a pod that lock 1 must refuse, as a dry run. The agent itself
 * proves more and continuously; this is a single check from outside, for `helm test`.
 *
 * @returns the exit status
 */
const runVerify = async ({ kubeconfig, version }: VerifyContext, signal: AbortSignal): Promise<number> => {
  const client = createKubeClient({ kubeconfig, userAgent: `fso-agent-verify/${version}` });
  try {
    const answer = await askForPod(client, { namespace: CANARY_NAMESPACE, region: NO_REGION }, signal);
    const verdict = judgeMustDeny(answer, CANARY_GOVERNANCE, { isFloorPolicy: isFloorName });
    if (verdict.kind === 'proven') {
      process.stdout.write(`the API server refuses a pod in no allowed region of ${CANARY_NAMESPACE}\n`);
      return 0;
    }
    process.stderr.write(`fso-agent verify: ${verdict.message}\n`);
    return 1;
  } finally {
    await client.close();
  }
};

const HELP = `fso-agent ${AGENT_VERSION}: enforces the SovereignPolicies of one cluster

Usage: fso-agent [--help | --version]
       fso-agent uninstall [--help]    removes all enforcement from a cluster
       fso-agent verify                asks the API server for a pod that it must refuse, as a dry run

Environment:
${formatSettings(AGENT_SETTINGS)}
`;

const run = async (): Promise<number> => {
  const [, , command, ...rest] = process.argv;
  if (command === 'uninstall') {
    return runUninstall(rest, { kubeconfig: kubeconfigIn(process.env), version: AGENT_VERSION }, shutdownSignal());
  }
  if (command === 'verify') return runVerify({ kubeconfig: kubeconfigIn(process.env), version: AGENT_VERSION }, shutdownSignal());
  const { values } = parseArgs({ options: { help: { type: 'boolean', short: 'h' }, version: { type: 'boolean' } } });
  if (values.help === true) {
    process.stdout.write(HELP);
    return 0;
  }
  if (values.version === true) {
    process.stdout.write(`${AGENT_VERSION}\n`);
    return 0;
  }
  const config = await loadAgentConfig(process.env);
  await runAgent(config);
  return 0;
};

const runAgent = async (config: AgentConfig): Promise<void> => {
  // Makes V8 grow the heap slowly and compact it sooner. An agent is small and mostly idle, so
  // memory matters more than CPU time of collections (docs/performance.md).
  setFlagsFromString('--memory-saver-mode');
  const destination = openLogOutput();
  const options = { name: 'fso-agent', level: config.logLevel, destination, mixin: config.telemetry && traceFields };
  const logger = createLogger(options).child({ cluster: config.cluster });
  for (const file of config.secretFiles ?? []) file.logTo(logger);
  const tracing = config.telemetry && (await startTracing(config.telemetry, { cluster: config.cluster, version: AGENT_VERSION, logger }));
  try {
    const agent = await startAgent(config, { logger, trace: tracing?.trace }, shutdownSignal());
    logger.info({ url: agent.url, identity: config.identity, hub: config.hub?.url }, 'agent started');
    // Otherwise only an orderly exit writes the cache that spares the next start from stripping
    // types and compiling.
    flushCompileCache();
    await agent.done;
    logger.info('agent stopped');
  } finally {
    await tracing?.stop();
  }
};

run().then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    // An error that people can fix is shown as one sentence. All others need their stack.
    const known = error instanceof ConfigError || (error instanceof Error && error.name === 'KubeConfigError');
    const text = known ? (error as Error).message : error instanceof Error ? (error.stack ?? error.message) : String(error);
    process.stderr.write(`fso-agent: ${text}\n`);
    process.exitCode = 1;
  },
);
