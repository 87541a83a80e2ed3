/** Locations of the clusters of the simulated fleet. */

export interface Geo {
  readonly name: string;
  /** Regions of its RegionGroup. */
  readonly regions: readonly string[];
  /** Region of its violating pods. */
  readonly outside: string;
  /** Share of the cells, in fortieths. */
  readonly cells: number;
}

/** Geographies of the fleet. The last one has regions outside of clouds. */
export const GEOS: readonly Geo[] = [
  {
    name: 'eu',
    regions: [
      'eu-west-1',
      'eu-central-1',
      'eu-north-1',
      'westeurope',
      'francecentral',
      'germanywestcentral',
      'europe-west1',
      'europe-west3',
    ],
    outside: 'us-east-1',
    cells: 14,
  },
  {
    name: 'us',
    regions: ['us-east-1', 'us-east-2', 'us-west-2', 'eastus', 'westus2', 'us-central1', 'us-east4'],
    outside: 'eu-west-1',
    cells: 11,
  },
  {
    name: 'apac',
    regions: ['ap-southeast-1', 'ap-northeast-1', 'ap-south-1', 'japaneast', 'southeastasia', 'asia-southeast1', 'australia-southeast1'],
    outside: 'us-west-2',
    cells: 9,
  },
  { name: 'latam', regions: ['sa-east-1', 'brazilsouth', 'southamerica-east1'], outside: 'us-east-2', cells: 4 },
  { name: 'sites', regions: ['berlin-dc2', 'factory-graz', 'vessel-17'], outside: 'westeurope', cells: 2 },
];

export const CELLS = 40;

/**
 * Returns the geography of a cell. The clusters of a cell get the same policies. @param cell 0 ≤
 * cell < {@link CELLS}
 */
export const geoOfCell = (cell: number): Geo => {
  let first = 0;
  for (const geo of GEOS) {
    first += geo.cells;
    if (cell < first) return geo;
  }
  throw new Error(`no cell ${cell}`);
};

/** `eu-03` */
export const nameOfCell = (cell: number): string => `${geoOfCell(cell).name}-${String(cell).padStart(2, '0')}`;
