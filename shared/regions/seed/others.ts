import type { ProviderSeed } from './provider-seed.ts';

/** Regions of IBM Cloud, with the source of the list. */
export const IBM: ProviderSeed = {
  ibm: {
    source:
      'IBM Cloud, Region and data center locations for resource deployment, https://cloud.ibm.com/docs/overview?topic=overview-locations',
    regions: {
      'au-syd': 'Sydney',
      'br-sao': 'São Paulo',
      'ca-mon': 'Montréal',
      'ca-tor': 'Toronto',
      'eu-de': 'Frankfurt',
      'eu-es': 'Madrid',
      'eu-gb': 'London',
      'jp-osa': 'Osaka',
      'jp-tok': 'Tokyo',
      'us-east': 'Washington',
      'us-south': 'Dallas',
    },
  },
};

const ALIBABA_REGIONS = 'Alibaba Cloud, Regions and zones, https://www.alibabacloud.com/help/en/ecs/regions-and-zones';

/** Alibaba Cloud. AWS uses many of the same names for other places. */
export const ALIBABA: ProviderSeed = {
  alibaba: {
    source: ALIBABA_REGIONS,
    regions: {
      'ap-northeast-1': 'Tokyo',
      'ap-northeast-2': 'Seoul',
      'ap-south-1': { place: 'Mumbai', until: '2024-07-15' },
      'ap-southeast-1': 'Singapore',
      'ap-southeast-2': { place: 'Sydney', until: '2024-09-30' },
      'ap-southeast-3': 'Kuala Lumpur',
      'ap-southeast-5': 'Jakarta',
      'ap-southeast-6': 'Manila',
      'ap-southeast-7': 'Bangkok',
      'ap-southeast-8': 'Johor Bahru',
      'cn-beijing': 'Beijing',
      'cn-chengdu': 'Chengdu',
      'cn-fuzhou': 'Fuzhou',
      'cn-guangzhou': 'Guangzhou',
      'cn-hangzhou': 'Hangzhou',
      'cn-heyuan': 'Heyuan',
      'cn-hongkong': 'Hong Kong',
      'cn-huhehaote': 'Hohhot',
      'cn-nanjing': 'Nanjing',
      'cn-qingdao': 'Qingdao',
      'cn-shanghai': 'Shanghai',
      'cn-shenzhen': 'Shenzhen',
      'cn-wuhan-lr': 'Wuhan',
      'cn-wulanchabu': 'Ulanqab',
      'cn-zhangjiakou': 'Zhangjiakou',
      'cn-zhongwei': 'Zhongwei',
      'eu-central-1': 'Frankfurt',
      'eu-west-1': 'London',
      'eu-west-2': 'Paris',
      'me-central-1': { place: 'Riyadh', operator: 'Saudi Cloud Computing Company' },
      'me-east-1': 'Dubai',
      'na-south-1': 'Mexico',
      'us-east-1': 'Ashburn',
      'us-west-1': 'San Jose',
    },
  },
  'alibaba-finance': {
    source: ALIBABA_REGIONS,
    regions: {
      'cn-beijing-finance-1': 'Beijing',
      'cn-hangzhou-finance': 'Hangzhou',
      'cn-shanghai-finance-1': 'Shanghai',
      'cn-shenzhen-finance-1': 'Shenzhen',
    },
  },
  'alibaba-gov': { source: ALIBABA_REGIONS, regions: { 'cn-north-2-gov-1': 'Beijing' } },
};

/** OVHcloud. The region's name on a node contains the number, and a Local Zone is a region. */
export const OVHCLOUD: ProviderSeed = {
  ovh: {
    source: 'OVHcloud, Public Cloud regions availability, https://www.ovhcloud.com/en/public-cloud/regions-availability/',
    regions: {
      'AP-SOUTH-MUM-1': 'Mumbai',
      BHS5: 'Beauharnois',
      'CA-EAST-TOR': 'Toronto',
      DE1: 'Frankfurt',
      'EU-CENTRAL-LZ-PRG-A': 'Prague',
      'EU-SOUTH-LZ-MAD-A': 'Madrid',
      'EU-SOUTH-MIL': 'Milan',
      'EU-WEST-LZ-BRU-A': 'Brussels',
      'EU-WEST-LZ-MRS-A': 'Marseille',
      'EU-WEST-PAR': 'Paris',
      GRA5: 'Gravelines',
      GRA7: 'Gravelines',
      GRA9: 'Gravelines',
      GRA11: 'Gravelines',
      RBX: 'Roubaix',
      SBG5: 'Strasbourg',
      SBG7: 'Strasbourg',
      SGP1: 'Singapore',
      SYD1: 'Sydney',
      UK1: 'London',
      WAW1: 'Warsaw',
    },
  },
  'ovh-us': {
    source: 'OVHcloud US, https://us.ovhcloud.com/public-cloud/regions-availability/',
    operator: 'OVHcloud US',
    regions: { 'US-EAST-VA-1': 'Vint Hill', 'US-WEST-OR-1': 'Hillsboro' },
  },
};

/** Regions of Scaleway, with the source of the list. */
export const SCALEWAY: ProviderSeed = {
  scaleway: {
    source: 'Scaleway, Regions and Availability Zones, https://www.scaleway.com/en/docs/account/reference-content/products-availability/',
    regions: { 'fr-par': 'Paris', 'it-mil': 'Milan', 'nl-ams': 'Amsterdam', 'pl-waw': 'Warsaw' },
  },
};

/** Hetzner Cloud. The region of a node is its location. */
export const HETZNER: ProviderSeed = {
  hetzner: {
    source: 'Hetzner Cloud, Locations, https://docs.hetzner.com/cloud/general/locations/',
    regions: { ash: 'Ashburn', fsn1: 'Falkenstein', hel1: 'Helsinki', hil: 'Hillsboro', nbg1: 'Nuremberg', sin: 'Singapore' },
  },
};
