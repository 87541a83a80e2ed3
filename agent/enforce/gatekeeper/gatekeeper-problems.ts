import { type GatekeeperPodStatus, GEO_RESIDENCY_KIND } from '@fso/shared/kube';
import { truncate } from '@fso/shared/runtime';
import { isTemplateReady } from './gatekeeper.ts';
import type { Constraint, Template } from './kinds.ts';
import { TEMPLATE_NAME } from './template.ts';

/** Reason why an object of lock 2 is not in force. */
export interface GatekeeperProblem {
  readonly message: string;
  /** Whether a person has to act, because waiting does not help. */
  readonly isError: boolean;
}

const waiting = (message: string): GatekeeperProblem => ({ message, isError: false });

const TEMPLATE = `ConstraintTemplate ${TEMPLATE_NAME}`;

/**
 * Finds the reason why the template is not in force; undefined if there is none.
 *
 * @param kindServed whether the API server serves the kind of the template's constraints
 */
export const findTemplateProblem = (template: Template | undefined, kindServed: boolean): GatekeeperProblem | undefined => {
  if (template === undefined) return waiting(`${TEMPLATE} does not exist yet`);
  const pods = template.status?.byPod ?? [];
  const error = errorOf(TEMPLATE, pods);
  if (error !== undefined) return error;
  if (pods.length === 0) return waiting(`no Gatekeeper pod has loaded ${TEMPLATE}: is Gatekeeper running?`);
  if (!kindServed) {
    const crd = `${GEO_RESIDENCY_KIND.plural}.constraints.gatekeeper.sh`;
    return waiting(
      `Gatekeeper has loaded ${TEMPLATE}, but ${GEO_RESIDENCY_KIND.kind} is not served: check CustomResourceDefinition ${crd}`,
    );
  }
  return isTemplateReady(template) ? undefined : waiting(`not every Gatekeeper pod has loaded the current ${TEMPLATE} yet`);
};

/** Finds the reason why a constraint is not in force. */
export const findConstraintProblem = (name: string, constraint: Constraint | undefined): GatekeeperProblem => {
  if (constraint === undefined) return waiting(`constraint ${name} does not exist yet`);
  const error = errorOf(`${GEO_RESIDENCY_KIND.kind} ${name}`, constraint.status?.byPod ?? []);
  return error ?? waiting(`not every Gatekeeper pod enforces constraint ${name} yet`);
};

const errorOf = (subject: string, pods: readonly GatekeeperPodStatus[]): GatekeeperProblem | undefined => {
  const error = pods.flatMap(({ errors = [] }) => errors)[0];
  if (error === undefined) return undefined;
  const { code, message, location } = error;
  const text = [code, message, location && `at ${location}`].filter(Boolean).join(' ');
  return { message: truncate(`${subject}: ${text}`, 2_000), isError: true };
};
