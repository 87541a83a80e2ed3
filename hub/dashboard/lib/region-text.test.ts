import type { RegionPlace } from '@fso/shared/api';
import { expect, it } from 'vitest';
import { placeNote, regionText } from './region-text.ts';

const DUBLIN: RegionPlace = { country: 'IE', place: 'Dublin', coordinates: [53.35, -6.26], partition: 'aws', operator: null };

it('names the country before the region, with its provider where that is known', () => {
  const known = { region: 'eu-west-1', provider: 'aws', place: DUBLIN, readings: [] };
  expect([regionText(known), placeNote(known)]).toEqual(['Ireland (aws/eu-west-1)', 'Dublin']);
  const undeclared = { ...known, provider: null };
  expect(regionText(undeclared)).toBe('Ireland (eu-west-1)');
});

it('names an operator that is not the provider', () => {
  const place = { ...DUBLIN, country: 'FR', place: 'Paris', operator: 'S3NS' };
  expect(placeNote({ region: 'u-france-east1', provider: 'gcp', place, readings: [] })).toBe('Paris, operated by S3NS');
});

it('guesses no country where none is known, or providers mean different ones', () => {
  const unknown = { region: 'basement-1', provider: 'onprem', place: null, readings: [] };
  expect([regionText(unknown), placeNote(unknown)]).toEqual(['onprem/basement-1', 'unknown location']);
  const readings = [
    { provider: 'aws', country: 'IE' },
    { provider: 'alibaba', country: 'GB' },
  ];
  const ambiguous = { region: 'eu-west-1', provider: null, place: null, readings };
  expect(regionText(ambiguous)).toBe('eu-west-1');
  expect(placeNote(ambiguous)).toBe('unknown location: Ireland (aws) or United Kingdom (alibaba)');
});
