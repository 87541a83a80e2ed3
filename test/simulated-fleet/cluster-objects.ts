import { REGION_LABEL } from '@fso/shared/api';
import type { Node } from '@fso/shared/kube';
import type { Pod } from '../../agent/cache/reduce.ts';
import type { NamespaceInput } from '../../agent/enforce/types.ts';
import { namespaceOf, pick, type SimulatedCluster } from './fleet-files.ts';

const NAMESPACES = 60;

const nodeOf = (name: string, region: string | undefined): Node =>
  ({ metadata: { name, labels: region === undefined ? {} : { [REGION_LABEL]: region } } }) as Node;

export const podOf = (namespace: string, name: string, spec: Pod['spec']): Pod => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { namespace, name, uid: `${namespace}/${name}` },
  spec,
});

export type Random = () => number;

/** Creates pods in a few namespaces of a cluster, some of them outside of the allowed regions. */
export const makePods = (home: string, outside: string, random: Random): Pod[] => {
  const suffix = (): string =>
    Math.floor(random() * 36 ** 5)
      .toString(36)
      .padStart(5, '0');
  const places: Pod['spec'][] = [
    { nodeName: outside },
    { nodeName: outside },
    { nodeName: 'node-without-region' },
    {},
    { nodeSelector: { [REGION_LABEL]: outside.replace(/^node-/, '') } },
    { nodeSelector: { 'kubernetes.io/os': 'linux' } },
  ];
  const count = 1 + Math.floor(random() * 4);
  return Array.from({ length: count }, () => namespaceOf(Math.floor(random() * NAMESPACES))).flatMap((namespace) =>
    Array.from({ length: 3 + Math.floor(random() * 14) }, (_, index) => {
      const workload = `${namespace}-${['main', 'worker', 'sync'][index % 3]}-${home.length}${index % 4}`;
      return podOf(namespace, `${workload}-${suffix()}`, pick(places, random));
    }),
  );
};

export const makeSpaces = (random: Random): Map<string, NamespaceInput> => {
  const names = [
    ...Array.from({ length: NAMESPACES }, (_, n) => namespaceOf(n)),
    ...Array.from({ length: 10 }, (_, n) => `backups-${n + 1}`),
  ];
  return new Map(
    names
      .filter(() => random() < 0.9995)
      .map((name): [string, NamespaceInput] => [name, { name, terminating: false, labels: {}, annotations: {} }]),
  );
};

export const makeNodes = ({ geo, regions }: SimulatedCluster, outside: string, random: Random): ReadonlyMap<string, Node> => {
  const nodes = new Map<string, Node>([
    [outside, nodeOf(outside, geo.outside)],
    ['node-without-region', nodeOf('node-without-region', undefined)],
  ]);
  for (const region of regions) {
    for (let n = 1 + Math.floor(random() * 8); n >= 0; n -= 1) nodes.set(`${region}-${n}`, nodeOf(`${region}-${n}`, region));
  }
  return nodes;
};

export const countByRegion = (nodes: Iterable<Node>): Record<string, number> => {
  const counts: Record<string, number> = {};
  for (const { metadata } of nodes) {
    const region = metadata.labels?.[REGION_LABEL] ?? '';
    counts[region] = (counts[region] ?? 0) + 1;
  }
  return counts;
};
