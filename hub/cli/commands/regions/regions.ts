import { byText } from '@fso/shared/encoding';
import { countryName, parseReference, type Reading, readingText, referenceProblem } from '@fso/shared/regions';
import type { Context } from '../../context.ts';
import { CliError, EXIT } from '../../errors.ts';
import { type Column, type Format, renderTable, writeData, writeRows } from '../../render/output.ts';
import { list } from '../../render/text.ts';
import { openRegions, type RegionSource } from './region-files.ts';

/** Options of all `fso regions` commands. */
export interface RegionOptions {
  readonly dir: string;
  readonly output: Format;
}

/** Options of `fso regions list`. */
export interface ListRegionsOptions extends RegionOptions {
  readonly country?: string;
  readonly provider?: string;
}

const COLUMNS: readonly Column<Reading>[] = [
  { title: 'REGION', value: ({ provider, name }) => `${provider}/${name}` },
  { title: 'COUNTRY', value: ({ country }) => `${country} ${countryName(country)}` },
  { title: 'PLACE', value: ({ place }) => place },
  { title: 'PARTITION', value: ({ region }) => region.partition },
  { title: 'UNTIL', value: ({ region }) => region.until ?? '-' },
  { title: 'OPERATOR', value: ({ region }) => region.operator ?? '-', wide: true },
  { title: 'SINCE', value: ({ region }) => region.since ?? '-', wide: true },
  { title: 'SOURCE', value: ({ region }) => region.source, wide: true },
];

/** Converts a reading to its output for programs. */
const entryOf = ({ provider, name, country, place, zone, region }: Reading) => ({
  provider,
  name,
  ...(zone === undefined ? {} : { region: region.region }),
  country,
  place,
  partition: region.partition,
  ...(region.operator === undefined ? {} : { operator: region.operator }),
  latitude: region.latitude,
  longitude: region.longitude,
  ...(region.since === undefined ? {} : { since: region.since }),
  ...(region.until === undefined ? {} : { until: region.until }),
  source: region.source,
});

const isData = (output: Format): output is 'json' | 'yaml' => output === 'json' || output === 'yaml';

const readingsIn = ({ regions }: RegionSource): readonly Reading[] =>
  [...(regions.catalog?.providers.values() ?? [])].flatMap((names) => [...names.values()]);

const tellSource = (context: Context, { regions, origin }: RegionSource): void =>
  context.progress(`Catalogue ${regions.catalog?.version ?? '-'} of ${origin}.\n`);

/** Selects readings by a field. @throws CliError with the existing values if none matches */
const select = (readings: readonly Reading[], value: string | undefined, what: 'country' | 'provider'): readonly Reading[] => {
  const found = value === undefined ? readings : readings.filter((reading) => reading[what] === value);
  if (found.length > 0 || readings.length === 0) return found;
  const known = [...new Set(readings.map((reading) => reading[what]))].sort(byText);
  throw new CliError(`no region to list has the ${what} ${value}: there are ${known.join(', ')}`);
};

/**
 * Runs `fso regions list`: lists the regions of the catalogue, and zones in other countries than
 * their region.
 *
 * @throws CliError if no region matches the provider, or none of the provider matches the country
 */
export const listRegions = async (context: Context, { dir, output, country, provider }: ListRegionsOptions): Promise<void> => {
  const source = openRegions(dir);
  const rows = select(select(readingsIn(source), provider, 'provider'), country?.toUpperCase(), 'country');
  if (isData(output)) return writeData(context, output, rows.map(entryOf));
  tellSource(context, source);
  return writeRows(context, output, rows, COLUMNS);
};

/** Returns the groups that contain a region as its provider resolves it. */
const groupsWith = ({ regions }: RegionSource, { provider, name }: Reading): readonly string[] =>
  [...regions.groups.keys()].filter((group) => regions.resolve([`group:${group}`], provider).regions.includes(name));

/** Returns the readings of a reference. */
const readingsOf = (source: RegionSource, reference: string): readonly Reading[] => {
  const parsed = parseReference(reference);
  if (parsed.type === 'name') return source.regions.catalog?.names.get(parsed.name) ?? [];
  return readingsIn(source).filter(({ provider, name }) => source.regions.resolve([reference], provider).regions.includes(name));
};

const ambiguityOf = (reference: string, readings: readonly Reading[]): string | undefined => {
  if (parseReference(reference).type !== 'name' || new Set(readings.map(({ country }) => country)).size < 2) return undefined;
  const lines = readings.map((reading) => `  ${reading.provider}/${reading.name}: ${readingText(reading)}\n`).join('');
  return `${reference} is not one place. In a cluster with nodes of both it is inside nowhere; write the one that is meant:\n${lines}`;
};

/**
 * Runs `fso regions explain`: prints what a name or reference stands for.
 *
 * @returns the exit code
 * @throws CliError if it is neither
 */
export const explainRegion = async (context: Context, reference: string, { dir, output }: RegionOptions): Promise<number> => {
  const source = openRegions(dir);
  const problem = referenceProblem(reference, source.regions);
  if (problem !== undefined) throw new CliError(problem, EXIT.negative);
  const readings = readingsOf(source, reference);
  if (readings.length === 0) throw new CliError(`no region of the catalogue is ${reference}`, EXIT.negative);
  const rows = readings.map((reading) => ({ ...entryOf(reading), groups: groupsWith(source, reading) }));
  if (isData(output)) {
    await writeData(context, output, rows);
    return EXIT.ok;
  }
  tellSource(context, source);
  const groups = { title: 'GROUPS', value: (reading: Reading) => list(groupsWith(source, reading)) };
  context.out(renderTable([...COLUMNS.filter(({ wide }) => output === 'wide' || wide !== true), groups], readings, context.paint));
  const ambiguity = ambiguityOf(reference, readings);
  if (ambiguity !== undefined) context.out(`\n${ambiguity}`);
  return EXIT.ok;
};
