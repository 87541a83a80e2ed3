import { describe, expect, it } from 'vitest';
import { CLOUD_REGIONS, findCloudRegion } from './cloud-regions.ts';
import { PLACES } from './regions/places.ts';

describe('regions of the public clouds', () => {
  it('has every name once', () => {
    const names = CLOUD_REGIONS.map(({ region }) => region);
    expect(names.filter((name, index) => names.indexOf(name) !== index)).toEqual([]);
  });

  it('has names that a node label can hold', () => {
    for (const { region } of CLOUD_REGIONS) expect(region).toMatch(/^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/);
  });

  it('has coordinates on the globe, no two places with the same ones, and no place without a region', () => {
    const seen = new Set<string>();
    for (const [latitude, longitude] of Object.values(PLACES)) {
      expect(Math.abs(latitude)).toBeLessThanOrEqual(90);
      expect(Math.abs(longitude)).toBeLessThanOrEqual(180);
      seen.add(`${latitude} ${longitude}`);
    }
    expect(seen.size).toBe(Object.keys(PLACES).length);
    const used = new Set<string>(CLOUD_REGIONS.map(({ place }) => place));
    expect(Object.keys(PLACES).filter((place) => !used.has(place))).toEqual([]);
  });

  it.each([
    ['eu-west-1', 'AWS', 'Dublin, Ireland'],
    ['eu-central-1', 'AWS', 'Frankfurt, Germany'],
    ['us-east-1', 'AWS', 'Ashburn, United States'],
    ['ap-southeast-1', 'AWS', 'Singapore'],
    ['sa-east-1', 'AWS', 'São Paulo, Brazil'],
    ['westeurope', 'Microsoft Azure', 'Middenmeer, Netherlands'],
    ['northeurope', 'Microsoft Azure', 'Dublin, Ireland'],
    ['europe-west3', 'Google Cloud', 'Frankfurt, Germany'],
    ['us-central1', 'Google Cloud', 'Council Bluffs, United States'],
    ['eu-frankfurt-1', 'Oracle Cloud', 'Frankfurt, Germany'],
    ['eu-de', 'IBM Cloud', 'Frankfurt, Germany'],
    ['cn-hangzhou', 'Alibaba Cloud', 'Hangzhou, China'],
    ['GRA11', 'OVHcloud', 'Gravelines, France'],
    ['fr-par', 'Scaleway', 'Paris, France'],
    ['fsn1', 'Hetzner Cloud', 'Falkenstein, Germany'],
  ])('knows %s', (region, provider, place) => {
    expect(findCloudRegion(region)).toMatchObject({ provider, place });
  });

  it.each([
    ['eu-central-1', 'europe-west3', 'germanywestcentral'],
    ['ap-northeast-1', 'asia-northeast1', 'japaneast'],
  ])('places regions of the same city together: %s', (...regions) => {
    expect(new Set(regions.map((region) => findCloudRegion(region)?.place)).size).toBe(1);
  });

  it.each(['', 'basement-1', 'constructor', 'EU-WEST-1'])('has no place for %o', (region) => {
    expect(findCloudRegion(region)).toBeUndefined();
  });
});
