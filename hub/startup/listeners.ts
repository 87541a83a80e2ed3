import { join } from 'node:path';
import { type ListenAddress, type Listening, listen, nodeHttp, type Shutdown } from '@fso/shared/runtime';
import { createAccess } from '../access/index.ts';
import { type AgentServer, createAgentServer, type Delivery, keepCertificate } from '../delivery/index.ts';
import type { AgentListenerIdentity } from '../identity/index.ts';
import { recordAudit } from '../recorders/index.ts';
import { createApi, type FleetReader } from '../serve/index.ts';
import type { HubContext, Stores } from './stores.ts';

const DASHBOARD = join(import.meta.dirname, '..', 'dashboard', 'dist');

/** The address that agents of other machines dial. */
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

export interface Listeners {
  /** Base URL of the API. */
  readonly url: string;
  /** Base URL of the agents' listener, `ws:` or `wss:`. */
  readonly agentUrl: string;
  /** Gives the agents' listener its next certificate in time. */
  readonly keepCertificate: (signal: AbortSignal) => Promise<void>;
  readonly closed: readonly Promise<void>[];
}

/** What the listeners serve. */
export interface ServedParts {
  readonly delivery: Delivery;
  readonly fleet: FleetReader;
}

/** Opens step ⑨ and the agents' side of step ④. Resolves once both listeners answer. @throws Error when an address is taken */
export const openListeners = async (context: HubContext, stores: Stores, parts: ServedParts, shutdown: Shutdown): Promise<Listeners> => {
  const { config, deps, clock, ledger, registry } = context;
  const { logger } = deps;
  const { auditKey, source, identity } = stores;
  const { apiToken, webhookSecret, git, access: { oidc, publicUrl, trustedProxies = [] } = {} } = config;
  const agents = createAgentServer(config.agentTls, identity);
  parts.delivery.attach(agents);
  const access = createAccess({ apiToken, oidc, publicUrl }, { records: ledger.records, clock, logger: logger.child({ step: 'access' }) });
  const shareHint = (): void => {
    source.hint();
    ledger.shareHint();
  };
  const api = createApi(
    {
      webhookSecret,
      trustedProxies,
      dashboard: DASHBOARD,
      git: { url: git.url, ref: git.ref },
      auditKey: auditKey.id,
      ...(config.maxBehindMs && { maxBehindMs: config.maxBehindMs }),
    },
    {
      ledger,
      fleet: parts.fleet,
      source: { hint: shareHint, documents: source.documents },
      access,
      onAudit: recordAudit({ ledger, logger }),
      enrolment: identity && { identity: identity.identity, agentUrl: () => agentUrl },
      runtime: { clock, logger: logger.child({ step: 'serve' }), registry, shutdown },
    },
  );
  const [agentListener, apiListener] = await listenBoth(
    [agents, config.agentListen],
    [nodeHttp.createServer(api), config.listen],
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
