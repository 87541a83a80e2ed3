import type { ClusterView } from '../cache/index.ts';
import {
  findExclusion,
  findWebhookProblem,
  type GatekeeperProblem,
  isTemplateReady,
  TEMPLATE_NAME,
  WEBHOOK_CONFIGURATION_GONE,
  WEBHOOK_CONFIGURATION_NAME,
} from '../enforce/index.ts';

/** Coverage of pods by the configuration of Gatekeeper's webhook. */
export interface WebhookFacts {
  /** Exclusion that holds in every namespace; undefined: none, or unknown. */
  readonly problem: GatekeeperProblem | undefined;
  /** Reason for which it leaves a namespace out; undefined: it does not, or nothing is known. */
  exclusion(namespace: string): GatekeeperProblem | undefined;
}

const nothing = (): undefined => undefined;

/** @param judgesBindings whether lock 2 judges Bindings, too */
export const webhookFacts = (view: ClusterView, judgesBindings: boolean): WebhookFacts => {
  const configuration = view.webhookConfigurations.get(WEBHOOK_CONFIGURATION_NAME);
  if (configuration === undefined) return { problem: isGone(view) ? WEBHOOK_CONFIGURATION_GONE : undefined, exclusion: nothing };
  return {
    problem: findWebhookProblem(configuration, judgesBindings),
    exclusion: (name) => {
      const namespace = view.namespaces.get(name);
      return namespace && findExclusion(configuration, namespace);
    },
  };
};

/**
 * Whether the webhook configuration is known to be missing. An agent that may not read it cannot
 * know. While Gatekeeper is being installed it comes last: until its pods have loaded the template
 * and its kind is served, lock 2 waits for those.
 */
const isGone = ({ webhookConfigurations: { served, synced }, templates, constraints }: ClusterView): boolean => {
  const template = templates.get(TEMPLATE_NAME);
  return served && synced && templates.served && constraints.served && template !== undefined && isTemplateReady(template);
};
