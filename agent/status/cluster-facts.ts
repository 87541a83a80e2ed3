import { isDeepStrictEqual } from 'node:util';
import { CONDITIONS, type Condition, MAX_NODE_REGIONS } from '@fso/shared/api';
import type { GatekeeperPlace } from '@fso/shared/compile';
import { setCondition, type ValidatingAdmissionPolicy } from '@fso/shared/kube';
import { truncate } from '@fso/shared/runtime';
import { type ClusterProfile, NO_FLOOR, NO_GATEKEEPER } from '@fso/shared/status';
import type { ClusterView, PlacedNode } from '../cache/index.ts';
import type { KnownDenials } from '../denials/index.ts';
import { isFloorName, MAX_EXCEPTIONS, type Overflow } from '../enforce/index.ts';
import type { Claim } from '../observation/index.ts';
import type { ClusterFacts } from '../observe/index.ts';
import { NEVER_TAMPERED, type Tampering, tamperedCondition } from '../observe/index.ts';
import { type Capabilities, isInjectionServed } from '../plan/index.ts';
import type { GuardProblem } from '../probe/index.ts';
import type { KnownRisks } from '../risk/index.ts';

/** Problems that keep parts of the locks from being in force, for users; undefined: none. */
export interface ClusterProblems {
  /** Problem of lock 2. */
  readonly gatekeeper: string | undefined;
  readonly guard: string | undefined;
  /** Problem that proofs of the guard reveal although its objects are in place. */
  readonly guardProof?: GuardProblem | undefined;
  /** Problem that keeps the parameters of the floor from being written. */
  readonly parameters?: string | undefined;
  /** Problem of an index of lock 1 that judges nothing. */
  readonly index?: string | undefined;
  /** Problem of an index of lock 1 whose state has been unknown for long. */
  readonly indexSilence?: string | undefined;
}

/** Caches and problems from which the conditions of the cluster are derived. */
export interface ClusterFactsInput {
  readonly view: Pick<ClusterView, 'places' | 'templates' | 'admissionPolicies'>;
  readonly capabilities: Pick<Capabilities, 'kubernetesVersion' | 'floor'>;
  readonly problems: ClusterProblems;
  /** Finds the reason why a claim cannot be made now; undefined if it can. */
  readonly notObserved?: (claim: Claim) => string | undefined;
  readonly overflow: Overflow;
  readonly risks?: Pick<KnownRisks, 'problem'> | undefined;
  readonly denials?: Pick<KnownDenials, 'cluster' | 'problem'> | undefined;
  /** Tampering within the last hour. */
  readonly tampering?: Tampering | undefined;
  readonly previous: ClusterFacts;
  readonly now: Date;
}

const gatekeeperFacts = ({ view, problems, notObserved }: ClusterFactsInput): ClusterFacts['gatekeeper'] => {
  const unknown = notObserved?.('gatekeeper');
  const problem = unknown ?? problems.gatekeeper;
  if (!view.templates.served && unknown === undefined) return { state: 'Absent', message: NO_GATEKEEPER };
  return problem === undefined ? { state: 'Ready' } : { state: 'NotReady', message: truncate(problem, 2_048) };
};

const overflowText = ({ nodes, namespaces, patterns }: Overflow): string =>
  [
    nodes > 0 ? `${nodes} nodes do not fit into the list of lock 1: where a Binding says no region, none is bound to them` : '',
    namespaces > 0 ? `${namespaces} namespaces do not fit into the index of lock 1: they rest on their labels and on Gatekeeper` : '',
    patterns > 0 ? `${patterns} globs do not fit into the index of lock 1: new namespaces are covered once they are labelled` : '',
  ]
    .filter((text) => text !== '')
    .join('; ');

/**
 * Finds the first problem that the API server reports for an expression of the floor. It
 * type-checks each policy after a write.
 *
 * @see
 * https://kubernetes.io/docs/reference/access-authn-authz/validating-admission-policy/#type-checking
 * @returns undefined if there is none
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

type NewCondition = Omit<Condition, 'lastTransitionTime'>;

const unknownOf = (type: string, problem: string | undefined): NewCondition | undefined =>
  problem === undefined ? undefined : { type, status: 'Unknown', reason: 'NotObserved', message: problem };

/** Condition: whether everything that the reports are based on is current. */
const observedCondition = ({ notObserved }: ClusterFactsInput): NewCondition => {
  const type = CONDITIONS.observed;
  return unknownOf(type, notObserved?.('policies')) ?? { type, status: 'True', reason: 'Current', message: '' };
};

/**
 * Problems that keep all of lock 1 from being in force, or from being known to be in force; worst
 * first.
 */
const openParts = ({ index, parameters, indexSilence }: ClusterProblems): readonly { readonly reason: string; readonly text: string }[] =>
  [
    { reason: 'IndexOpen', text: index },
    { reason: 'WriteFailed', text: parameters },
    { reason: 'IndexUnproven', text: indexSilence },
  ].flatMap(({ reason, text }) => (text === undefined ? [] : [{ reason, text }]));

const floorCondition = ({ capabilities, overflow, problems, view, notObserved }: ClusterFactsInput): NewCondition => {
  const type = CONDITIONS.floorReady;
  if (!capabilities.floor) return { type, status: 'False', reason: 'Unavailable', message: NO_FLOOR };
  const unknown = unknownOf(type, notObserved?.('floor'));
  if (unknown !== undefined) return unknown;
  const problem = findFloorProblem(view.admissionPolicies.list());
  if (problem !== undefined) return { type, status: 'False', reason: 'TypeChecking', message: problem };
  const open = openParts(problems);
  const [first] = open;
  if (first !== undefined) return { type, status: 'False', reason: first.reason, message: open.map(({ text }) => text).join('; ') };
  const message = overflowText(overflow);
  return message === '' ? { type, status: 'True', reason: 'Supported', message } : { type, status: 'False', reason: 'TooLarge', message };
};

/** Condition of the guard; undefined without lock 1, which {@link floorCondition} reports. */
const guardCondition = ({ capabilities, problems, notObserved }: ClusterFactsInput): NewCondition | undefined => {
  if (!capabilities.floor) return undefined;
  const type = CONDITIONS.guardReady;
  const missing = problems.guard === undefined ? undefined : { reason: 'Missing', message: problems.guard };
  const problem = missing ?? problems.guardProof;
  // A guard that was seen to be open stays open, whatever else is not observed.
  const unknown = problem?.reason === 'Open' ? undefined : unknownOf(type, notObserved?.('guard'));
  if (unknown !== undefined) return unknown;
  if (problem === undefined) return { type, status: 'True', reason: 'InPlace', message: '' };
  const { reason, message } = problem;
  return { type, status: reason === 'Proving' ? 'Unknown' : 'False', reason, message };
};

/**
 * Condition on how much is known.
 *
 * @param reasons for full and for partial knowledge
 */
const knownCondition = (
  type: string,
  problem: KnownRisks['problem'],
  reasons: { readonly all: string; readonly part: string },
): NewCondition => {
  if (problem === undefined) return { type, status: 'True', reason: reasons.all, message: '' };
  const { text: message, isPartial } = problem;
  return isPartial ? { type, status: 'False', reason: reasons.part, message } : { type, status: 'Unknown', reason: 'NotRead', message };
};

const risksCondition = ({ risks }: ClusterFactsInput): NewCondition =>
  knownCondition(CONDITIONS.risksKnown, risks?.problem, { all: 'Judged', part: 'NotAllJudged' });

/** Condition of the denials. Without lock 1, refusals are not counted. */
const denialsCondition = ({ denials, capabilities }: ClusterFactsInput): NewCondition => {
  const type = CONDITIONS.denialsKnown;
  if (!capabilities.floor) return { type, status: 'False', reason: 'Unavailable', message: NO_FLOOR };
  return knownCondition(type, denials?.problem, { all: 'Counted', part: 'Partial' });
};

/** Message while the places of the accepted commit cannot be read. */
const NO_CATALOGUE =
  'the catalogue of regions cannot be read: lists of nodes stay as they are, and regions that any two providers mean differently are outside';
/** Most nodes that a condition names. */
const NAMED_NODES = 20;

const namedNodes = (nodes: readonly PlacedNode[], textOf: (node: PlacedNode) => string): string => {
  const named = nodes.slice(0, NAMED_NODES).map((node) => `${node.name}: ${textOf(node)}`);
  return [...named, ...(nodes.length > NAMED_NODES ? [`and ${nodes.length - NAMED_NODES} more`] : [])].join('; ');
};

/**
 * Text on nodes whose providerID names another provider than the registration, if there are any.
 */
const otherProviders = (nodes: readonly PlacedNode[], declared: string | undefined): readonly string[] => {
  const others = declared === undefined ? [] : nodes.filter(({ provider }) => provider !== declared);
  const text = `${others.length} nodes are not of ${declared}, the provider of the registration: `;
  return others.length === 0 ? [] : [text + namedNodes(others, ({ provider = '' }) => provider)];
};

/**
 * Condition: whether nodes contradict the catalogue, and how many cannot be compared with it;
 * undefined without a catalogue.
 */
const nodesCondition = ({ view: { places }, notObserved }: ClusterFactsInput): NewCondition | undefined => {
  const type = CONDITIONS.nodesDisputed;
  if (places.inForce === undefined) return unknownOf(type, NO_CATALOGUE);
  const { catalog } = places.inForce;
  if (catalog === undefined) return undefined;
  const unknown = unknownOf(type, notObserved?.('violations'));
  if (unknown !== undefined) return unknown;
  const { disputed = [], unchecked = [], confirmed = [] } = Object.groupBy(places.list(), ({ verdict }) => verdict);
  const counts = `catalogue ${catalog.version}: ${confirmed.length} nodes confirmed, ${unchecked.length} cannot be checked`;
  const others = otherProviders([...unchecked, ...confirmed], places.inForce.provider);
  const known = [...others, counts].join('; ');
  if (disputed.length === 0)
    return { type, status: 'False', reason: others.length === 0 ? 'NoDispute' : 'ProviderDiffers', message: known };
  const named = namedNodes(disputed, ({ reason = '' }) => reason);
  const refused = disputed.length > MAX_EXCEPTIONS ? `; over ${MAX_EXCEPTIONS}: no pod is bound to any node of their regions` : '';
  const message = `${disputed.length} nodes contradict themselves and are in no region${refused}: ${named}; ${known}`;
  return { type, status: 'True', reason: 'Disputed', message };
};

const tampered = ({ tampering, previous }: ClusterFactsInput): NewCondition =>
  tamperedCondition(tampering, previous.conditions) ?? NEVER_TAMPERED;

/** Regions with the most nodes, as many as a report may name. */
const largestRegions = (nodes: ReadonlyMap<string, number>): readonly (readonly [string, number])[] =>
  nodes.size > MAX_NODE_REGIONS ? [...nodes].toSorted(([, a], [, b]) => b - a).slice(0, MAX_NODE_REGIONS) : [...nodes];

const CLUSTER_CONDITIONS = [observedCondition, floorCondition, guardCondition, risksCondition, denialsCondition, nodesCondition, tampered];

/** Builds the part of the report that concerns the cluster and not its policies. */
export const clusterFacts = (input: ClusterFactsInput): ClusterFacts => {
  const { denials } = input;
  const nodesByRegion = new Map<string, number>();
  for (const { region = '', verdict } of input.view.places.list()) {
    // The condition reports these nodes, which do have a label.
    if (verdict === 'disputed') continue;
    nodesByRegion.set(region, (nodesByRegion.get(region) ?? 0) + 1);
  }
  return {
    agentVersion: input.previous.agentVersion,
    kubernetesVersion: input.capabilities.kubernetesVersion,
    gatekeeper: gatekeeperFacts(input),
    nodesByRegion: Object.fromEntries(largestRegions(nodesByRegion)),
    ...(denials?.cluster && input.capabilities.floor && { denials: denials.cluster }),
    conditions: conditionsOf(input),
  };
};

/** Builds the conditions. Those that no longer apply are dropped. */
const conditionsOf = (input: ClusterFactsInput): Condition[] => {
  const wanted = CLUSTER_CONDITIONS.map((conditionOf) => conditionOf(input))
    .filter((condition) => condition !== undefined)
    .map((condition) => ({ ...condition, message: truncate(condition.message, 4_096) }));
  const kept = input.previous.conditions.filter(({ type }) => wanted.some((condition) => condition.type === type));
  return wanted.reduce<Condition[]>((conditions, condition) => setCondition(conditions, condition, input.now), kept);
};

interface ProfileInput {
  readonly view: ClusterView;
  readonly capabilities: Pick<Capabilities, 'floor'>;
  readonly place: GatekeeperPlace;
}

/**
 * Reads the profile of the cluster, which the expected state of conforming policies depends on.
 *
 * @returns `known` if it is unchanged
 */
export const profileOf = ({ view, capabilities, place }: ProfileInput, known: ClusterProfile | undefined): ClusterProfile => {
  const profile = {
    floor: capabilities.floor,
    gatekeeper: view.templates.served,
    injection: isInjectionServed(view),
    gatekeeperNamespace: place.gatekeeperNamespace,
  };
  return known !== undefined && isDeepStrictEqual(profile, known) ? known : profile;
};
