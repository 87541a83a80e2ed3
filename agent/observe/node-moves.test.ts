import { type ClusterEvent, type FloorParameters, NODES_PARAMETERS } from '@fso/shared/api';
import { describe, expect, it } from 'vitest';
import type { PlacedNode } from '../cache/index.ts';
import { DisputedNodes, NodeMoves, reportDisputed, reportMoves } from './node-moves.ts';

const node = (name: string, region?: string): PlacedNode => ({
  name,
  uid: undefined,
  labelled: region,
  zone: undefined,
  verdict: 'unchecked',
  ...(region !== undefined && { region }),
});
const liar = (name: string, reason: string): PlacedNode => ({
  name,
  uid: name,
  labelled: 'eu',
  zone: undefined,
  verdict: 'disputed',
  reason,
});
const listed = (nodes: Record<string, string>) =>
  [{ metadata: { name: NODES_PARAMETERS }, spec: { nodes } }] as unknown as FloorParameters[];

/** `name from>to` */
const movesOf = (moves: NodeMoves, ...nodes: PlacedNode[]): readonly string[] =>
  moves.find(nodes).map(({ node: { name }, from, to }) => `${name} ${from}>${to}`);

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

  it('does not take a node that contradicts itself for one that moved', () => {
    const moves = new NodeMoves([]);
    movesOf(moves, node('a', 'eu'));
    expect(movesOf(moves, liar('a', 'its zone is elsewhere'))).toEqual([]);
    expect(movesOf(moves, node('a', 'eu'))).toEqual([]);
    movesOf(moves, liar('a', 'its zone is elsewhere'));
    expect(movesOf(moves, node('a', 'us'))).toEqual(['a eu>us']);
  });
});

describe('DisputedNodes', () => {
  it('are reported once each, and again with another reason or when they come back', () => {
    const disputed = new DisputedNodes();
    const found = (...nodes: PlacedNode[]) => disputed.find(nodes).map(({ name, reason }) => `${name}: ${reason}`);
    expect(found(node('a', 'eu'), liar('b', 'x'))).toEqual(['b: x']);
    expect(found(liar('b', 'x'))).toEqual([]);
    expect(found(liar('a', 'x'), liar('b', 'y'))).toEqual(['a: x', 'b: y']);
    expect(found(node('a', 'eu'))).toEqual([]);
    expect(found(liar('a', 'x'))).toEqual(['a: x']);
  });

  it('have an event on the node', () => {
    const on: unknown[] = [];
    reportDisputed([liar('a', 'its zone is elsewhere')], { ofCluster: () => undefined, recordOn: (...event) => on.push(event) });
    const message =
      'node a is in no region, as it contradicts itself: its zone is elsewhere; no pod that a deny policy governs is bound to it';
    expect(on).toEqual([
      [
        { apiVersion: 'v1', kind: 'Node', metadata: { name: 'a', uid: 'a' } },
        { severity: 'warning', reason: 'NodeDisputed', message },
      ],
    ]);
  });
});
