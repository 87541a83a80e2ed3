import type { CatalogIndex, Reading } from './catalog-index.ts';
import { readingOf } from './catalog-index.ts';

/**
 * Country codes of ISO 3166-1. They are listed here because the codes that a JavaScript engine
 * knows depend on its version, and hub and agents must accept the same commits.
 */
const COUNTRY_CODES: ReadonlySet<string> = new Set(
  (
    'AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ ' +
    'CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR ' +
    'GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP ' +
    'KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT ' +
    'MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW ' +
    'SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG ' +
    'UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW'
  ).split(' '),
);

/** Whether ISO 3166-1 has a country code. */
export const isCountryCode = (code: string): boolean => COUNTRY_CODES.has(code);

/** Returns the English name of a country, for display only: `IE` → `Ireland`. */
export const countryName = (code: string): string => new Intl.DisplayNames('en', { type: 'region' }).of(code) ?? code;

/** Formats a region for people: `Ireland (aws/eu-west-1)`. */
export const readingText = ({ country, provider, name }: Reading): string => `${countryName(country)} (${provider}/${name})`;

/**
 * Formats a region for people: `Ireland (aws/eu-west-1)`. Returns the name alone if the catalogue
 * lacks it, or if providers mean different countries by it and none is given.
 */
export const placeText = (catalog: CatalogIndex | undefined, name: string, provider?: string): string => {
  if (catalog === undefined) return name;
  if (provider !== undefined) {
    const reading = readingOf(catalog, provider, name);
    return reading === undefined ? `${provider}/${name}` : readingText(reading);
  }
  const [first, ...others] = catalog.names.get(name) ?? [];
  if (first === undefined) return name;
  if (others.length === 0) return readingText(first);
  return others.every(({ country }) => country === first.country) ? `${countryName(first.country)} (${name})` : name;
};
