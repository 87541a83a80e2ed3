import type { RegionCatalogSpec } from '@fso/shared/api';
import type { ConfigMap, KubeClient } from '@fso/shared/kube';
import { beforeEach, describe, expect, it } from 'vitest';
import { digestOfPlaces, getPlaces, readPlaces, savePlaces } from './places-store.ts';
import { loadAcceptedPlaces, loadState, saveState } from './state-store.ts';

const CATALOG: RegionCatalogSpec = {
  version: '7',
  regions: [
    {
      provider: 'aws',
      region: 'eu-west-1',
      partition: 'aws',
      country: 'IE',
      place: 'Ireland',
      latitude: 53,
      longitude: -6,
      source: 'https://example.com',
    },
  ],
  groups: [],
};
const PLACES = { catalog: CATALOG, provider: 'aws' };
const DIGEST = digestOfPlaces(PLACES) ?? '';
const { signal } = new AbortController();

describe('the places of the accepted commit', () => {
  let stored: Map<string, ConfigMap>;
  let problem: Error | undefined;

  const client = {
    apply: async (_kind: unknown, body: ConfigMap) => {
      stored.set(body.metadata.name, structuredClone(body));
      return { object: body, warnings: [] };
    },
    get: async (_kind: unknown, { name }: { name: string }) => {
      if (problem !== undefined) throw problem;
      return stored.get(name);
    },
  } as unknown as KubeClient;
  const accept = (places: string | undefined) => {
    const commit = { revision: 'a'.repeat(40), verification: { state: 'unverified' as const }, trust: undefined, registration: null };
    return saveState(client, { ...commit, digest: '', places, policies: undefined }, signal);
  };

  beforeEach(() => {
    stored = new Map();
    problem = undefined;
  });

  it('survive a restart', async () => {
    await savePlaces(client, PLACES, undefined, signal);
    expect(await readPlaces(await getPlaces(client, signal), DIGEST)).toEqual(PLACES);
    await accept(DIGEST);
    expect(await loadAcceptedPlaces(client, signal)).toEqual(PLACES);
    expect((await loadState(client, signal)).state).toMatchObject({ places: DIGEST });
  });

  it('leave nothing in a cluster whose commits have none', async () => {
    await savePlaces(client, {}, undefined, signal);
    expect([stored.size, digestOfPlaces({})]).toEqual([0, undefined]);
    expect(await loadAcceptedPlaces(client, signal)).toEqual({});
    await accept(undefined);
    expect(await loadAcceptedPlaces(client, signal)).toEqual({});
  });

  it('are kept beside those of the next commit until that is accepted', async () => {
    const next = { ...PLACES, provider: 'alibaba' };
    await savePlaces(client, PLACES, undefined, signal);
    await accept(DIGEST);
    await savePlaces(client, next, DIGEST, signal);
    expect(await loadAcceptedPlaces(client, signal)).toEqual(PLACES);
    await accept(digestOfPlaces(next));
    expect(await loadAcceptedPlaces(client, signal)).toEqual(next);
    await savePlaces(client, PLACES, digestOfPlaces(next), signal);
    expect(Object.keys([...stored.values()].find(({ binaryData }) => binaryData !== undefined)?.binaryData ?? {})).toHaveLength(2);
  });

  it('are unknown where they were changed or deleted, and the hub is asked for the commit again', async () => {
    const other = Buffer.from('junk').toString('base64');
    for (const binaryData of [{}, { [DIGEST]: other }]) {
      await savePlaces(client, PLACES, undefined, signal);
      await accept(DIGEST);
      stored.set('fso-agent-regions', { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'fso-agent-regions' }, binaryData });
      expect(await loadAcceptedPlaces(client, signal)).toBeUndefined();
      expect(await loadState(client, signal)).toMatchObject({ state: undefined, kept: { revision: 'a'.repeat(40) } });
    }
    // The places of another commit, under this digest.
    await savePlaces(client, { catalog: CATALOG }, undefined, signal);
    const [packed = ''] = Object.values(stored.get('fso-agent-regions')?.binaryData ?? {});
    stored.set('fso-agent-regions', { metadata: { name: 'fso-agent-regions' }, binaryData: { [DIGEST]: packed } });
    await expect(readPlaces(stored.get('fso-agent-regions'), DIGEST)).rejects.toThrow('not what was accepted');
  });

  it('are not unknown because the API server does not answer', async () => {
    await accept(DIGEST);
    problem = new Error('away');
    await expect(loadAcceptedPlaces(client, signal)).rejects.toThrow('away');
    await expect(loadState(client, signal)).rejects.toThrow('away');
  });
});
