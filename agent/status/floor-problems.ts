import type { ValidatingAdmissionPolicy } from '@fso/shared/kube';
import { isFloorName } from '../enforce/index.ts';

/**
 * What the API server has against expressions of the floor: it type-checks every policy after it was written.
 *
 * @see https://kubernetes.io/docs/reference/access-authn-authz/validating-admission-policy/#type-checking
 * @returns undefined: nothing
 */
export const findFloorProblem = (policies: readonly ValidatingAdmissionPolicy[]): string | undefined => {
  const problems = policies
    .filter(({ metadata }) => isFloorName(metadata.name))
    .flatMap(({ metadata, status }) =>
      (status?.typeChecking?.expressionWarnings ?? []).map(
        ({ fieldRef, warning }) => `ValidatingAdmissionPolicy ${metadata.name}: ${fieldRef}: ${warning}`,
      ),
    );
  return problems[0]?.slice(0, 2_000);
};
