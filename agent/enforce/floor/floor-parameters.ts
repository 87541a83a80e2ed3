import {
  ANNOTATIONS,
  FIELD_MANAGERS,
  type FloorParameters,
  type FloorParametersSpec,
  LABELS,
  NAMESPACES_PARAMETERS,
  NODES_PARAMETERS,
  regionsOfEntry,
} from '@fso/shared/api';
import { FLOOR_PARAMETERS_KIND } from '@fso/shared/kube';
import { own } from '@fso/shared/runtime';
import { isSame, sortedSet } from '../../compare.ts';
import { isTenantsKey } from '../tenants.ts';
import type { Action, NamespaceGovernance, NodeExceptions } from '../types.ts';
import type { BindGateMode } from './binding-cel.ts';
import { hasIndex, type Index, type IndexedGovernance, indexOf, NO_INDEX, reaches } from './namespace-index.ts';
import { type ListedNode, NO_NODES, type NodeList, type Nodes, nodesOf, sameNodes } from './node-list.ts';

/** Numbers of entries that did not fit. */
export interface Overflow {
  readonly nodes: number;
  readonly namespaces: number;
  readonly patterns: number;
}

/** Namespaces and nodes to list, and the FloorParameters that the cluster has. */
export interface FloorParametersInput {
  readonly governance: IndexedGovernance;
  readonly nodes: readonly ListedNode[];
  readonly exceptions: Omit<NodeExceptions, 'disputedNodes'>;
  readonly observed: readonly FloorParameters[];
  readonly bindGate: BindGateMode;
  /**
   * Time in RFC 3339 at which the objects in the cluster must have been renewed; undefined: any.
   */
  readonly renewedAt?: string | undefined;
}

/** Writes of the FloorParameters, the overflow, and which entries are current. */
export interface FloorParametersPlan {
  readonly actions: readonly Action[];
  readonly overflow: Overflow;
  /**
   * Whether the API server has the current entry of a namespace for action deny, whatever the
   * namespace's labels are.
   */
  covers(namespace: string): boolean;
  /**
   * Keys of policies that belong into the index but are missing in the API server's: by a glob, or
   * for a namespace that does not exist yet.
   */
  readonly unlisted: ReadonlySet<string>;
}

/**
 * Plans the parameters of lock 1: the region of every node, the exceptions from regions on
 * Bindings, and the deny policies of every namespace. If the bind gate reads the list of nodes, the
 * index carries the list too, because a policy reads only one object.
 */
export const planFloorParameters = (input: FloorParametersInput): FloorParametersPlan => {
  const { governance, nodes, observed, bindGate } = input;
  const exceptions = { disputedRegions: [...input.exceptions.disputedRegions], zones: [...input.exceptions.zones] };
  const known = new Map(observed.map((object) => [object.metadata.name, object]));
  const listed = nodesOf(nodes);
  const shared = bindGate === 'list' ? listed : NO_NODES;
  const index = indexOf(governance, shared);
  const [nodeSpec, indexSpec] = [
    { ...NO_INDEX, ...exceptions, nodes: listed.kept },
    { ...index.spec, ...exceptions, nodes: shared.kept },
  ];
  const [first, second] = [known.get(NODES_PARAMETERS), known.get(NAMESPACES_PARAMETERS)];
  const wanted = [
    {
      name: NODES_PARAMETERS,
      present: first,
      spec: nodeSpec,
      nodes: listed,
      isCurrent: hasSpec(first, NO_INDEX, nodeSpec),
      isNew: false,
    },
    {
      name: NAMESPACES_PARAMETERS,
      present: second,
      spec: indexSpec,
      nodes: shared,
      isCurrent: hasSpec(second, index.spec, indexSpec),
      isNew: bringsNames(second?.spec, governance, index.spec),
    },
  ];
  return {
    actions: wanted.flatMap((one) => (one.isCurrent && isRenewed(one.present, input.renewedAt) ? [] : [applyOf(one, input)])),
    overflow: { nodes: listed.dropped, ...index.dropped },
    covers: (namespace) => {
      const wanted = own(index.spec.namespaces, namespace);
      const policies = own(second?.spec?.namespaces, namespace)?.policies;
      return (
        wanted !== undefined && policies === wanted.policies && regionsIn(second?.spec, namespace) === regionsIn(index.spec, namespace)
      );
    },
    unlisted: second !== undefined && hasIndex(second, index.spec) ? NONE : unlistedIn(second?.spec, governance, index.spec),
  };
};

const NONE: ReadonlySet<string> = new Set();

/**
 * Plan for a cluster whose API server does not serve the kind, or whose objects are not listed yet.
 */
export const unknownParameters = (governance: IndexedGovernance): FloorParametersPlan => ({
  actions: [],
  overflow: { nodes: 0, namespaces: 0, patterns: 0 },
  covers: () => false,
  unlisted: unlistedIn(undefined, governance, indexOf(governance, NO_NODES).spec),
});

/**
 * Policies that the live index does not cover yet. Those that do not fit into the index are
 * reported as overflow instead.
 */
const unlistedIn = (
  live: FloorParametersSpec | undefined,
  { awaited, globs }: Pick<IndexedGovernance, 'awaited' | 'globs'>,
  wanted: Index,
): ReadonlySet<string> => {
  const listed = new Set((live?.patterns ?? []).filter(({ pattern }) => reaches(live?.reach, pattern)).map(globText));
  const kept = new Set(wanted.patterns.map(globText));
  const missing = globs.filter((glob) => kept.has(globText(glob)) && !listed.has(globText(glob)));
  const isLate = (name: string): boolean => own(wanted.namespaces, name) !== undefined && regionsIn(live, name) !== regionsIn(wanted, name);
  const late = [...awaited].filter(([name]) => isLate(name));
  // A glob alone covers its namespaces: one without an entry is refused until it has its labels.
  const byGlob = new Set(globs.flatMap(({ policies }) => policies));
  const named = late.flatMap(([, { actions }]) => actions.deny?.policies ?? []).filter((policy) => !byGlob.has(policy));
  return new Set([...missing.flatMap(({ policies }) => policies), ...named]);
};

/** Regions of a namespace's entry; undefined if it has none. */
const regionsIn = (spec: FloorParametersSpec | undefined, namespace: string): string | undefined => {
  const entry = own(spec?.namespaces, namespace);
  return entry && regionsOfEntry(spec ?? {}, entry);
};

const globText = ({ pattern, excluded }: { readonly pattern: string; readonly excluded?: readonly string[] }): string =>
  [pattern, ...sortedSet(excluded ?? [])].join(' ');

/**
 * Policies that the parameters in the cluster name. Of a namespace with very many, only the first.
 */
export const policiesInParameters = (observed: readonly FloorParameters[]): readonly string[] =>
  observed.flatMap(({ spec }) =>
    [...Object.values(spec?.namespaces ?? {}), ...(spec?.patterns ?? [])].flatMap(({ policies }) => policies.split(',')),
  );

const hasSpec = (object: FloorParameters | undefined, index: Index, wanted: WantedParameters['spec']): boolean =>
  object !== undefined &&
  hasIndex(object, index) &&
  sameNodes(object.spec?.nodes, wanted.nodes ?? {}) &&
  hasExceptions(object.spec, wanted);

const hasExceptions = (live: FloorParametersSpec | undefined, { disputedRegions, zones }: WantedParameters['spec']): boolean =>
  isSame(live?.disputedRegions, disputedRegions) && isSame(live?.zones, zones);

const isRenewed = (object: FloorParameters | undefined, at: string | undefined): boolean =>
  at === undefined || object?.metadata.annotations?.[ANNOTATIONS.renewedAt] === at;

interface WantedParameters {
  readonly name: string;
  readonly present: FloorParameters | undefined;
  readonly spec: Required<FloorParametersSpec>;
  readonly nodes: NodeList;
  /** Whether the object in the cluster already has this spec. */
  readonly isCurrent: boolean;
  /**
   * Whether it adds an entry that no label can replace: a glob, or a namespace that does not exist
   * yet.
   */
  readonly isNew: boolean;
}

const applyOf = (wanted: WantedParameters, { bindGate, renewedAt }: FloorParametersInput): Action => ({
  type: 'apply',
  key: `${FLOOR_PARAMETERS_KIND.kind}/${wanted.name}`,
  kind: FLOOR_PARAMETERS_KIND,
  body: {
    apiVersion: FLOOR_PARAMETERS_KIND.apiVersion,
    kind: FLOOR_PARAMETERS_KIND.kind,
    metadata: {
      name: wanted.name,
      labels: { [LABELS.component]: 'floor' },
      ...(renewedAt === undefined ? {} : { annotations: { [ANNOTATIONS.renewedAt]: renewedAt } }),
    },
    spec: wanted.spec,
  } as FloorParameters,
  fieldManager: FIELD_MANAGERS.floor,
  reason: reasonOf(wanted, bindGate),
  policies: [],
});

const reasonOf = (
  { present, spec, nodes, isCurrent, isNew }: WantedParameters,
  bindGate: BindGateMode,
): 'Install' | 'Renew' | 'Update' | 'Cover' | 'Grow' => {
  if (present === undefined) return 'Install';
  if (isCurrent) return 'Renew';
  const isWrong = !hasExceptions(present.spec, spec) || misplaces(present.spec?.nodes, nodes, bindGate);
  const reason = isWrong ? 'Update' : 'Grow';
  return reason === 'Grow' && isNew ? 'Cover' : reason;
};

/**
 * Whether the index adds names or globs that the live one lacks. A namespace that only its own
 * policies name does not count, since its users may write them as often as they like.
 */
const bringsNames = (
  live: FloorParametersSpec | undefined,
  { awaited, globs }: Pick<IndexedGovernance, 'awaited' | 'globs'>,
  wanted: Index,
): boolean => {
  const isNewName = ([name, { actions }]: readonly [string, NamespaceGovernance]): boolean =>
    own(live?.namespaces, name) === undefined &&
    own(wanted.namespaces, name) !== undefined &&
    actions.deny?.policies.some((policy) => !isTenantsKey(policy, name)) === true;
  if ([...awaited].some(isNewName)) return true;
  const [listed, kept] = [live?.patterns ?? [], wanted.patterns].map((patterns) => new Set(patterns.map(globText)));
  return globs.some((glob) => kept?.has(globText(glob)) === true && listed?.has(globText(glob)) !== true);
};

/**
 * Whether the live list has a node in a wrong region, or lacks one whose label is wrong. A deleted
 * node does no harm if a Binding carries its region. Every other change can wait (`Grow`). The
 * caller distinguishes `Cover`, see {@link WantedParameters.isNew}.
 */
const misplaces = (live: Nodes = {}, { kept, misplaced }: NodeList, bindGate: BindGateMode): boolean => {
  const isWrong = ([name, region]: [string, string]): boolean => {
    const now = own(kept, name);
    return now === undefined ? bindGate === 'list' : now !== region;
  };
  return Object.entries(live).some(isWrong) || [...misplaced].some((name) => own(live, name) !== own(kept, name));
};
