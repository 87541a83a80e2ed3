import type { RegionCatalogSpec } from '@fso/shared/api';
import type { Informer } from '@fso/shared/kube';
import { type CatalogIndex, indexCatalog, judgeNode, type NodeJudgement } from '@fso/shared/regions';
import type { NodeFacts } from '@fso/shared/risk';
import { sameItems, weakMemo2 } from '@fso/shared/runtime';
import { sortedSet } from '../../compare.ts';
import { ANY_PROVIDER, EVERY_REGION, MAX_EXCEPTIONS, MAX_ZONES, type NodeExceptions, type PresentProviders } from '../../enforce/index.ts';
import { UnreadKindError } from '../view-deps.ts';
import { ignoreUnchanged, isSameFit, isSameNode, type ReducedNode, toNodeFacts } from './reduce-node.ts';

/** Facts about the places of this cluster that a commit defines. */
export interface CommitPlaces {
  /** Absent: claims of nodes are not checked. */
  readonly catalog?: RegionCatalogSpec | undefined;
  /** Provider of nodes that name none, from the registration of the cluster. */
  readonly provider?: string | undefined;
}

interface PlacesInForce {
  readonly catalog: CatalogIndex | undefined;
  readonly provider: string | undefined;
}

const NO_PLACES: PlacesInForce = { catalog: undefined, provider: undefined };

/** Node with its place, as far as that is known. */
export interface PlacedNode extends NodeJudgement {
  readonly name: string;
  readonly uid: string | undefined;
  /** Region label, whether or not it is right. */
  readonly labelled: string | undefined;
  /** Zone by its label. */
  readonly zone: string | undefined;
}

/** Lookup of a node by its name. */
export interface NodesByName {
  get(name: string): PlacedNode | undefined;
}

/**
 * Judges each node by the catalogue of the accepted commit. Everything that depends on a node's
 * region, including the locks, reads it here. Results are the same objects while their content is
 * unchanged.
 */
export class PlacedNodes {
  readonly #source: Pick<Informer<ReducedNode>, 'synced' | 'list'>;
  readonly #handlers = new Set<() => void>();
  #inForce: PlacesInForce | undefined;
  #text: string | undefined;
  #nodes: readonly PlacedNode[] | undefined;
  #facts: readonly NodeFacts[] | undefined;
  #byName: ReadonlyMap<string, PlacedNode> = new Map();
  #isWhole = false;
  #exceptions: NodeExceptions | undefined;
  #providers: PresentProviders | undefined;

  constructor(source: Pick<Informer<ReducedNode>, 'synced' | 'list' | 'onChange'>) {
    this.#source = source;
    source.onChange(ignoreUnchanged(isSameNode, () => (this.#nodes = undefined)));
    source.onChange(ignoreUnchanged(isSameFit, () => (this.#facts = undefined)));
  }

  /** undefined: unknown. */
  get inForce(): PlacesInForce | undefined {
    return this.#inForce;
  }

  /** Asserts that the catalogue in force is known. @throws UnreadKindError */
  assertKnown(): void {
    if (this.#inForce === undefined) throw new UnreadKindError('not read yet: the catalogue of regions');
  }

  /**
   * Judges all nodes by the places of a commit.
   *
   * @param places undefined if they cannot be read
   */
  judgeBy(places: CommitPlaces | undefined): void {
    const text = places && JSON.stringify(places);
    if (text === this.#text) return;
    this.#text = text;
    this.#inForce = places && { catalog: places.catalog && indexCatalog(places.catalog), provider: places.provider };
    this.#nodes = undefined;
    this.#facts = undefined;
    for (const handler of this.#handlers) handler();
  }

  /** Registers a handler for a change of the places. @returns function that removes it */
  onChange(handler: () => void): () => void {
    this.#handlers.add(handler);
    return () => this.#handlers.delete(handler);
  }

  list(): readonly PlacedNode[] {
    const isWhole = this.#inForce !== undefined && this.#source.synced;
    if (this.#nodes === undefined || isWhole !== this.#isWhole) this.#nodes = this.#judge(isWhole);
    this.#isWhole = isWhole;
    return this.#nodes;
  }

  get byName(): NodesByName {
    this.list();
    return this.#byName;
  }

  /** Facts that decide which pods fit on which nodes. */
  get facts(): readonly NodeFacts[] {
    const { byName } = this;
    this.#facts ??= this.#source.list().map((node) => toNodeFacts(node, byName.get(node.metadata.name)?.region));
    return this.#facts;
  }

  /** Number of nodes that contradict themselves; undefined without a catalogue to compare with. */
  get disputedCount(): number | undefined {
    return this.#inForce?.catalog && this.list().filter(({ verdict }) => verdict === 'disputed').length;
  }

  /**
   * Exceptions as they were last known.
   *
   * @throws UnreadKindError if catalogue or nodes were never known
   */
  get exceptions(): NodeExceptions {
    this.list();
    if (this.#exceptions === undefined) throw new UnreadKindError('not read yet: the nodes, or the catalogue of regions');
    return this.#exceptions;
  }

  /**
   * Providers as they were last known. Until then any provider counts as present: a missing one
   * could only make a policy allow more.
   */
  get providers(): PresentProviders {
    this.list();
    return this.#providers ?? ANY_PROVIDER;
  }

  #judge(isWhole: boolean): readonly PlacedNode[] {
    const places = this.#inForce ?? NO_PLACES;
    const nodes = this.#source.list().map((node) => placedNode(node, places));
    this.#byName = new Map(nodes.map((node) => [node.name, node]));
    if (!isWhole) return nodes;
    const exceptions = this.#withGone(exceptionsOf(nodes, places), places);
    if (this.#exceptions === undefined || !isSameExceptions(exceptions, this.#exceptions)) this.#exceptions = exceptions;
    this.#notePresent(nodes, places);
    return nodes;
  }

  /**
   * Keeps deleted nodes in the list while there is room. Each change of the list causes a new proof
   * of lock 2. A node that returns under its name is so refused from its first Binding on.
   */
  #withGone(exceptions: NodeExceptions, { catalog }: PlacesInForce): NodeExceptions {
    if (catalog === undefined || exceptions.disputedRegions.length > 0) return exceptions;
    const gone = (this.#exceptions?.disputedNodes ?? []).filter((name) => !this.#byName.has(name));
    const room = MAX_EXCEPTIONS - exceptions.disputedNodes.length;
    return { ...exceptions, disputedNodes: sortedSet([...exceptions.disputedNodes, ...gone.slice(0, room)]) };
  }

  #notePresent(nodes: readonly PlacedNode[], { catalog, provider: declared }: PlacesInForce): void {
    const found = nodes.flatMap(({ provider, verdict }) => (provider === undefined || verdict === 'disputed' ? [] : [provider]));
    const providers = sortedSet(declared === undefined ? found : [...found, declared]);
    const unnamed = sortedSet(nodes.flatMap(({ provider, labelled }) => (provider === undefined && labelled ? [labelled] : [])));
    const known = this.#providers;
    const isKnown = sameItems(providers, [...(known?.providers ?? [])]) && sameItems(unnamed, [...(known?.unnamed ?? [])]);
    if (known !== undefined && known.catalog === catalog && isKnown) return;
    const ambiguous = ambiguousNames(catalog, providers);
    this.#providers = { catalog, providers: new Set(providers), unnamed: new Set(unnamed), ambiguous };
  }
}

const placedNode = weakMemo2(
  ({ metadata: { name, uid }, place = {} }: ReducedNode, { catalog, provider }: PlacesInForce): PlacedNode => ({
    ...judgeNode(place, catalog, provider),
    name,
    uid,
    labelled: place.region,
    zone: place.zone,
  }),
);

const exceptionsOf = (nodes: readonly PlacedNode[], { catalog }: PlacesInForce): NodeExceptions => {
  const all = catalog?.spec.regions.flatMap((region) => (region.zones ?? []).map(({ name }) => name)) ?? [];
  const zones = sortedSet(all).slice(0, MAX_ZONES);
  const isShown = ({ zone }: PlacedNode): boolean => zone !== undefined && zones.includes(zone);
  const hidden = nodes.filter((node) => node.region !== node.labelled && (node.verdict === 'disputed' || !isShown(node)));
  const isListed = hidden.length <= MAX_EXCEPTIONS;
  const regions = isListed ? [] : sortedSet(hidden.flatMap(({ labelled }) => labelled ?? []));
  return {
    disputedNodes: isListed ? sortedSet(hidden.map(({ name }) => name)) : [],
    disputedRegions: regions.length > MAX_EXCEPTIONS ? [EVERY_REGION] : regions,
    zones,
  };
};

const isSameExceptions = (a: NodeExceptions, b: NodeExceptions): boolean =>
  sameItems(a.disputedNodes, b.disputedNodes) && sameItems(a.disputedRegions, b.disputedRegions) && sameItems(a.zones, b.zones);

/** Region names that mean different countries, with the providers that use them. */
const ambiguousNames = (catalog: CatalogIndex | undefined, providers: readonly string[]): PresentProviders['ambiguous'] => {
  const ambiguous = new Map<string, readonly string[]>();
  if (providers.length < 2) return ambiguous;
  for (const [name, all] of catalog?.names ?? []) {
    const readings = all.filter(({ provider }) => providers.includes(provider));
    if (new Set(readings.map(({ country }) => country)).size > 1) ambiguous.set(name, sortedSet(readings.map(({ provider }) => provider)));
  }
  return ambiguous;
};
