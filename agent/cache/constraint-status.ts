import type { GatekeeperPodStatus, K8sGeoResidency } from '@fso/shared/kube';
import { truncate } from '@fso/shared/runtime';
import { definedOnly } from '../compare.ts';

/** Most pod reports that are kept. A usual installation has four. */
const MAX_PODS = 100;
/** Most errors of a pod that are kept. Only one is shown. */
const MAX_ERRORS = 1;
const MAX_MESSAGE = 1_000;
const MAX_NAME = 253;

type Status = NonNullable<K8sGeoResidency['status']>;

/**
 * Reduces a constraint's status to the part that serves as proof. If there are more reports than
 * are kept, the result proves nothing.
 */
export const reduceConstraintStatus = ({ auditTimestamp, totalViolations, byPod }: Status): Status =>
  definedOnly({ auditTimestamp, totalViolations, byPod: byPod && reducePods(byPod) }) as Status;

const reducePods = (pods: readonly GatekeeperPodStatus[]): GatekeeperPodStatus[] =>
  pods.length > MAX_PODS ? [TOO_MANY] : pods.map(reducePod);

const TOO_MANY: GatekeeperPodStatus = { enforced: false, errors: [{ message: `status.byPod has more than ${MAX_PODS} entries` }] };

const reducePod = ({ enforced, observedGeneration, constraintUID, operations, errors }: GatekeeperPodStatus): GatekeeperPodStatus =>
  definedOnly({
    enforced,
    observedGeneration,
    constraintUID: constraintUID && truncate(constraintUID, MAX_NAME),
    operations: operations?.includes('webhook') === true ? ['webhook'] : undefined,
    errors: errors?.slice(0, MAX_ERRORS).map(reduceError),
  }) as GatekeeperPodStatus;

const reduceError = ({ code, message, location }: NonNullable<GatekeeperPodStatus['errors']>[number]) =>
  definedOnly({
    code: code && truncate(code, MAX_NAME),
    message: truncate(message, MAX_MESSAGE),
    location: location && truncate(location, MAX_NAME),
  });
