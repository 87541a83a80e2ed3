import { type KubeObject, REGION_LABEL } from '@fso/shared/api';
import { KubeApiError, type KubeClient } from '@fso/shared/kube';
import { violationMessage } from '@fso/shared/residency';
import { messageOf, truncate } from '@fso/shared/runtime';
import type { NamespaceGovernance } from '../enforce/index.ts';
import { CANARY_LABEL, isRefusedByCanary, isRefusedByOwnConstraint } from '../enforce/index.ts';

/** Requests to the API server that proofs consist of. */
export type ProbeClient = Pick<KubeClient, 'raw' | 'list'>;

/** API server's response to a dry-run write. */
export type ProbeAnswer =
  | { readonly kind: 'admitted'; readonly warnings: readonly string[] }
  | { readonly kind: 'refused'; readonly status: number; readonly message: string; readonly warnings?: readonly string[] }
  | { readonly kind: 'unreachable'; readonly message: string };

/**
 * proven: the lock decides as expected. unproven: it does not, or not yet. inconclusive: another
 * rule answered first.
 */
export type ProbeVerdict =
  | {
      readonly kind: 'proven';
      /** Note on a probe without an answer, which does not count against the proof. */
      readonly note?: string;
    }
  | { readonly kind: 'unproven'; readonly message: string }
  | {
      readonly kind: 'inconclusive';
      readonly message: string;
      /** Whether an unrelated rule answered, which may stay for ever. */
      readonly foreign?: boolean;
    };

/** Verdict on a lock that does not decide as expected, or not yet. */
export const unproven = (message: string): ProbeVerdict => ({ kind: 'unproven', message });

/** Name of the pods and bindings that the probes request and that are never created. */
export const PROBE_NAME = 'fso-probe';

/** Beginning of an answer, to be shown to people. */
export const shownOf = (answer: string): string => truncate(answer, 500);

const PROVEN: ProbeVerdict = { kind: 'proven' };
/** The first match in a refusal names the rule that refused. The rest is the rule's own text. */
const REFUSED_BY = /ValidatingAdmissionPolicy '([^']+)'|admission webhook "([^"]+)" denied/;
const GATEKEEPER_WEBHOOK = 'validation.gatekeeper.sh';
/**
 * Refusals by plugins that run after ValidatingAdmissionPolicy, and so after it has admitted the
 * pod.
 */
const LATER_REFUSAL = /exceeded quota|must specify [a-z.,]* for|failed quota/;

/** Start of the floor's message while it enforces exactly these regions. */
const expectedText = (namespace: string, action: { regions: readonly string[]; policies: readonly string[] }): string =>
  squeeze(violationMessage({ ...action, namespace, violation: '', fix: '' }).split(':')[0] ?? '');

/**
 * Length to compare of a warning. An API server cuts each warning to 256 characters if all warnings
 * of a response together exceed 4 KiB.
 */
const CUT_WARNING = 240;

const hasText = (warning: string, expected: string): boolean => {
  const text = squeeze(warning);
  if (text.includes(expected)) return true;
  const start = text.indexOf(expected.slice(0, 'policy '.length));
  return warning.length >= CUT_WARNING && warning.length <= 256 && start >= 0 && expected.startsWith(text.slice(start));
};

/** Removes the space after commas, which a list may or may not have. */
const squeeze = (text: string): string => text.replaceAll(', ', ',');

/** Recognizes the policies of lock 1 in refusals. */
export interface FloorNames {
  /** Whether a ValidatingAdmissionPolicy is one of the floor's. */
  isFloorPolicy(name: string): boolean;
}

/** Extracts the admission policy or webhook that a refusal names. */
export const refuserOf = (message: string): { readonly policy?: string | undefined; readonly webhook?: string | undefined } => {
  const [, policy, webhook] = REFUSED_BY.exec(message) ?? [];
  return { policy, webhook };
};

/** Whether a lock of this system refused. */
export const isRefusedByLock = (message: string, floor: FloorNames): boolean =>
  isOurs(message, floor) || (refuserOf(message).webhook === GATEKEEPER_WEBHOOK && isRefusedByOwnConstraint(message));

/** Whether a plugin that runs after both locks refused, which means that they admitted the pod. */
export const isRefusedLater = (message: string): boolean => {
  const { policy, webhook } = refuserOf(message);
  return policy === undefined && webhook === undefined && LATER_REFUSAL.test(message);
};

/** Whether the message of a refusal names a policy of the floor. */
export const isOurs = (message: string, floor: FloorNames): boolean => floor.isFloorPolicy(refuserOf(message).policy ?? '');

/**
 * Whether Gatekeeper or a plugin after ValidatingAdmissionPolicy refused. Any other webhook may be
 * a mutating one, which runs before.
 */
export const isAfterFloor = (message: string): boolean => {
  const { policy, webhook } = refuserOf(message);
  return webhook === GATEKEEPER_WEBHOOK || (policy === undefined && webhook === undefined && LATER_REFUSAL.test(message));
};

/** Verdict if another rule refused before the locks, or no response arrived. */
export const judgeForeign = (answer: Extract<ProbeAnswer, { kind: 'refused' | 'unreachable' }>): ProbeVerdict => {
  const text = shownOf(answer.message);
  if (answer.kind === 'unreachable') return { kind: 'inconclusive', message: `no answer: ${text}` };
  const { policy, webhook } = refuserOf(answer.message);
  const webhookText = webhook === undefined ? 'another rule of the API server' : `webhook ${webhook}`;
  const who = policy === undefined ? webhookText : `ValidatingAdmissionPolicy ${policy}`;
  return {
    kind: 'inconclusive',
    foreign: true,
    message: `${who} refuses the dry run of ${PROBE_NAME} before the locks judge it: ${text}`,
  };
};

/**
 * Region that no node has. The locks must refuse a pod that asks for it. A pod without any region
 * would not do, as a mutating policy could give it an allowed one first.
 */
export const NO_REGION = 'fso-probe.invalid';

/**
 * Judges the pod in no allowed region: lock 1 must refuse it, naming the policies and regions in
 * force.
 */
export const judgeMustDeny = (answer: ProbeAnswer, governance: NamespaceGovernance, floor: FloorNames): ProbeVerdict => {
  if (answer.kind === 'admitted') return unproven('a pod in no allowed region was admitted');
  if (answer.kind === 'unreachable') return judgeForeign(answer);
  if (isAfterFloor(answer.message)) return unproven('a pod in no allowed region passed the floor');
  return isOurs(answer.message, floor) ? judgeRefusalText(answer.message, governance) : judgeForeign(answer);
};

/**
 * Judges the text of a refusal by lock 1. If it does not name the policies and regions in force,
 * the floor still enforces an older state and nothing is proven.
 */
export const judgeRefusalText = (message: string, { namespace, actions: { deny } }: NamespaceGovernance): ProbeVerdict =>
  deny === undefined || squeeze(message).includes(expectedText(namespace, deny))
    ? PROVEN
    : unproven(`the floor still enforces something else: ${shownOf(message)}`);

/** Judges the pod that asks for an allowed region: both locks must admit it. */
export const judgeMustAdmit = (answer: ProbeAnswer, floor: FloorNames): ProbeVerdict => {
  if (answer.kind === 'admitted') return PROVEN;
  if (answer.kind === 'unreachable') return judgeForeign(answer);
  if (isOurs(answer.message, floor)) {
    return unproven(`a pod in an allowed region is refused: ${shownOf(answer.message)}`);
  }
  if (refuserOf(answer.message).webhook === GATEKEEPER_WEBHOOK && isRefusedByOwnConstraint(answer.message)) {
    return unproven(`Gatekeeper still refuses a pod in an allowed region: ${shownOf(answer.message)}`);
  }
  return isAfterFloor(answer.message) ? PROVEN : judgeForeign(answer);
};

/**
 * Judges the pod in no region that `warn` allows: a warning of lock 1 must name the policies and
 * regions in force. Lock 2 may refuse the pod at the same time under another action; the warning is
 * sent all the same.
 */
export const judgeMustWarn = (answer: ProbeAnswer, governance: NamespaceGovernance, floor: FloorNames): ProbeVerdict => {
  const warn = governance.actions.warn;
  if (answer.kind === 'unreachable') return judgeForeign(answer);
  if (warn === undefined && answer.kind === 'admitted') return PROVEN;
  const expected = warn && expectedText(governance.namespace, warn);
  const isExpected = (warning: string): boolean => expected !== undefined && isOurs(warning, floor) && hasText(warning, expected);
  if (answer.warnings?.some(isExpected) === true) return PROVEN;
  if (answer.kind === 'refused') return judgeForeign(answer);
  return unproven('a pod in no allowed region was admitted without a warning of the floor');
};

/**
 * Judges the pod that only the canary constraint refuses. Without that refusal Gatekeeper was not
 * called, or did not answer.
 */
export const judgeCanary = (answer: ProbeAnswer, floor: FloorNames): ProbeVerdict => {
  if (answer.kind === 'admitted') return unproven('Gatekeeper did not refuse a pod that it must refuse');
  if (answer.kind === 'unreachable') return judgeForeign(answer);
  const { policy, webhook } = refuserOf(answer.message);
  if (webhook === GATEKEEPER_WEBHOOK && isRefusedByCanary(answer.message)) return PROVEN;
  // Refused by a plugin that runs after the webhooks, so Gatekeeper did not refuse the pod: it
  // admitted it, or was not called.
  if (policy === undefined && webhook === undefined && LATER_REFUSAL.test(answer.message))
    return unproven('Gatekeeper admitted a pod that it must refuse');
  if (answer.message.includes(`failed calling webhook "${GATEKEEPER_WEBHOOK}"`)) {
    return unproven(`Gatekeeper cannot be called: ${shownOf(answer.message)}`);
  }
  return isOurs(answer.message, floor)
    ? { kind: 'inconclusive', message: 'lock 1 refuses the pod that probes lock 2' }
    : judgeForeign(answer);
};

interface PodRequest {
  readonly namespace: string;
  readonly region: string;
  readonly labels?: Readonly<Record<string, string>>;
  /**
   * Requests no resources, so that a LimitRange sets its own values. A quota refuses such a pod,
   * but only after both locks.
   */
  readonly withoutResources?: true;
}

const RESOURCES = { cpu: '1m', memory: '1Mi' };

/**
 * Builds a pod that satisfies PodSecurity "restricted", so that only the locks may refuse it. It is
 * never created.
 */
const probePod = ({ namespace, region, labels, withoutResources }: PodRequest): KubeObject =>
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
          ...(withoutResources === true ? {} : { resources: { requests: RESOURCES, limits: RESOURCES } }),
        },
      ],
    },
  }) as KubeObject;

/** Option of a request that writes nothing. */
export const DRY_RUN = { dryRun: 'All' } as const;

/**
 * Statuses by which the API server, or a proxy before it, sheds load, fails or gives up without
 * judging the request.
 */
const UNJUDGED: ReadonlySet<number> = new Set([408, 429, 500, 502, 503, 504]);
/** Failure to call a webhook that must be called. The message comes with status 500. */
const CALL_FAILED = /failed calling webhook "/;

/** Whether a rule of admission answers. It may choose any status, but the message names it. */
const isByRule = (message: string): boolean => {
  const { policy, webhook } = refuserOf(message);
  return policy !== undefined || webhook !== undefined || CALL_FAILED.test(message) || LATER_REFUSAL.test(message);
};

/**
 * Converts the error of a dry run: `refused` if a rule refused, else `unreachable`.
 *
 * @throws the reason of a signal that has aborted
 */
export const toAnswer = (error: unknown, signal: AbortSignal): ProbeAnswer => {
  signal.throwIfAborted();
  const message = messageOf(error);
  if (!(error instanceof KubeApiError)) return { kind: 'unreachable', message };
  // No rule answers with a redirect, whatever its body quotes.
  if (error.status < 400 || (UNJUDGED.has(error.status) && !isByRule(message))) return { kind: 'unreachable', message };
  return { kind: 'refused', status: error.status, message, warnings: error.warnings };
};

/** Refusals by LimitRanger, which runs before the locks. */
const OUT_OF_RANGE = /(minimum|maximum) \S+ usage per |max limit to request ratio per /;

/** Requests a pod as a dry run. If a LimitRange refuses it, requests it again without resources. */
export const askForPod = async (client: ProbeClient, pod: PodRequest, signal: AbortSignal): Promise<ProbeAnswer> => {
  const answer = await askOnce(client, pod, signal);
  if (answer.kind !== 'refused' || !OUT_OF_RANGE.test(answer.message)) return answer;
  return askOnce(client, { ...pod, withoutResources: true }, signal);
};

const askOnce = async (client: ProbeClient, pod: PodRequest, signal: AbortSignal): Promise<ProbeAnswer> => {
  try {
    const path = `/api/v1/namespaces/${pod.namespace}/pods`;
    const request = { method: 'POST', path, query: DRY_RUN, body: probePod(pod), timeoutMs: 10_000 } as const;
    const { warnings } = await client.raw(request, signal);
    return { kind: 'admitted', warnings };
  } catch (error) {
    return toAnswer(error, signal);
  }
};

/**
 * Requests the pod that lock 2 must refuse, as a dry run. {@link judgeCanary} judges the answer.
 */
export const askCanary = (client: ProbeClient, pod: PodRequest, signal: AbortSignal): Promise<ProbeAnswer> =>
  askForPod(client, { ...pod, labels: CANARY_LABEL }, signal);
