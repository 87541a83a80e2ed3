import { CONSTRAINT_TEMPLATE_KIND, GEO_RESIDENCY_KIND } from '@fso/shared/kube';
import { weakMemo2 } from '@fso/shared/runtime';
import type { ClusterView } from '../cache/index.ts';
import {
  type Action,
  type BindGate,
  type Constraint,
  findConstraintProblem,
  findExclusion,
  findTemplateProblem,
  findWebhookProblem,
  type GatekeeperProblem,
  type Governance,
  groupIdentityOf,
  hasBindGate,
  isConstraintEnforced,
  isTemplateReady,
  type NodeExceptions,
  planGatekeeper,
  TEMPLATE_NAME,
  type Trust,
  WEBHOOK_CONFIGURATION_GONE,
  WEBHOOK_CONFIGURATION_NAME,
} from '../enforce/index.ts';
import type { ClusterSettings } from './plan-lock-one.ts';

/** Pods that the configuration of Gatekeeper's webhook covers. */
interface WebhookFacts {
  /** Exclusion that holds in every namespace; undefined: none, or unknown. */
  readonly problem: GatekeeperProblem | undefined;
  /** Finds the reason for which the webhook skips a namespace; undefined: none, or unknown. */
  exclusion(namespace: string): GatekeeperProblem | undefined;
}

const nothing = (): undefined => undefined;

/**
 * Reads from Gatekeeper's webhook configuration which pods it covers.
 *
 * @param judgesBindings whether lock 2 also judges Bindings
 */
export const webhookFacts = (view: ClusterView, judgesBindings: boolean): WebhookFacts => {
  const configuration = view.webhookConfigurations.get(WEBHOOK_CONFIGURATION_NAME);
  if (configuration === undefined) return { problem: isGone(view) ? WEBHOOK_CONFIGURATION_GONE : undefined, exclusion: nothing };
  return {
    problem: findWebhookProblem(configuration, judgesBindings),
    exclusion: (name) => {
      const namespace = view.namespaces.get(name);
      return namespace && findExclusion(configuration, namespace);
    },
  };
};

/**
 * Whether the webhook configuration is known to be missing. False for an agent that may not read
 * it. During an installation of Gatekeeper the configuration comes last, so it counts as missing
 * only once Gatekeeper's pods have loaded the template and its kind is served.
 */
const isGone = ({ webhookConfigurations: { served, synced }, templates, constraints }: ClusterView): boolean => {
  const template = templates.get(TEMPLATE_NAME);
  return served && synced && templates.served && constraints.served && template !== undefined && isTemplateReady(template);
};

/** Plans the template and the constraints of lock 2. @throws UnreadKindError */
export const planLockTwo = (view: ClusterView, settings: ClusterSettings, governance: Governance): readonly Action[] => {
  view.assertRead(CONSTRAINT_TEMPLATE_KIND, GEO_RESIDENCY_KIND);
  return planGatekeeper({
    governance,
    template: view.templates.get(TEMPLATE_NAME),
    constraints: view.constraints.served ? view.constraints.list() : undefined,
    gatekeeperServed: view.templates.served,
    bindGate: lockTwoGate(view, settings),
  });
};

/** State of lock 2. */
export interface LockTwoFacts {
  /** Names of the constraints with the bind gate, which is added once their CRD supports it. */
  readonly gated: ReadonlySet<string>;
  readonly templateReady: boolean;
  /** Desired constraints that are unchanged and in force. */
  readonly enforcedConstraints: readonly Constraint[];
  /** Problem that keeps the template from being in force, if any. */
  readonly templateProblem: GatekeeperProblem | undefined;
  /** Pods that the webhook's configuration covers. */
  readonly webhook: WebhookFacts;
  /** Finds the problem that keeps a constraint from being in force, if any. */
  constraintProblem(name: string): GatekeeperProblem | undefined;
  constraintExists(name: string): boolean;
  constraintEnforced(name: string): boolean;
}

const UNKNOWN_LOCK_TWO: GatekeeperProblem = { message: 'the state of Gatekeeper cannot be read', isError: false };

/** Facts of lock 2 while its state is unknown: nothing counts as in force. */
export const NO_LOCK_TWO: LockTwoFacts = {
  gated: new Set(),
  templateReady: false,
  templateProblem: UNKNOWN_LOCK_TWO,
  webhook: { problem: UNKNOWN_LOCK_TWO, exclusion: () => undefined },
  enforcedConstraints: [],
  constraintProblem: () => UNKNOWN_LOCK_TWO,
  constraintExists: () => false,
  constraintEnforced: () => false,
};

/**
 * Finds which parts of lock 2 are in force, and what blocks the others.
 *
 * @param actions planned writes of lock 2
 */
export const lockTwoFacts = (
  view: ClusterView,
  settings: ClusterSettings,
  governance: Governance,
  actions: readonly Action[],
): LockTwoFacts => {
  const template = view.templates.get(TEMPLATE_NAME);
  const constraints = view.constraints.list();
  const byName = new Map(constraints.map((constraint) => [constraint.metadata.name, constraint]));
  const groups = new Map(governance.constraints.map(({ name, group }) => [name, group]));
  const enforced = enforcedIn(constraints, actions, groups);
  return {
    gated: new Set(constraints.filter(hasBindGate).map(({ metadata }) => metadata.name)),
    templateReady: template !== undefined && isTemplateReady(template),
    templateProblem: findTemplateProblem(template, view.constraints.served),
    webhook: webhookFacts(view, isGated(settings)),
    enforcedConstraints: governance.constraints.flatMap(({ name }) => (enforced.has(name) ? (byName.get(name) ?? []) : [])),
    constraintProblem: (name) => (enforced.has(name) ? undefined : findConstraintProblem(name, byName.get(name))),
    constraintExists: (name) => isOfGroup(byName.get(name), groups.get(name)),
    constraintEnforced: (name) => enforced.has(name),
  };
};

/** Whether the constraint exists and no longer serves a former group. */
const isOfGroup = (constraint: Constraint | undefined, group: string | undefined): boolean =>
  constraint !== undefined && (group === undefined || groupIdentityOf(constraint) === group);

/** Whether lock 2 judges Bindings, which have no region on older API servers. */
const isGated = ({ capabilities }: ClusterSettings): boolean => capabilities.bindGate === 'label';

/**
 * Returns the rules of lock 2 for bindings: the same object while unchanged; undefined if it does
 * not judge them.
 */
export const lockTwoGate = ({ places }: ClusterView, settings: ClusterSettings): BindGate | undefined =>
  isGated(settings) ? gateOf(settings.trust, places.exceptions) : undefined;

const gateOf = weakMemo2(({ binders }: Trust, exceptions: NodeExceptions): BindGate => ({ ...exceptions, binders }));

/**
 * Finds the constraints that are enforced as desired. Constraints that are about to be written are
 * enforced only in their old form. The same holds for those that still serve a former group until
 * its policies have left.
 *
 * @param groups groups of the wanted constraints, by name
 */
export const enforcedIn = (
  constraints: readonly Constraint[],
  actions: readonly Action[],
  groups: ReadonlyMap<string, string>,
): ReadonlySet<string> => {
  const pending = new Set(actions.map(({ key }) => key));
  const enforced = constraints.filter(
    (constraint) =>
      isConstraintEnforced(constraint) &&
      isOfGroup(constraint, groups.get(constraint.metadata.name)) &&
      !pending.has(`${GEO_RESIDENCY_KIND.kind}/${constraint.metadata.name}`),
  );
  return new Set(enforced.map(({ metadata }) => metadata.name));
};
