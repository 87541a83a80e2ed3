import { AGENT_IDENTITY, type ClusterEvent, SYSTEM_NAMESPACE } from '@fso/shared/api';
import type { AgentConfig, HubConfig } from './config.ts';
import type { IdentityKeeper } from './identity/keeper.ts';
import type { AgentMetrics } from './metrics.ts';
import type { EventSink } from './observe/index.ts';
import { type StreamDeps, type StreamState, startStream } from './stream/index.ts';

/** Parts that intake, reports and identity use while the agent leads. */
export interface HubLinkDeps
  extends Pick<StreamDeps, 'runtime' | 'policies' | 'places' | 'revisions' | 'observatory' | 'outbox' | 'previews'> {
  readonly config: Pick<AgentConfig, 'cluster' | 'trust'> & { readonly hub: HubConfig };
  /** Ends the intake before the reports. */
  readonly intakeSignal: AbortSignal;
  readonly outputs: {
    readonly events: EventSink;
    readonly metrics: Pick<AgentMetrics, 'certificateExpiry' | 'hubConnected'>;
    /** Receives the events of the stream, as the hub does. */
    readonly onEvent: (event: ClusterEvent) => void;
  };
}

const SECRET = { apiVersion: 'v1', kind: 'Secret', metadata: { namespace: SYSTEM_NAMESPACE, name: AGENT_IDENTITY } } as const;

/** @returns undefined if the agent uses a static token */
const createKeeper = async ({ config, runtime, outputs }: HubLinkDeps, onRenewed: () => void): Promise<IdentityKeeper | undefined> => {
  const { events, metrics } = outputs;
  const { token, url: hubUrl, ...settings } = config.hub;
  if (token !== undefined) return undefined;
  // Imported on demand, as an agent with a static token needs no X.509 library.
  const { IdentityKeeper } = await import('./identity/keeper.ts');
  return new IdentityKeeper({ cluster: config.cluster, hubUrl, ...settings }, runtime, {
    onEvent: (event) => {
      events.ofCluster(event);
      events.recordOn(SECRET, event);
    },
    onRenewed,
    onExpiry: (expires) => metrics.certificateExpiry.set(expires.getTime() / 1000),
  });
};

/**
 * Keeps this cluster connected to its hub, and the agent's certificate valid, until the signal
 * aborts.
 *
 * @throws the error of a part that failed
 */
export const linkToHub = async (deps: HubLinkDeps, signal: AbortSignal): Promise<void> => {
  const { config, runtime, policies, places, revisions, observatory, outbox, previews, intakeSignal, outputs } = deps;
  const { url: hubUrl, token, ca, proxy } = config.hub;
  const keeper = await createKeeper(deps, () => stream.reconnect());
  const streamConfig = {
    cluster: config.cluster,
    trust: config.trust,
    hubUrl,
    agentVersion: observatory.snapshot().cluster.agentVersion,
    ca,
    proxy,
    ...(token === undefined ? {} : { token }),
  };
  const certificate = keeper && {
    certificate: { current: (abort: AbortSignal) => keeper.current(abort), expires: () => keeper.expires() },
  };
  const stream = await startStream(
    {
      runtime,
      config: streamConfig,
      ...certificate,
      policies,
      places,
      revisions,
      observatory,
      outbox,
      ...(previews && { previews }),
      intakeSignal,
      onEvent: outputs.onEvent,
    },
    signal,
  );
  const noteState = ({ state }: StreamState): void => outputs.metrics.hubConnected.set(state === 'connected' ? 1 : 0);
  noteState(stream.state());
  stream.onStateChange(noteState);
  if (keeper === undefined) return stream.done;
  stream.onStateChange((state) => {
    if (state.state === 'rejected') keeper.renewAfterRefusal();
    if (state.state === 'untrusted') keeper.recordUntrusted(state.reason);
    if (state.state === 'connected') keeper.recordConnected();
  });
  await Promise.all([stream.done, keeper.run(signal)]);
};
