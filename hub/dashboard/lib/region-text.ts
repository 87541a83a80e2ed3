import type { RegionView } from '@fso/shared/api';
import { countryName } from '@fso/shared/regions';
import type { Filter } from './filters.ts';

/** Region with its provider, and the places that its name stands for. */
export type LocatedRegion = Pick<RegionView, 'region' | 'provider' | 'place' | 'readings'>;

const nameOf = ({ region, provider }: Pick<RegionView, 'region' | 'provider'>): string =>
  provider === null ? region : `${provider}/${region}`;

/** Formats a region: `Ireland (aws/eu-west-1)`, or the name alone if its place is unknown. */
export const regionText = (view: LocatedRegion): string =>
  view.place === null ? nameOf(view) : `${countryName(view.place.country)} (${nameOf(view)})`;

/** Returns the search parameters of the list of clusters in a region. */
export const clusterSearch = ({ region, provider }: Pick<RegionView, 'region' | 'provider'>): { region: string; provider?: string } =>
  provider === null ? { region } : { region, provider };

/** Returns the city and operator of a region, or why its place is unknown. */
export const placeNote = ({ place, readings }: LocatedRegion): string => {
  if (place !== null) return place.operator === null ? place.place : `${place.place}, operated by ${place.operator}`;
  if (readings.length === 0) return 'unknown location';
  return `unknown location: ${readings.map(({ provider, country }) => `${countryName(country)} (${provider})`).join(' or ')}`;
};

const byText = (a: { readonly text: string }, b: { readonly text: string }): number => a.text.localeCompare(b.text, 'en');

/** Creates filters by country and provider; none if all regions have the same. */
export const regionFilters = (regions: readonly Pick<RegionView, 'place' | 'provider'>[]): readonly Filter[] => {
  const countries = new Set(regions.flatMap(({ place }) => (place === null ? [] : [place.country])));
  const providers = new Set(regions.flatMap(({ provider }) => provider ?? []));
  const filters: readonly Filter[] = [
    { name: 'country', label: 'Country', options: [...countries].map((value) => ({ value, text: countryName(value) })).toSorted(byText) },
    { name: 'provider', label: 'Provider', options: [...providers].map((value) => ({ value, text: value })).toSorted(byText) },
  ];
  return filters.filter(({ options = [] }) => options.length > 1);
};
