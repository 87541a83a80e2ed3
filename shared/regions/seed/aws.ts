import type { ProviderSeed } from './provider-seed.ts';

const REGIONS = 'AWS, Regions, https://docs.aws.amazon.com/global-infrastructure/latest/regions/aws-regions.html';

const PARTITIONS = 'AWS SDK, partitions.json, https://github.com/boto/botocore/blob/develop/botocore/data/partitions.json';

/**
 * Amazon Web Services. Zones are Local Zones ("Available Local Zones" of the AWS Local Zones user
 * guide; some are announced only) and Wavelength Zones.
 */
export const AWS: ProviderSeed = {
  aws: {
    source: REGIONS,
    regions: {
      'af-south-1': { place: 'Cape Town', zones: { 'af-south-1-los-1a': 'Lagos', 'af-south-1-nbo-1a': 'Nairobi' } },
      'ap-east-1': 'Hong Kong',
      'ap-east-2': 'Taipei',
      'ap-northeast-1': { place: 'Tokyo', zones: { 'ap-northeast-1-tpe-1a': 'Taipei' } },
      'ap-northeast-2': 'Seoul',
      'ap-northeast-3': 'Osaka',
      'ap-south-1': 'Mumbai',
      'ap-south-2': 'Hyderabad',
      'ap-southeast-1': {
        place: 'Singapore',
        zones: { 'ap-southeast-1-bkk-1a': 'Bangkok', 'ap-southeast-1-han-1a': 'Hanoi', 'ap-southeast-1-mnl-1a': 'Manila' },
      },
      'ap-southeast-2': { place: 'Sydney', zones: { 'ap-southeast-2-akl-1a': 'Auckland' } },
      'ap-southeast-3': 'Jakarta',
      'ap-southeast-4': 'Melbourne',
      'ap-southeast-5': 'Kuala Lumpur',
      'ap-southeast-6': 'Auckland',
      'ap-southeast-7': 'Bangkok',
      'ca-central-1': 'Montréal',
      'ca-west-1': 'Calgary',
      'eu-central-1': {
        place: 'Frankfurt',
        zones: {
          'eu-central-1-ams-1a': 'Amsterdam',
          'eu-central-1-ath-1a': 'Athens',
          'eu-central-1-ist-1a': 'Istanbul',
          'eu-central-1-prg-1a': 'Prague',
          'eu-central-1-vie-1a': 'Vienna',
          'eu-central-1-waw-1a': 'Warsaw',
        },
      },
      'eu-central-2': 'Zürich',
      'eu-north-1': {
        place: 'Stockholm',
        zones: { 'eu-north-1-cph-1a': 'Copenhagen', 'eu-north-1-hel-1a': 'Helsinki', 'eu-north-1-osl-1a': 'Oslo' },
      },
      'eu-south-1': { place: 'Milan', zones: { 'eu-south-1-ath-1a': 'Athens' } },
      'eu-south-2': { place: 'Aragon', zones: { 'eu-south-2-lis-1a': 'Lisbon' } },
      'eu-west-1': 'Dublin',
      'eu-west-2': 'London',
      'eu-west-3': { place: 'Paris', zones: { 'eu-west-3-bru-1a': 'Brussels', 'eu-west-3-cmn-wlz-1a': 'Casablanca' } },
      'il-central-1': 'Tel Aviv',
      'me-central-1': 'Dubai',
      'me-south-1': { place: 'Manama', zones: { 'me-south-1-mct-1a': 'Muscat' } },
      'mx-central-1': 'Querétaro',
      'sa-east-1': 'São Paulo',
      'us-east-1': {
        place: 'Ashburn',
        zones: {
          'us-east-1-bog-1a': 'Bogotá',
          'us-east-1-bue-1a': 'Buenos Aires',
          'us-east-1-lim-1a': 'Lima',
          'us-east-1-qro-1a': 'Querétaro',
          'us-east-1-rio-1a': 'Rio de Janeiro',
          'us-east-1-scl-1a': 'Santiago',
        },
      },
      'us-east-2': 'Columbus',
      'us-west-1': 'San Francisco',
      'us-west-2': 'Hillsboro',
    },
  },
  'aws-cn': {
    source: 'Amazon Web Services in China, https://www.amazonaws.cn/en/about-aws/china/',
    regions: {
      'cn-north-1': { place: 'Beijing', operator: 'Sinnet' },
      'cn-northwest-1': { place: 'Zhongwei', operator: 'NWCD' },
    },
  },
  'aws-us-gov': {
    source: 'AWS GovCloud (US) user guide, https://docs.aws.amazon.com/govcloud-us/latest/UserGuide/whatis.html',
    regions: { 'us-gov-east-1': 'Columbus', 'us-gov-west-1': 'Hillsboro' },
  },
  'aws-eusc': {
    source: 'AWS European Sovereign Cloud user guide, https://docs.aws.eu/esc/latest/userguide/introduction.html',
    operator: 'AWS European Sovereign Cloud GmbH',
    regions: { 'eusc-de-east-1': 'Brandenburg' },
  },
  'aws-iso': { source: PARTITIONS, regions: { 'us-iso-east-1': 'United States', 'us-iso-west-1': 'United States' } },
  'aws-iso-b': { source: PARTITIONS, regions: { 'us-isob-east-1': 'United States', 'us-isob-west-1': 'United States' } },
  'aws-iso-e': { source: PARTITIONS, regions: { 'eu-isoe-west-1': 'United Kingdom' } },
  'aws-iso-f': { source: PARTITIONS, regions: { 'us-isof-east-1': 'United States', 'us-isof-south-1': 'United States' } },
};
