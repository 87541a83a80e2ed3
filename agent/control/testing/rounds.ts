import { type CustomResourceDefinition, createInformers, EventRecorder } from '@fso/shared/kube';
import { PauseDetector } from '@fso/shared/runtime';
import { Registry } from 'prom-client';
import { ClusterView } from '../../cache/index.ts';
import { injectionKinds } from '../../enforce/index.ts';
import { createAgentMetrics } from '../../metrics.ts';
import { OBSERVATION_LIMITS } from '../../observation/index.ts';
import { createViolationTimeStore, EventSink, type LiveObservatory } from '../../observe/index.ts';
import { capabilitiesOf } from '../../plan/index.ts';
import { OwnerCache, ShapeRecorder, WebhookCache } from '../../risk/index.ts';
import type { AgentRuntime } from '../../runtime.ts';
import { Controller } from '../controller.ts';

/** Parts of an agent that a test gives to {@link startRounds}. */
export interface RoundsOptions {
  readonly runtime: AgentRuntime;
  readonly observatory: LiveObservatory;
  readonly definitions: readonly CustomResourceDefinition[];
}

/**
 * Starts the rounds of an agent in a cluster that is too old for lock 1. Resolves after the first
 * one.
 *
 * @returns also what resolves once they have ended with the signal
 */
export const startRounds = async ({ runtime, observatory, definitions }: RoundsOptions, signal: AbortSignal) => {
  const { client, clock, logger } = runtime;
  const capabilities = { ...capabilitiesOf(await client.version(signal)), floor: false };
  const factory = createInformers(client, { logger, absentRetryMs: 100 }, signal);
  const view = new ClusterView({ factory, kinds: injectionKinds(capabilities.injection), clock }, signal);
  await view.ready(signal);
  view.places.judgeBy({});
  const pauses = new PauseDetector({ clock, lateMs: OBSERVATION_LIMITS.pauseMs });
  void pauses.run(signal);
  const recorder = new EventRecorder({ client, component: 'fso-agent', instance: 'test', logger, clock });
  const events = new EventSink(recorder, observatory, { clock, logger, signal });
  const firstRound = Promise.withResolvers<void>();
  const controller = new Controller(
    {
      runtime,
      config: { retryMs: [200, 400], gatekeeperGraceMs: 5_000 },
      settings: {
        capabilities,
        trust: { agent: '', binders: [], nodeLabelers: [], gatekeeperNamespace: 'gatekeeper-system' },
        definitions,
      },
      view,
      owners: new OwnerCache({ factory, clock, kindMs: OBSERVATION_LIMITS.kindMs }),
      webhooks: new WebhookCache(factory),
      shapes: new ShapeRecorder({ clock, isInjecting: () => false, hasPod: (key) => view.pods.get(key) !== undefined }),
      pauses,
      outputs: { observatory, events, metrics: createAgentMetrics(new Registry(), 'test') },
      violationTimes: createViolationTimeStore(runtime),
      onFirstRound: () => firstRound.resolve(),
    },
    signal,
  );
  const done = controller.run();
  await firstRound.promise;
  return { controller, view, done };
};
