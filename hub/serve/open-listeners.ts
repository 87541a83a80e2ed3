import { join } from 'node:path';
import {
  API_CONNECTION_LIMITS,
  ConnectionLimiter,
  type ListenAddress,
  type Listening,
  listen,
  type Secret,
  type Shutdown,
} from '@fso/shared/runtime';
import { type AccessSettings, createAccess } from '../access/index.ts';
import { type AgentServer, createAgentServer, type Delivery, type DeliveryLimits, keepCertificate } from '../delivery/index.ts';
import type { AgentListenerIdentity, KeyPair } from '../identity/index.ts';
import type { CommitTracer } from '../rollout/index.ts';
import type { Source } from '../source/index.ts';
import { type ApiConfig, type ApiDeps, createApi } from './api.ts';
import { createApiServer } from './http/api-server.ts';
import { withoutAbsent } from './http/parameters.ts';

/** Addresses and certificates of both listeners. */
export interface ListenersConfig extends Pick<ApiConfig, 'git' | 'webhookSecret' | 'maxBehindMs'> {
  readonly listen: ListenAddress;
  readonly agentListen: ListenAddress;
  /**
   * Certificate of the agents' listener; undefined: that of the identity, or none without identity.
   */
  readonly agentTls: KeyPair | undefined;
  readonly apiToken: Secret | undefined;
  readonly access?: Omit<AccessSettings, 'apiToken'> & Pick<ApiConfig, 'trustedProxies'>;
}

/** Parts of the hub behind both listeners. */
export interface ListenersDeps extends Omit<ApiDeps, 'access' | 'enrolment' | 'source'> {
  /** Public key of the hub's checkpoints. */
  readonly auditKey: string;
  readonly limits: DeliveryLimits['listener'] | undefined;
  readonly source: Source;
  readonly delivery: Delivery;
  /** Identities of agents; undefined: agents do not enrol. */
  readonly identity: AgentListenerIdentity | undefined;
  readonly runtime: ApiDeps['runtime'] & { readonly shutdown: Shutdown };
  /** Tracer of commits; undefined: tracing is off. */
  readonly tracer?: CommitTracer | undefined;
}

/** Passes hints of a new commit to the source of this hub and of all other hubs. */
const hintsOf = ({ source, ledger, tracer }: ListenersDeps): ApiDeps['source'] => ({
  documents: source.documents,
  hint: (announced) => {
    if (announced !== undefined) tracer?.announced(announced.revision, announced.traceparent);
    source.hint();
    ledger.shareHint();
  },
});

/** Open listeners of the API and of agents. */
export interface Listeners {
  /** Base URL of the API. */
  readonly url: string;
  /** Base URL of the agents' listener, `ws:` or `wss:`. */
  readonly agentUrl: string;
  /** Replaces the certificate of the agents' listener before it expires. */
  readonly keepCertificate: (signal: AbortSignal) => Promise<void>;
  readonly closed: readonly Promise<void>[];
}

const DASHBOARD = join(import.meta.dirname, '..', 'dashboard', 'dist');

/** Returns the URL for agents on other machines. */
const agentUrlOf = (listening: Listening, identity: AgentListenerIdentity | undefined): string => {
  const host = identity?.hosts[0];
  if (host === undefined) return listening.url.replace(/^http/, 'ws');
  return `wss://${host.includes(':') ? `[${host}]` : host}:${listening.port}`;
};

/** Opens both listeners, or none. */
const listenBoth = async (
  first: readonly [AgentServer, ListenAddress],
  second: readonly [AgentServer, ListenAddress],
  { closing, closeNow }: Shutdown,
): Promise<readonly [Listening, Listening]> => {
  const one = await listen(first[0], first[1], closing);
  try {
    return [one, await listen(second[0], second[1], closing)];
  } catch (error) {
    closeNow();
    await one.closed;
    throw error;
  }
};

/**
 * Opens the API, step ⑨, and the listener of agents, part of step ④. Resolves once both accept
 * connections.
 *
 * @throws Error if an address is in use
 */
export const openListeners = async (config: ListenersConfig, deps: ListenersDeps): Promise<Listeners> => {
  const { ledger, identity, delivery, runtime, auditKey } = deps;
  const { apiToken, webhookSecret, git, maxBehindMs, access: { oidc, publicUrl, trustedProxies = [] } = {} } = config;
  const { clock, logger, shutdown } = runtime;
  const agents = createAgentServer(config.agentTls, identity, deps.limits);
  delivery.attach(agents);
  const connections = new ConnectionLimiter(API_CONNECTION_LIMITS, clock);
  const access = createAccess({ apiToken, oidc, publicUrl }, { records: ledger.records, clock, logger: logger.child({ step: 'access' }) });
  const enrolment = identity && { identity: identity.identity, agentUrl: () => agentUrl };
  const settings: ApiConfig = {
    ...withoutAbsent({ webhookSecret, maxBehindMs, git: git && { url: git.url, ref: git.ref } }),
    trustedProxies,
    auditKey,
    dashboard: DASHBOARD,
  };
  const api = createApi(settings, {
    ...deps,
    source: hintsOf(deps),
    access,
    enrolment,
    runtime: { ...runtime, logger: logger.child({ step: 'serve' }), connections },
  });
  const [agentListener, apiListener] = await listenBoth(
    [agents, config.agentListen],
    [createApiServer(api, connections), config.listen],
    shutdown,
  );
  const agentUrl = agentUrlOf(agentListener, identity);
  return {
    url: apiListener.url,
    agentUrl,
    keepCertificate: (signal) => keepCertificate(agents, identity, signal),
    closed: [agentListener.closed, apiListener.closed],
  };
};
