import type { RegionCatalogSpec } from '@fso/shared/api';
import type { Node } from '@fso/shared/kube';
import { describe, expect, it } from 'vitest';
import { ANY_PROVIDER } from '../../enforce/index.ts';
import { UnreadKindError } from '../view-deps.ts';
import { PlacedNodes } from './placed-nodes.ts';
import { type ReducedNode, reduceNode } from './reduce-node.ts';

const REGION = 'topology.kubernetes.io/region';
const ZONE = 'topology.kubernetes.io/zone';

const region = (provider: string, name: string, country: string, zones?: { name: string; country: string }[]) => ({
  provider,
  region: name,
  partition: provider,
  country,
  place: name,
  latitude: 0,
  longitude: 0,
  source: 'https://example.com',
  ...(zones && { zones }),
});
const CATALOG: RegionCatalogSpec = {
  version: '7',
  regions: [
    region('aws', 'eu-west-1', 'IE'),
    region('aws', 'eu-central-1', 'DE', [{ name: 'eu-central-1-ist-1a', country: 'TR' }]),
    region('alibaba', 'eu-west-1', 'GB'),
    region('alibaba', 'eu-central-1', 'DE'),
  ],
  groups: [],
};

interface NodeText {
  readonly label?: string;
  readonly zone?: string;
  readonly id?: string;
}

const nodeOf = (name: string, { label, zone, id }: NodeText): Node => ({
  metadata: { name, labels: { ...(label && { [REGION]: label }), ...(zone && { [ZONE]: zone }) } },
  spec: id === undefined ? {} : { providerID: id },
});
const AWS = { label: 'eu-west-1', zone: 'eu-west-1a', id: 'aws:///eu-west-1a/i-1' };
const LONDON = { label: 'eu-west-1', id: 'eu-west-1.i-d7o0' };
const ISTANBUL = { label: 'eu-central-1', zone: 'eu-central-1-ist-1a', id: 'aws:///eu-central-1-ist-1a/i-2' };
const LIAR = { label: 'eu-west-1', id: 'aws:///eu-central-1a/i-3' };

/** A cache of nodes as an informer has it. */
const cacheOf = (nodes: Readonly<Record<string, NodeText>>) => {
  const handlers: ((key: string, current: ReducedNode | undefined, previous: ReducedNode | undefined) => void)[] = [];
  const known = new Map(Object.entries(nodes).map(([name, text]) => [name, reduceNode(nodeOf(name, text))]));
  const source = {
    synced: true,
    list: () => [...known.values()],
    onChange: (handler: (typeof handlers)[number]) => {
      handlers.push(handler);
      return () => undefined;
    },
  };
  return {
    source,
    places: new PlacedNodes(source as never),
    set: (name: string, text: NodeText | undefined) => {
      const previous = known.get(name);
      if (text === undefined) known.delete(name);
      else known.set(name, reduceNode(nodeOf(name, text)));
      for (const handler of handlers) handler(name, known.get(name), previous);
    },
  };
};

const judged = (nodes: Readonly<Record<string, NodeText>>, provider?: string) => {
  const { places } = cacheOf(nodes);
  places.judgeBy({ catalog: CATALOG, ...(provider !== undefined && { provider }) });
  return places;
};

describe('PlacedNodes', () => {
  it('have the region that their label, providerID and zone agree on', () => {
    const places = judged({ aws: AWS, tr: ISTANBUL, liar: LIAR, bare: {} });
    expect(places.list().map(({ name, region: where, verdict }) => [name, where, verdict])).toEqual([
      ['aws', 'eu-west-1', 'confirmed'],
      ['tr', 'eu-central-1-ist-1a', 'confirmed'],
      ['liar', undefined, 'disputed'],
      ['bare', undefined, 'unchecked'],
    ]);
    expect(places.byName.get('tr')).toMatchObject({ labelled: 'eu-central-1', country: 'TR' });
    expect(places.exceptions).toEqual({ disputedNodes: ['liar'], disputedRegions: [], zones: ['eu-central-1-ist-1a'] });
    expect(places.disputedCount).toBe(1);
    expect(places.facts.map(({ name, region: where }) => [name, where])).toContainEqual(['tr', 'eu-central-1-ist-1a']);
  });

  it('list by name those that lie abroad by their providerID alone', () => {
    const hidden = { label: 'eu-central-1', id: ISTANBUL.id };
    expect(judged({ tr: ISTANBUL, hidden }).exceptions.disputedNodes).toEqual(['hidden']);
    expect(judged({ hidden }).byName.get('hidden')).toMatchObject({ region: 'eu-central-1-ist-1a', verdict: 'confirmed' });
  });

  it('have the region of their label without a catalogue', () => {
    const { places } = cacheOf({ tr: ISTANBUL, liar: LIAR });
    places.judgeBy({});
    expect(places.list().map(({ region: where }) => where)).toEqual(['eu-central-1', 'eu-west-1']);
    expect([places.disputedCount, places.exceptions.disputedNodes, places.exceptions.zones]).toEqual([undefined, [], []]);
  });

  it('list up to 100 that contradict themselves by name, more by their regions, and beyond 100 regions all', () => {
    const liars = (count: number, labelOf: (index: number) => string) =>
      judged(Object.fromEntries(Array.from({ length: count }, (_, index) => [`n${index}`, { ...LIAR, label: labelOf(index) }])));
    expect(liars(100, () => 'eu-west-1').exceptions.disputedNodes).toHaveLength(100);
    expect(liars(101, () => 'eu-west-1').exceptions).toMatchObject({ disputedNodes: [], disputedRegions: ['eu-west-1'] });
    expect(liars(101, (index) => `r-${index}`).exceptions.disputedRegions).toEqual(['*']);
  });

  it('show which names mean several places, by the providers of nodes that are not disputed', () => {
    const ambiguous = (nodes: Readonly<Record<string, NodeText>>, provider?: string) => [...judged(nodes, provider).providers.ambiguous];
    expect(ambiguous({ aws: AWS, london: LONDON })).toEqual([['eu-west-1', ['alibaba', 'aws']]]);
    expect(ambiguous({ london: LONDON }, 'aws')).toEqual([['eu-west-1', ['alibaba', 'aws']]]);
    expect(ambiguous({ aws: AWS })).toEqual([]);
    expect(ambiguous({ aws: AWS, forged: { label: 'eu-west-1', id: 'eu-central-1.i-d7o1' } })).toEqual([]);
  });

  it('show in which regions nodes are whose provider is not known', () => {
    const unnamed = (nodes: Readonly<Record<string, NodeText>>, provider?: string) => [...judged(nodes, provider).providers.unnamed];
    const nodes = {
      aws: AWS,
      odd: { label: 'eu-central-1' },
      odder: { label: 'cellar', id: 'openstack:///1' },
      none: { id: 'vsphere://1' },
    };
    expect(unnamed(nodes)).toEqual(['cellar', 'eu-central-1']);
    expect(unnamed(nodes, 'aws')).toEqual([]);
  });

  it('are the same object for as long as no place changes', () => {
    const { places, set } = cacheOf({ aws: AWS, liar: LIAR });
    places.judgeBy({ catalog: CATALOG });
    const before = [places.list(), places.exceptions, places.providers];
    set('aws', AWS);
    places.judgeBy({ catalog: structuredClone(CATALOG) });
    expect([places.list(), places.exceptions, places.providers].every((now, index) => now === before[index])).toBe(true);
    set('more', AWS);
    expect(places.list()).not.toBe(before[0]);
    expect([places.exceptions, places.providers].every((now, index) => now === before[index + 1])).toBe(true);
    set('unnamed', { label: 'eu-west-1' });
    expect(places.providers).not.toBe(before[2]);
    const named = places.providers;
    set('london', LONDON);
    expect(places.providers).not.toBe(named);
  });

  it('count what is not known as there, and keep what was known while nodes are read again', () => {
    const { places, source, set } = cacheOf({ aws: AWS, london: LONDON, liar: LIAR });
    expect(places.providers).toBe(ANY_PROVIDER);
    expect(ANY_PROVIDER.providers.has('anything')).toBe(true);
    expect(() => places.exceptions).toThrow(UnreadKindError);
    places.judgeBy({ catalog: CATALOG });
    const known = [places.exceptions, places.providers];
    source.synced = false;
    set('london', undefined);
    set('liar', undefined);
    expect([places.exceptions, places.providers]).toEqual(known);
    source.synced = true;
    expect(places.providers.ambiguous.size).toBe(0);
    // The commit that is in force cannot be read: nothing follows from it.
    set('other', LIAR);
    places.judgeBy(undefined);
    expect(places.exceptions.disputedNodes).toEqual(['liar']);
    expect(places.inForce).toBeUndefined();
  });

  it('stay listed by name once they are gone, while there is room and until they come back as they should be', () => {
    const { places, set } = cacheOf({ liar: LIAR });
    places.judgeBy({ catalog: CATALOG });
    const before = places.exceptions;
    set('liar', undefined);
    expect(places.exceptions).toBe(before);
    set('liar', AWS);
    expect(places.exceptions.disputedNodes).toEqual([]);
    set('liar', LIAR);
    expect(places.exceptions.disputedNodes).toEqual(['liar']);
    set('liar', undefined);
    for (let index = 0; index < 99; index += 1) set(`n${index}`, LIAR);
    expect(places.exceptions.disputedNodes).toHaveLength(100);
    set('n99', LIAR);
    expect(places.exceptions).toMatchObject({ disputedNodes: expect.not.arrayContaining(['liar']), disputedRegions: [] });
    expect(places.exceptions.disputedNodes).toHaveLength(100);
    places.judgeBy({});
    expect(places.exceptions.disputedNodes).toEqual([]);
  });

  it('are no exceptions for an empty label, which names no region', () => {
    const { metadata, spec } = nodeOf('empty', AWS);
    const reduced = reduceNode({ metadata: { ...metadata, labels: { [REGION]: '', [ZONE]: '' } }, spec: spec ?? {} });
    const places = new PlacedNodes({ synced: true, list: () => [reduced], onChange: () => () => undefined } as never);
    places.judgeBy({ catalog: CATALOG });
    expect(places.list()).toMatchObject([{ name: 'empty', verdict: 'unchecked', labelled: undefined }]);
    expect(places.exceptions).toMatchObject({ disputedNodes: [], disputedRegions: [] });
  });
});
