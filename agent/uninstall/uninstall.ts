import { API_GROUP, CANARY_NAMESPACE, SYSTEM_NAMESPACE, type UninstallReport } from '@fso/shared/api';
import { GEO_RESIDENCY_KIND, isNotFound, KubeApiError, type KubeClient, NAMESPACE_KIND, objectPath } from '@fso/shared/kube';
import { type Clock, mapConcurrently } from '@fso/shared/runtime';
import { adoptGuard, whoAmI } from '../bootstrap.ts';
import { injectionKinds, isGuardName } from '../enforce/index.ts';
import { REPORT_KIND } from '../openreports/index.ts';
import { capabilitiesOf } from '../plan/index.ts';
import { refuserOf } from '../probe/index.ts';
import { type Removal, type Step, stepsOf } from './removals.ts';
import { requestUninstall } from './uninstall-request.ts';

/**
 * Attributes of one request
 * (https://kubernetes.io/docs/reference/access-authn-authz/authorization/#review-your-request-attributes).
 */
interface Right {
  readonly verb: string;
  readonly group: string;
  readonly resource: string;
  readonly subresource?: string;
  readonly namespace?: string;
}

const ADMISSION = 'admissionregistration.k8s.io';
const rights = (group: string, resources: readonly string[], verbs: readonly string[]): readonly Right[] =>
  resources.flatMap((resource) => verbs.map((verb) => ({ verb, group, resource })));

/**
 * Rights that the caller of the removal needs, without resource names. The rights of the agent are
 * limited to names and do not suffice.
 */
const NEEDED: readonly Right[] = [
  ...rights(ADMISSION, ['validatingadmissionpolicies', 'validatingadmissionpolicybindings'], ['list', 'patch', 'delete']),
  ...rights(ADMISSION, ['mutatingadmissionpolicies', 'mutatingadmissionpolicybindings'], ['list', 'delete']),
  ...rights('templates.gatekeeper.sh', ['constrainttemplates'], ['list', 'delete']),
  ...rights('constraints.gatekeeper.sh', [GEO_RESIDENCY_KIND.plural], ['list', 'delete']),
  ...rights(API_GROUP, ['floorparameters'], ['list', 'delete']),
  ...rights(API_GROUP, ['sovereignpolicies'], ['list', 'patch']),
  { verb: 'patch', group: API_GROUP, resource: 'sovereignpolicies', subresource: 'status' },
  ...rights('', ['namespaces'], ['get', 'list', 'patch', 'delete']),
  { verb: 'get', group: 'coordination.k8s.io', resource: 'leases', namespace: SYSTEM_NAMESPACE },
];

/** Rights that are needed if the API server serves the kind. */
const NEEDED_FOR_REPORTS = rights('openreports.io', [REPORT_KIND.plural], ['list', 'delete']);

const areReportsServed = async (client: KubeClient, signal: AbortSignal): Promise<boolean> => {
  try {
    await client.raw({ method: 'GET', path: `/apis/${REPORT_KIND.apiVersion}` }, signal);
    return true;
  } catch (error) {
    if (isNotFound(error)) return false;
    throw error;
  }
};

const textOf = ({ verb, group, resource, subresource }: Right): string =>
  `${verb} ${resource}${subresource === undefined ? '' : `/${subresource}`}${group === '' ? '' : `.${group}`}`;

interface SelfSubjectAccessReview {
  readonly status?: { readonly allowed?: boolean };
}

/**
 * Finds the rights that the removal needs and the caller lacks.
 *
 * @returns each missing right, e.g.
 * `delete validatingadmissionpolicies.admissionregistration.k8s.io`
 * @see https://kubernetes.io/docs/reference/access-authn-authz/authorization/#checking-api-access
 */
const findMissingRights = async (client: KubeClient, signal: AbortSignal): Promise<readonly string[]> => {
  const path = '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews';
  const needed = (await areReportsServed(client, signal)) ? [...NEEDED, ...NEEDED_FOR_REPORTS] : NEEDED;
  const answers = await mapConcurrently(needed, CONCURRENCY, async (right) => {
    const body = { apiVersion: 'authorization.k8s.io/v1', kind: 'SelfSubjectAccessReview', spec: { resourceAttributes: right } };
    const { object } = await client.raw<SelfSubjectAccessReview>({ method: 'POST', path, body }, signal);
    return object.status?.allowed === true;
  });
  return needed.filter((_, index) => answers[index] !== true).map(textOf);
};

/** Options of the command `fso-agent uninstall`. */
export interface UninstallOptions {
  /** Lists the removals without running them. */
  readonly dryRun: boolean;
  /** Longest wait for a running agent, in ms. */
  readonly waitMs: number;
}

interface UninstallIo {
  readonly client: KubeClient;
  readonly clock: Clock;
  /** Prints a line of the progress. */
  print(line: string): void;
  /** Asks the user. */
  confirm(question: string): Promise<boolean>;
}

/** Error with the reason why enforcement was not, or not completely, removed. */
export class UninstallError extends Error {
  override readonly name = 'UninstallError';
}

const CONCURRENCY = 8;
const POLL_MS = 200;
/**
 * Wait after a change of a policy or binding, in ms. The API server applies the previous version
 * for about a second.
 */
const SETTLE_MS = 2_000;
/**
 * Time for which a refusal by the guard is retried, in ms. Replicas of the API server may see a
 * change of the guard later than the one that accepted it.
 */
const REFUSED_FOR_MS = 30_000;

const REPORTS: Readonly<Record<UninstallReport, string>> = {
  Reported: 'the agent has ended, and its hub has the report',
  NotReported: 'the agent has ended, but could not reach its hub: the hub does not know',
  NoHub: 'the agent has ended; it has no hub',
  NoAgent: 'no agent runs in this cluster: no hub was told',
};

/**
 * Removes everything that enforces policies in a cluster, with the caller's own rights. It can be
 * interrupted at any point and run again.
 *
 * @throws UninstallError; KubeApiError, KubeConnectionError
 */
export const uninstall = async (options: UninstallOptions, io: UninstallIo, signal: AbortSignal): Promise<void> => {
  const { client, clock, print } = io;
  const user = await whoAmI(client, signal);
  await assertRights(client, user, signal);
  const capabilities = capabilitiesOf(await client.version(signal));
  const steps = stepsOf({ client, kinds: injectionKinds(capabilities.injection), user, now: () => clock.now() });
  if (options.dryRun) return printPlan(steps, print, signal);
  const question = `Remove all enforcement of residency policies from the cluster at ${client.server}, as ${user}?`;
  if (!(await io.confirm(question))) throw new UninstallError('not confirmed; nothing was changed');
  print('ask the agents to end');
  const report = await requestUninstall({ client, clock, user, waitMs: options.waitMs }, signal).catch(asUninstallError);
  print(`  ${REPORTS[report]}`);
  // From here on the guard refuses everyone but this user, including the agent.
  if (capabilities.floor) await adoptGuard(client, { agent: user, binders: [], nodeLabelers: [], gatekeeperNamespace: '' }, signal);
  for (const step of steps) await runStep(step, io, signal);
  await assertRemoved(steps, signal);
  await untilDeletable(io, signal);
  for (const line of FAREWELL) print(line);
};

/** Commands to delete the rest, printed for the user. */
const FAREWELL: readonly string[] = [
  'Nothing enforces policies in this cluster any more. To delete what is left:',
  `  helm uninstall fso-agent --namespace ${SYSTEM_NAMESPACE}`,
  `  kubectl delete namespace ${SYSTEM_NAMESPACE}`,
  `  kubectl delete crd sovereignpolicies.${API_GROUP} floorparameters.${API_GROUP}    # with all SovereignPolicies`,
];

const asUninstallError = (error: unknown): never => {
  throw error instanceof KubeApiError || !(error instanceof Error) ? error : new UninstallError(error.message);
};

const assertRights = async (client: KubeClient, user: string, signal: AbortSignal): Promise<void> => {
  const missing = await findMissingRights(client, signal);
  if (missing.length > 0)
    throw new UninstallError(`${user} may not remove enforcement from this cluster, for want of the right to: ${missing.join(', ')}`);
};

const printPlan = async (steps: readonly Step[], print: UninstallIo['print'], signal: AbortSignal): Promise<void> => {
  for (const step of steps) {
    const removals = await step.find(signal);
    if (removals.length > 0) print(`would ${step.title}`);
    for (const { object } of removals) print(`  ${object}`);
  }
};

const runStep = async (step: Step, { clock, print }: UninstallIo, signal: AbortSignal): Promise<void> => {
  const deadline = clock.monotonicMs() + REFUSED_FOR_MS;
  let done = 0;
  for (let left = await step.find(signal); left.length > 0; left = await step.find(signal)) {
    const refusals = (await mapConcurrently(left, CONCURRENCY, (removal) => attempt(removal, signal))).filter((text) => text !== undefined);
    const [refusal] = refusals;
    if (refusal !== undefined && clock.monotonicMs() > deadline) throw new UninstallError(refusal);
    done += left.length - refusals.length;
    if (refusal !== undefined) await clock.sleep(POLL_MS, signal);
  }
  if (done > 0) print(`${step.title}: ${done}`);
  if (done > 0 && step.settles) await clock.sleep(SETTLE_MS, signal);
};

/** @returns the refusal by the guard, which does not know this user yet; undefined when done */
const attempt = async ({ object, run }: Removal, signal: AbortSignal): Promise<string | undefined> => {
  try {
    await run(signal);
    return undefined;
  } catch (error) {
    if (isRefusedByGuard(error)) return `${object}: ${error.message}`;
    throw error;
  }
};

const isRefusedByGuard = (error: unknown): error is KubeApiError =>
  error instanceof KubeApiError && isGuardName(refuserOf(error.message).policy ?? '');

/**
 * Throws if an object exists again. It was restored by an agent that runs with other rights, or is
 * older than this command.
 */
const assertRemoved = async (steps: readonly Step[], signal: AbortSignal): Promise<void> => {
  for (const step of steps) {
    const [again] = await step.find(signal);
    if (again !== undefined)
      throw new UninstallError(`${again.object} is there again: stop the agents of this cluster, and run this again`);
  }
};

/** Waits until the API server no longer applies the guard. */
const untilDeletable = async ({ client, clock }: UninstallIo, signal: AbortSignal): Promise<void> => {
  for (const name of [SYSTEM_NAMESPACE, CANARY_NAMESPACE]) {
    const path = objectPath(NAMESPACE_KIND, { name });
    for (;;) {
      try {
        await client.raw({ method: 'DELETE', path, query: { dryRun: 'All' } }, signal);
        break;
      } catch (error) {
        if (!isRefusedByGuard(error)) break;
        await clock.sleep(POLL_MS, signal);
      }
    }
  }
};
