import { REGION_LABEL } from '@fso/shared/api';
import { type NamespaceGovernance, NODE_PROBE } from '../../enforce/index.ts';
import {
  DRY_RUN,
  type FloorNames,
  isOurs,
  judgeForeign,
  judgeRefusalText,
  NO_REGION,
  PROBE_NAME,
  type ProbeAnswer,
  type ProbeClient,
  type ProbeVerdict,
  shownOf,
  toAnswer,
} from '../probe.ts';

/**
 * Judges a binding to a node that does not exist, by the agent, which is not a trusted binder. The
 * bind gate must refuse it before the API server looks for the pod, naming the policies and regions
 * in force.
 */
export const judgeMustNotBind = (answer: ProbeAnswer, governance: NamespaceGovernance, floor: FloorNames): ProbeVerdict => {
  if (answer.kind === 'admitted') return { kind: 'unproven', message: 'a binding to a node without a region was admitted' };
  if (answer.kind === 'unreachable') return judgeForeign(answer);
  if (isOurs(answer.message, floor)) return judgeRefusalText(answer.message, governance);
  if (answer.status === 404) return { kind: 'unproven', message: 'a binding to a node without a region passed the bind gate' };
  return judgeForeign(answer);
};

/**
 * Judges a binding to a node outside, which the bind gate treats as a trusted binder's. It must
 * refuse the binding because of the node, naming the policies and regions in force.
 */
export const judgeMustNotBindOutside = (answer: ProbeAnswer, governance: NamespaceGovernance, floor: FloorNames): ProbeVerdict => {
  if (answer.kind === 'admitted') return { kind: 'unproven', message: 'a binding by a trusted binder to a node outside was admitted' };
  if (answer.kind === 'unreachable') return judgeForeign(answer);
  if (!isOurs(answer.message, floor)) {
    return answer.status === 404
      ? { kind: 'unproven', message: 'a binding by a trusted binder to a node outside passed the bind gate' }
      : judgeForeign(answer);
  }
  return BY_NODE.test(answer.message)
    ? judgeRefusalText(answer.message, governance)
    : { kind: 'unproven', message: `the bind gate does not judge the node: ${shownOf(answer.message)}` };
};

/** Violations of a node as the bind gate words them. */
const BY_NODE = /node "[^"]*" (is in region|has no known region)/;

/** Binding to request. */
interface BindingRequest {
  readonly namespace: string;
  readonly pod: string;
  readonly node: string;
  /**
   * Region that the Binding claims for the node. The API server replaces it by that of the node.
   */
  readonly region?: string;
}

/** Requests a Binding that lock 1 must refuse. {@link judgeMustNotBind} judges the answer. */
export const askForBinding = (client: ProbeClient, namespace: string, signal: AbortSignal): Promise<ProbeAnswer> =>
  bind(client, { namespace, pod: PROBE_NAME, node: PROBE_NAME }, signal);

/**
 * Requests the Binding that {@link judgeMustNotBindOutside} judges.
 *
 * @param node node outside; undefined: a node that does not exist is used instead
 */
export const askForBindingOutside = (
  client: ProbeClient,
  { namespace, node = PROBE_NAME }: { readonly namespace: string; readonly node?: string | undefined },
  signal: AbortSignal,
): Promise<ProbeAnswer> => bind(client, { namespace, pod: NODE_PROBE, node, region: NO_REGION }, signal);

const bind = async (client: ProbeClient, { namespace, pod, node, region }: BindingRequest, signal: AbortSignal): Promise<ProbeAnswer> => {
  const body = {
    apiVersion: 'v1',
    kind: 'Binding',
    metadata: { name: pod, namespace, ...(region !== undefined && { labels: { [REGION_LABEL]: region } }) },
    target: { apiVersion: 'v1', kind: 'Node', name: node },
  };
  try {
    const path = `/api/v1/namespaces/${namespace}/pods/${pod}/binding`;
    const { warnings } = await client.raw({ method: 'POST', path, query: DRY_RUN, body, timeoutMs: 10_000 }, signal);
    return { kind: 'admitted', warnings };
  } catch (error) {
    return toAnswer(error, signal);
  }
};
