import type { RegionCatalogSpec } from '@fso/shared/api';
import type { Informer } from '@fso/shared/kube';
import { type CatalogIndex, indexCatalog, judgeNode, type NodeJudgement } from '@fso/shared/regions';
import type { NodeFacts } from '@fso/shared/risk';
import { sameItems, weakMemo2 } from '@fso/shared/runtime';
import { sortedSet } from '../../compare.ts';
import { ANY_PROVIDER, EVERY_REGION, MAX_EXCEPTIONS, MAX_ZONES, type NodeExceptions, type PresentProviders } from '../../enforce/index.ts';
import { UnreadKindError } from '../view-deps.ts';
import { ignoreUnchanged, isSameFit, isSameNode, type ReducedNode, toNodeFacts } from './reduce-node.ts';

/** Part of a commit about the places of this cluster. */
export interface CommitPlaces {
  /** Absent: nothing that a node says is checked. */
  readonly catalog?: RegionCatalogSpec | undefined;
  /** Provider of the nodes that name none, by the registration of the cluster. */
  readonly provider?: string | undefined;
}

interface PlacesInForce {
  readonly catalog: CatalogIndex | undefined;
  readonly provider: string | undefined;
}

const NO_PLACES: PlacesInForce = { catalog: undefined, provider: undefined };

/** A node, and the place where it is as far as that can be found out. */
export interface PlacedNode extends NodeJudgement {
  readonly name: string;
  readonly uid: string | undefined;
  /** Region by its label, whether or not that is to be believed. */
  readonly labelled: string | undefined;
  /** Zone by its label. */
  readonly zone: string | undefined;
}

/** Lookup of a node by its name. */
export interface NodesByName {
  get(name: string): PlacedNode | undefined;
}

/**
 * Judges each node by the catalogue of the accepted commit. All that depends on the region of a
 * node, the locks among it, gets it from here. What it returns is the same object for as long as
 * its content is the same.
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

  /** Undefined: it is not known. */
  get inForce(): PlacesInForce | undefined {
    return this.#inForce;
  }

  /** @throws UnreadKindError where it is not known which catalogue is in force */
  assertKnown(): void {
    if (this.#inForce === undefined) throw new UnreadKindError('not read yet: the catalogue of regions');
  }

  /** Judges all nodes by a commit. @param places undefined: they cannot be read */
  judgeBy(places: CommitPlaces | undefined): void {
    const text = places && JSON.stringify(places);
    if (text === this.#text) return;
    this.#text = text;
    this.#inForce = places && { catalog: places.catalog && indexCatalog(places.catalog), provider: places.provider };
    this.#nodes = undefined;
    this.#facts = undefined;
    for (const handler of this.#handlers) handler();
  }

  /** Calls the handler whenever another commit is in force. @returns ends the calls */
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

  /** Undefined: there is nothing to compare nodes with. */
  get disputedCount(): number | undefined {
    return this.#inForce?.catalog && this.list().filter(({ verdict }) => verdict === 'disputed').length;
  }

  /**
   * Those that were known last.
   *
   * @throws UnreadKindError where neither catalogue nor nodes were ever known
   */
  get exceptions(): NodeExceptions {
    this.list();
    if (this.#exceptions === undefined) throw new UnreadKindError('not read yet: the nodes, or the catalogue of regions');
    return this.#exceptions;
  }

  /**
   * Those that were known last, or any: a provider that is left out can only make a policy allow
   * more.
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
   * Adds nodes that were listed and are gone, while there is room: each change of the list has lock
   * 2 proven again, and a node that comes back under its name is refused from its first Binding on.
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

/** Names by which some of the providers mean different countries, and those that have them. */
const ambiguousNames = (catalog: CatalogIndex | undefined, providers: readonly string[]): PresentProviders['ambiguous'] => {
  const ambiguous = new Map<string, readonly string[]>();
  if (providers.length < 2) return ambiguous;
  for (const [name, all] of catalog?.names ?? []) {
    const readings = all.filter(({ provider }) => providers.includes(provider));
    if (new Set(readings.map(({ country }) => country)).size > 1) ambiguous.set(name, sortedSet(readings.map(({ provider }) => provider)));
  }
  return ambiguous;
};
