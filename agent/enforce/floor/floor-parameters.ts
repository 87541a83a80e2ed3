import {
  ANNOTATIONS,
  FIELD_MANAGERS,
  FLOOR_PARAMETER_BYTES,
  FLOOR_PARAMETER_LIMITS,
  type FloorParameters,
  type FloorParametersSpec,
  LABELS,
  NAMESPACES_PARAMETERS,
  NODES_PARAMETERS,
  REGION_LABEL,
} from '@fso/shared/api';
import { byText } from '@fso/shared/encoding';
import { FLOOR_PARAMETERS_KIND, type Node } from '@fso/shared/kube';
import { own, weakMemo, weakMemo2 } from '@fso/shared/runtime';
import { covers, sortedSet } from '../../compare.ts';
import { joined, shown } from '../labels.ts';
import { isTenantsKey } from '../tenants.ts';
import type { Action, ActionGovernance, Governance, NamespaceGovernance } from '../types.ts';
import type { BindGateMode } from './binding-cel.ts';
import { CANARY_GOVERNANCE } from './index-canary.ts';

type Nodes = NonNullable<FloorParametersSpec['nodes']>;
type Entries = NonNullable<FloorParametersSpec['namespaces']>;
type Entry = Entries[string];

interface Index {
  readonly namespaces: Entries;
  readonly patterns: NonNullable<FloorParametersSpec['patterns']>;
  readonly reach: string;
}

/** Number of entries that did not fit. */
export interface Overflow {
  readonly nodes: number;
  readonly namespaces: number;
  readonly patterns: number;
}

export interface FloorParametersInput {
  readonly governance: Pick<Governance, 'namespaces' | 'awaited' | 'globs'>;
  readonly nodes: readonly Node[];
  readonly observed: readonly FloorParameters[];
  readonly bindGate: BindGateMode;
  /** RFC 3339; the parameters in the cluster must have been renewed then. Undefined: whenever that was. */
  readonly renewedAt?: string | undefined;
}

export interface FloorParametersPlan {
  readonly actions: readonly Action[];
  readonly overflow: Overflow;
  /** Whether the entry of a namespace under action deny is current in the API server, whatever its labels say. */
  covers(namespace: string): boolean;
  /** Keys of policies whose glob, or whose namespace that does not exist yet, belongs into the index and is not in the API server's. */
  readonly unlisted: ReadonlySet<string>;
}

/**
 * Plans the parameters of lock 1: the region of every node, and the deny policies of every namespace. If the bind gate reads
 * the list of nodes, the index carries it too: a policy reads only one object.
 */
export const planFloorParameters = (input: FloorParametersInput): FloorParametersPlan => {
  const { governance, nodes, observed, bindGate } = input;
  const known = new Map(observed.map((object) => [object.metadata.name, object]));
  const listed = nodesOf(nodes);
  const shared = bindGate === 'list' ? listed : NO_NODES;
  const index = indexOf(governance, shared);
  const [first, second] = [known.get(NODES_PARAMETERS), known.get(NAMESPACES_PARAMETERS)];
  const wanted = [
    {
      name: NODES_PARAMETERS,
      present: first,
      spec: { ...NO_INDEX, nodes: listed.kept },
      isCurrent: hasSpec(first, NO_INDEX, listed.kept),
      isNew: false,
    },
    {
      name: NAMESPACES_PARAMETERS,
      present: second,
      spec: { ...index.spec, nodes: shared.kept },
      isCurrent: hasSpec(second, index.spec, shared.kept),
      isNew: bringsNames(second?.spec, governance, index.spec),
    },
  ];
  return {
    actions: wanted.flatMap((one) => (one.isCurrent && isRenewed(one.present, input.renewedAt) ? [] : [applyOf(one, input)])),
    overflow: { nodes: listed.dropped, ...index.dropped },
    covers: (namespace) => {
      const [entry, wanted] = [own(second?.spec?.namespaces, namespace), own(index.spec.namespaces, namespace)];
      return wanted !== undefined && entry?.regions === wanted.regions && entry.policies === wanted.policies;
    },
    unlisted: second !== undefined && hasIndex(second, index.spec) ? NONE : unlistedIn(second?.spec, governance, index.spec),
  };
};

const NONE: ReadonlySet<string> = new Set();

/** The parameters while the API server does not serve their kind, or it was not listed yet. */
export const unknownParameters = (governance: FloorParametersInput['governance']): FloorParametersPlan => ({
  actions: [],
  overflow: { nodes: 0, namespaces: 0, patterns: 0 },
  covers: () => false,
  unlisted: unlistedIn(undefined, governance, indexOf(governance, NO_NODES).spec),
});

/** What does not fit into the index never gets there, and is told as such. */
const unlistedIn = (
  live: FloorParametersSpec | undefined,
  { awaited, globs }: Pick<FloorParametersInput['governance'], 'awaited' | 'globs'>,
  wanted: Index,
): ReadonlySet<string> => {
  const listed = new Set((live?.patterns ?? []).filter(({ pattern }) => reaches(live?.reach, pattern)).map(globText));
  const kept = new Set(wanted.patterns.map(globText));
  const missing = globs.filter((glob) => kept.has(globText(glob)) && !listed.has(globText(glob)));
  const late = [...awaited].filter(([name]) => isLate(own(live?.namespaces, name), own(wanted.namespaces, name)));
  // A glob covers what it matches by itself: a namespace that no entry names is refused until it has its labels.
  const byGlob = new Set(globs.flatMap(({ policies }) => policies));
  const named = late.flatMap(([, { actions }]) => actions.deny?.policies ?? []).filter((policy) => !byGlob.has(policy));
  return new Set([...missing.flatMap(({ policies }) => policies), ...named]);
};

const isLate = (live: Entry | undefined, wanted: Entry | undefined): boolean => wanted !== undefined && live?.regions !== wanted.regions;

const globText = ({ pattern, excluded }: { readonly pattern: string; readonly excluded?: readonly string[] }): string =>
  [pattern, ...sortedSet(excluded ?? [])].join(' ');

/** Policies that the parameters in the cluster name: if one namespace has very many, the first of them. */
export const policiesInParameters = (observed: readonly FloorParameters[]): readonly string[] =>
  observed.flatMap(({ spec }) =>
    [...Object.values(spec?.namespaces ?? {}), ...(spec?.patterns ?? [])].flatMap(({ policies }) => policies.split(',')),
  );

/** Written even if empty: a field that an apply does not name stays as others wrote it. */
const NO_INDEX: Index = { namespaces: {}, patterns: [], reach: '' };

const hasSpec = (object: FloorParameters | undefined, index: Index, nodes: Nodes): boolean =>
  object !== undefined && hasIndex(object, index) && sameNodes(object.spec?.nodes, nodes);

const isRenewed = (object: FloorParameters | undefined, at: string | undefined): boolean =>
  at === undefined || object?.metadata.annotations?.[ANNOTATIONS.renewedAt] === at;

interface WantedParameters {
  readonly name: string;
  readonly present: FloorParameters | undefined;
  readonly spec: FloorParametersSpec;
  /** Whether the object in the cluster says the same. */
  readonly isCurrent: boolean;
  /** Whether it brings what no label can stand in for: a glob, or a namespace that does not exist yet. */
  readonly isNew: boolean;
}

const applyOf = ({ name, present, spec, isCurrent, isNew }: WantedParameters, { bindGate, renewedAt }: FloorParametersInput): Action => ({
  type: 'apply',
  key: `${FLOOR_PARAMETERS_KIND.kind}/${name}`,
  kind: FLOOR_PARAMETERS_KIND,
  body: {
    apiVersion: FLOOR_PARAMETERS_KIND.apiVersion,
    kind: FLOOR_PARAMETERS_KIND.kind,
    metadata: {
      name,
      labels: { [LABELS.component]: 'floor' },
      ...(renewedAt === undefined ? {} : { annotations: { [ANNOTATIONS.renewedAt]: renewedAt } }),
    },
    spec,
  } as FloorParameters,
  fieldManager: FIELD_MANAGERS.floor,
  reason: reasonOf({ present, spec, isCurrent, isNew }, bindGate),
  policies: [],
});

const reasonOf = (
  { present, spec, isCurrent, isNew }: Omit<WantedParameters, 'name'>,
  bindGate: BindGateMode,
): 'Install' | 'Renew' | 'Update' | 'Cover' | 'Grow' => {
  if (present === undefined) return 'Install';
  if (isCurrent) return 'Renew';
  const reason = reasonToChange(present.spec?.nodes, spec.nodes, bindGate);
  return reason === 'Grow' && isNew ? 'Cover' : reason;
};

/** Also where a namespace is that of its own policies alone, which its users may write as often as they like, it is not new. */
const bringsNames = (
  live: FloorParametersSpec | undefined,
  { awaited, globs }: Pick<FloorParametersInput['governance'], 'awaited' | 'globs'>,
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
 * `Update`: a node is listed in a region that it is not in. A deleted node does no harm if a Binding carries its region.
 * `Grow`: every other change, which can wait; `Cover`, see {@link WantedParameters.isNew}, is told apart by the caller.
 */
const reasonToChange = (known: Nodes = {}, wanted: Nodes = {}, bindGate: BindGateMode): 'Update' | 'Grow' => {
  const isWrong = ([name, region]: [string, string]): boolean => {
    const now = own(wanted, name);
    return now === undefined ? bindGate === 'list' : now !== region;
  };
  return Object.entries(known).some(isWrong) ? 'Update' : 'Grow';
};

const hasIndex = weakMemo2(
  ({ spec }: FloorParameters, wanted: Index): boolean =>
    sameEntries(spec?.namespaces ?? {}, wanted.namespaces) &&
    covers(spec?.patterns, wanted.patterns) &&
    (spec?.reach ?? '') === wanted.reach,
);

const sameEntries = (a: Entries, b: Entries): boolean => {
  const names = Object.keys(b);
  return names.length === Object.keys(a).length && names.every((name) => sameEntry(own(a, name), b[name]));
};

const sameEntry = (a: Entry | undefined, b: Entry | undefined): boolean =>
  a?.regions === b?.regions && a?.policies === b?.policies && a?.revisions === b?.revisions;

const sameNodes = (a: Nodes = {}, b: Nodes): boolean => {
  const names = Object.keys(b);
  return names.length === Object.keys(a).length && names.every((name) => a[name] === b[name]);
};

interface NodeList {
  readonly kept: Nodes;
  readonly dropped: number;
  /** Bytes of its JSON. */
  readonly bytes: number;
}

const NO_NODES: NodeList = { kept: {}, dropped: 0, bytes: 0 };

/** Nodes change their version all the time and their region hardly ever: the list is built again only when a region differs. */
const nodesOf: (nodes: readonly Node[]) => NodeList = (() => {
  let known: { readonly entries: readonly NodeEntry[]; readonly list: NodeList } = { entries: [], list: NO_NODES };
  return (nodes) => {
    const entries = nodes.map(nodeEntry);
    if (!isSameList(entries, known.entries)) {
      const { kept, dropped, bytes } = within(entries, FLOOR_PARAMETER_LIMITS.nodes, FLOOR_PARAMETER_BYTES.nodes);
      known = { entries, list: { kept: Object.fromEntries(kept), dropped, bytes } };
    }
    return known.list;
  };
})();

type NodeEntry = readonly [name: string, region: string];

const isSameList = (a: readonly NodeEntry[], b: readonly NodeEntry[]): boolean =>
  a.length === b.length && a.every(([name, region], index) => name === b[index]?.[0] && region === b[index]?.[1]);

/** The entry of a cached node, so that a round over many unchanged nodes is cheap. */
const nodeEntry = weakMemo(({ metadata }: Node): NodeEntry => [metadata.name, metadata.labels?.[REGION_LABEL] ?? '']);

/** The index of a governance, and the nodes in the same object. An unchanged list of nodes is the same object. */
const indexOf = weakMemo2((governance: FloorParametersInput['governance'], nodes: NodeList) => {
  const entries = [...governance.namespaces, ...governance.awaited].flatMap(([, governed]) => entriesOf(governed));
  const { shared = [], own = [] } = Object.groupBy(entries, ({ isOwn }) => (isOwn ? 'own' : 'shared'));
  const globs = governance.globs.map(({ pattern, excluded, policies }) => ({
    pattern,
    excluded: [...excluded],
    policies: shown(policies),
  }));
  const patterns = within(globs, FLOOR_PARAMETER_LIMITS.patterns, FLOOR_PARAMETER_BYTES.patterns);
  const canary = entriesOf(CANARY_GOVERNANCE).map(pairOf);
  const room = FLOOR_PARAMETER_BYTES.index - nodes.bytes - patterns.bytes - textOf(canary).length;
  const first = within(shared.map(pairOf), FLOOR_PARAMETER_LIMITS.namespaces, room);
  // Namespaces with only policies of their own come last, whatever their names: no deny glob matches such a namespace.
  const second = within(own.map(pairOf), FLOOR_PARAMETER_LIMITS.namespaces - first.kept.length, room - first.bytes);
  // A namespace that does not fit would count as unseen.
  const some = first.dropped > 0 ? [] : patterns.kept;
  const spec: Index = {
    namespaces: Object.fromEntries([...canary, ...first.kept, ...second.kept]),
    patterns: [...some],
    reach: reachOf(some),
  };
  return { spec, dropped: { namespaces: first.dropped + second.dropped, patterns: globs.length - some.length } };
});

/** A glob has `*` only at its start or end, and no other character with a meaning in a regular expression. */
const reachOf = (patterns: readonly { readonly pattern: string }[]): string =>
  patterns.length === 0 ? '' : `${REACH_START}${sortedSet(patterns.map(({ pattern }) => expressionOf(pattern))).join('|')}${REACH_END}`;

const [REACH_START, REACH_END] = ['^(?:', ')$'];

const expressionOf = (pattern: string): string => pattern.replaceAll('*', '.*');

/** Whether the expression of an index matches all that a glob does. */
const reaches = (reach: string | undefined, pattern: string): boolean =>
  reach?.slice(REACH_START.length, -REACH_END.length).split('|').includes(expressionOf(pattern)) === true;

interface NamedEntry {
  readonly pair: readonly [name: string, entry: Entry];
  /** All policies are the namespace's own. */
  readonly isOwn: boolean;
}

const pairOf = ({ pair }: NamedEntry): NamedEntry['pair'] => pair;

const entriesOf = weakMemo(({ namespace, actions: { deny } }: NamespaceGovernance): readonly NamedEntry[] =>
  deny === undefined ? [] : [entryOf(namespace, deny)],
);

/** Room for the names of a namespace's own policies. */
const MAX_OWN_BYTES = 300;

/** Policies and revisions are in the same order: those of others first. */
const entryOf = (namespace: string, { regions, policies, revisions }: ActionGovernance): NamedEntry => {
  const all = policies.map((policy, index) => ({ policy, revision: revisions[index] ?? '-', isOwn: isTenantsKey(policy, namespace) }));
  const others = all.filter(({ isOwn }) => !isOwn);
  const own = all.filter(({ isOwn }) => isOwn);
  const listed = [...others, ...firstWithin(own, MAX_OWN_BYTES)];
  const entry = {
    regions: joined(regions),
    policies: shown(listed.map(({ policy }) => policy)),
    revisions: shown(listed.map(({ revision }) => revision)),
  };
  return { pair: [namespace, entry], isOwn: others.length === 0 };
};

/** The first items that fit, but at least one: a refusal names a policy. */
const firstWithin = <T extends { readonly policy: string }>(items: readonly T[], bytes: number): readonly T[] => {
  let left = bytes;
  const end = items.findIndex(({ policy }, index) => {
    left -= policy.length + 1;
    return index > 0 && left < 0;
  });
  return end === -1 ? items : items.slice(0, end);
};

/** As many entries as fit, sorted by their text. */
const within = <T extends object>(
  entries: readonly T[],
  most: number,
  bytes: number,
): { kept: readonly T[]; dropped: number; bytes: number } => {
  const all = entries.reduce((sum, entry) => sum + textOf(entry).length + 1, 0);
  if (entries.length <= most && all <= bytes) return { kept: entries, dropped: 0, bytes: all };
  let left = bytes;
  const sorted = [...entries].sort((a, b) => byText(textOf(a), textOf(b))).slice(0, most);
  const end = sorted.findIndex((entry) => {
    left -= textOf(entry).length + 1;
    return left < 0;
  });
  const kept = end === -1 ? sorted : sorted.slice(0, end);
  return { kept, dropped: entries.length - kept.length, bytes };
};

/** JSON of an entry; its length is its size in bytes, as names, regions and keys are ASCII. */
const textOf = weakMemo((entry: object): string => JSON.stringify(entry));
