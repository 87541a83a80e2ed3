import { SEED_CATALOG } from '@fso/shared/regions/seed';
import { stringify } from 'yaml';
import { CELLS, GEOS, type Geo, geoOfCell, nameOfCell } from './geography.ts';

/**
 * Files of the simulated fleet's repository: 500 clusters and 1,000 policies, about 40 of which
 * apply to each cluster.
 */

export const CLUSTERS = 500;
const PER_CELL = 24;
const PER_GEO = 6;
/** Number of policies for every cluster. */
const EVERYWHERE = 10;

const TEAMS = ['payments', 'ledger', 'claims', 'identity', 'analytics', 'trading', 'patients', 'payroll', 'fraud', 'research'];
const PARTS = ['api', 'batch', 'store', 'web', 'events', 'cache'];
const WHY = [
  'Records of customers stay where the processing agreement names.',
  'Ledgers do not leave the regions that the auditors have seen.',
  'The works agreement keeps this data in the country.',
  'Card processing runs in certified regions only.',
];
const ENVIRONMENTS = ['production', 'production', 'production', 'staging', 'edge'];
const DAY_MS = 86_400_000;

export interface SimulatedCluster {
  readonly name: string;
  readonly cell: number;
  readonly geo: Geo;
  readonly regions: readonly string[];
  /** Provider of its regions; absent for sites outside of clouds. */
  readonly provider?: string | undefined;
}

/** Returns the provider of a region; if several share its name, the first one. */
const providerOf = (region: string): string | undefined => SEED_CATALOG.regions.find((known) => known.region === region)?.provider;

type Random = () => number;

export const pick = <T>(items: readonly T[], random: Random): T => {
  const item = items[Math.floor(random() * items.length)];
  if (item === undefined) throw new Error('nothing to pick from');
  return item;
};

const document = (kind: string, metadata: object, spec: object): string =>
  stringify({ apiVersion: 'compliance.federated.io/v1', kind, metadata, spec });

const makeClusters = (random: Random): SimulatedCluster[] =>
  Array.from({ length: CLUSTERS }, (_, index) => {
    const cell = index % CELLS;
    const geo = geoOfCell(cell);
    const home = pick(geo.regions, random);
    const provider = providerOf(home);
    const others = geo.regions.filter((region) => providerOf(region) === provider);
    const second = random() < 0.4 ? pick(others, random) : home;
    const number = String(Math.floor(index / CELLS) + 1).padStart(2, '0');
    return { name: `${nameOfCell(cell)}-${home}-${number}`, cell, geo, regions: [...new Set([home, second])], provider };
  });

const clusterFile = ({ name, cell, geo, regions, provider }: SimulatedCluster, random: Random): string =>
  document(
    'ManagedCluster',
    { name, labels: { environment: pick(ENVIRONMENTS, random), geo: geo.name, cell: nameOfCell(cell) } },
    { regions: [...regions], ...(provider === undefined ? {} : { provider }) },
  );

/** Returns the action of a policy. Most policies deny. */
const actionOf = (random: Random): object => {
  const dice = random();
  if (dice < 0.72) return {};
  if (dice < 0.85) return { enforcementAction: 'warn' };
  if (dice < 0.96) return { enforcementAction: 'dryrun' };
  return {
    enforcementAction: 'custom',
    scopedEnforcementActions: [{ action: 'warn', enforcementPoints: [{ name: 'validation.gatekeeper.sh' }] }],
  };
};

/**
 * Returns the expiry of a policy. Of a hundred policies, two are about to expire and one has
 * expired.
 */
const expiryOf = (random: Random, now: Date): object => {
  const dice = random();
  if (dice >= 0.06) return {};
  const days = dice < 0.02 ? 1 + Math.floor(random() * 13) : dice < 0.03 ? -1 - Math.floor(random() * 20) : 60 + Math.floor(random() * 900);
  return { expiryDate: new Date(now.getTime() + days * DAY_MS).toISOString() };
};

interface PolicySketch {
  readonly name: string;
  readonly targetNamespace: string;
  readonly allowedRegions: readonly string[];
  readonly placement?: object;
}

export const policyFile = (sketch: PolicySketch, random: Random, now: Date): string => {
  const { name, ...spec } = sketch;
  const { expiryDate, ...action } = { ...expiryOf(random, now), ...actionOf(random) } as { expiryDate?: string };
  return document(
    'SovereignPolicy',
    { name, labels: { owner: name.split('-')[0] ?? '' } },
    { description: pick(WHY, random), ...spec, ...action, ...(expiryDate === undefined ? {} : { expiryDate }) },
  );
};

/** Returns the namespace of the n-th policy of a cell, unique within the cell. */
export const namespaceOf = (n: number): string => `${TEAMS[n % TEAMS.length]}-${PARTS[Math.floor(n / TEAMS.length) % PARTS.length]}`;

const regionsFor = (geo: Geo, random: Random): string[] =>
  random() < 0.6 ? [`group:${geo.name}`] : geo.regions.filter((_region, index) => index === 0 || random() < 0.75);

const cellPolicies = (cell: number, random: Random): PolicySketch[] =>
  Array.from({ length: PER_CELL }, (_, index) => {
    // Each cell starts with another team, so that cells differ.
    const targetNamespace = namespaceOf(index + cell * 7);
    return {
      name: `${targetNamespace}-${nameOfCell(cell)}`,
      targetNamespace,
      allowedRegions: regionsFor(geoOfCell(cell), random),
      placement: { clusterSelector: { matchLabels: { cell: nameOfCell(cell) } } },
    };
  });

const geoPolicies = (geo: Geo): PolicySketch[] =>
  TEAMS.slice(0, PER_GEO).map((team) => ({
    name: `${team}-${geo.name}`,
    targetNamespace: `${team}-*`,
    allowedRegions: [`group:${geo.name}`],
    placement: { clusterSelector: { matchLabels: { geo: geo.name } } },
  }));

const policiesOfAll = (): PolicySketch[] =>
  Array.from({ length: EVERYWHERE }, (_, index) => ({
    name: `backups-${PARTS[index % PARTS.length]}-${index + 1}`,
    targetNamespace: `backups-${index + 1}`,
    allowedRegions: GEOS.map(({ name }) => `group:${name}`),
  }));

const sketches = (random: Random): PolicySketch[] => [
  ...Array.from({ length: CELLS }, (_, cell) => cellPolicies(cell, random)).flat(),
  ...GEOS.flatMap(geoPolicies),
  ...policiesOfAll(),
];

export interface FleetFiles {
  readonly clusters: readonly SimulatedCluster[];
  /** Contents of the files by path. */
  readonly files: Readonly<Record<string, string>>;
}

/** @param now time around which policies expire */
export const makeFleetFiles = (random: Random, now: Date): FleetFiles => {
  const clusters = makeClusters(random);
  const files: Record<string, string> = {};
  for (const { name, regions } of GEOS) files[`regions/${name}.yaml`] = document('RegionGroup', { name }, { regions: [...regions] });
  files['regions/catalog.yaml'] = document('RegionCatalog', { name: 'catalog' }, SEED_CATALOG);
  for (const cluster of clusters) files[`clusters/${cluster.name}.yaml`] = clusterFile(cluster, random);
  for (const sketch of sketches(random)) {
    files[`policies/${sketch.name.split('-')[0]}/${sketch.name}.yaml`] = policyFile(sketch, random, now);
  }
  return { clusters, files };
};
