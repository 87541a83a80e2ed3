import { AGENT_IDENTITY, type ClusterEvent, SYSTEM_NAMESPACE } from '@fso/shared/api';
import type { KubeClient } from '@fso/shared/kube';
import type { Clock, Logger } from '@fso/shared/runtime';
import type { ClusterView } from './cache/view.ts';
import type { AgentConfig, HubConfig } from './config.ts';
import type { IdentityKeeper } from './identity/index.ts';
import type { AgentMetrics } from './metrics.ts';
import type { EventSink } from './observe/event-sink.ts';
import type { Observatory } from './observe/types.ts';
import type { EventOutbox } from './report/event-outbox.ts';
import { startStream } from './stream/index.ts';

export interface HubLinkOptions {
  readonly config: Pick<AgentConfig, 'cluster' | 'trust'> & { readonly hub: HubConfig };
  readonly agentVersion: string;
  readonly client: KubeClient;
  readonly policies: ClusterView['policies'];
  readonly observatory: Observatory;
  readonly outbox: EventOutbox;
  readonly events: EventSink;
  readonly metrics: Pick<AgentMetrics, 'certificateExpiry'>;
  readonly clock: Clock;
  readonly random: () => number;
  readonly logger: Logger;
  readonly onEvent: (event: ClusterEvent) => void;
}

const SECRET = { apiVersion: 'v1', kind: 'Secret', metadata: { namespace: SYSTEM_NAMESPACE, name: AGENT_IDENTITY } } as const;

const keeperOf = async (options: HubLinkOptions, onRenewed: () => void): Promise<IdentityKeeper | undefined> => {
  const { config, client, clock, random, logger, events, metrics } = options;
  const { url: hubUrl, enrolToken, ca, token } = config.hub;
  if (token !== undefined) return undefined;
  // Loaded here: an agent with a static token needs no X.509 library.
  const { createIdentityKeeper } = await import('./identity/index.ts');
  return createIdentityKeeper({
    config: { cluster: config.cluster, hubUrl, enrolToken, ca },
    client,
    clock,
    random,
    logger,
    onEvent: (event) => {
      events.ofCluster(event);
      events.recordOn(SECRET, event);
    },
    onRenewed,
    onExpiry: (expires) => metrics.certificateExpiry.set(expires.getTime() / 1000),
  });
};

/** Keeps this cluster connected to its hub, with what proves it, until the signal aborts. */
export const linkToHub = async (options: HubLinkOptions, signal: AbortSignal): Promise<void> => {
  const { config, agentVersion, client, policies, observatory, outbox, clock, random, logger, onEvent } = options;
  const { url: hubUrl, token, ca } = config.hub;
  const keeper = await keeperOf(options, () => stream.reconnect());
  const streamConfig = {
    cluster: config.cluster,
    trust: config.trust,
    hubUrl,
    agentVersion,
    ca,
    ...(token === undefined ? {} : { token }),
  };
  const certificate = keeper && { certificate: { current: keeper.current, expires: keeper.expires } };
  const stream = await startStream(
    { config: streamConfig, ...certificate, client, policies, observatory, outbox, clock, random, logger, onEvent },
    signal,
  );
  if (keeper === undefined) return stream.done;
  stream.onStateChange(({ state }) => {
    if (state === 'rejected') keeper.refused();
  });
  await Promise.all([stream.done, keeper.run(signal)]);
};
