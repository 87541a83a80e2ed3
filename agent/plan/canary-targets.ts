import { type KubeObject, SYSTEM_NAMESPACE } from '@fso/shared/api';
import { GATEKEEPER_IGNORE } from '../cache/reduce.ts';
import type { ClusterView } from '../cache/view.ts';
import { weakMemo, weakMemo2 } from '../enforce/compare.ts';
import { CANARY_NAME } from '../enforce/index.ts';
import type { NamespaceGovernance } from '../enforce/types.ts';
import type { CanaryTarget } from '../probe/canary-prober.ts';
import { NO_REGION } from '../probe/probe.ts';
import type { ClusterPlan } from './plan.ts';

const NOWHERE: ReadonlyMap<string, CanaryTarget> = new Map();

/**
 * Namespaces in which lock 2 is to be proven: the governed ones, and the agent's own, which tells a Gatekeeper that is
 * down from a namespace that is left out. None while the canary constraint itself is not in force. A namespace in which
 * nothing may run has no region to ask for, and lock 1 refuses all there.
 */
export const canaryTargets = (
  plan: Pick<ClusterPlan, 'governance' | 'templateReady' | 'constraintEnforced'>,
  { namespaces }: Pick<ClusterView, 'namespaces'>,
): ReadonlyMap<string, CanaryTarget> => {
  if (!plan.templateReady || !plan.constraintEnforced(CANARY_NAME)) return NOWHERE;
  const targets = new Map<string, CanaryTarget>();
  for (const [name, governance] of plan.governance.namespaces) {
    const namespace = namespaces.get(name);
    const target = namespace && targetOf(namespace, governance);
    if (target !== undefined) targets.set(name, target);
  }
  const own = namespaces.get(SYSTEM_NAMESPACE);
  if (own !== undefined) targets.set(SYSTEM_NAMESPACE, ownTarget(own));
  return targets;
};

const targetOf = weakMemo2((namespace: KubeObject, { actions }: NamespaceGovernance): CanaryTarget | undefined => {
  const region = actions.deny === undefined ? NO_REGION : actions.deny.regions[0];
  return region === undefined
    ? undefined
    : { region, fingerprint: `${identityOf(namespace)} ${JSON.stringify(actions)}`, hint: hintOf(namespace) };
});

const ownTarget = weakMemo(
  (namespace: KubeObject): CanaryTarget => ({
    region: NO_REGION,
    fingerprint: identityOf(namespace),
    hint: hintOf(namespace),
  }),
);

/** Labels decide whether the webhook is called. */
const identityOf = ({ metadata: { uid, labels } }: KubeObject): string => `${uid} ${JSON.stringify(labels ?? {})}`;

const hintOf = ({ metadata: { labels = {} } }: KubeObject): string | undefined =>
  Object.hasOwn(labels, GATEKEEPER_IGNORE) ? `take the label ${GATEKEEPER_IGNORE} off the namespace` : undefined;
