import type { KubeObject } from '@fso/shared/api';
import { REGION_LABEL } from '@fso/shared/api';
import { KubeApiError, type KubeClient } from '@fso/shared/kube';
import { violationMessage } from '@fso/shared/residency';
import { CANARY_LABEL, isRefusedByCanary, isRefusedByOwnConstraint } from '../enforce/index.ts';
import type { NamespaceGovernance } from '../enforce/types.ts';

/** What an API server said to a dry-run write. */
export type ProbeAnswer =
  | { readonly kind: 'admitted'; readonly warnings: readonly string[] }
  | { readonly kind: 'refused'; readonly status: number; readonly message: string; readonly warnings?: readonly string[] }
  | { readonly kind: 'unreachable'; readonly message: string };

/**
 * proven: the lock does what it should. unproven: it does not (yet). inconclusive: something else answered first.
 */
export type ProbeVerdict =
  | { readonly kind: 'proven' }
  | { readonly kind: 'unproven'; readonly message: string }
  | { readonly kind: 'inconclusive'; readonly message: string };

const PROVEN: ProbeVerdict = { kind: 'proven' };
const VAP_REFUSAL = /ValidatingAdmissionPolicy '([^']+)'/;
const WEBHOOK_REFUSAL = /admission webhook "([^"]+)" denied/;
const GATEKEEPER_WEBHOOK = 'validation.gatekeeper.sh';
/** Refusals by plugins that run after ValidatingAdmissionPolicy: it has let the pod pass. */
const LATER_REFUSAL = /exceeded quota|must specify [a-z.,]* for|failed quota/;

/** What the floor says while it enforces exactly these regions: the start of its message. */
const expectedText = (namespace: string, action: { regions: readonly string[]; policies: readonly string[] }): string =>
  squeeze(violationMessage({ ...action, namespace, violation: '', fix: '' }).split(':')[0] ?? '');

/** Lists may be joined with or without a space. */
const squeeze = (text: string): string => text.replaceAll(', ', ',');

export interface FloorNames {
  /** Whether a ValidatingAdmissionPolicy is one of the floor's. */
  isFloorPolicy(name: string): boolean;
}

const isOurs = (message: string, floor: FloorNames): boolean => floor.isFloorPolicy(VAP_REFUSAL.exec(message)?.[1] ?? '');

const notOurs = (answer: Extract<ProbeAnswer, { kind: 'refused' | 'unreachable' }>): ProbeVerdict => ({
  kind: 'inconclusive',
  message: answer.message.slice(0, 500),
});

/**
 * A region that no node has. A pod that asks for none could be given an allowed one by a mutating policy before the locks
 * see it; one that asks for this region they must refuse.
 */
export const NO_REGION = 'fso-probe.invalid';

/** The pod in no allowed region: lock 1 must refuse it, naming the policies and regions in force. */
export const judgeMustDeny = (answer: ProbeAnswer, governance: NamespaceGovernance, floor: FloorNames): ProbeVerdict => {
  if (answer.kind === 'admitted') return { kind: 'unproven', message: 'a pod in no allowed region was admitted' };
  if (answer.kind === 'unreachable') return notOurs(answer);
  if (WEBHOOK_REFUSAL.test(answer.message) || LATER_REFUSAL.test(answer.message)) {
    return { kind: 'unproven', message: 'a pod in no allowed region passed the floor' };
  }
  if (!isOurs(answer.message, floor)) return notOurs(answer);
  const deny = governance.actions.deny;
  if (deny === undefined || squeeze(answer.message).includes(expectedText(governance.namespace, deny))) return PROVEN;
  return { kind: 'unproven', message: `the floor still enforces something else: ${answer.message.slice(0, 500)}` };
};

/** The pod that asks for an allowed region: both locks must let it pass. */
export const judgeMustAdmit = (answer: ProbeAnswer, floor: FloorNames): ProbeVerdict => {
  if (answer.kind === 'admitted') return PROVEN;
  if (answer.kind === 'unreachable') return notOurs(answer);
  if (isOurs(answer.message, floor)) {
    return { kind: 'unproven', message: `a pod in an allowed region is refused: ${answer.message.slice(0, 500)}` };
  }
  const webhook = WEBHOOK_REFUSAL.exec(answer.message)?.[1];
  if (webhook === GATEKEEPER_WEBHOOK && isRefusedByOwnConstraint(answer.message)) {
    return { kind: 'unproven', message: `Gatekeeper still refuses a pod in an allowed region: ${answer.message.slice(0, 500)}` };
  }
  // Another webhook, a quota: both run after ValidatingAdmissionPolicy, so lock 1 has let the pod pass.
  if (webhook !== undefined || LATER_REFUSAL.test(answer.message)) return PROVEN;
  return notOurs(answer);
};

/**
 * The pod in no region that `warn` allows: a warning of lock 1 names the policies and regions in force. Lock 2 may refuse the
 * pod at the same time, under an other action; the warning comes all the same.
 */
export const judgeMustWarn = (answer: ProbeAnswer, governance: NamespaceGovernance, floor: FloorNames): ProbeVerdict => {
  const warn = governance.actions.warn;
  if (answer.kind === 'unreachable') return notOurs(answer);
  if (warn === undefined && answer.kind === 'admitted') return PROVEN;
  const expected = warn && expectedText(governance.namespace, warn);
  const isExpected = (warning: string): boolean => expected !== undefined && isOurs(warning, floor) && squeeze(warning).includes(expected);
  if (answer.warnings?.some(isExpected) === true) return PROVEN;
  if (answer.kind === 'refused') return notOurs(answer);
  return { kind: 'unproven', message: 'a pod in no allowed region was admitted without a warning of the floor' };
};

/** The pod that only the canary constraint refuses: without that refusal nobody asked Gatekeeper, or it did not answer. */
export const judgeCanary = (answer: ProbeAnswer, floor: FloorNames): ProbeVerdict => {
  if (answer.kind === 'admitted') return { kind: 'unproven', message: 'Gatekeeper did not refuse a pod that it must refuse' };
  if (answer.kind === 'unreachable') return notOurs(answer);
  if (isRefusedByCanary(answer.message)) return PROVEN;
  // What runs after the webhooks has refused it, or the call itself failed.
  if (LATER_REFUSAL.test(answer.message)) return { kind: 'unproven', message: 'Gatekeeper let a pod pass that it must refuse' };
  if (answer.message.includes(`failed calling webhook "${GATEKEEPER_WEBHOOK}"`)) {
    return { kind: 'unproven', message: `Gatekeeper cannot be asked: ${answer.message.slice(0, 500)}` };
  }
  return isOurs(answer.message, floor) ? { kind: 'inconclusive', message: 'lock 1 refuses the pod that asks for lock 2' } : notOurs(answer);
};

/** A binding to a node without a region: the bind gate answers before the API server looks for the pod. */
export const judgeMustNotBind = (answer: ProbeAnswer, floor: FloorNames): ProbeVerdict => {
  if (answer.kind === 'admitted') return { kind: 'unproven', message: 'a binding to a node without a region was admitted' };
  if (answer.kind === 'unreachable') return notOurs(answer);
  if (isOurs(answer.message, floor)) return PROVEN;
  if (answer.status === 404) return { kind: 'unproven', message: 'a binding to a node without a region passed the bind gate' };
  return notOurs(answer);
};

const PROBE_NAME = 'fso-probe';

interface PodQuestion {
  readonly namespace: string;
  readonly region: string;
  readonly labels?: Readonly<Record<string, string>>;
}

/** A pod that satisfies PodSecurity "restricted", so that only the locks have something to say. It is never created. */
const probePod = ({ namespace, region, labels }: PodQuestion): KubeObject =>
  ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: PROBE_NAME, namespace, ...(labels === undefined ? {} : { labels }) },
    spec: {
      automountServiceAccountToken: false,
      nodeSelector: { [REGION_LABEL]: region },
      securityContext: { runAsNonRoot: true, runAsUser: 65532, seccompProfile: { type: 'RuntimeDefault' } },
      containers: [
        {
          name: 'probe',
          image: 'registry.k8s.io/pause:3.10',
          securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
          resources: { requests: { cpu: '1m', memory: '1Mi' }, limits: { cpu: '1m', memory: '1Mi' } },
        },
      ],
    },
  }) as KubeObject;

const DRY_RUN = { dryRun: 'All' } as const;

const toAnswer = (error: unknown, signal: AbortSignal): ProbeAnswer => {
  signal.throwIfAborted();
  const message = error instanceof Error ? error.message : String(error);
  if (!(error instanceof KubeApiError)) return { kind: 'unreachable', message };
  return { kind: 'refused', status: error.status, message, warnings: error.warnings };
};

export const askForPod = async (client: KubeClient, question: PodQuestion, signal: AbortSignal): Promise<ProbeAnswer> => {
  try {
    const path = `/api/v1/namespaces/${question.namespace}/pods`;
    const request = { method: 'POST', path, query: DRY_RUN, body: probePod(question), timeoutMs: 10_000 } as const;
    const { warnings } = await client.raw(request, signal);
    return { kind: 'admitted', warnings };
  } catch (error) {
    return toAnswer(error, signal);
  }
};

/** The pod that {@link judgeCanary} judges. */
export const askCanary = (client: KubeClient, question: PodQuestion, signal: AbortSignal): Promise<ProbeAnswer> =>
  askForPod(client, { ...question, labels: CANARY_LABEL }, signal);

export const askForBinding = async (client: KubeClient, namespace: string, signal: AbortSignal): Promise<ProbeAnswer> => {
  const body = {
    apiVersion: 'v1',
    kind: 'Binding',
    metadata: { name: PROBE_NAME, namespace },
    target: { apiVersion: 'v1', kind: 'Node', name: PROBE_NAME },
  };
  try {
    const path = `/api/v1/namespaces/${namespace}/pods/${PROBE_NAME}/binding`;
    const { warnings } = await client.raw({ method: 'POST', path, query: DRY_RUN, body, timeoutMs: 10_000 }, signal);
    return { kind: 'admitted', warnings };
  } catch (error) {
    return toAnswer(error, signal);
  }
};
