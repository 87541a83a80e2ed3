import { REGION_LABEL } from '@fso/shared/api';
import type { NamespaceGovernance } from '../../enforce/index.ts';
import {
  DRY_RUN,
  type FloorNames,
  isAfterFloor,
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
  unproven,
} from '../probe.ts';

/**
 * Judges a binding to a node outside, by the agent, which is not a trusted binder. The bind gate
 * must refuse it for both reasons, name the policies and regions in force, and do so before the API
 * server looks for the pod.
 */
export const judgeMustNotBind = (answer: ProbeAnswer, governance: NamespaceGovernance, floor: FloorNames): ProbeVerdict => {
  if (answer.kind === 'admitted') return unproven('a binding to a node outside was admitted');
  if (answer.kind === 'unreachable') return judgeForeign(answer);
  const { message, status } = answer;
  if (isAfterFloor(message) || status === 404) return unproven('a binding to a node outside passed the bind gate');
  if (!isOurs(message, floor)) return judgeForeign(answer);
  const verdict = judgeRefusalText(message, governance);
  if (verdict.kind !== 'proven' || BOTH_VIOLATIONS.test(message)) return verdict;
  const violation = message.slice(message.lastIndexOf(` in namespace ${governance.namespace}: `));
  return unproven(`the bind gate does not judge both the binder and the node:${shownOf(violation)}`);
};

/** Violations of a binder and of a node as the bind gate words them. */
const BOTH_VIOLATIONS = /user ".*" is not trusted to bind pods, node "[^"]*" (is in region|has no known region)/s;

/**
 * Requests the Binding that {@link judgeMustNotBind} judges.
 *
 * @param node node outside; undefined: a node that does not exist is used instead
 */
export const askForBinding = async (
  client: ProbeClient,
  { namespace, node = PROBE_NAME }: { readonly namespace: string; readonly node?: string | undefined },
  signal: AbortSignal,
): Promise<ProbeAnswer> => {
  const body = {
    apiVersion: 'v1',
    kind: 'Binding',
    // From Kubernetes 1.35 on, the region of an existing node replaces this one.
    metadata: { name: PROBE_NAME, namespace, labels: { [REGION_LABEL]: NO_REGION } },
    target: { apiVersion: 'v1', kind: 'Node', name: node },
  };
  try {
    const path = `/api/v1/namespaces/${namespace}/pods/${PROBE_NAME}/binding`;
    const { warnings } = await client.raw({ method: 'POST', path, query: DRY_RUN, body, timeoutMs: 10_000 }, signal);
    return { kind: 'admitted', warnings };
  } catch (error) {
    return toAnswer(error, signal);
  }
};
