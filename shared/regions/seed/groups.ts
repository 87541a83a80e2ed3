import type { CatalogGroup } from '../../api/index.ts';

const countries = (codes: string): string[] => codes.split(' ').map((code) => `country:${code}`);

/** Groups of countries by treaty. */
export const GROUPS: readonly CatalogGroup[] = [
  // Treaty on European Union, Article 52;
  // https://european-union.europa.eu/principles-countries-history/eu-countries_en
  { name: 'eu', members: countries('AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK') },
  // Agreement on the European Economic Area, Article 2
  { name: 'eea', members: ['group:eu', ...countries('IS LI NO')] },
  // Countries that many contracts name together; no treaty makes them one area.
  { name: 'eu-ch', members: ['group:eu', 'country:CH'] },
];
