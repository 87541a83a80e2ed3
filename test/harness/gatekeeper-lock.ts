import { CONSTRAINT_TEMPLATE_KIND, CRD_KIND, GEO_RESIDENCY_KIND, type KubeClient } from '@fso/shared/kube';
import { runAction } from '../../agent/apply/apply-action.ts';
import {
  type Action,
  isConstraintEnforced,
  isTemplateReady,
  type PolicyInput,
  planGatekeeper,
  planGovernance,
} from '../../agent/enforce/index.ts';
import { eventually } from './waiting.ts';

const isConstraintKindServed = async (client: KubeClient, signal: AbortSignal): Promise<boolean> => {
  const definition = await client.get(CRD_KIND, { name: 'k8sgeoresidency.constraints.gatekeeper.sh' }, signal);
  return definition?.status?.conditions?.some(({ type, status }) => type === 'Established' && status === 'True') === true;
};

/** Plans lock 2 of policies, from the objects in the cluster. */
export const planGatekeeperLock = async (client: KubeClient, policies: readonly PolicyInput[], signal: AbortSignal): Promise<Action[]> => {
  const template = await client.get(CONSTRAINT_TEMPLATE_KIND, { name: GEO_RESIDENCY_KIND.plural }, signal);
  const constraints = (await isConstraintKindServed(client, signal)) ? await client.list(GEO_RESIDENCY_KIND, {}, signal) : undefined;
  const governance = planGovernance(policies, [], new Date());
  return planGatekeeper({ governance, template, constraints, gatekeeperServed: true });
};

/** Writes lock 2 like the agent. Returns once Gatekeeper enforces it. */
export const putGatekeeperLock = async (client: KubeClient, policies: readonly PolicyInput[], signal: AbortSignal): Promise<void> => {
  await eventually(async () => {
    const actions = await planGatekeeperLock(client, policies, signal);
    for (const action of actions) await runAction(client, action, signal);
    const template = await client.get(CONSTRAINT_TEMPLATE_KIND, { name: GEO_RESIDENCY_KIND.plural }, signal);
    const isReady = actions.length === 0 && template !== undefined && isTemplateReady(template);
    if (!isReady || !(await isConstraintKindServed(client, signal))) return false;
    const constraints = await client.list(GEO_RESIDENCY_KIND, {}, signal);
    return constraints.length > 0 && constraints.every(isConstraintEnforced);
  });
};
