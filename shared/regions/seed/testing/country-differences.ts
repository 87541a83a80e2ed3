/**
 * Regions for which a public list names another country, with the reason to keep that of the seed.
 */
export const COUNTRY_DIFFERENCES: Readonly<Record<string, string>> = {
  'Spare Cores: azure/brazilsoutheast US':
    'A fault of the list: Microsoft has the region in Rio de Janeiro; the list has mixed it up with its next entry.',
  'Spare Cores: azure/mexicocentral ZA': 'A fault of the list: Microsoft has the region in Querétaro, Mexico.',
  'CodeCarbon: aws/ap-east-1 CN': 'The region is in Hong Kong, which has a code of its own in ISO 3166-1 (HK) and law of its own.',
  'CodeCarbon: gcp/asia-east2 CN': 'The region is in Hong Kong, which has a code of its own in ISO 3166-1 (HK) and law of its own.',
};
