import { type ClusterEvent, type FloorParameters, NODES_PARAMETERS, REGION_LABEL } from '@fso/shared/api';
import type { Node } from '@fso/shared/kube';
import { describe, expect, it } from 'vitest';
import { NodeMoves, reportMoves } from './node-moves.ts';

const node = (name: string, region?: string): Node => ({
  metadata: { name, labels: region === undefined ? {} : { [REGION_LABEL]: region } },
});
const listed = (nodes: Record<string, string>) =>
  [{ metadata: { name: NODES_PARAMETERS }, spec: { nodes } }] as unknown as FloorParameters[];

/** `name from>to` */
const movesOf = (moves: NodeMoves, ...nodes: Node[]): readonly string[] =>
  moves.find(nodes).map(({ node: { metadata }, from, to }) => `${metadata.name} ${from}>${to}`);

describe('NodeMoves', () => {
  it('reports a changed region once, and not the first one', () => {
    const moves = new NodeMoves([]);
    expect(movesOf(moves, node('a'), node('b', 'eu'))).toEqual([]);
    expect(movesOf(moves, node('a', 'eu'), node('b', 'us'))).toEqual(['b eu>us']);
    expect(movesOf(moves, node('a', 'eu'), node('b', 'us'))).toEqual([]);
  });

  it('reports a lost region, and the next one unless it is the same', () => {
    const moves = new NodeMoves([]);
    movesOf(moves, node('a', 'eu'), node('b', 'eu'));
    expect(movesOf(moves, node('a'), node('b'))).toEqual(['a eu>', 'b eu>']);
    expect(movesOf(moves, node('a'), node('b'))).toEqual([]);
    expect(movesOf(moves, node('a', 'eu'), node('b', 'us'))).toEqual(['b eu>us']);
  });

  it('remembers a node that is gone, also from before the agent started', () => {
    const moves = new NodeMoves(listed({ a: 'eu', b: 'eu', c: '' }));
    expect(movesOf(moves, node('a', 'us'), node('c', 'us'))).toEqual(['a eu>us']);
    expect(movesOf(moves)).toEqual([]);
    expect(movesOf(moves, node('a', 'eu'), node('b', 'us'))).toEqual(['a us>eu', 'b eu>us']);
  });

  it('makes one event of very many', () => {
    const moves = new NodeMoves([]);
    const names = Array.from({ length: 30 }, (_, index) => `n${index}`);
    moves.find(names.map((name) => node(name, 'eu')));
    const told: Omit<ClusterEvent, 'time'>[] = [];
    reportMoves(moves.find(names.map((name) => node(name, 'us'))), { ofCluster: (event) => told.push(event), recordOn: () => undefined });
    expect(told).toHaveLength(21);
    expect(told.at(-1)).toEqual({ severity: 'warning', reason: 'NodeMoved', message: '10 more nodes are in another region than before' });
  });
});
