import type { ConnectionState } from '@fso/shared/api';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { toMapRegions } from './map-regions.ts';
import { layOut, project, unproject, viewOf, WORLD_VIEW } from './markers.ts';
import { regionView } from './testing/region-view.ts';

const view = (region: string, clusters: string[] = []) => regionView(region, { policies: 1, clusters });
const names = (count: number): string[] => Array.from({ length: count }, (_, index) => `cluster-${index}`);
/** Pixels per radian: near enough for cities to be apart, and the whole world on a screen. */
const NEAR = 10_000;
const FAR = 150;
const unknown = (): undefined => undefined;

describe('layOut', () => {
  it('puts regions of one city beside each other, and no two markers onto the same spot', () => {
    const views = [
      view('eu-central-1', names(4)),
      view('europe-west3', names(2)),
      view('germanywestcentral', names(90)),
      view('eu-west-1'),
    ];
    const { regions, clusters } = layOut(toMapRegions(views), unknown, NEAR);
    expect(regions).toHaveLength(4);
    expect(clusters).toHaveLength(4 + 2 + 1);
    const spots = [...regions, ...clusters].map(({ longitude, latitude, offset }) => `${longitude} ${latitude} ${offset.join(' ')}`);
    expect(new Set(spots).size).toBe(spots.length);
  });

  it('combines near places into one marker, until the map is zoomed', () => {
    const views = [view('eu-west-2', ['a', 'b']), view('eu-west-3', ['b', 'c', 'd']), view('us-east-1', ['e'])];
    const far = layOut(toMapRegions(views), unknown, FAR);
    expect(far.regions).toHaveLength(3);
    expect(far.clusters.map(({ clusters, regions }) => [clusters.toSorted(), regions.map(({ region }) => region)])).toEqual([
      [
        ['a', 'b', 'c', 'd'],
        ['eu-west-3', 'eu-west-2'],
      ],
      [['e'], ['us-east-1']],
    ]);
    expect(layOut(toMapRegions(views), unknown, NEAR).clusters).toHaveLength(2 + 3 + 1);
  });

  it('leaves out regions without a known location', () => {
    expect(layOut(toMapRegions([view('basement-1', ['a'])]), unknown, NEAR)).toEqual({ regions: [], clusters: [] });
  });

  it('counts a cluster as connected only where that is known', () => {
    const states: Readonly<Record<string, ConnectionState>> = {
      'cluster-0': 'Connected',
      'cluster-1': 'Disconnected',
      'cluster-2': 'NeverSeen',
    };
    const { clusters } = layOut(toMapRegions([view('eu-west-1', names(6))]), (name) => states[name], NEAR);
    expect(clusters).toMatchObject([{ clusters: names(6), connected: 1 }]);
  });
});

describe('viewOf', () => {
  it('shows the world without any markers', () => {
    expect(viewOf([])).toEqual(WORLD_VIEW);
  });

  it('zooms to what is close together, and not too near to a single place', () => {
    const dublin = { latitude: 53.35, longitude: -6.26 };
    const frankfurt = { latitude: 50.11, longitude: 8.68 };
    const { center, zoom } = viewOf([dublin, frankfurt]);
    const [longitude, latitude] = unproject([Number(center[0]), Number(center[1])]);
    expect(longitude).toBeCloseTo(1.21);
    expect(latitude).toBeGreaterThan(50.11);
    expect(latitude).toBeLessThan(53.35);
    expect(zoom).toBe(6);
    expect(viewOf([dublin]).zoom).toBe(6);
  });

  it('shows the world for markers all over it', () => {
    const { zoom } = viewOf([
      { latitude: -36.85, longitude: 174.76 },
      { latitude: 45.5, longitude: -122.9 },
    ]);
    expect(zoom).toBe(1);
  });
});

describe("Miller's projection", () => {
  it('has the equator and the prime meridian in the middle, north up and east right', () => {
    expect(project([0, 0])).toEqual([0, expect.closeTo(0)]);
    const [x, y] = project([10, 50]);
    expect(x).toBeGreaterThan(0);
    expect(y).toBeLessThan(0);
  });

  it('has the pole where Snyder computes it', () => {
    expect(project([0, 90])[1]).toBeCloseTo(-2.3034125, 5);
  });

  it('inverts itself everywhere', () => {
    fc.assert(
      fc.property(fc.double({ min: -180, max: 180, noNaN: true }), fc.double({ min: -90, max: 90, noNaN: true }), (longitude, latitude) => {
        const [back, forth] = unproject(project([longitude, latitude]));
        expect(back).toBeCloseTo(longitude, 6);
        expect(forth).toBeCloseTo(latitude, 6);
      }),
    );
  });
});
